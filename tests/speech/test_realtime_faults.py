"""The rows of faults.md 3c, each played by a scripted provider over a real socket.

Whatever the provider does: the code of that row or exactly its sound, in time, one log line, and the
provider's socket closed.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tts_service.speech.engine import SpeechLimits

Line = Any  # tests/speech/conftest.py
Script = Callable[[Line], None]

SOUND = bytes(range(256)) * 8
LATE_S = 5.0  # faults 3, invariants: 0.5 s; the rest is for a busy machine


@dataclass(frozen=True)
class Fault:
    row: str
    script: Script
    code: str | None  # None: the reply is spoken all the same
    stage: str = "-"
    close: str = "-"
    http: str = "-"
    detail: str = "-"
    notes: str = "-"
    pcm: bytes = SOUND
    rate_hz: int = 24_000
    connections: int = 1
    hurried: bool = False
    max_speech_s: float = 120.0
    speech_s: float = 15.0  # the deadline of the reply
    ends_s: float = 6.0  # without its limit a row goes on for 10 s or longer


def refusing(status: str, *headers: str, body: bytes = b'{"code":"x","error":"y"}') -> Script:
    return lambda line: line.answer(status, *headers, body=body)


def upgrading(*headers: str, accept: str | None = None) -> Script:
    return lambda line: line.upgrade(*headers, accept=accept)


def raw(answer: bytes) -> Script:
    def script(line: Line) -> None:
        line.read_head()
        line.send(answer)

    return script


def endless_headers(line: Line) -> None:
    line.read_head()
    line.send(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        line.send(b"X-More: " + b"x" * 1000 + b"\r\n")


def forty_megabytes(line: Line) -> None:
    line.read_head()
    line.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 40000000\r\n\r\n")
    for _ in range(610):
        line.send(b"x" * 65_536)


def dripped_handshake(every_s: float) -> Script:
    def script(line: Line) -> None:
        line.read_head()
        line.drip(line.accept_head("X-Pad: " + "x" * 60_000), every_s)

    return script


def after_opening(act: Script) -> Script:
    """Session ready, text received and its response announced; then `act`."""

    def script(line: Line) -> None:
        line.open()
        line.asked()
        act(line)

    return script


def amid_sound(act: Script) -> Script:
    def script(line: Line) -> None:
        line.open()
        line.asked()
        line.delta(SOUND)
        act(line)

    return script


def after_sound(act: Script) -> Script:
    def script(line: Line) -> None:
        line.open()
        line.asked()
        line.delta(SOUND)
        line.event("response.output_audio.done", response_id="r1")
        act(line)

    return script


def nothing(line: Line) -> None:
    pass


def every(pause_s: float, act: Script) -> Script:
    def script(line: Line) -> None:
        while True:
            act(line)
            time.sleep(pause_s)

    return script


def from_the_start(act: Script) -> Script:
    def script(line: Line) -> None:
        line.upgrade()
        act(line)

    return script


def sending(*frames: bytes) -> Script:
    def script(line: Line) -> None:
        for frame in frames:
            line.send(frame)

    return script


def frame(payload: bytes, opcode: int = 1, **options: Any) -> bytes:
    """As Line.frame, for tables that are built before there is a line."""
    head = bytes([(0x80 if options.get("fin", True) else 0) | options.get("rsv", 0) << 4 | opcode])
    size = options.get("length", len(payload))
    if size < 126:
        return head + bytes([size]) + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


def closing(code: int | None) -> Script:
    return lambda line: line.close(code)


def erring(kind: str, code: str = "", **members: Any) -> Script:
    error = {"type": kind, "code": code or kind, "message": "the provider's own words"} | members
    return lambda line: line.event("error", error=error)


def flat_error(line: Line) -> None:
    line.event("error", code="rate_limit_exceeded", message="the provider's own words")


def ending(status: str) -> Script:
    return lambda line: line.done(status)


def in_turn(*acts: Script) -> Script:
    def script(line: Line) -> None:
        for act in acts:
            act(line)

    return script


def then_finish(*acts: Script) -> Script:
    return in_turn(*acts, lambda line: line.finish())


def delta(value: object) -> Script:
    return lambda line: line.event("response.output_audio.delta", response_id="r1", delta=value)


def times(count: int, act: Script) -> Script:
    def script(line: Line) -> None:
        for _ in range(count):
            act(line)

    return script


def torn_by(end: Callable[[Line], None]) -> Script:
    """Half a frame, and the end."""

    def script(line: Line) -> None:
        line.send(frame(b"x" * 100)[:50])
        end(line)

    return script


def session(**form: Any) -> Script:
    def script(line: Line) -> None:
        line.open(**form)
        line.asked()
        line.delta(SOUND)
        line.finish()

    return script


def function_call(line: Line) -> None:
    line.event("response.output_item.added", response_id="r1", item={"type": "function_call"})
    line.event("response.function_call_arguments.done", response_id="r1", name="search", arguments="{}")
    line.done()


def endless_sound(line: Line) -> None:
    while True:
        line.delta(b"\x01\x00" * 24_000)


def mixed(line: Line) -> None:
    """Row 26 in one: sound before its response is announced, another response's sound, sound sent twice."""
    line.upgrade()
    line.hear()
    line.event("conversation.created", conversation={"id": "c1"})  # and no session.created
    line.event("session.updated", session={})
    line.hear()
    line.delta(SOUND[:100], event_id="e1")
    line.event("response.created", response={"id": "r1"})
    line.delta(SOUND[100:200], kind="audio", event_id="e2")
    line.delta(b"\x7f" * 50, response="r0", event_id="e3")
    line.delta(SOUND[100:200], event_id="e2")
    line.event("response.done", response={"id": "r0", "status": "cancelled"})
    line.delta(SOUND[200:], event_id="e4")
    line.event("response.audio.done", response_id="r1")
    line.delta(b"\x7f" * 50, event_id="e5")
    line.done()


