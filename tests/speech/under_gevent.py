"""The engine as gunicorn's gevent workers run it. test_realtime_gevent.py starts it as
`python -m gevent.monkey under_gevent.py` and gives the plan on stdin: one reply for each row.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import queue
import socket
import ssl
import sys
import threading
import time
from typing import Any

from gevent.monkey import is_module_patched

from tts_service.deadline import Deadline
from tts_service.dial import Address, Dialer
from tts_service.errors import SpeechCancelled
from tts_service.secret import Secret
from tts_service.speech.engine import Engine, SpeechLimits
from tts_service.speech.realtime import RealtimeDialect
from tts_service.speech.speaking import begin, speak
from tts_service.speech.utterance import Patience
from tts_service.speech.voice import Ended, Piece, Told, Voice

HURRIED = SpeechLimits(connect_s=0.6, send_s=0.5, patience=Patience(0.6, 0.6, 0.15))
VOICE, KEY = Voice("ara"), Secret("xai-canary-0123456789abcdef")


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def resolve(host: str, port: int) -> list[Address]:
    if host == "hangs.test":
        time.sleep(3)
    hosts = 3 if host == "silent.test" else 1
    return [(f"127.0.0.{last + 1}", port) for last in range(hosts)]


def open_sockets() -> int:
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        except FileNotFoundError:  # the listing's own
            continue
    return count


def play(row: dict[str, Any], dialer: Dialer) -> dict[str, Any]:
    base_url = f"{row.get('scheme', 'http')}://{row.get('host', 'voice.test')}:{row['port']}/v1"
    limits = HURRIED if row.get("hurried") else SpeechLimits()
    engine = Engine(dialer, RealtimeDialect(base_url, "voice-model"), limits)
    began = time.monotonic()
    heard: list[Told] = []
    if row.get("whole"):
        heard = list(speak(engine, VOICE, KEY, ["Hello."], Deadline.after(row["whole"])))
    else:
        told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        speaking = begin(engine, VOICE, KEY, told.put)
        speaking.say("Hello.", Deadline.after(15))
        speaking.finish()
        if "cancel_s" in row:
            time.sleep(row["cancel_s"])
            speaking.cancel(SpeechCancelled(stage="drain"))
        while not heard or not isinstance(heard[-1], Ended):
            heard.append(told.get(timeout=15))
    ended = heard[-1]
    assert isinstance(ended, Ended)
    sound = b"".join(event.pcm.data for event in heard if isinstance(event, Piece))
    return {
        "code": ended.error and ended.error.code,
        "took_s": time.monotonic() - began,
        "pcm": base64.b64encode(sound).decode(),
    }


def main() -> None:
    assert is_module_patched("socket"), "start me with python -m gevent.monkey"
    plan = json.load(sys.stdin)
    lines = Lines()
    logging.getLogger("tts_service").addHandler(lines)
    logging.getLogger("tts_service").setLevel(logging.INFO)
    dialer = Dialer(resolve, ssl.create_default_context(cadata=plan["authority"]))
    socket.socketpair()  # whatever the hub opens for itself, it has opened by now
    before = open_sockets()
    played = {name: play(row, dialer) for name, row in plan["rows"].items()}
    dialer.close()
    until = time.monotonic() + 5
    while (open_sockets() > before or threading.active_count() > 1) and time.monotonic() < until:
        time.sleep(0.02)
    left = open_sockets() - before, threading.active_count() - 1
    json.dump({"played": played, "lines": lines.said, "left": left}, sys.stdout)


main()
