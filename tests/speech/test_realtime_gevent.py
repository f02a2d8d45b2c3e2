"""The same engine under gevent, where a blocked read is a waiting greenlet and TLS timeouts are another's."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SOUND = bytes(range(256)) * 8
Line = Any  # tests/speech/conftest.py


def spoken(line: Line) -> None:
    line.open()
    line.asked()
    line.delta(SOUND)
    line.finish()


def dripped_handshake(line: Line) -> None:
    line.read_head()
    line.drip(line.accept_head("X-Pad: " + "x" * 60_000), 0.02)


def json_ping_flood(line: Line) -> None:
    line.upgrade()
    while True:
        line.event("ping", timestamp=1)


def reset_amid_sound(line: Line) -> None:
    line.open()
    line.asked()
    line.delta(SOUND)
    line.reset()


def hundred_megabytes(line: Line) -> None:
    line.open()
    line.asked()
    line.send(line.frame(b"x" * 1000, length=100_000_000))


def silent(line: Line) -> None:
    line.open()
    line.asked()


def test_the_engine_ends_every_reply_in_time_under_gevent(serve: Any, authority: Any, blackhole: int) -> None:
    context = authority.server("voice.test")

    def over_tls(line: Line) -> None:
        line.secure(context)
        spoken(line)

    def dripped_record(line: Line) -> None:
        line.secure(context)
        line.open()
        line.asked()
        line.drip(line.frame(b"x" * 9_000), 0.02)

    tls: dict[str, Any] = {"scheme": "https"}
    hurried: dict[str, Any] = {"hurried": True}
    cases: list[tuple[str, Any, dict[str, Any], str | None, float]] = [
        ("spoken", spoken, {}, None, 3),
        ("over TLS", over_tls, tls, None, 3),
        ("dripped handshake", dripped_handshake, hurried, "speech_timeout", 1.3),
        ("ping flood", json_ping_flood, hurried, "speech_timeout", 1.3),
        ("look-up that hangs", spoken, hurried | {"host": "hangs.test"}, "speech_timeout", 1.3),
        ("reset amid sound", reset_amid_sound, {}, "speech_incomplete", 3),
        ("100 MB", hundred_megabytes, {}, "speech_too_large", 3),
        ("cancelled amid silence", silent, {"cancel_s": 0.3}, "speech_cancelled", 1.3),
        (
            "cancelled amid a connect",
            silent,
            {"cancel_s": 0.3, "host": "silent.test", "port": blackhole},
            "speech_cancelled",
            1.3,
        ),
        (
            "cancelled amid a dripped TLS record",
            dripped_record,
            tls | {"cancel_s": 0.5},
            "speech_cancelled",
            1.5,
        ),
        ("deadline amid a dripped TLS record", dripped_record, tls | {"whole": 0.5}, "speech_timeout", 1.5),
    ]
    peers = [serve(script) for _, script, *_ in cases]
    rows = {name: {"port": peer.port} | row for (name, _, row, _, _), peer in zip(cases, peers, strict=True)}
    script = Path(__file__).with_name("under_gevent.py")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "gevent.monkey", str(script)],
        input=json.dumps({"rows": rows, "authority": authority.pem}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    for name, _, _, code, ends_s in cases:
        played = told["played"][name]
        assert played["code"] == code, name
        assert played["took_s"] < ends_s + 5, name  # a busy machine
        assert base64.b64decode(played["pcm"]) == (b"" if code else SOUND), name
    codes = [line.split(" code=")[1].split()[0] for line in told["lines"]]
    assert codes == [code or "-" for *_, code, _ in cases], "not one line a reply, with its code"
    assert "canary" not in ran.stdout + ran.stderr
    assert told["left"] == [0, 0], "sockets or greenlets left"
    began = time.monotonic()
    for (name, *_), peer in zip(cases, peers, strict=True):
        if peer.lines:
            assert peer.line().ended.wait(max(0.0, began + 3 - time.monotonic())), name
