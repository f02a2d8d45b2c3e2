"""What one engine holds for the whole process: sockets, sound, counts, and how it lets go of them."""

from __future__ import annotations

from typing import Any

import pytest

from tts_service.deadline import Deadline
from tts_service.dial import Lifeline
from tts_service.errors import SpeechBusy, SpeechError
from tts_service.secret import Secret
from tts_service.speech.audio import Pcm
from tts_service.speech.cache import SpeechCache
from tts_service.speech.engine import SpeechLimits
from tts_service.speech.speaking import probe
from tts_service.speech.utterance import State
from tts_service.speech.voice import Opened, Voice

Line = Any  # tests/speech/conftest.py
KEY = Secret("xai-key")
ARA = Voice("ara")
SOUND = Pcm(b"\x01\x00" * 480, 24_000)


def upgraded(line: Line) -> None:
    line.upgrade()


def speaking(line: Line) -> None:
    line.upgrade()
    while True:
        line.tts_asked()
        line.tts_delta(SOUND.data)
        line.tts_finish()


def open_one(engine: Any, voice: Voice = ARA, lifeline: Lifeline | None = None) -> Any:
    return engine.open(voice, KEY, Deadline.after(5), lifeline or Lifeline())


@pytest.mark.parametrize(
    ("max_speech_s", "least", "most"), [(1.0, 4_000_000, 5_000_000), (120.0, 20_000_000, 40_000_000)]
)
def test_the_byte_budget_holds_all_the_sound_there_may_be_and_not_much_more(
    max_speech_s: float, least: int, most: int
) -> None:
    budget = SpeechLimits(max_speech_s=max_speech_s).budget_bytes
    assert least < budget < most
    assert budget > max_speech_s * 48_000 * 2 * 4 / 3, "at the highest rate, in base64"


def test_a_new_connection_still_has_to_open_and_a_warm_one_is_ready(serve: Any, bench: Any) -> None:
    engine = bench.tts(serve(upgraded).port)
    lifeline = Lifeline()
    cold = open_one(engine, lifeline=lifeline)
    assert cold.utterance.state is State.OPENING
    engine.keep(cold, ARA, KEY, lifeline)
    warm = open_one(engine)
    assert warm.connection is cold.connection
    assert warm.utterance is not cold.utterance
    assert warm.utterance.state is State.READY
    warm.connection.close()


def test_whoever_gave_a_connection_back_can_end_it_no_more_and_whoever_has_it_can(
    serve: Any, bench: Any
) -> None:
    peer = serve(upgraded)
    engine = bench.tts(peer.port)
    first, second = Lifeline(), Lifeline()
    engine.keep(open_one(engine, lifeline=first), ARA, KEY, first)
    warm = open_one(engine, lifeline=second)
    first.cut()
    assert warm.connection.meanwhile(Deadline.after(1)) == []
    second.cut()
    assert peer.line().ended.wait(6)
    warm.connection.close()


def test_a_connection_whose_new_owner_has_gone_already_is_ended_at_once(serve: Any, bench: Any) -> None:
    peer = serve(upgraded)
    engine = bench.tts(peer.port)
    first, gone = Lifeline(), Lifeline()
    engine.keep(open_one(engine, lifeline=first), ARA, KEY, first)
    gone.cut()
    open_one(engine, lifeline=gone).connection.close()
    assert peer.line().ended.wait(6)


@pytest.mark.parametrize("is_tts", [True, False], ids=["tts", "realtime"])
def test_a_closed_engine_leaves_no_connection(is_tts: bool, serve: Any, bench: Any) -> None:
    peer = serve(upgraded)
    engine = (bench.tts if is_tts else bench.engine)(peer.port)
    lines = []
    for number in range(3):
        lifeline = Lifeline()
        session = open_one(engine, Voice(f"voice-{number}"), lifeline)
        engine.keep(session, Voice(f"voice-{number}"), KEY, lifeline)
        lines.append(peer.line(number))
    engine.close()
    for line in lines:
        assert line.ended.wait(6)
        assert line.close_code == 1000


def test_a_reply_under_way_when_the_engine_closes_keeps_no_connection(serve: Any, bench: Any) -> None:
    peer = serve(speaking)
    engine = bench.tts(peer.port)
    talk = bench.begin(engine)
    talk.until(Opened)
    engine.close()
    talk.speaking.say("Hello there.", Deadline.after(5))
    talk.speaking.finish()
    assert talk.outcome() is None
    assert talk.pcm == SOUND.data
    assert peer.line().ended.wait(6)


def refused_later(line: Line) -> None:
    line.mark.wait(20)
    line.answer("401 No")