def nested(depth: int) -> bytes:
    return b'{"type":"x","deep":' + b"[" * depth + b"]" * depth + b"}"


NOT_EVENTS = {
    "not-json": b"{",
    "array": b"[1]",
    "number": b"7",
    "no-type": b'{"a":1}',
    "type-no-string": b'{"type":5}',
    "deep": nested(2_000),
    "nan": b'{"type":"x","n":NaN}',
}
HARMLESS = {
    "unknown-type": b'{"type":"response.hologram.delta","delta":"?"}',
    "duplicate-keys": b'{"type":"error","type":"ping"}',
    "nested": nested(100),
}
BAD_SOUND = {
    "alphabet": "AA$A",
    "padding": "AAA",
    "early-padding": "=AAA",
    "inner-padding": "AA==AAAA",
    "url-safe": base64.urlsafe_b64encode(b"\xfb\xff\xfe").decode(),
    "whitespace": "AAAA\nAAAA",
    "not-ascii": "AAAÄ",
    "number": 7,
    "null": None,
    "list": ["AAAA"],
    "4-MB": "A" * 4_000_000,
}


def json_ping(line: Line) -> None:
    line.event("ping", timestamp=1)


def ws_ping(line: Line) -> None:
    line.send(frame(b"", opcode=9))


FAULTS = [
    # The upgrade.
    Fault("4-dripped", dripped_handshake(0.02), "speech_timeout", "handshake", hurried=True),
    Fault("4-dripped-fast", dripped_handshake(0.0002), "speech_timeout", "handshake", hurried=True),
    Fault("4-no-answer", lambda line: line.read_head(), "speech_timeout", "handshake", hurried=True),
    Fault("4-endless-headers", endless_headers, "speech_timeout", "handshake"),
    Fault("4-40-MB-body", forty_megabytes, "speech_timeout", "handshake"),
    *(
        Fault(f"5-{status}", refusing(f"{status} No"), "speech_auth", "handshake", http=str(status))
        for status in (400, 401, 402, 403)
    ),
    *(
        Fault(f"6-{status}", refusing(f"{status} Hm"), "speech_protocol", "handshake", http=str(status))
        for status in (200, 404, 426)
    ),
    Fault("6-bad-accept", upgrading(accept="AAAA"), "speech_protocol", "handshake"),
    Fault(
        "6-extension",
        upgrading("Sec-WebSocket-Extensions: x-unknown"),
        "speech_protocol",
        "handshake",
        detail="extension",
    ),
    Fault("6-not-http", raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "speech_protocol", "handshake"),
    Fault("6-no-status-line", raw(b"\r\n\r\n"), "speech_protocol", "handshake"),
    Fault("6-binary-header", raw(b"HTTP/1.1 101 \xff\xfe\r\n\r\n"), "speech_protocol", "handshake"),
    Fault(
        "6-bad-length", raw(b"HTTP/1.1 404 X\r\nContent-Length: x\r\n\r\n"), "speech_protocol", "handshake"
    ),
    Fault("7-429", refusing("429 Slow", "Retry-After: 2"), "speech_rate_limited", "handshake", http="429"),
    Fault("7-503", refusing("503 Full", "Retry-After: 2"), "speech_rate_limited", "handshake", http="503"),
    Fault("4-500", refusing("500 Oops"), "speech_unavailable", "handshake", http="500", connections=2),
    Fault(
        "14-fin-in-handshake",
        in_turn(raw(b"HTTP/1.1 10"), lambda line: line.hang_up()),
        "speech_closed",
        "handshake",
        connections=2,
    ),
    Fault(
        "14-reset-in-handshake",
        lambda line: (line.read_head(), line.reset()),
        "speech_closed",
        "handshake",
        connections=2,
    ),
    # Silence. 12 s in life.
    *(
        Fault(f"9-{name}", script, "speech_timeout", "first_audio", hurried=True)
        for name, script in {
            "silence": from_the_start(nothing),
            "ws-pings": from_the_start(every(0.05, ws_ping)),
            "ws-ping-flood": from_the_start(every(0.0002, ws_ping)),
            "json-pings": from_the_start(every(0.05, json_ping)),
            "json-ping-flood": from_the_start(every(0.0002, json_ping)),
            "silence-once-ready": lambda line: line.open(),
            "silence-once-announced": after_opening(nothing),
            "pings-once-announced": after_opening(every(0.05, json_ping)),
            "empty-deltas": after_opening(every(0.05, delta(""))),
        }.items()
    ),
    Fault(
        "9-silence-amid-sound", amid_sound(every(0.05, json_ping)), "speech_timeout", "audio", hurried=True
    ),
    Fault(
        "10-drip",
        after_opening(every(0.1, lambda line: line.delta(b"\x01\x00" * 480))),
        "speech_timeout",
        "audio",
        speech_s=1.5,
        ends_s=1.5 + LATE_S,
    ),
    Fault(
        "10-dripped-frame",
        after_opening(lambda line: line.drip(frame(b"x" * 9_000), 0.01)),
        "speech_timeout",
        "first_audio",
        hurried=True,
    ),
    # Errors told as events.
    *(
        Fault(f"11-{kind}", after_opening(erring(kind)), "speech_upstream_error", "first_audio", detail=word)
        for kind, word in {
            "max_duration": "session",
            "timeout": "session",
            "invalid_request_error": "item",
            "insufficient_quota": "quota",
            "content_policy_violation": "policy",
            "rate_limit_exceeded": "rate_limit",
            "internal_error": "internal",
            "something_new": "other",
        }.items()
    ),
    Fault("11-flat", after_opening(flat_error), "speech_upstream_error", "first_audio", detail="rate_limit"),
    Fault(
        "11-before-ready",
        from_the_start(erring("invalid_request_error")),
        "speech_upstream_error",
        "first_audio",
        detail="item",
    ),
    Fault("12", amid_sound(then_finish(erring("internal_error"))), None, notes="error_event"),
    Fault(
        "12-then-close",
        amid_sound(in_turn(erring("max_duration"), closing(1000))),
        "speech_upstream_error",
        "audio",
        close="1000",
        detail="session",
        notes="error_event",
    ),
    # Closes.
    *(
        Fault(
            f"13-{code}-{name}",
            around(closing(code)),
            result,
            stage if result else "-",
            close=str(code or 1005) if result else "-",
        )
        for code in (1000, 1001, None)
        for name, around, result, stage in (
            ("before-sound", after_opening, "speech_closed", "first_audio"),
            ("amid-sound", amid_sound, "speech_incomplete", "audio"),
            ("after-sound", after_sound, None, "-"),
        )
    ),
    *(
        Fault(
            f"14-{how}-{name}",
            around(torn_by(end)),
            result,
            stage if result else "-",
            close="1006" if result else "-",
        )
        for how, end in (("fin", lambda line: line.hang_up()), ("rst", lambda line: line.reset()))
        for name, around, result, stage in (
            ("before-sound", after_opening, "speech_closed", "first_audio"),
            ("amid-sound", amid_sound, "speech_incomplete", "audio"),
            ("after-sound", after_sound, None, "-"),
        )
    ),
    *(
        Fault(f"15-{close}-{name}", around(closing(close)), code, stage, close=str(close))
        for close, code in {
            1002: "speech_protocol",
            1003: "speech_protocol",
            1007: "speech_protocol",
            1008: "speech_policy",
            1009: "speech_protocol",
            1011: "speech_upstream_error",
            1013: "speech_rate_limited",
            4000: "speech_closed",
            4999: "speech_closed",
        }.items()
        for name, around, stage in (
            ("before-sound", after_opening, "first_audio"),
            ("amid-sound", amid_sound, "audio"),
        )
    ),
    Fault(
        "15-1013-before-ready",
        from_the_start(closing(1013)),
        "speech_rate_limited",
        "first_audio",
        close="1013",
    ),
    # Ends.
    Fault("16-done-missing", after_sound(nothing), None, hurried=True),
    Fault("16-only-done", amid_sound(ending("completed")), None),
    *(
        Fault(
            f"17-{status}",
            amid_sound(ending(status)),
            "speech_upstream_error",
            "audio",
            detail="response_status",
        )
        for status in ("failed", "cancelled", "incomplete")
    ),
    Fault(
        "17-cancelled-event",
        amid_sound(lambda line: line.event("response.cancelled", response_id="r1")),
        "speech_upstream_error",
        "audio",
        detail="response_status",
    ),
    Fault(
        "17-failed-after-sound",
        after_sound(ending("failed")),
        "speech_upstream_error",
        "settle",
        detail="response_status",
    ),
    Fault("17-no-sound", after_opening(ending("completed")), "speech_empty", "first_audio"),
    Fault("17-empty-sound", after_opening(then_finish(delta(""))), "speech_empty", "first_audio"),
    # Sound.
    *(
        Fault(f"18-{name}", after_opening(delta(value)), "speech_bad_audio", "first_audio")
        for name, value in BAD_SOUND.items()
    ),
    Fault("18-empty-is-legal", amid_sound(then_finish(delta(""))), None),
    Fault(
        "19-odd-deltas",
        after_opening(
            then_finish(lambda line: line.delta(SOUND[:333]), lambda line: line.delta(SOUND[333:]))
        ),
        None,
    ),
    Fault("19-odd-in-all", amid_sound(then_finish(delta("AA=="))), None, notes="odd_tail"),
    # Frames and events that are none.
    *(
        Fault(
            f"20-{name}-four-times",
            after_opening(times(4, sending(frame(payload)))),
            "speech_protocol",
            "first_audio",
            detail="malformed",
            notes="malformed",
        )
        for name, payload in NOT_EVENTS.items()
    ),
    *(
        Fault(
            f"20-{name}-three-times",
            amid_sound(then_finish(times(3, sending(frame(payload))))),
            None,
            notes="malformed",
        )
        for name, payload in NOT_EVENTS.items()
    ),
    *(
        Fault(f"20-{name}", amid_sound(then_finish(times(20, sending(frame(payload))))), None)
        for name, payload in HARMLESS.items()
    ),
    *(
        Fault(f"21-{name}-once", amid_sound(then_finish(sending(frame(payload, 2)))), None, notes="binary")
        for name, payload in {"pcm": SOUND, "json": b'{"type":"ping"}'}.items()
    ),
    Fault(
        "21-four-times",
        amid_sound(times(4, sending(frame(SOUND, 2)))),
        "speech_protocol",
        "audio",
        detail="binary",
        notes="binary",
    ),
    *(
        Fault(f"22-{name}", amid_sound(sending(*frames)), "speech_too_large", "audio")
        for name, frames in {
            "100-MB": (frame(b"x" * 1000, length=100_000_000),),
            "2^63": (frame(b"x" * 1000, length=2**63),),
            "2^64-1": (frame(b"x" * 1000, length=2**64 - 1),),
            "10k-fragments": (frame(b"x", fin=False), frame(b"x", 0, fin=False) * 10_000),
        }.items()
    ),
    *(
        Fault(f"22-{name}", amid_sound(sending(*frames)), "speech_protocol", "audio", detail=detail)
        for name, detail, frames in (
            ("continuation-without-start", "frame", (frame(b"x", 0),)),
            ("start-within-start", "frame", (frame(b"x", fin=False), frame(b"x"))),
            ("masked", "frame", (b"\x81\x84{}{}\x89\x02ab",)),
            ("rsv1", "frame", (frame(b"x", rsv=4),)),
            ("rsv2", "frame", (frame(b"x", rsv=2),)),
            ("rsv3", "frame", (frame(b"x", rsv=1),)),
            ("opcode", "frame", (frame(b"x", 3),)),
            ("long-ping", "frame", (b"\x89\x7e\x00\x7e" + b"x" * 126,)),
            ("fragmented-ping", "frame", (frame(b"x", 9, fin=False),)),
            ("utf8", "utf8", (frame(b'{"type":"\xff\xfe"}'),)),
        )
    ),
    Fault(
        "23-deflate-in-the-handshake",
        upgrading("Sec-WebSocket-Extensions: permessage-deflate"),
        "speech_protocol",
        "handshake",
        detail="extension",
    ),
    Fault("24", after_opening(endless_sound), "speech_too_long", "audio", max_speech_s=3.0, ends_s=9.0),
    Fault("25-16-kHz", session(rate=16_000), None, rate_hz=16_000),
    *(
        Fault(f"25-{name}", session(**form), "speech_bad_format", "first_audio")
        for name, form in {
            "pcmu": {"type": "audio/pcmu", "rate": 8_000},
            "opus": {"type": "audio/opus"},
            "stereo": {"channels": 2},
            "rate-0": {"rate": 0},
            "rate-of-nobody": {"rate": 23_999},
        }.items()
    ),
    Fault("26", mixed, None),
    Fault("27", after_opening(function_call), "speech_empty", "first_audio"),
]


