"""What a user copies out of samples/ works as it stands."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "samples"
CLIENT_ID = "0f6d2c1e-8a54-4c1b-9d0e-2b7f3a6c5d41"


@pytest.fixture
def ask(scripted_service, tmp_path):
    """Runs samples/ask.py as a user does, in a folder of its own."""

    def run(*arguments, url=scripted_service.url):
        command = [sys.executable, SAMPLES / "ask.py", CLIENT_ID, "hello", "--url", url, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_the_embed_page_talks_to_the_service_from_another_origin(visitor, scripted_service, tone):
    scripted_service.reply("Fresh bread.", wav=tone(0.05))
    page = (SAMPLES / "embed.html").read_text()
    page = page.replace("http://127.0.0.1:8000", scripted_service.url)
    page = page.replace('data-client="CLIENT_ID"', f'data-client="{CLIENT_ID}"')
    scripted_service.pages["/embed.html"] = (page, {})
    visitor.page.goto(f"{scripted_service.site}/embed.html")
    visitor.opens()
    visitor.asks("What is fresh?")
    visitor.reads("Fresh bread.")
    assert visitor.hears("audio-end")["source"] == "service"


def test_ask_writes_the_spoken_reply(ask, scripted_service, tone, tmp_path):
    scripted_service.reply("Half past eight.", wav=tone(0.5))
    done = ask()
    assert (done.returncode, done.stderr) == (0, "")
    assert "Half past eight." in done.stdout
    assert "speech_first_audio" in done.stdout
    with wave.open(str(tmp_path / "test_output.wav")) as sound:
        assert sound.getnframes() == 12_000
    assert scripted_service.asked == [{"client_id": CLIENT_ID, "message": "hello", "audio_format": "wav"}]


def test_ask_says_in_the_services_words_why_it_refused(ask, scripted_service, tmp_path):
    scripted_service.refuse(429, "rate_limited", "Too many turns.", Retry_After="30")
    done = ask()
    assert done.returncode == 1
    assert done.stderr == "429 rate_limited: Too many turns. Wait 30 s. (request id req-42)\n"
    assert list(tmp_path.iterdir()) == []


def test_ask_keeps_the_text_when_the_voice_failed(ask, scripted_service, tmp_path):
    scripted_service.reply("Half past eight.", audio_error="speech_timeout")
    done = ask("--out", "reply.wav")
    assert done.returncode == 3
    assert "Half past eight." in done.stdout
    assert "speech_timeout" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, "<h1>hello</h1>", "not with JSON"),
        (502, "[]", "502 without saying why"),
        (
            200,
            json.dumps(
                {"text": "x", "timings_ms": {}, "audio": None, "audio_url": "https://x", "audio_error": None}
            ),
            "no audio data URL",
        ),
    ],
)
def test_ask_tells_a_strange_answer_in_one_line(ask, scripted_service, status, body, told):
    scripted_service.answer(status, body)
    done = ask()
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_ask_says_when_nobody_is_there(ask):
    done = ask(url="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "Is the service running?" in done.stderr
