"""A reply spoken piece by piece while its text still comes: order, money, faults in the middle, the cache,
and words the voice got wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tts_service.deadline import Deadline
from tts_service.errors import SpeechCancelled
from tts_service.secret import Secret
from tts_service.speech.audio import Pcm
from tts_service.speech.cache import SpeechCache
from tts_service.speech.engine import SpeechLimits
from tts_service.speech.pacing import Pacing
from tts_service.speech.speaking import speak
from tts_service.speech.voice import Asked, Ended, FirstSound, Opened, Piece, Voice

Line = Any  # tests/speech/conftest.py
Script = Callable[[Line], None]
CANARY = "xai-canary-0123456789abcdef"
LATE_S = 5.0
ONE, TWO, THREE, FOUR = (
    "The first sentence goes at once.",
    "The second comes later.",
    "The third, too.",
    "And a fourth.",
)


def sound(number: int, samples: int = 480) -> bytes:
    return bytes([number, number]) * samples


@dataclass(frozen=True)
class Way:
    """How a provider's end of one dialect goes. Pieces of a connection are numbered from 0."""

    engine: Callable[..., Any]  # of a Bench, a port and more
    opens: Script
    asked: Callable[[Line, int], str]
    sounds: Callable[[Line, int, bytes], None]
    finishes: Callable[[Line, int], None]

    def says(self, line: Line, number: int, pcm: bytes) -> str:
        text = self.asked(line, number)
        self.sounds(line, number, pcm)
        self.finishes(line, number)
        return text

    def speaking(self, *pcms: bytes) -> Script:
        """Opens and says these, one for each text."""

        def script(line: Line) -> None:
            self.opens(line)
            for number, pcm in enumerate(pcms):
                self.says(line, number, pcm)

        return script


REALTIME = Way(
    engine=lambda bench, port, *rest, **more: bench.engine(port, *rest, **more),
    opens=lambda line: line.open(),
    asked=lambda line, number: line.asked(f"r{number}"),
    sounds=lambda line, number, pcm: line.delta(pcm, f"r{number}"),
    finishes=lambda line, number: line.finish(f"r{number}"),
)
TTS = Way(
    engine=lambda bench, port, *rest, **more: bench.tts(port, *rest, **more),
    opens=lambda line: line.upgrade(),
    asked=lambda line, number: line.tts_asked(),
    sounds=lambda line, number, pcm: line.tts_delta(pcm),
    finishes=lambda line, number: line.tts_finish(),
)
both_ways = pytest.mark.parametrize("way", [REALTIME, TTS], ids=["realtime", "tts"])


def texts(line: Line) -> list[str]:
    """What was asked on that connection."""
    said = [message.get("item", {}).get("content", [{}])[0].get("text") for message in line.said]
    return [*filter(None, said), *(message["delta"] for message in line.said if "delta" in message)]


def counted_drifts() -> float:
    return REGISTRY.get_sample_value("tts_transcript_drift_total", {"engine": "realtime"}) or 0.0


def kinds(talk: Any) -> list[type]:
    return [type(event) for event in talk.heard]


# While the text still comes.


@both_ways
def test_the_first_sentence_is_spoken_before_the_next_is_written(way: Way, serve: Any, bench: Any) -> None:
    peer = serve(way.speaking(sound(1), sound(2)))
    talk = bench.begin(way.engine(bench, peer.port), pacing=Pacing())
    deadline = Deadline.after(10)
    talk.speaking.say(ONE, deadline)
    first = talk.until(Piece)
    assert (first.seq, first.text, first.pcm.data) == (0, ONE, sound(1))
    assert texts(peer.line()) == [ONE]
    talk.speaking.say(TWO, deadline)
    talk.speaking.finish()
    assert talk.outcome() is None
    assert [piece.text for piece in talk.pieces] == [ONE, TWO]
    assert len(peer.lines) == 1
    assert kinds(talk) == [Opened, Asked, FirstSound, Piece, Asked, Piece, Ended]