def limits_of(fault: Fault, bench: Any) -> Any:
    limits = bench.HURRIED if fault.hurried else SpeechLimits()
    return replace(limits, max_speech_s=fault.max_speech_s)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row)
def test_a_fault_ends_with_its_code_in_time_with_one_line_and_a_closed_socket(
    fault: Fault, serve: Any, bench: Any, journal: Any
) -> None:
    peer = serve(fault.script)
    engine = bench.engine(peer.port, limits_of(fault, bench))
    began = time.monotonic()
    talk = bench.speak(engine, within_s=fault.speech_s)
    error = talk.outcome()

    assert (error and error.code) == fault.code
    assert talk.ended_at - began < fault.ends_s
    if fault.code is None:
        [piece] = talk.pieces
        assert (piece.pcm.data, piece.pcm.rate_hz) == (fault.pcm, fault.rate_hz)
    else:
        assert talk.pieces == [], "a cut piece was handed out"
    [line] = journal()
    assert line["event"] == ("fail" if fault.code else "ok")
    assert (line["code"], line["stage"]) == (fault.code or "-", fault.stage)
    assert (line["close"], line["http"]) == (fault.close, fault.http)
    assert (line["detail"], line["notes"]) == (fault.detail, fault.notes)
    assert len(peer.lines) == fault.connections
    for number in range(fault.connections):
        assert peer.line(number).ended.wait(6), "the socket is still open at the provider"
    assert json.dumps(error and [str(error), error.message]).count("canary") == 0
    assert "provider's own words" not in str(journal())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_the_key_nowhere(status: int, serve: Any, bench: Any, journal: Any) -> None:
    thief = serve(nothing)
    peer = serve(refusing(f"{status} Over there", f"Location: ws://127.0.0.1:{thief.port}/v1/realtime"))
    error = bench.speak(bench.engine(peer.port)).outcome()
    assert error.code == "speech_protocol"
    assert thief.lines == []
    assert len(peer.lines) == len(journal()) == 1


