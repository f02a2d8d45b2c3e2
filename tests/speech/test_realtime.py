"""A reply through the realtime engine: the protocol it speaks, the second attempt, and how it is stopped."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tts_service.deadline import Deadline
from tts_service.errors import SpeechBusy, SpeechCancelled, SpeechError, SpeechTimeout
from tts_service.secret import Secret
from tts_service.speech.engine import SpeechLimits
from tts_service.speech.speaking import probe, speak
from tts_service.speech.utterance import Patience
from tts_service.speech.voice import Asked, Ended, FirstSound, Opened, Piece, Voice

Line = Any  # tests/speech/conftest.py
CANARY = "xai-canary-0123456789abcdef"
SOUND = bytes(range(256)) * 8


def answering(*sounds: bytes) -> Callable[[Line], None]:
    """A well-behaved provider: one response for each text."""

    def script(line: Line) -> None:
        line.open()
        for number, sound in enumerate(sounds):
            line.asked(f"r{number}")
            line.delta(sound, f"r{number}")
            line.finish(f"r{number}")

    return script


def refusing(status: str) -> Callable[[Line], None]:
    return lambda line: line.answer(status)


def test_the_limits_are_those_of_faults_3() -> None:
    assert SpeechLimits() == SpeechLimits(
        max_speech_s=120.0, max_concurrent=512, connect_s=10.0, send_s=10.0, patience=Patience()
    )
    assert Patience() == Patience(first_audio_s=12.0, idle_s=10.0, settle_s=1.0)


# What it says.


def test_the_upgrade_offers_nothing_but_the_key(serve: Any, bench: Any) -> None:
    peer = serve(answering(SOUND))
    assert bench.speak(bench.engine(peer.port)).outcome() is None
    line = peer.line()
    assert line.head.startswith(b"GET /v1/realtime?model=voice-model HTTP/1.1\r\n")
    names = [name for name, _ in line.headers]
    assert sorted(names) == [
        "authorization",
        "connection",
        "host",
        "sec-websocket-key",
        "sec-websocket-version",
        "upgrade",
    ], "an origin, a subprotocol, an extension, a cookie, or a header twice"
    assert dict(line.headers)["authorization"] == f"Bearer {CANARY}"


def test_the_conversation_is_one_session_update_and_one_force_message_a_piece(serve: Any, bench: Any) -> None:
    peer = serve(answering(SOUND, SOUND))
    assert bench.speak(bench.engine(peer.port), "One.", "Two.").outcome() is None
    line = peer.line()
    assert line.ended.wait(6)
    assert line.said[0] == {
        "type": "session.update",
        "session": {
            "voice": "ara",
            "turn_detection": None,
            "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24_000}}},
        },
    }
    assert line.said[1:] == [
        {
            "type": "conversation.item.create",
            "item": {
                "type": "force_message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": text}],
            },
        }
        for text in ("One.", "Two.")
    ]
    assert line.close_code == 1000


def test_speed_and_pronunciations_are_asked_for_in_the_session(serve: Any, bench: Any) -> None:
    peer = serve(answering())
    talk = bench.begin(bench.engine(peer.port), Voice("rex", speed=1.2, pronunciations={"GIF": "jif"}))
    talk.speaking.finish()
    assert talk.outcome() is None
    session = peer.line().said[0]["session"]
    assert (session["voice"], session["audio"]["output"]["speed"]) == ("rex", 1.2)
    assert session["replace"] == {"GIF": "jif"}


def test_a_ping_is_answered_with_its_own_payload(serve: Any, bench: Any) -> None:
    pongs: list[bytes] = []

    def script(line: Line) -> None:
        line.open()
        line.asked()
        line.send(line.frame(b"beat", opcode=9))
        head = line._take(2)
        mask, data = line._take(4), line._take(4)
        pongs.append(head[:1] + bytes(byte ^ mask[at] for at, byte in enumerate(data)))
        line.delta(SOUND)
        line.finish()

    assert bench.speak(bench.engine(serve(script).port)).outcome() is None
    assert pongs == [b"\x8abeat"]


def test_pieces_are_spoken_in_order_with_one_response_in_flight(serve: Any, bench: Any) -> None:
    quiet: list[bool] = []

    def script(line: Line) -> None:
        line.open()
        for number, sound in enumerate((b"\x01\x00" * 9, b"\x02\x00" * 9, b"\x03\x00" * 9)):
            line.asked(f"r{number}")
            line.delta(sound, f"r{number}")
            quiet.append(line.is_quiet(0.1))
            line.event("response.output_audio.done", response_id=f"r{number}")
            line.done(response=f"r{number}")

    peer = serve(script)
    talk = bench.speak(bench.engine(peer.port), "One.", "Two.", "Three.")
    assert talk.outcome() is None
    assert [(piece.seq, piece.text) for piece in talk.pieces] == [(0, "One."), (1, "Two."), (2, "Three.")]
    assert talk.pcm == b"\x01\x00" * 9 + b"\x02\x00" * 9 + b"\x03\x00" * 9
    assert quiet == [True, True, True], "text was sent while a response was in flight"
    assert len(peer.lines) == 1


def test_pieces_spoken_before_a_fault_are_kept(serve: Any, bench: Any, journal: Any) -> None:
    def script(line: Line) -> None:
        line.open()
        line.asked("r0")
        line.delta(SOUND, "r0")
        line.finish("r0")
        line.asked("r1")
        line.delta(SOUND, "r1")
        line.close(1011)

    talk = bench.speak(bench.engine(serve(script).port), "One.", "Two.")
    assert talk.outcome().code == "speech_upstream_error"
    assert talk.pcm == SOUND
    assert [entry["audio_ms"] for entry in journal()] == [str(len(SOUND) // 48)]


def test_the_engine_tells_opened_then_first_sound_once_then_pieces_then_ended(serve: Any, bench: Any) -> None:
    talk = bench.speak(bench.engine(serve(answering(SOUND, SOUND)).port), "One.", "Two.")
    talk.outcome()
    assert [type(event) for event in talk.heard] == [Opened, Asked, FirstSound, Piece, Asked, Piece, Ended]


def test_sound_that_came_whole_is_kept_when_the_provider_has_left_before_our_pongs(
    serve: Any, bench: Any
) -> None:
    def script(line: Line) -> None:
        line.open()
        line.asked()
        frames: list[bytes] = []
        send, line.send = line.send, frames.append
        for _ in range(20):
            line.send(line.frame(b"", opcode=9))
        line.delta(SOUND)
        line.finish()
        send(b"".join(frames))
        line.sock.close()

    for _ in range(5):
        talk = bench.speak(bench.engine(serve(script).port))
        assert talk.outcome() is None
        assert talk.pcm == SOUND


def test_a_cookie_of_one_connection_is_never_sent_with_another(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.upgrade("Set-Cookie: tenant=acme; Domain=127.0.0.1; Path=/")

    peer = serve(script)
    engine = bench.engine(peer.port, bench.HURRIED)
    for _ in range(2):
        bench.speak(engine).outcome()
    assert "cookie" not in dict(peer.line(1).headers)


# The second attempt.


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(refusing("500 Oops"), id="refused with 500"),
        pytest.param(lambda line: line.reset(), id="reset"),
        pytest.param(lambda line: (line.upgrade(), line.close(1000)), id="closed before ready"),
    ],
)
def test_a_connection_that_fails_before_text_is_sent_is_tried_once_more(
    first: Any, serve: Any, bench: Any, journal: Any
) -> None:
    peer = serve(first, answering(SOUND))
    talk = bench.speak(bench.engine(peer.port))
    assert talk.outcome() is None
    assert talk.pcm == SOUND
    assert len(peer.lines) == 2
    assert [entry["event"] for entry in journal()] == ["ok"]


def test_there_is_no_third_attempt(serve: Any, bench: Any) -> None:
    peer = serve(refusing("500 Oops"))
    assert bench.speak(bench.engine(peer.port)).outcome().code == "speech_unavailable"
    assert len(peer.lines) == 2


def test_text_once_sent_is_never_sent_again(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.open()
        line.hear()
        line.reset()

    peer = serve(script, answering(SOUND))
    assert bench.speak(bench.engine(peer.port)).outcome().code == "speech_closed"
    assert len(peer.lines) == 1, "the text would have been paid for twice"


def test_an_outage_costs_one_twentieth_more_connections(serve: Any, bench: Any) -> None:
    peer = serve(lambda line: line.reset())
    engine = bench.engine(peer.port)
    with ThreadPoolExecutor(8) as turns:
        list(turns.map(lambda _: bench.speak(engine).outcome(), range(60)))
    assert 60 < len(peer.lines) <= 60 + 10 + 60 * 0.04


@pytest.mark.parametrize("end", ["close frame", "FIN", "RST"])
def test_a_provider_that_leaves_while_the_model_thinks_is_called_again(
    end: str, serve: Any, bench: Any, journal: Any
) -> None:
    def leaving(line: Line) -> None:
        line.open()
        line.mark.wait(20)
        {"close frame": lambda: line.close(1000), "FIN": line.hang_up, "RST": line.reset}[end]()
        line.mark.clear()

    peer = serve(leaving, answering(SOUND))
    talk = bench.begin(bench.engine(peer.port))
    talk.until(Opened)
    line = peer.line()
    line.mark.set()
    while line.mark.is_set():
        time.sleep(0.01)
    talk.speaking.say("Hello.", Deadline.after(10))
    talk.speaking.finish()
    assert talk.outcome() is None
    assert talk.pcm == SOUND
    assert len(peer.lines) == 2
    assert line.ended.wait(6) or end == "RST"
    assert [entry["event"] for entry in journal()] == ["ok"]


def test_a_session_that_waits_for_text_longer_than_any_limit_is_still_good(serve: Any, bench: Any) -> None:
    peer = serve(answering(SOUND))
    talk = bench.begin(bench.engine(peer.port, bench.HURRIED))
    talk.until(Opened)
    time.sleep(0.8)  # above every limit of HURRIED
    talk.speaking.say("Hello.", Deadline.after(10))
    talk.speaking.finish()
    assert talk.outcome() is None
    assert len(peer.lines) == 1, "the connection was thrown away for being idle"


def test_a_flood_while_the_model_thinks_does_not_stretch_the_turn(serve: Any, bench: Any) -> None:
    def flood(line: Line) -> None:
        line.open()
        # Text, which needs no answer: with pings the provider's own buffer would fill and stop it.
        frames = line.frame(b'{"type":"ping"}') * 4_000
        while True:
            line.send(frames)

    talk = bench.begin(bench.engine(serve(flood).port))
    talk.until(Opened)
    began = time.monotonic()
    talk.speaking.say("Hello.", Deadline.after(1))
    talk.speaking.finish()
    assert talk.outcome().code in ("speech_timeout", "speech_too_large")
    assert talk.ended_at - began < 8.0  # the flood would go on for ever


# Ends of our own making.


def silent(line: Line) -> None:
    line.stay()


def unready(line: Line) -> None:
    line.upgrade()


def ready(line: Line) -> None:
    line.open()


def thinking(line: Line) -> None:
    line.open()
    line.asked()


def speaking(line: Line) -> None:
    line.open()
    line.asked()
    while True:
        line.delta(SOUND)
        time.sleep(0.05)


def deaf(line: Line) -> None:
    line.open()
    line.mark.wait(20)


STAGES = {"handshake": silent, "session": unready, "idle": ready, "first audio": thinking, "audio": speaking}


@pytest.fixture
def hung_resolver() -> Iterator[Callable[[str, int], Any]]:
    release = threading.Event()

    def resolve(host: str, port: int) -> list[tuple[str, int]]:
        release.wait(20)
        return [("127.0.0.1", port)]

    yield resolve
    release.set()


def cancelled_in_time(talk: Any) -> SpeechError | None:
    time.sleep(0.15)  # into the stage
    began = time.monotonic()
    talk.speaking.cancel(SpeechCancelled(stage="drain"))
    error: SpeechError | None = talk.outcome()
    assert talk.ended_at - began < 8
    return error


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_ends_every_stage_within_a_second(stage: str, serve: Any, bench: Any, journal: Any) -> None:
    peer = serve(STAGES[stage])
    engine = bench.engine(peer.port)
    talk = bench.begin(engine) if stage == "idle" else bench.speak(engine)
    error = cancelled_in_time(talk)
    assert error is not None
    assert error.code == "speech_cancelled"
    assert [(entry["code"], entry["stage"]) for entry in journal()] == [("speech_cancelled", "drain")]
    assert peer.line().ended.wait(6)


def test_cancel_ends_a_send_to_a_provider_that_stopped_reading(serve: Any, bench: Any) -> None:
    peer = serve(deaf, recv_buffer=2048)
    talk = bench.speak(bench.engine(peer.port), "word " * 50_000)
    assert cancelled_in_time(talk).code == "speech_cancelled"
    peer.line().mark.set()
    assert peer.line().ended.wait(6)


def test_cancel_ends_a_look_up_that_hangs(hung_resolver: Any, bench: Any) -> None:
    talk = bench.speak(bench.engine(9, host="voice.test", resolve=hung_resolver))
    assert cancelled_in_time(talk).code == "speech_cancelled"


def test_cancel_ends_a_connect_that_nobody_answers(blackhole: int, bench: Any) -> None:
    addresses = [(f"127.0.0.{last}", blackhole) for last in (1, 2, 3)]
    talk = bench.speak(bench.engine(blackhole, host="voice.test", resolve=lambda host, port: addresses))
    assert cancelled_in_time(talk).code == "speech_cancelled"


def test_cancel_ends_a_tls_handshake_that_stalls(serve: Any, bench: Any) -> None:
    peer = serve(lambda line: line.mark.wait(20))
    talk = bench.speak(bench.engine(peer.port, scheme="https"))
    assert cancelled_in_time(talk).code == "speech_cancelled"
    peer.line().mark.set()
    assert peer.line().ended.wait(6)


def test_a_voice_that_nobody_waits_for_any_more_ends_without_a_line(
    serve: Any, bench: Any, journal: Any
) -> None:
    talk = bench.begin(bench.engine(serve(ready).port))
    talk.until(Opened)
    talk.speaking.cancel()
    talk.outcome(1)
    assert journal() == []


def test_a_fault_before_there_is_text_is_told_at_once(serve: Any, bench: Any, journal: Any) -> None:
    talk = bench.begin(bench.engine(serve(refusing("400 Bad")).port))
    assert talk.outcome(2).code == "speech_auth"
    assert [entry["code"] for entry in journal()] == ["speech_auth"]


def test_above_the_limit_of_conversations_speech_is_busy_and_a_free_place_is_used_again(
    serve: Any, bench: Any, journal: Any
) -> None:
    engine = bench.engine(serve(ready).port, SpeechLimits(max_concurrent=2))
    talks = [bench.begin(engine) for _ in range(2)]
    with pytest.raises(SpeechBusy):
        bench.begin(engine)
    assert [entry["code"] for entry in journal()] == ["speech_busy"]
    for talk in talks:
        talk.speaking.cancel()
        talk.outcome()
    again = bench.begin(engine)
    again.speaking.cancel()
    again.outcome()


def test_a_machine_without_threads_is_busy_and_keeps_its_place_free(
    serve: Any, bench: Any, journal: Any
) -> None:
    engine = bench.engine(serve(ready).port, SpeechLimits(max_concurrent=1))
    threading.stack_size(1 << 47)  # more than there is: no thread can be started
    try:
        with pytest.raises(SpeechBusy):
            bench.begin(engine)
    finally:
        threading.stack_size(0)
    assert [entry["code"] for entry in journal()] == ["speech_busy"]
    talk = bench.begin(engine)
    talk.speaking.cancel()
    talk.outcome()


def test_speak_gives_a_whole_text_as_one_piece(serve: Any, bench: Any) -> None:
    engine = bench.engine(serve(answering(SOUND)).port)
    told = list(speak(engine, Voice("ara"), Secret(CANARY), ["Hello."], Deadline.after(10)))
    assert [type(event) for event in told] == [Opened, Asked, FirstSound, Piece, Ended]
    assert told[-1] == Ended(None)


def test_speak_ends_at_its_deadline_and_its_line_says_so(serve: Any, bench: Any, journal: Any) -> None:
    peer = serve(thinking)
    engine = bench.engine(peer.port)
    *_, last = speak(engine, Voice("ara"), Secret(CANARY), ["Hello."], Deadline.after(0.3))
    assert isinstance(last.error, SpeechTimeout)
    assert peer.line().ended.wait(6)
    assert [entry["code"] for entry in journal()] == ["speech_timeout"]


def test_probe_opens_a_session_and_says_nothing(serve: Any, bench: Any, journal: Any) -> None:
    peer = serve(ready)
    assert probe(bench.engine(peer.port), Voice("ara"), Secret(CANARY), Deadline.after(5)) >= 0
    assert peer.line().ended.wait(6)
    assert [message["type"] for message in peer.line().said] == ["session.update"]
    assert journal() == []


def test_probe_raises_what_kept_the_session_from_opening(serve: Any, bench: Any) -> None:
    engine = bench.engine(serve(refusing("401 No")).port)
    with pytest.raises(SpeechError, match="speech_auth"):
        probe(engine, Voice("ara"), Secret(CANARY), Deadline.after(5))


def test_the_line_of_a_reply_holds_figures_and_words_of_ours_alone(
    serve: Any, bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench.speak(bench.engine(serve(answering(SOUND)).port), "The visitor's secret.").outcome()
    [line] = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        r"\[X\.AI TTS\] event=ok code=- stage=- ms=\d+ close=- http=- audio_ms=42 detail=- notes=-", line
    )


# Where it connects: faults 3c, rows 1 to 3.


def test_a_name_that_does_not_exist_is_speech_unavailable(bench: Any, journal: Any) -> None:
    def nxdomain(host: str, port: int) -> list[tuple[str, int]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    error = bench.speak(bench.engine(9, host="voice.test", resolve=nxdomain)).outcome()
    assert (error.code, error.stage) == ("speech_unavailable", "connect")
    assert len(journal()) == 1


def test_a_resolver_that_hangs_is_speech_timeout_at_the_connect_limit(
    hung_resolver: Any, bench: Any, journal: Any
) -> None:
    began = time.monotonic()
    talk = bench.speak(bench.engine(9, bench.HURRIED, host="voice.test", resolve=hung_resolver))
    error = talk.outcome()
    assert (error.code, error.stage) == ("speech_timeout", "connect")
    assert talk.ended_at - began < 6, "the reply's own time limit is 15 s"
    assert len(journal()) == 1


def test_a_refused_connection_is_speech_unavailable(bench: Any, journal: Any) -> None:
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        error = bench.speak(bench.engine(nobody.getsockname()[1])).outcome()
    assert (error.code, error.stage) == ("speech_unavailable", "connect")
    assert len(journal()) == 1


def test_the_connect_limit_holds_for_all_addresses_together(blackhole: int, bench: Any, journal: Any) -> None:
    addresses = [(f"127.0.0.{last}", blackhole) for last in (1, 2, 3, 4, 5, 6)]
    engine = bench.engine(blackhole, bench.HURRIED, host="voice.test", resolve=lambda host, port: addresses)
    began = time.monotonic()
    talk = bench.speak(engine)
    assert talk.outcome().code == "speech_unavailable"
    assert talk.ended_at - began < 6, "the reply's own time limit is 15 s"
    assert len(journal()) == 1


def test_a_dead_first_address_leaves_time_for_a_living_second(serve: Any, bench: Any) -> None:
    peer = serve(answering(SOUND))
    addresses = [("127.0.0.2", peer.port), ("127.0.0.1", peer.port)]
    engine = bench.engine(peer.port, host="voice.test", resolve=lambda host, port: addresses)
    talk = bench.speak(engine)
    assert talk.outcome() is None
    assert talk.pcm == SOUND


def test_a_silent_first_address_leaves_time_for_a_living_second(
    blackhole: int, serve: Any, bench: Any
) -> None:
    peer = serve(answering(SOUND))
    addresses = [("127.0.0.1", blackhole), ("127.0.0.1", peer.port)]
    limits = SpeechLimits(connect_s=1.0)
    engine = bench.engine(peer.port, limits, host="voice.test", resolve=lambda host, port: addresses)
    talk = bench.speak(engine)
    assert talk.outcome() is None
    assert talk.pcm == SOUND


def secured(context: ssl.SSLContext) -> Callable[[Line], None]:
    def script(line: Line) -> None:
        line.secure(context)
        answering(SOUND)(line)

    return script


def test_a_reply_comes_over_tls(serve: Any, bench: Any, authority: Any) -> None:
    peer = serve(secured(authority.server("voice.test")))
    engine = bench.engine(
        peer.port,
        scheme="https",
        host="voice.test",
        tls=authority.client(),
        resolve=lambda host, port: [("127.0.0.1", port)],
    )
    talk = bench.speak(engine)
    assert talk.outcome() is None
    assert talk.pcm == SOUND
    assert peer.line().ended.wait(6)


@pytest.mark.parametrize("fault", ["expired", "wrong name", "self-signed", "stalled", "plain HTTP"])
def test_a_tls_fault_is_speech_tls_and_the_key_stays_here(
    fault: str, serve: Any, bench: Any, authority: Any, journal: Any
) -> None:
    scripts: dict[str, Callable[[Line], None]] = {
        "expired": secured(authority.server("voice.test", expired=True)),
        "wrong name": secured(authority.server("elsewhere.test")),
        "self-signed": secured(authority.server("voice.test", unsigned=True)),
        "stalled": lambda line: line.mark.wait(20),
        "plain HTTP": lambda line: line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    }
    peer = serve(scripts[fault])
    engine = bench.engine(
        peer.port,
        bench.HURRIED if fault == "stalled" else None,
        scheme="https",
        host="voice.test",
        tls=authority.client(),
        resolve=lambda host, port: [("127.0.0.1", port)],
    )
    error = bench.speak(engine).outcome(3)
    peer.line().mark.set()
    assert (error.code, error.stage) == ("speech_tls", "connect")
    assert len(peer.lines) == len(journal()) == 1
    assert peer.line().head == b""