@both_ways
def test_what_is_written_while_a_piece_is_spoken_goes_as_the_next_one(
    way: Way, serve: Any, bench: Any
) -> None:
    def script(line: Line) -> None:
        way.opens(line)
        way.asked(line, 0)
        line.mark.wait(20)
        way.sounds(line, 0, sound(1))
        way.finishes(line, 0)
        way.says(line, 1, sound(2))

    peer = serve(script)
    talk = bench.begin(way.engine(bench, peer.port), pacing=Pacing())
    deadline = Deadline.after(10)
    talk.speaking.say(ONE, deadline)
    talk.until(Asked)
    for sentence in (TWO, THREE, FOUR):
        talk.speaking.say(sentence, deadline)
    talk.speaking.finish()
    peer.line().mark.set()
    assert talk.outcome() is None
    assert texts(peer.line()) == [ONE, f"{TWO} {THREE} {FOUR}"], "every piece costs its price"
    assert talk.pcm == sound(1) + sound(2)


def test_a_short_rest_waits_while_the_listener_still_hears_the_first_piece(serve: Any, bench: Any) -> None:
    """2 s of sound, and a lead of 1.5 s: the second piece may wait for a third sentence for half a second."""
    peer = serve(TTS.speaking(sound(1, 48_000), sound(2)))
    talk = bench.begin(bench.tts(peer.port), pacing=Pacing(lead_s=1.5))
    deadline = Deadline.after(10)
    talk.speaking.say(ONE, deadline)
    talk.until(Piece)
    began = time.monotonic()
    talk.speaking.say(TWO, deadline)
    talk.until(Asked)
    assert 0.3 < talk.ended_at - began < 1.5, "sent before its time, or when the listener heard silence"
    talk.until(Piece)
    talk.speaking.cancel()
    talk.outcome()


@both_ways
def test_pieces_come_in_order_on_one_socket_with_one_in_flight(way: Way, serve: Any, bench: Any) -> None:
    quiet: list[bool] = []

    def script(line: Line) -> None:
        way.opens(line)
        for number in range(4):
            way.asked(line, number)
            way.sounds(line, number, sound(number))
            quiet.append(line.is_quiet(0.05))
            way.finishes(line, number)

    peer = serve(script)
    talk = bench.speak(way.engine(bench, peer.port), ONE, TWO, THREE, FOUR)
    assert talk.outcome() is None
    assert [(piece.seq, piece.text, piece.pcm.data) for piece in talk.pieces] == [
        (number, text, sound(number)) for number, text in enumerate((ONE, TWO, THREE, FOUR))
    ]
    assert quiet == [True] * 4
    assert len(peer.lines) == 1


# Faults in the middle.

ENDS: dict[str, Script] = {
    "close-frame": lambda line: line.close(1000),
    "FIN": lambda line: line.hang_up(),
    "RST": lambda line: line.reset(),
}


@both_ways
@pytest.mark.parametrize("end", ENDS)
def test_a_provider_that_leaves_between_two_pieces_is_called_again_and_the_reply_goes_on(
    way: Way, end: str, serve: Any, bench: Any, journal: Any
) -> None:
    def leaving(line: Line) -> None:
        way.speaking(sound(1))(line)
        line.mark.wait(20)
        ENDS[end](line)
        line.mark.clear()

    peer = serve(leaving, way.speaking(sound(2), sound(3)))
    talk = bench.begin(way.engine(bench, peer.port))
    deadline = Deadline.after(10)
    talk.speaking.say(ONE, deadline)
    talk.until(Piece)
    peer.line().mark.set()
    while peer.line().mark.is_set():
        time.sleep(0.005)
    for sentence in (TWO, THREE):
        talk.speaking.say(sentence, deadline)
    talk.speaking.finish()
    assert talk.outcome() is None
    assert [(piece.seq, piece.pcm.data) for piece in talk.pieces] == [
        (0, sound(1)),
        (1, sound(2)),
        (2, sound(3)),
    ]
    assert [texts(line) for line in peer.lines] == [[ONE], [TWO, THREE]], "bought twice, or lost"
    assert kinds(talk).count(Asked) == 3
    assert kinds(talk).count(FirstSound) == 1
    assert peer.line().ended.wait(6)
    assert [entry["event"] for entry in journal()] == ["ok"]


@both_ways
def test_a_provider_that_leaves_and_may_not_be_called_again_leaves_what_it_has_said(
    way: Way, serve: Any, bench: Any
) -> None:
    peer = serve(lambda line: (way.speaking(sound(1))(line), line.close(1000)))
    engine = way.engine(bench, peer.port)
    while engine.retries.take():
        pass
    talk = bench.begin(engine)
    talk.speaking.say(ONE, Deadline.after(10))
    talk.until(Piece)
    time.sleep(0.05)
    talk.speaking.say(TWO, Deadline.after(10))
    error = talk.outcome()
    assert (error.code, error.stage) == ("speech_closed", "ready")
    assert talk.pcm == sound(1)
    assert len(peer.lines) == 1


