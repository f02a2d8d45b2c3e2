"""Starting, refusing to start, stopping."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

import pytest

import tts_service.sandbox
from tts_service.sandbox.main import serve, start_in_thread

START = "from tts_service.sandbox.main import serve; serve(**eval(sys.argv[1]))"


def start(*, without=(), **options):
    """A sandbox in a process of its own, in which the modules `without` cannot be imported."""
    env = {k: v for k, v in os.environ.items() if k != "ENV"}
    program = f"import sys; sys.modules |= dict.fromkeys({list(without)}); {START}"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, repr(options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_quietly_with_a_session_open(peer_of, number):
    with start(port=0) as program:
        line = program.stdout.readline()
        base_url = re.fullmatch(
            r"sandbox: (http://127\.0\.0\.1:\d+/v1) \(voice: espeak-ng 1\.52\S*\)\n", line
        )[1]
        with peer_of(base_url).connect() as talk:
            assert talk.receive()["type"] == "session.created"
            program.send_signal(number)
            out, err = program.communicate(timeout=60)

    assert (program.returncode, out, err) == (0, "", "")


def test_without_an_encoder_mp3_is_refused_with_what_to_do(peer_of):
    with start(port=0, without=["lameenc"]) as program:
        try:
            peer = peer_of(program.stdout.readline().split()[1])
            answer = peer.call("POST", "/tts", json={"text": "Hello.", "language": "en"})
            upgrade = peer.refused("/tts?language=en")[0]
        finally:
            program.kill()
            program.communicate(timeout=60)

    assert (answer.status_code, upgrade) == (400, 400)
    assert "pip install lameenc" in answer.json()["error"]


def test_a_taken_port_is_said_in_plain_words(peer):
    port = int(peer.root.rsplit(":", 1)[1])
    with start(port=port) as program:
        _, err = program.communicate(timeout=60)

    assert program.returncode == 1
    assert err.startswith(f"Port {port} on 127.0.0.1 is taken")
    assert "--port 0" in err
    assert "Traceback" not in err


def test_it_does_not_start_in_production(monkeypatch):
    monkeypatch.setenv("ENV", "production")
    with pytest.raises(SystemExit, match="ENV=production"):  # Python shows the text and ends with 1
        serve(port=0)


def test_an_unknown_fault_keeps_it_from_starting_and_lists_the_known_ones():
    with pytest.raises(SystemExit, match=r"Did you mean silence\?"):
        serve(port=0, faults=["realtime.silenze"])


def test_a_fault_of_the_command_line_is_for_everyone(peer_of):
    with start_in_thread(faults=["realtime.http=429", "pace=0"], voice="tone") as base_url:
        client = peer_of(base_url)
        assert client.refused()[0] == 429
        assert client.call("GET", "/models").status_code == 200
        assert client.call("GET", "/sandbox/faults").json()["standing"] == [
            "realtime.http=429",
            "pace=0",
        ]
        client.http.close()


def test_the_tone_speaks_where_espeak_is_missing(peer_of, audio):
    with start_in_thread(voice="tone") as base_url:
        client = peer_of(base_url)
        with client.connect() as talk:
            talk.opened()
            assert 1 < len(audio(talk.say())) / 48_000 < 5
        assert client.call("GET", "/sandbox/../health").json() == {"status": "ok", "voice": "tone"}
        client.http.close()


def test_the_session_cap_counts_each_key_for_itself(peer_of):
    with start_in_thread(max_sessions=1, voice="tone") as base_url:
        client = peer_of(base_url)
        with client.connect():
            assert client.refused()[0] == 429
            with client.connect(key="xai-sandbox-other") as other:
                assert other.receive()["type"] == "session.created"
        client.http.close()


def test_nothing_is_left_behind_by_a_sandbox_in_a_thread(peer_of):
    before = set(threading.enumerate())
    with start_in_thread() as base_url:
        client = peer_of(base_url)
        with client.connect() as talk:
            talk.opened()
            talk.force("Something long enough to be still going on when the sandbox ends. " * 20)
            client.http.close()
    assert set(threading.enumerate()) == before


def test_it_imports_nothing_of_the_service():
    folder = pathlib.Path(tts_service.sandbox.__file__).parent
    imported = re.compile(r"^\s*(?:from|import)\s+(tts_service\S*)", re.MULTILINE)
    names = {name for path in folder.rglob("*.py") for name in imported.findall(path.read_text())}

    assert names
    assert {name for name in names if not name.startswith("tts_service.sandbox")} == set()
