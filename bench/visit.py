"""One visitor, one turn at a time: how soon a reply can be heard, and whether it is the right one."""

from __future__ import annotations

import base64
import http.client
import io
import json
import statistics
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass

from bench.contender import Running, asked
from bench.process import HOST
from bench.script import FIXED_BYTES, LONG_REPLY_S
from bench.sound import RATE_HZ, pcm

TIMEOUT_S = 30.0
EVENT_STREAM = "text/event-stream"


class WrongAnswer(Exception):
    pass


@dataclass(frozen=True)
class Heard:
    """Milliseconds from the question: to the first sound a browser could play, to the end of the answer."""

    first_audio_ms: float
    whole_ms: float


def check(running: Running) -> None:
    """One turn of the load script. Raises WrongAnswer unless its sound is the peer's, byte for byte."""
    _, response, answer = _turn(running, 0, "application/json")
    if response.status != 200:
        raise WrongAnswer(f"status {response.status}: {answer[:200].decode(errors='replace')}")
    reply = json.loads(answer)
    if not reply["audio_url"]:
        raise WrongAnswer(f"no sound: {reply.get('audio_error')}")
    kind, _, coded = reply["audio_url"].partition(",")
    if kind != "data:audio/wav;base64":
        raise WrongAnswer(f"the data URL begins with {kind}")
    if _samples(base64.b64decode(coded, validate=True)) != pcm(FIXED_BYTES):
        raise WrongAnswer("the sound is not what the peer spoke")


def load_turns(running: Running, count: int) -> float:
    """The p50 of whole turns of a load script, in milliseconds."""
    took = []
    for number in range(count + 1):
        began, response, _ = _turn(running, number, "application/json")
        took.append((time.perf_counter() - began) * 1000)
        if response.status != 200:
            raise WrongAnswer(f"status {response.status}")
    return statistics.median(took[1:])


def json_turns(running: Running, count: int) -> list[Heard]:
    """With the whole answer in one piece, nothing can be heard before its end."""
    heard = []
    for number in range(count + 1):
        began, response, answer = _turn(running, number, "application/json")
        took_ms = (time.perf_counter() - began) * 1000
        if response.status != 200 or not (url := json.loads(answer).get("audio_url")):
            raise WrongAnswer(f"status {response.status}: {answer[:200].decode(errors='replace')}")
        _check_duration(len(_samples(base64.b64decode(url.partition(",")[2]))))
        heard.append(Heard(took_ms, took_ms))
    return heard[1:]  # the first one opens what the others find open


def stream_turns(running: Running, count: int) -> list[Heard] | None:
    """The same as an event stream; None where the server does not offer one."""
    heard = []
    for number in range(count + 1):
        began, response, lines = _asked(running, number, EVENT_STREAM)
        if not (response.getheader("Content-Type") or "").startswith(EVENT_STREAM):
            response.read()
            return None
        heard.append(_streamed(began, lines))
        response.close()
    return heard[1:]


def peer_stats(port: int) -> dict[str, int]:
    """What the scripted provider counted."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    connection.request("GET", "/stats")
    return json.loads(connection.getresponse().read())


def p50(heard: list[Heard]) -> Heard:
    first = statistics.median(turn.first_audio_ms for turn in heard)
    return Heard(first, statistics.median(turn.whole_ms for turn in heard))


def _streamed(began: float, lines: Iterator[bytes]) -> Heard:
    event, first_ms, size = "", 0.0, 0
    for line in lines:
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        if name == b"event":
            event = value.strip().decode()
        elif name == b"data" and event == "audio":
            first_ms = first_ms or (time.perf_counter() - began) * 1000
            size += len(_samples(base64.b64decode(json.loads(value)["wav"])))
        elif name == b"data" and event == "error":
            raise WrongAnswer(value.decode())
        elif name == b"data" and event == "done":
            _check_duration(size)
            return Heard(first_ms, (time.perf_counter() - began) * 1000)
    raise WrongAnswer("the event stream ended without `done`")


def _turn(running: Running, number: int, accept: str) -> tuple[float, http.client.HTTPResponse, bytes]:
    began, response, _ = _asked(running, number, accept)
    return began, response, response.read()


def _asked(
    running: Running, number: int, accept: str
) -> tuple[float, http.client.HTTPResponse, Iterator[bytes]]:
    connection = http.client.HTTPConnection(HOST, running.port, timeout=TIMEOUT_S)
    connection.connect()
    headers = {"Content-Type": "application/json", "Accept": accept, "Connection": "close"}
    began = time.perf_counter()
    connection.request("POST", "/api/chat", asked(running, number), headers)
    response = connection.getresponse()
    return began, response, iter(response.readline, b"")


def _samples(wav: bytes) -> bytes:
    with wave.open(io.BytesIO(wav)) as sound:
        form = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
        if form != (RATE_HZ, 1, 2):
            raise WrongAnswer(f"rate, channels, width are {form}")
        return sound.readframes(sound.getnframes())


def _check_duration(size: int) -> None:
    """Within 5 %: a reply spoken in pieces loses the spaces between them, and `done` may repeat none."""
    seconds = size / (2 * RATE_HZ)
    if abs(seconds - LONG_REPLY_S) > 0.05 * LONG_REPLY_S:
        raise WrongAnswer(f"{seconds:.2f} s of sound instead of {LONG_REPLY_S}")