def bad_sound(line: Line) -> None:
    line.event("response.output_audio.delta", response_id="r1", delta="?")
    line.event("audio.delta", delta="?")


FAULTS: dict[str, tuple[Script, str]] = {
    "error": (
        lambda line: line.event("error", message="?", error={"type": "internal_error", "message": "?"}),
        "speech_upstream_error",
    ),
    "close": (lambda line: line.close(1011), "speech_upstream_error"),
    "reset": (lambda line: line.reset(), "speech_closed"),
    "bad-sound": (bad_sound, "speech_bad_audio"),
    "silence": (lambda line: None, "speech_timeout"),
}


@both_ways
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_second_piece_keeps_the_first_and_tells_why_it_ended(
    way: Way, fault: str, serve: Any, bench: Any, journal: Any
) -> None:
    act, code = FAULTS[fault]

    def script(line: Line) -> None:
        way.opens(line)
        way.says(line, 0, sound(1))
        way.asked(line, 1)
        act(line)

    peer = serve(script)
    talk = bench.speak(way.engine(bench, peer.port, bench.HURRIED), ONE, TWO, THREE)
    assert talk.outcome().code == code
    assert [(piece.seq, piece.text, piece.pcm.data) for piece in talk.pieces] == [(0, ONE, sound(1))]
    assert [event.text for event in talk.heard if isinstance(event, Asked)] == [ONE, TWO]
    assert len(peer.lines) == 1, "the second piece would have been paid for twice"
    assert peer.line().ended.wait(6)
    [line] = journal()
    assert (line["event"], line["code"], line["audio_ms"]) == ("fail", code, "20")


@both_ways
def test_a_complaint_between_two_pieces_ends_the_reply_before_more_is_bought(
    way: Way, serve: Any, bench: Any
) -> None:
    def script(line: Line) -> None:
        way.speaking(sound(1))(line)
        line.mark.wait(20)
        line.event("error", message="?", error={"type": "timeout", "message": "?"})
        line.mark.clear()

    peer = serve(script)
    talk = bench.begin(way.engine(bench, peer.port))
    talk.speaking.say(ONE, Deadline.after(10))
    talk.until(Piece)
    peer.line().mark.set()
    while peer.line().mark.is_set():
        time.sleep(0.005)
    talk.speaking.say(TWO, Deadline.after(10))
    assert talk.outcome().code == "speech_upstream_error"
    assert talk.pcm == sound(1)
    assert texts(peer.line()) == [ONE]


