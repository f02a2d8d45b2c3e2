"""The text-to-speech engine: the protocol it speaks, and every row of faults.md 3c that it can meet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.speech.test_realtime_faults import (
    BAD_SOUND,
    HARMLESS,
    LATE_S,
    NOT_EVENTS,
    Fault,
    closing,
    dripped_handshake,
    endless_headers,
    every,
    forty_megabytes,
    frame,
    from_the_start,
    in_turn,
    limits_of,
    nothing,
    raw,
    refusing,
    sending,
    times,
    torn_by,
    upgrading,
    ws_ping,
)
from tts_service.deadline import Deadline
from tts_service.dial import Dialer
from tts_service.errors import SpeechCancelled
from tts_service.sandbox.main import start_in_thread
from tts_service.secret import Secret
from tts_service.speech.engine import Engine, SpeechLimits
from tts_service.speech.speaking import speak
from tts_service.speech.tts import DELTA_CHARS, TtsDialect, TtsUtterance
from tts_service.speech.utterance import Patience, State
from tts_service.speech.voice import Asked, Ended, FirstSound, Opened, Piece, Voice

Line = Any  # tests/speech/conftest.py
Script = Callable[[Line], None]
CANARY = "xai-canary-0123456789abcdef"
SOUND = bytes(range(256)) * 8


def answering(line: Line) -> None:
    """A well-behaved provider, for as many texts as come."""
    line.upgrade()
    while True:
        line.tts_asked()
        line.tts_delta(SOUND)
        line.tts_finish()


# What it says.


@pytest.mark.parametrize(
    ("voice", "query"),
    [
        (Voice("ara"), "voice=ara&language=auto&codec=pcm&sample_rate=24000"),
        (
            Voice("leo", 1.25, "pt-BR"),
            "voice=leo&language=pt-BR&codec=pcm&sample_rate=24000&speed=1.25",
        ),
        (Voice("a&b=c d", 0.7), "voice=a%26b%3Dc+d&language=auto&codec=pcm&sample_rate=24000&speed=0.7"),
    ],
    ids=["plain", "manner", "nothing-slips-into-the-query"],
)
def test_the_url_says_voice_language_form_and_speed_and_a_header_the_key(
    voice: Voice, query: str, serve: Any, bench: Any
) -> None:
    peer = serve(answering)
    assert bench.speak(bench.tts(peer.port), voice=voice).outcome() is None
    line = peer.line()
    assert line.head.startswith(f"GET /v1/tts?{query} HTTP/1.1\r\n".encode())
    assert sorted(name for name, _ in line.headers) == [
        "authorization",
        "connection",
        "host",
        "sec-websocket-key",
        "sec-websocket-version",
        "upgrade",
    ], "an origin, a subprotocol, an extension, a cookie, or a header twice"
    assert dict(line.headers)["authorization"] == f"Bearer {CANARY}"


def test_each_piece_is_one_delta_and_done_with_nothing_before_it(serve: Any, bench: Any) -> None:
    peer = serve(answering)
    talk = bench.speak(bench.tts(peer.port), "One.", "Zwei: äöü. 三。")
    assert talk.outcome() is None
    assert [(piece.seq, piece.text, piece.pcm.data) for piece in talk.pieces] == [
        (0, "One.", SOUND),
        (1, "Zwei: äöü. 三。", SOUND),
    ]
    assert peer.line().said == [
        {"type": "text.delta", "delta": "One."},
        {"type": "text.done"},
        {"type": "text.delta", "delta": "Zwei: äöü. 三。"},
        {"type": "text.done"},
    ]
    assert len(peer.lines) == 1


@pytest.mark.parametrize(
    ("length", "deltas"),
    [(1, [1]), (DELTA_CHARS, [DELTA_CHARS]), (DELTA_CHARS * 2 + 1, [DELTA_CHARS, DELTA_CHARS, 1])],
)
def test_no_delta_is_longer_than_the_provider_takes_and_nothing_is_lost_between_them(
    length: int, deltas: list[int]
) -> None:
    text = ("abcdefghijklmnopqrstuvwxyz€" * (length // 27 + 1))[:length]
    spoken = TtsUtterance(Voice("ara"), 120.0, Patience())
    assert spoken.opening() == []
    *asked, done = [json.loads(message) for message in spoken.say(text)]
    assert done == {"type": "text.done"}
    assert [len(message["delta"]) for message in asked] == deltas
    assert "".join(message["delta"] for message in asked) == text
    assert {message["type"] for message in asked} == {"text.delta"}
    assert DELTA_CHARS == 15_000, "protocols 3.3"


def test_pronunciations_are_agreed_on_before_any_text(serve: Any, bench: Any) -> None:
    quiet: list[bool] = []

    def script(line: Line) -> None:
        line.upgrade()
        line.hear()
        quiet.append(line.is_quiet(0.15))
        line.event("session.updated", replace={"GIF": "jif"})
        line.tts_asked()
        line.tts_delta(SOUND)
        line.tts_finish()

    peer = serve(script)
    talk = bench.speak(bench.tts(peer.port), voice=Voice("ara", pronunciations={"GIF": "jif"}))
    assert talk.outcome() is None
    assert quiet == [True], "the text came before the provider had taken the pronunciations"
    assert peer.line().said[0] == {"type": "session.update", "replace": {"GIF": "jif"}}


def test_a_delta_without_sound_is_timestamps_and_not_a_fault(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        line.tts_asked()
        line.event("audio.delta", audio_timestamps={"graph_chars": ["H"]}, audio_duration=0.1)
        line.tts_delta(SOUND[:100])
        line.event("audio.delta", delta=None, audio_timestamps={})
        line.tts_delta(SOUND[100:])
        line.tts_finish()

    talk = bench.speak(bench.tts(serve(script).port))
    assert talk.outcome() is None
    assert talk.pcm == SOUND


def test_nothing_of_one_utterance_is_left_in_the_next(serve: Any, bench: Any) -> None:
    sounds = [b"\x01\x00" * 90, b"\x02\x00" * 7, b"\x03\x00" * 40]

    def script(line: Line) -> None:
        line.upgrade()
        for sound in sounds:
            line.tts_asked()
            line.tts_delta(sound)
            # In one packet: what comes after the end of a piece is nobody's.
            late = line.frame(b'{"type":"audio.delta","delta":"f38="}')
            line.send(line.frame(b'{"type":"audio.done"}') + late)

    talk = bench.speak(bench.tts(serve(script).port), "One.", "Two.", "Three.")
    assert talk.outcome() is None
    assert [piece.pcm.data for piece in talk.pieces] == sounds


def test_the_next_text_waits_for_the_end_of_the_one_before(serve: Any, bench: Any) -> None:
    quiet: list[bool] = []

    def script(line: Line) -> None:
        line.upgrade()
        for _ in range(2):
            line.tts_asked()
            line.tts_delta(SOUND)
            quiet.append(line.is_quiet(0.1))
            line.tts_finish()

    talk = bench.speak(bench.tts(serve(script).port), "One.", "Two.")
    assert talk.outcome() is None
    assert quiet == [True, True]


def test_it_tells_opened_then_asked_and_sound_then_pieces_then_ended(serve: Any, bench: Any) -> None:
    talk = bench.speak(bench.tts(serve(answering).port), "One.", "Two.")
    talk.outcome()
    assert [type(event) for event in talk.heard] == [Opened, Asked, FirstSound, Piece, Asked, Piece, Ended]


def test_a_refusal_that_may_mean_the_language_says_so(serve: Any, bench: Any) -> None:
    error = bench.speak(bench.tts(serve(refusing("400 No")).port)).outcome()
    assert error.code == "speech_auth"  # faults 3c-5: a wrong key is 400 as well
    assert "language" in error.message


def test_an_unknown_voice_is_told_as_such_and_not_as_a_wrong_address(serve: Any, bench: Any) -> None:
    error = bench.speak(bench.tts(serve(refusing("404 No")).port)).outcome()
    assert error.code == "speech_protocol"
    assert "does not know this voice" in error.message


# Faults. The same table as the realtime engine's, where the row can happen here.


def after_opening(act: Script) -> Script:
    """The whole text has been received; then `act`."""

    def script(line: Line) -> None:
        line.upgrade()
        line.tts_asked()
        act(line)

    return script


def amid_sound(act: Script) -> Script:
    return after_opening(in_turn(lambda line: line.tts_delta(SOUND), act))


def after_sound(act: Script) -> Script:
    return amid_sound(in_turn(lambda line: line.tts_finish(), act))


def then_finish(*acts: Script) -> Script:
    return in_turn(*acts, lambda line: line.tts_finish())


def delta(value: object) -> Script:
    return lambda line: line.event("audio.delta", delta=value)


def error_frame(line: Line) -> None:
    line.event("error", message="the provider's own words")


def timestamps(line: Line) -> None:
    line.event("audio.delta", audio_timestamps={})


def json_ping(line: Line) -> None:
    line.event("ping", timestamp=1)


def endless_sound(line: Line) -> None:
    while True:
        line.tts_delta(b"\x01\x00" * 24_000)


FAULTS = [
    Fault("4-dripped", dripped_handshake(0.02), "speech_timeout", "handshake", hurried=True),
    Fault("4-no-answer", lambda line: line.read_head(), "speech_timeout", "handshake", hurried=True),
    Fault("4-endless-headers", endless_headers, "speech_timeout", "handshake"),
    Fault("4-40-MB-body", forty_megabytes, "speech_timeout", "handshake"),
    *(
        Fault(f"5-{status}", refusing(f"{status} No"), "speech_auth", "handshake", http=str(status))
        for status in (400, 401, 403)
    ),
    *(
        Fault(f"6-{status}", refusing(f"{status} Hm"), "speech_protocol", "handshake", http=str(status))
        for status in (200, 404, 426)
    ),
    Fault("6-bad-accept", upgrading(accept="AAAA"), "speech_protocol", "handshake"),
    Fault("6-not-http", raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "speech_protocol", "handshake"),
    Fault(
        "23-deflate-in-the-handshake",
        upgrading("Sec-WebSocket-Extensions: permessage-deflate"),
        "speech_protocol",
        "handshake",
        detail="extension",
    ),
    Fault("7-429", refusing("429 Slow", "Retry-After: 2"), "speech_rate_limited", "handshake", http="429"),
    Fault("7-503", refusing("503 Full", "Retry-After: 2"), "speech_rate_limited", "handshake", http="503"),
    Fault("4-500", refusing("500 Oops"), "speech_unavailable", "handshake", http="500", connections=2),
    # Silence. 12 s in life, 10 s amid sound.
    *(
        Fault(f"9-{name}", script, "speech_timeout", "first_audio", hurried=True)
        for name, script in {
            "silence": after_opening(nothing),
            "ws-pings": from_the_start(every(0.05, ws_ping)),
            "json-pings": after_opening(every(0.05, json_ping)),
            "empty-deltas": after_opening(every(0.05, delta(""))),
            "timestamps-alone": after_opening(every(0.05, timestamps)),
        }.items()
    ),
    Fault("9-silence-amid-sound", amid_sound(nothing), "speech_timeout", "audio", hurried=True),
    Fault(
        "10-drip",
        after_opening(every(0.1, lambda line: line.tts_delta(b"\x01\x00" * 480))),
        "speech_timeout",
        "audio",
        speech_s=1.0,
        ends_s=1.0 + LATE_S,
    ),
    Fault(
        "10-dripped-frame",
        after_opening(lambda line: line.drip(frame(b"x" * 9_000), 0.01)),
        "speech_timeout",
        "first_audio",
        hurried=True,
    ),
    # Errors told as frames: flat here, in words that are the provider's.
    Fault("11", after_opening(error_frame), "speech_upstream_error", "first_audio", detail="other"),
    Fault(
        "11-then-close",
        after_opening(in_turn(error_frame, closing(1011))),
        "speech_upstream_error",
        "first_audio",
        detail="other",
    ),
    Fault("12", amid_sound(then_finish(error_frame)), None, notes="error_event"),
    *(
        Fault(
            f"12-then-close-{code}",
            amid_sound(in_turn(error_frame, closing(code))),
            "speech_upstream_error",
            "audio",
            close=str(code),
            detail="other",
            notes="error_event",
        )
        for code in (1000, 1011)
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
    # Ends.
    Fault("17-no-sound", after_opening(then_finish()), "speech_empty", "first_audio"),
    Fault("17-empty-sound", after_opening(then_finish(delta(""))), "speech_empty", "first_audio"),
    Fault("17-timestamps-alone", after_opening(then_finish(timestamps)), "speech_empty", "first_audio"),
    # Sound. No value at all is legal here.
    *(
        Fault(f"18-{name}", after_opening(delta(value)), "speech_bad_audio", "first_audio")
        for name, value in BAD_SOUND.items()
        if name != "null"
    ),
    Fault("18-amid-sound", amid_sound(delta("AA$A")), "speech_bad_audio", "audio"),
    Fault("18-empty-is-legal", amid_sound(then_finish(delta(""))), None),
    Fault(
        "19-odd-deltas",
        after_opening(
            then_finish(lambda line: line.tts_delta(SOUND[:333]), lambda line: line.tts_delta(SOUND[333:]))
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
    Fault("21-once", amid_sound(then_finish(sending(frame(SOUND, 2)))), None, notes="binary"),
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
            "10k-fragments": (frame(b"x", fin=False), frame(b"x", 0, fin=False) * 10_000),
        }.items()
    ),
    *(
        Fault(f"22-{name}", amid_sound(sending(*frames)), "speech_protocol", "audio", detail=detail)
        for name, detail, frames in (
            ("continuation-without-start", "frame", (frame(b"x", 0),)),
            ("masked", "frame", (b"\x81\x84{}{}\x89\x02ab",)),
            ("rsv1", "frame", (frame(b"x", rsv=4),)),
            ("utf8", "utf8", (frame(b'{"type":"\xff\xfe"}'),)),
        )
    ),
    Fault("24", after_opening(endless_sound), "speech_too_long", "audio", max_speech_s=3.0, ends_s=9.0),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row)
def test_a_fault_ends_with_its_code_in_time_with_one_line_and_a_closed_socket(
    fault: Fault, serve: Any, bench: Any, journal: Any
) -> None:
    peer = serve(fault.script)
    engine = bench.tts(peer.port, limits_of(fault, bench))
    began = time.monotonic()
    talk = bench.speak(engine, within_s=fault.speech_s)
    error = talk.outcome()

    assert (error and error.code) == fault.code
    assert talk.ended_at - began < fault.ends_s
    if fault.code is None:
        [piece] = talk.pieces
        assert (piece.pcm.data, piece.pcm.rate_hz) == (fault.pcm, fault.rate_hz)
        engine.close()  # what was kept for the next reply
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
    assert "canary" not in repr([error, error and (str(error), error.message, vars(error))])
    assert "provider's own words" not in str(journal())


@pytest.mark.parametrize("answer", ["nothing", "an error", "a close"])
def test_pronunciations_that_are_not_taken_end_the_reply_before_any_text(
    answer: str, serve: Any, bench: Any, journal: Any
) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        line.hear()
        {"nothing": lambda: None, "an error": lambda: error_frame(line), "a close": lambda: line.close(1008)}[
            answer
        ]()

    peer = serve(script)
    voice = Voice("ara", pronunciations={"GIF": "jif"})
    error = bench.speak(bench.tts(peer.port, bench.HURRIED), voice=voice).outcome()
    code = {"nothing": "speech_timeout", "an error": "speech_upstream_error", "a close": "speech_policy"}
    assert (error.code, error.stage) == (code[answer], "first_audio")
    assert len(journal()) == 1
    assert peer.line().ended.wait(6)
    assert [message["type"] for message in peer.line().said] == ["session.update"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_takes_the_key_nowhere(status: int, serve: Any, bench: Any, journal: Any) -> None:
    thief = serve(nothing)
    peer = serve(refusing(f"{status} Over there", f"Location: ws://127.0.0.1:{thief.port}/v1/tts"))
    assert bench.speak(bench.tts(peer.port)).outcome().code == "speech_protocol"
    assert thief.lines == []
    assert len(peer.lines) == len(journal()) == 1


def test_a_provider_that_stops_reading_ends_the_turn_at_the_send_limit(
    serve: Any, bench: Any, journal: Any
) -> None:
    def deaf(line: Line) -> None:
        line.upgrade()
        line.mark.wait(20)

    peer = serve(deaf, recv_buffer=2048)
    error = bench.speak(bench.tts(peer.port, bench.HURRIED), "word " * 50_000).outcome()
    peer.line().mark.set()
    assert (error.code, error.stage) == ("speech_timeout", "send")
    assert [entry["stage"] for entry in journal()] == ["send"]
    assert peer.line().ended.wait(6)


@pytest.mark.parametrize("stage", ["handshake", "idle", "first audio", "audio"])
def test_cancel_ends_every_stage_within_a_second(stage: str, serve: Any, bench: Any, journal: Any) -> None:
    scripts = {
        "handshake": lambda line: line.stay(),
        "idle": upgrading(),
        "first audio": after_opening(nothing),
        "audio": after_opening(every(0.05, lambda line: line.tts_delta(SOUND))),
    }
    peer = serve(scripts[stage])
    engine = bench.tts(peer.port)
    talk = bench.begin(engine) if stage == "idle" else bench.speak(engine)
    time.sleep(0.15)  # into the stage
    began = time.monotonic()
    talk.speaking.cancel(SpeechCancelled(stage="drain"))
    assert talk.outcome().code == "speech_cancelled"
    assert talk.ended_at - began < 8
    assert [(entry["code"], entry["stage"]) for entry in journal()] == [("speech_cancelled", "drain")]
    assert peer.line().ended.wait(6)


@pytest.mark.parametrize("value", [*BAD_SOUND.values(), {"a": 1}, True, 1e308], ids=repr)
@pytest.mark.parametrize("state", [State.OPENING, State.READY, State.SPOKEN])
def test_sound_that_nobody_asked_for_is_nobodys(value: object, state: State) -> None:
    voice = Voice("ara", pronunciations={"a": "b"} if state is State.OPENING else {})
    spoken = TtsUtterance(voice, 120.0, Patience())
    spoken.opening()
    if state is State.SPOKEN:
        spoken.say("Hello.")
        spoken.hear(b'{"type":"audio.delta","delta":"AAAA"}')
        spoken.hear(b'{"type":"audio.done"}')
    spoken.hear(json.dumps({"type": "audio.delta", "delta": value}).encode())
    assert spoken.state is state


# Against the sandbox, which shares no code with the service.


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with start_in_thread() as base_url:
        yield base_url


@pytest.fixture
def tts(sandbox: str) -> Iterator[Callable[..., Engine]]:
    dialer, engines = Dialer(), []

    def engine(limits: SpeechLimits) -> Engine:
        engines.append(Engine(dialer, TtsDialect(sandbox), limits))
        return engines[-1]

    yield engine
    for each in engines:
        each.close()
    dialer.close()


@pytest.mark.parametrize(
    ("fault", "code"),
    {
        "pace=0": None,
        "http=401": "speech_auth",
        "http=429,retry_after=2": "speech_rate_limited",
        "http=503": "speech_rate_limited",
        "http=500": "speech_unavailable",
        "redirect": "speech_protocol",
        "html": "speech_protocol",
        "reset": "speech_closed",
        "hang": "speech_timeout",
        "big_body=10000000": "speech_timeout",
        "handshake=bad_accept": "speech_protocol",
        "handshake=extension": "speech_protocol",
        "mute": "speech_timeout",
        "ws_pings": "speech_timeout",
        "close_before_audio": "speech_closed",
        "close_before_audio=1006": "speech_closed",
        "close_before_audio=1008": "speech_policy",
        "close_before_audio=1013": "speech_rate_limited",
        "close_after_audio": "speech_incomplete",
        "close_after_audio=1006": "speech_incomplete",
        "close_after_done": None,
        "cut_frame": "speech_incomplete",
        "bad_base64=alphabet": "speech_bad_audio",
        "bad_base64=padding": "speech_bad_audio",
        "bad_base64=urlsafe": "speech_bad_audio",
        "bad_base64=whitespace": "speech_bad_audio",
        "bad_base64=number": "speech_bad_audio",
        "bad_base64=empty": None,
        "odd_bytes": None,
        "odd_total": None,
        "bad_json=3": None,
        "bad_json=4": "speech_protocol",
        "binary_frame=1": None,
        "binary_frame=4": "speech_protocol",
        "huge_frame=100000000": "speech_too_large",
        "bad_frame=masked": "speech_protocol",
        "bad_frame=rsv": "speech_protocol",
        "bad_frame=utf8": "speech_protocol",
        "bad_frame=continuation": "speech_protocol",
        "bad_frame=length": "speech_too_large",
        "no_audio": "speech_empty",
        "no_audio_done": "speech_timeout",
        "error": "speech_upstream_error",
        "error=quota": "speech_upstream_error",
    }.items(),
    ids=lambda value: str(value),
)
def test_a_fault_of_the_sandbox_gives_its_code_or_the_sound(
    fault: str, code: str | None, tts: Callable[..., Engine], bench: Any, journal: Any
) -> None:
    limits = replace(bench.HURRIED, patience=Patience(0.8, 0.5, 0.15))
    talk = bench.speak(tts(limits), "Hello there.", key=f"xai-sandbox-{CANARY}+tts_ws.{fault}")
    error = talk.outcome()
    assert (error and error.code) == code
    assert (talk.pcm == b"") == (code is not None)
    if code is None:
        [piece] = talk.pieces
        assert 0.3 < piece.pcm.duration_s < 3.0
        assert len(piece.pcm.data) % 2 == 0
    assert [entry["code"] for entry in journal()] == [code or "-"]


def say(
    base_url: str, out: Path, text: str, key: str = "xai-sandbox", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tts_service.cli", "say", text, "--engine", "tts", "--out", str(out)],
        env=os.environ | {"XAI_BASE_URL": base_url, "XAI_API_KEY": key} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_say_writes_a_wav_as_long_as_its_words(sandbox: str, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    text = "The quick brown fox jumps over the lazy dog, and then it rests for a while in the shade."
    done = say(sandbox, out, text)
    assert done.returncode == 0, done.stderr
    with wave.open(str(out)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (24_000, 1, 2)
        frames = sound.getnframes()
    seconds = frames / 24_000
    assert len(text) / 25 < seconds < len(text) / 8, "people say about fifteen characters a second"
    assert out.stat().st_size == 44 + frames * 2
    assert f"{seconds:.2f} s of ara" in done.stdout
    assert "first sound" in done.stderr


def test_say_reads_no_markdown_and_keeps_the_sentences_of_a_text_that_is_too_long(
    sandbox: str, tmp_path: Path
) -> None:
    text = "# Welcome\n\n**Ask** [our team](https://example.com/x) 🙂 today. " + "We like questions. " * 20
    done = say(sandbox, tmp_path / "out.wav", text, MAX_SPEECH_S="6")
    assert done.returncode == 0, done.stderr
    assert "speech_too_long" in done.stderr
    with wave.open(str(tmp_path / "out.wav")) as sound:
        assert 2 < sound.getnframes() / sound.getframerate() <= 6
    calls = requests.get(sandbox.replace("/v1", "/sandbox/calls"), timeout=60).json()["calls"]
    [asked] = [call["texts"] for call in calls if "Welcome" in "".join(call.get("texts") or ())]
    assert "".join(asked).startswith("Welcome. Ask our team today.")


def test_say_that_fails_says_why_in_one_line_and_leaves_no_file(sandbox: str, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    done = say(sandbox, out, "Hello.", "xai-sandbox+tts_ws.close_after_audio,pace=0")
    assert done.returncode == 2
    assert "(speech_incomplete)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "xai-sandbox" not in done.stdout + done.stderr
    assert not out.exists()


def test_two_replies_of_one_voice_are_one_call_at_the_sandbox(
    tts: Callable[..., Engine], sandbox: str
) -> None:
    engine, voice, key = tts(SpeechLimits()), Voice("rex"), Secret("xai-sandbox-twice")
    for text in ("First.", "Second."):
        *_, last = speak(engine, voice, key, [text], Deadline.after(10))
        assert last == Ended(None)
    calls = requests.get(sandbox.replace("/v1", "/sandbox/calls"), timeout=60).json()["calls"]
    [call] = [call for call in calls if call["voice"] == "rex"]
    assert call["texts"] == ["First.", "Second."]