@pytest.mark.parametrize("end", ["spoken", "failed", "cancelled"])
def test_a_place_is_free_again_however_the_reply_ended(end: str, serve: Any, bench: Any) -> None:
    script = {"spoken": speaking, "failed": refused_later, "cancelled": upgraded}[end]
    peer = serve(script)
    engine = bench.tts(peer.port, SpeechLimits(max_concurrent=1))
    for number in range(3):
        talk = bench.begin(engine)
        with pytest.raises(SpeechBusy):
            bench.begin(engine)
        if end == "cancelled":
            talk.speaking.cancel()
        elif end == "failed":
            peer.line(number).mark.set()
        else:
            talk.speaking.say("Hello there.", Deadline.after(5))
            talk.speaking.finish()
        talk.outcome()


@pytest.mark.parametrize(
    ("status", "is_tts", "message"),
    [
        ("404 No", True, "does not know this voice"),
        ("404 No", False, "Check XAI_BASE_URL"),
        ("426 Upgrade", True, "Check XAI_BASE_URL"),
        ("401 No", True, "refused the key"),
    ],
)
def test_a_refusal_is_explained_as_the_dialect_means_it(
    status: str, is_tts: bool, message: str, serve: Any, bench: Any
) -> None:
    engine = (bench.tts if is_tts else bench.engine)(serve(lambda line: line.answer(status)).port)
    with pytest.raises(SpeechError) as refused:
        open_one(engine)
    assert message in refused.value.message
    assert refused.value.http_status == int(status[:3])
    assert refused.value.__cause__ is None


def test_probe_keeps_what_it_opened_to_itself_and_buys_nothing(serve: Any, bench: Any, journal: Any) -> None:
    peer = serve(upgraded)
    assert probe(bench.tts(peer.port), ARA, KEY, Deadline.after(5)) >= 0
    assert peer.line().ended.wait(6)
    assert peer.line().said == []
    assert journal() == []


# What was said before.


def test_without_a_cache_nothing_is_remembered(bench: Any) -> None:
    engine = bench.tts(9)
    engine.remember(ARA, "Hello.", SOUND)
    assert engine.recalled(ARA, "Hello.") is None


@pytest.mark.parametrize(
    ("voice", "text", "is_recalled"),
    [
        (Voice("ara"), "Hello.", True),
        (Voice("ara", retries_drift=True), "Hello.", True),
        (Voice("rex"), "Hello.", False),
        (Voice("ara", 1.1), "Hello.", False),
        (Voice("ara", language="de"), "Hello.", False),
        (Voice("ara", pronunciations={"a": "b"}), "Hello.", False),
        (Voice("ara"), "Hello", False),
    ],
)
def test_what_is_recalled_is_the_same_text_in_the_same_voice(
    voice: Voice, text: str, is_recalled: bool, bench: Any
) -> None:
    engine = bench.tts(9, cache=SpeechCache())
    engine.remember(ARA, "Hello.", SOUND)
    assert engine.recalled(voice, text) == (SOUND if is_recalled else None)


def test_two_engines_on_one_cache_do_not_take_each_others_sound(bench: Any) -> None:
    cache = SpeechCache()
    realtime, tts = bench.engine(9, cache=cache), bench.tts(9, cache=cache)
    realtime.remember(ARA, "Hello.", SOUND)
    assert tts.recalled(ARA, "Hello.") is None
    assert realtime.recalled(ARA, "Hello.") == SOUND


def taken(engine: Any, places: int) -> Any:
    for _ in range(places):
        engine.take_slot()
    return engine


@pytest.mark.parametrize(
    ("at_once", "rest_s"), [(0, 0), (50, 0), (99, 0), (100, 0.02), (150, 0.03), (500, 0.04)]
)
def test_sound_is_left_to_gather_only_where_many_speak_and_never_for_long(
    at_once: int, rest_s: float, bench: Any
) -> None:
    assert taken(bench.tts(1, SpeechLimits()), at_once).rest_s == pytest.approx(rest_s)


def test_among_many_a_reply_has_all_its_sound_and_can_still_be_cancelled(serve: Any, bench: Any) -> None:
    def in_many_frames(line: Line) -> None:
        line.upgrade()
        line.tts_asked()
        for _ in range(20):
            line.tts_delta(SOUND.data)
        line.tts_finish()
        line.tts_asked()
        line.mark.set()
        while True:
            line.tts_delta(SOUND.data)
            line.ended.wait(0.01)

    peer = serve(in_many_frames)
    engine = taken(bench.tts(peer.port, SpeechLimits()), 400)
    talk = bench.begin(engine)
    talk.speaking.say("Hello there, everybody.", Deadline.after(20))
    talk.speaking.finish()
    assert talk.outcome() is None
    assert talk.pcm == SOUND.data * 20
    again = bench.begin(engine)
    again.speaking.say("And on it goes without end.", Deadline.after(20))
    assert peer.line().mark.wait(20)
    again.speaking.cancel()
    assert again.outcome() is not None