def test_a_100_megabyte_frame_is_refused_by_its_header_and_takes_no_memory(serve: Any, bench: Any) -> None:
    def hundred_megabytes(line: Line) -> None:
        line.open()
        line.asked()
        line.send(frame(b"", length=100_000_000))
        chunk = b"x" * 65_536
        for _ in range(1526):
            line.send(chunk)

    def resident_bytes() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    peer = serve(hundred_megabytes)
    engine = bench.engine(peer.port)
    bench.speak(engine).outcome()  # what a first conversation allocates for good is not the frame's
    before = resident_bytes()
    assert bench.speak(engine).outcome().code == "speech_too_large"
    assert resident_bytes() - before < 4 * 1024 * 1024


def test_a_provider_that_stops_reading_ends_the_turn_at_the_send_limit(
    serve: Any, bench: Any, journal: Any
) -> None:
    def deaf(line: Line) -> None:
        line.open()
        line.mark.wait(20)

    peer = serve(deaf, recv_buffer=2048)
    talk = bench.speak(
        bench.engine(peer.port, bench.HURRIED), "word " * 50_000
    )  # Linux buffers the first 60 kB
    error = talk.outcome(5)
    peer.line().mark.set()
    assert (error.code, error.stage) == ("speech_timeout", "send")
    assert [entry["stage"] for entry in journal()] == ["send"]
    assert peer.line().ended.wait(6)