@both_ways
def test_the_deadline_in_the_second_piece_keeps_the_first(way: Way, serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        way.opens(line)
        way.says(line, 0, sound(1))
        way.asked(line, 1)
        while True:
            way.sounds(line, 1, sound(2))
            time.sleep(0.02)

    peer = serve(script)
    began = time.monotonic()
    talk = bench.speak(way.engine(bench, peer.port), ONE, TWO, within_s=0.5)
    error = talk.outcome()
    assert (error.code, error.stage) == ("speech_timeout", "audio")
    assert 0.4 < talk.ended_at - began < 0.5 + LATE_S
    assert talk.pcm == sound(1), "half a sentence can say the opposite"
    assert peer.line().ended.wait(6)


@both_ways
def test_text_that_comes_after_the_deadline_is_not_bought(way: Way, serve: Any, bench: Any) -> None:
    peer = serve(way.speaking(sound(1), sound(2)))
    talk = bench.begin(way.engine(bench, peer.port))
    deadline = Deadline.after(0.3)
    talk.speaking.say(ONE, deadline)
    talk.until(Piece)
    time.sleep(0.35)
    talk.speaking.say(TWO, deadline)
    assert talk.outcome().code == "speech_timeout"
    assert talk.pcm == sound(1)
    assert texts(peer.line()) == [ONE]


# The longest audio of one reply, over all its pieces.


def test_the_longest_audio_holds_across_a_second_connection(serve: Any, bench: Any) -> None:
    def leaving(line: Line) -> None:
        line.upgrade()
        TTS.says(line, 0, sound(1, 24_000))
        line.close(1000)
        line.mark.set()

    peer = serve(leaving, TTS.speaking(sound(2, 24_000)))
    talk = bench.begin(bench.tts(peer.port, SpeechLimits(max_speech_s=1.5)))
    talk.speaking.say(ONE, Deadline.after(10))
    talk.until(Piece)
    assert peer.line().mark.wait(10)
    time.sleep(0.05)
    talk.speaking.say(TWO, Deadline.after(10))
    talk.speaking.finish()
    assert talk.outcome().code == "speech_too_long"
    assert talk.pcm == sound(1, 24_000)
    assert len(peer.lines) == 2


def test_the_longest_audio_counts_what_came_from_the_cache(serve: Any, bench: Any) -> None:
    engine = bench.tts(serve(TTS.speaking()).port, SpeechLimits(max_speech_s=1.5), SpeechCache())
    for text in (ONE, TWO):
        engine.remember(Voice("ara"), text, Pcm(sound(1, 24_000), 24_000))
    talk = bench.speak(engine, ONE, TWO)
    assert talk.outcome().code == "speech_too_long"
    assert [piece.text for piece in talk.pieces] == [ONE]


@both_ways
def test_a_reply_written_at_once_and_longer_than_may_be_said_keeps_its_first_sentences(
    way: Way, serve: Any, bench: Any
) -> None:
    def in_proportion(line: Line) -> None:
        way.opens(line)
        for number in range(3):
            text = way.asked(line, number)
            way.sounds(line, number, sound(number + 1, 24_000 * len(text) // 15))
            way.finishes(line, number)

    peer = serve(in_proportion)
    talk = bench.speak(way.engine(bench, peer.port, SpeechLimits(max_speech_s=4.0)), ONE, TWO, THREE)
    assert talk.outcome().code == "speech_too_long"
    assert [piece.text for piece in talk.pieces] == [ONE, TWO]


# What was bought before.


@both_ways
def test_a_piece_from_the_cache_is_not_bought_and_stands_in_its_place(
    way: Way, serve: Any, bench: Any
) -> None:
    peer = serve(way.speaking(sound(1), sound(3)))
    engine = way.engine(bench, peer.port, cache=SpeechCache())
    engine.remember(Voice("ara"), TWO, Pcm(sound(2), 24_000))
    talk = bench.speak(engine, ONE, TWO, THREE)
    assert talk.outcome() is None
    assert [(piece.seq, piece.text, piece.pcm.data, piece.cached) for piece in talk.pieces] == [
        (0, ONE, sound(1), False),
        (1, TWO, sound(2), True),
        (2, THREE, sound(3), False),
    ]
    assert texts(peer.line()) == [ONE, THREE]
    assert [event.text for event in talk.heard if isinstance(event, Asked)] == [ONE, THREE]


@both_ways
def test_what_was_bought_once_is_never_bought_again(way: Way, serve: Any, bench: Any) -> None:
    peer = serve(way.speaking(sound(1)), way.speaking())
    engine = way.engine(bench, peer.port, cache=SpeechCache())
    for is_cached in (False, True, True):
        talk = bench.speak(engine, ONE)
        assert talk.outcome() is None
        assert [(piece.pcm.data, piece.cached) for piece in talk.pieces] == [(sound(1), is_cached)]
        assert kinds(talk).count(FirstSound) == 1
    assert [text for line in peer.lines for text in texts(line)] == [ONE]


@pytest.mark.parametrize("way", [REALTIME, TTS], ids=["realtime", "tts"])
def test_a_whole_text_from_the_cache_needs_no_connection(way: Way, serve: Any, bench: Any) -> None:
    peer = serve(way.speaking())
    engine = way.engine(bench, peer.port, cache=SpeechCache())
    engine.remember(Voice("ara"), ONE, Pcm(sound(1), 24_000))
    told = list(speak(engine, Voice("ara"), Secret(CANARY), [ONE], Deadline.after(5)))
    assert told == [FirstSound(), Piece(0, ONE, Pcm(sound(1), 24_000), cached=True), Ended()]
    assert peer.lines == []


@pytest.mark.parametrize(
    "voice",
    [
        Voice("rex"),
        Voice("ara", speed=1.2),
        Voice("ara", language="de"),
        Voice("ara", pronunciations={"a": "b"}),
    ],
    ids=["voice", "speed", "language", "pronunciations"],
)
def test_another_manner_is_another_piece(voice: Voice, serve: Any, bench: Any) -> None:
    peer = serve(REALTIME.speaking(sound(2)))
    engine = bench.engine(peer.port, cache=SpeechCache())
    engine.remember(Voice("ara"), ONE, Pcm(sound(1), 24_000))
    talk = bench.speak(engine, ONE, voice=voice)
    assert talk.outcome() is None
    assert talk.pcm == sound(2)


def test_one_engines_sound_is_not_the_others(serve: Any, bench: Any) -> None:
    cache = SpeechCache()
    realtime = bench.engine(serve(REALTIME.speaking(sound(1))).port, cache=cache)
    tts = bench.tts(serve(TTS.speaking(sound(2))).port, cache=cache)
    for engine, pcm in ((realtime, sound(1)), (tts, sound(2))):
        talk = bench.speak(engine, ONE)
        assert talk.outcome() is None
        assert (talk.pcm, talk.pieces[0].cached) == (pcm, False)


@both_ways
def test_a_piece_that_failed_is_not_in_the_cache(way: Way, serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        way.opens(line)
        way.asked(line, 0)
        way.sounds(line, 0, sound(1))
        line.close(1000)

    engine = way.engine(bench, serve(script).port, cache=SpeechCache())
    assert bench.speak(engine, ONE).outcome().code == "speech_incomplete"
    assert engine.recalled(Voice("ara"), ONE) is None


def test_a_cached_piece_at_another_rate_is_not_mixed_into_the_reply(serve: Any, bench: Any) -> None:
    peer = serve(REALTIME.speaking(sound(1), sound(2)))
    engine = bench.engine(peer.port, cache=SpeechCache())
    engine.remember(Voice("ara"), TWO, Pcm(sound(9), 16_000))
    talk = bench.speak(engine, ONE, TWO)
    assert talk.outcome() is None
    assert [piece.pcm for piece in talk.pieces] == [Pcm(sound(1), 24_000), Pcm(sound(2), 24_000)]


# Words the voice got wrong.


def drifting(said: str, then: Script = lambda line: None) -> Script:
    """Speaks one piece with this transcript."""

    def script(line: Line) -> None:
        line.open()
        line.asked()
        line.delta(sound(1))
        for half in (said[:5], said[5:]):
            line.event("response.output_audio_transcript.delta", response_id="r1", delta=half)
        line.finish()
        then(line)

    return script


WRONG = "The first sentence stays at home."
RETRYING = Voice("ara", retries_drift=True)


@pytest.mark.parametrize(("said", "drifts"), [(ONE.upper().strip("."), 0), (WRONG, 1), ("", 0)])
def test_a_drift_is_counted_and_noted_without_its_words_and_not_cached(
    said: str, drifts: int, serve: Any, bench: Any, journal: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted_drifts()
    engine = bench.engine(serve(drifting(said)).port, cache=SpeechCache())
    engine.second = bench.tts(serve(TTS.speaking(sound(2))).port)
    talk = bench.speak(engine, ONE)
    assert talk.outcome() is None
    assert talk.pcm == sound(1), "without the client's wish the sound stays as it is"
    assert counted_drifts() - before == drifts
    [line] = journal()
    assert (line["event"], line["notes"]) == ("ok", "transcript_drift" if drifts else "-")
    assert (engine.recalled(Voice("ara"), ONE) is None) == bool(drifts)
    assert "sentence" not in caplog.text


def test_the_transcript_of_one_piece_is_not_compared_with_the_next(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.open()
        for number, text in enumerate((ONE, TWO)):
            line.asked(f"r{number}")
            line.delta(sound(number), f"r{number}")
            line.event("response.output_audio_transcript.delta", response_id=f"r{number}", delta=text)
            line.finish(f"r{number}")

    before = counted_drifts()
    engine = bench.engine(serve(script).port)
    assert bench.speak(engine, ONE, TWO).outcome() is None
    assert counted_drifts() == before


def test_a_drift_is_spoken_again_by_the_second_engine_where_the_client_wants_it(
    serve: Any, bench: Any, journal: Any
) -> None:
    cache = SpeechCache()
    first = serve(drifting(WRONG, lambda line: REALTIME.says(line, 2, sound(3))))
    second = serve(TTS.speaking(sound(2)))
    engine = bench.engine(first.port, cache=cache)
    engine.second = bench.tts(second.port, cache=cache)
    talk = bench.speak(engine, ONE, TWO, voice=RETRYING)
    assert talk.outcome() is None
    assert [(piece.seq, piece.text, piece.pcm.data) for piece in talk.pieces] == [
        (0, ONE, sound(2)),
        (1, TWO, sound(3)),
    ]
    assert texts(second.line()) == [ONE], "only the piece that drifted"
    assert [event.text for event in talk.heard if isinstance(event, Asked)] == [ONE, ONE, TWO]
    assert journal()[-1]["notes"] == "transcript_drift,second_engine"
    assert engine.recalled(RETRYING, ONE) is None
    assert engine.second.recalled(RETRYING, ONE) == Pcm(sound(2), 24_000)


def test_a_second_engine_that_has_it_already_is_not_paid_again(serve: Any, bench: Any) -> None:
    second = serve(TTS.speaking())
    engine = bench.engine(serve(drifting(WRONG)).port)
    engine.second = bench.tts(second.port, cache=SpeechCache())
    engine.second.remember(RETRYING, ONE, Pcm(sound(2), 24_000))
    talk = bench.speak(engine, ONE, voice=RETRYING)
    assert talk.outcome() is None
    assert talk.pcm == sound(2)
    assert [event.text for event in talk.heard if isinstance(event, Asked)] == [ONE]
    assert second.lines == []


@pytest.mark.parametrize("trouble", ["refused", "fails", "busy", "none"])
def test_a_second_engine_that_cannot_costs_neither_the_first_sound_nor_the_rest(
    trouble: str, serve: Any, bench: Any
) -> None:
    scripts: dict[str, Script] = {
        "refused": lambda line: line.answer("401 No"),
        "fails": lambda line: (line.upgrade(), line.tts_asked(), line.close(1011)),
    }
    engine = bench.engine(
        serve(drifting(WRONG, lambda line: REALTIME.says(line, 2, sound(3)))).port, bench.HURRIED
    )
    if trouble != "none":
        port = serve(scripts.get(trouble, TTS.speaking())).port
        engine.second = bench.tts(port, SpeechLimits(max_concurrent=1))
    if trouble == "busy":
        engine.second.take_slot()
    before = counted_drifts()
    talk = bench.speak(engine, ONE, TWO, voice=RETRYING)
    assert talk.outcome() is None
    assert talk.pcm == sound(1) + sound(3)
    assert counted_drifts() - before == 1


def test_cancel_ends_the_second_engine_too(serve: Any, bench: Any) -> None:
    def deaf(line: Line) -> None:
        line.upgrade()
        line.tts_asked()
        line.mark.set()

    second = serve(deaf)
    engine = bench.engine(serve(drifting(WRONG)).port)
    engine.second = bench.tts(second.port)
    talk = bench.speak(engine, ONE, voice=RETRYING)
    assert second.line().mark.wait(10)
    began = time.monotonic()
    talk.speaking.cancel(SpeechCancelled(stage="drain"))
    assert talk.outcome().code == "speech_cancelled"
    assert talk.ended_at - began < 8
    assert second.line().ended.wait(6), "the second engine's socket outlived the reply"


def test_the_deadline_ends_the_second_engine_too(serve: Any, bench: Any) -> None:
    second = serve(lambda line: (line.upgrade(), line.tts_asked()))
    engine = bench.engine(serve(drifting(WRONG)).port)
    engine.second = bench.tts(second.port)
    began = time.monotonic()
    talk = bench.speak(engine, ONE, TWO, voice=RETRYING, within_s=0.5)
    assert talk.outcome().code == "speech_timeout"
    assert talk.ended_at - began < 0.5 + LATE_S
    assert talk.pcm == sound(1), "the sound there was, before the second engine was asked"
    assert second.line().ended.wait(6)


# A reply of which nothing is to be said.


@both_ways
@pytest.mark.parametrize("stage", ["handshake", "ready"])
def test_a_voice_that_is_not_needed_after_all_ends_without_a_fault(
    way: Way, stage: str, serve: Any, bench: Any, journal: Any
) -> None:
    peer = serve(way.opens if stage == "ready" else lambda line: line.stay())
    talk = bench.begin(way.engine(bench, peer.port))
    if stage == "ready":
        talk.until(Opened)
    peer.line()
    talk.speaking.cancel()
    assert talk.outcome(1) is None, "nothing was asked, so nothing failed"
    assert journal() == []
    assert peer.line().ended.wait(6)
