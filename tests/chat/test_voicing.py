"""The voice of one turn: what it is asked to say, what comes of it, and what that costs."""

from __future__ import annotations

import base64
import queue
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.chat.conftest import Compose, Models, Serve
from tests.chat.scripted import Exchange, Gone
from tests.chat.turns import Talk, a_client, calls, provider, turn
from tts_service.chat.cost import Prices
from tts_service.chat.events import Spoken
from tts_service.chat.voicing import Voicing
from tts_service.errors import SpeechBudget, SpeechCancelled, SpeechClosed, SpeechTimeout
from tts_service.secret import Secret
from tts_service.speech.audio import Pcm
from tts_service.speech.cache import SpeechCache
from tts_service.speech.engine import Dialect, Engine, SpeechLimits
from tts_service.speech.realtime import RealtimeDialect
from tts_service.speech.tts import TtsDialect
from tts_service.speech.voice import Ended, FirstSound, Piece, Told, Voice

SECOND = struct.pack("<h", 1000) * 24_000
KEY = Secret("xai-sandbox")
# A dollar for each thing that is counted, so that a sum tells what was.
PRICES = Prices(
    speech_minute=60.0, speech_item=1.0, tts_million_chars=1e6, chat_million_in=0.0, chat_million_out=0.0
)
ONE = "The first sentence is long enough to go at once."
TWO = "The second one follows."


@dataclass
class Turn:
    """A voicing, and the queue that its engine tells into."""

    voicing: Voicing
    told: queue.SimpleQueue[Told]

    def until_over(self) -> Voicing:
        while not self.voicing.is_over:
            self.voicing.hear(self.told.get(timeout=20))
        return self.voicing

    def until(self, kind: type) -> None:
        event: Any = None
        while not isinstance(event, kind):
            event = self.told.get(timeout=20)
            self.voicing.hear(event)


Begin = Callable[..., Turn]


@pytest.fixture
def engines(models: Models) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(dialect: Dialect, **options: Any) -> Engine:
        limits = SpeechLimits(max_concurrent=options.pop("max_concurrent", 8))
        made.append(Engine(models.dialer(), dialect, limits, **options))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def realtime(engines: Any, serve: Serve) -> Callable[..., Engine]:
    """Engines for a scripted voice."""

    def make(voice: Callable[[Talk], None], **options: Any) -> Engine:
        peer = serve(provider(nobody, voice, []))
        return engines(RealtimeDialect(peer.url, "voice-model"), **options)

    return make


@pytest.fixture
def begin() -> Iterator[Begin]:
    turns: list[Turn] = []

    def make(engine: Engine, budget_s: float = 10.0, key: Secret = KEY) -> Turn:
        told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        turns.append(Turn(Voicing.opened(engine, Voice("ara"), key, budget_s, told.put), told))
        return turns[-1]

    yield make
    for each in turns:
        each.voicing.cancel()


def nobody(exchange: Exchange) -> None:
    raise Gone


def says(talk: Talk, number: int, finish: bool = True) -> None:
    """A second of sound for the next text."""
    talk.until("conversation.item.create")
    response = f"r{number}"
    talk.send("response.created", response={"id": response})
    for at in range(0, len(SECOND), 12_000):
        delta = base64.b64encode(SECOND[at : at + 12_000]).decode()
        talk.send("response.output_audio.delta", response_id=response, delta=delta)
    if finish:
        talk.send("response.output_audio.done", response_id=response)
        talk.send("response.done", response={"id": response, "status": "completed"})


def speaking(pieces: int, then: Callable[[Talk], None] = lambda talk: None) -> Callable[[Talk], None]:
    def voice(talk: Talk) -> None:
        talk.opens()
        for number in range(pieces):
            says(talk, number)
        then(talk)

    return voice


def fails_amid_the_next(talk: Talk) -> None:
    says(talk, 9, finish=False)
    raise Gone


# No voice.


@pytest.mark.parametrize("error", [None, SpeechBudget()], ids=["text-only", "no-budget"])
def test_without_a_voice_it_takes_everything_and_says_nothing(error: SpeechBudget | None) -> None:
    voicing = Voicing(error)
    assert voicing.write(ONE + " " + TWO) is False
    voicing.finish()
    voicing.cancel()
    assert voicing.is_over
    assert voicing.error is error
    assert (voicing.spoken(), voicing.asked, voicing.pieces) == (None, [], [])
    assert (voicing.first_audio_ms, voicing.total_ms, voicing.remaining_s) == (0, 0, 0.0)
    assert voicing.cost(PRICES, "realtime") == voicing.cost(PRICES, "tts") == 0.0


def test_an_engine_that_is_busy_is_an_error_and_not_a_crash(realtime: Any, begin: Begin) -> None:
    engine = realtime(speaking(0), max_concurrent=1)
    first = begin(engine)
    second = begin(engine).voicing
    assert second.is_over
    assert second.error is not None
    assert second.error.code == "speech_busy"
    assert second.write(ONE) is False
    first.voicing.cancel()
    first.until_over()


# Nothing to say.

UNSAYABLE = ["👍🎉", "---\n\n***", "![](https://example.com/a.png)", " \n\n ", "…"]


@pytest.mark.parametrize("text", UNSAYABLE)
def test_a_reply_of_which_nothing_can_be_said_has_no_audio_and_no_error(
    text: str, realtime: Any, begin: Begin
) -> None:
    now = begin(realtime(speaking(0)))
    voicing = now.voicing
    assert voicing.write(text) is False
    voicing.finish()
    assert voicing.is_over, "the turn would wait for a voice that has nothing to say"
    assert (voicing.error, voicing.spoken(), voicing.asked) == (None, None, [])
    assert voicing.cost(PRICES, "realtime") == 0.0


@pytest.mark.parametrize("stage", ["connecting", "opening"])
def test_nothing_to_say_ends_a_voice_that_is_still_opening_at_once_and_without_a_fault(
    stage: str, engines: Any, begin: Begin, serve: Serve
) -> None:
    def hangs(exchange: Exchange) -> None:
        if stage == "opening":
            Talk(exchange, []).until("session.update")
        exchange.hang()

    now = begin(engines(RealtimeDialect(serve(hangs).url, "voice-model")))
    time.sleep(0.1)  # into the stage
    now.voicing.write("👍")
    now.voicing.finish()
    assert now.voicing.is_over
    assert now.told.get(timeout=8) == Ended(None)
    assert (now.voicing.error, now.voicing.spoken()) == (None, None)


def test_a_provider_that_refused_before_there_was_text_is_still_told(
    engines: Any, begin: Begin, sandbox: str
) -> None:
    key = Secret("xai-sandbox+realtime.http=401")
    now = begin(engines(RealtimeDialect(sandbox, "voice-model")), key=key)
    error = now.until_over().error
    assert error is not None
    assert error.code == "speech_auth"


@pytest.mark.parametrize("message", ["👍🎉", "👍\n\n---"])
def test_a_whole_turn_of_emoji_is_text_alone(message: str, compose: Compose, fresh: str) -> None:
    reply = turn(compose(fresh), a_client(), f"Say: {message}")
    assert (reply.text, reply.spoken, reply.audio_error) == (message, None, None)
    assert sum(call["items_created"] for call in calls(fresh, "realtime")) == 0


def test_a_whole_turn_of_code_announces_it_and_reads_none_of_it(compose: Compose, fresh: str) -> None:
    code = "```python\nprint('zebra')\n```"
    reply = turn(compose(fresh), a_client(), f"Say: {code}")
    assert reply.text == code
    assert reply.spoken is not None
    assert reply.audio_error is None
    [call] = calls(fresh, "realtime")
    [said] = call["texts"]
    assert "code" in said.lower()
    assert "zebra" not in said


# What is said.


def test_a_sentence_goes_when_it_is_complete_and_the_rest_at_the_end(realtime: Any, begin: Begin) -> None:
    now = begin(realtime(speaking(2)))
    written = [now.voicing.write(delta) for delta in (ONE[:20], ONE[20:], " The", " second")]
    assert written == [False, False, True, False], "the next word shows that the sentence is over"
    now.until(Piece)
    now.voicing.finish()
    voicing = now.until_over()
    assert voicing.error is None
    assert voicing.asked == [piece.text for piece in voicing.pieces] == [ONE, "The second."]
    spoken = voicing.spoken()
    assert spoken is not None
    assert (spoken.voice, spoken.truncated, spoken.cached) == ("ara", False, False)
    assert spoken.pcm == Pcm(SECOND * 2, 24_000)


def test_times_count_from_the_first_text_and_not_from_the_opening(realtime: Any, begin: Begin) -> None:
    now = begin(realtime(speaking(1)))
    time.sleep(1.0)
    now.voicing.write(ONE)
    now.voicing.finish()
    voicing = now.until_over()
    assert 0 <= voicing.first_audio_ms <= voicing.total_ms < 950


def test_the_budget_counts_from_the_first_text_and_not_from_the_opening(realtime: Any, begin: Begin) -> None:
    now = begin(realtime(speaking(1)), budget_s=0.4)
    assert now.voicing.remaining_s == 0.0
    time.sleep(0.5)
    now.voicing.write(ONE)
    now.voicing.finish()
    assert 0.0 < now.voicing.remaining_s <= 0.4
    assert now.until_over().error is None


def test_what_an_engine_told_of_a_whole_text_is_heard_to_its_end() -> None:
    pcm = Pcm(SECOND, 24_000)
    voicing = Voicing.heard("rex", [FirstSound(), Piece(0, ONE, pcm, cached=True), Ended()])
    assert voicing.is_over
    assert voicing.error is None
    assert voicing.spoken() == Spoken("rex", pcm, truncated=False, cached=True)
    assert voicing.cost(PRICES, "realtime") == 0.0


# What went wrong.


def test_a_fault_in_the_second_piece_leaves_the_first_marked_as_cut_short(
    realtime: Any, begin: Begin
) -> None:
    now = begin(realtime(speaking(1, then=fails_amid_the_next)))
    now.voicing.write(f"{ONE} The")
    now.until(Piece)
    now.voicing.write(" second one follows.")
    now.voicing.finish()
    voicing = now.until_over()
    assert voicing.error is not None
    assert voicing.error.code == "speech_incomplete"
    spoken = voicing.spoken()
    assert spoken is not None
    assert spoken.truncated
    assert spoken.pcm.data == SECOND
    assert voicing.asked == [ONE, TWO]


@pytest.mark.parametrize("has_spoken", [False, True])
def test_a_voice_that_is_stopped_says_why_and_keeps_what_it_has_said(
    has_spoken: bool, realtime: Any, begin: Begin
) -> None:
    now = begin(realtime(speaking(int(has_spoken), then=lambda talk: talk.until("never"))))
    now.voicing.write(f"{ONE} The")
    if has_spoken:
        now.until(Piece)
    reason = SpeechCancelled(stage="drain")
    now.voicing.cancel(reason)
    voicing = now.until_over()
    assert voicing.error is reason
    spoken = voicing.spoken()
    assert (spoken is not None) is has_spoken
    assert spoken is None or spoken.truncated


def test_a_voice_given_up_is_over_at_once_and_a_timeout(realtime: Any, begin: Begin) -> None:
    now = begin(realtime(speaking(1, then=lambda talk: talk.until("never"))))
    now.voicing.write(f"{ONE} The")
    now.until(Piece)
    now.voicing.give_up()
    assert now.voicing.is_over
    assert isinstance(now.voicing.error, SpeechTimeout)
    spoken = now.voicing.spoken()
    assert spoken is not None
    assert spoken.truncated
    assert now.voicing.write("More.") is False


# What it costs.


def test_realtime_costs_each_item_asked_and_the_sound_that_came(realtime: Any, begin: Begin) -> None:
    now = begin(realtime(speaking(1, then=fails_amid_the_next)))
    now.voicing.write(f"{ONE} The")
    now.until(Piece)
    now.voicing.write(" second one follows.")
    now.voicing.finish()
    assert now.until_over().cost(PRICES, "realtime") == pytest.approx(2 * 1.0 + 1 * 1.0)


@pytest.mark.parametrize("fault", ["pace=0", "close_before_audio"])
def test_tts_costs_the_characters_asked_whether_or_not_they_were_spoken(
    fault: str, engines: Any, begin: Begin, sandbox: str
) -> None:
    now = begin(engines(TtsDialect(sandbox)), key=Secret(f"xai-sandbox+tts_ws.{fault}"))
    now.voicing.write(ONE)
    now.voicing.finish()
    voicing = now.until_over()
    assert isinstance(voicing.error, SpeechClosed if fault == "close_before_audio" else type(None))
    assert voicing.cost(PRICES, "tts") == pytest.approx(len(ONE))


def test_a_voice_that_never_got_to_its_text_costs_nothing(engines: Any, begin: Begin, sandbox: str) -> None:
    engine = engines(RealtimeDialect(sandbox, "voice-model"))
    now = begin(engine, key=Secret("xai-sandbox+realtime.no_session_updated"), budget_s=0.3)
    now.voicing.write(ONE)
    now.voicing.finish()
    voicing = now.until_over()
    assert isinstance(voicing.error, SpeechTimeout)
    assert voicing.cost(PRICES, "realtime") == 0.0


@pytest.mark.parametrize(
    ("cached", "is_cached", "dollars"),
    [([ONE, TWO], True, 0.0), ([TWO], False, 1 + 1.0), ([], False, 2 + 2.0)],
    ids=["all", "one", "none"],
)
def test_what_comes_from_the_cache_costs_nothing_and_is_said_so(
    cached: list[str], is_cached: bool, dollars: float, realtime: Any, begin: Begin
) -> None:
    engine = realtime(speaking(2 - len(cached)), cache=SpeechCache())
    for text in cached:
        engine.remember(Voice("ara"), text, Pcm(SECOND, 24_000))
    now = begin(engine)
    now.voicing.write(f"{ONE} The")
    now.until(Piece)
    now.voicing.write(" second one follows.")
    now.voicing.finish()
    voicing = now.until_over()
    spoken = voicing.spoken()
    assert spoken is not None
    assert (spoken.cached, spoken.pcm.data) == (is_cached, SECOND * 2)
    assert voicing.cost(PRICES, "realtime") == pytest.approx(dollars)


def test_a_second_turn_of_the_same_words_is_cached_and_bought_once(compose: Compose, fresh: str) -> None:
    composer = compose(fresh)
    replies = [turn(composer, a_client(), f"Say: {ONE}") for _ in range(2)]
    assert [reply.spoken and reply.spoken.cached for reply in replies] == [False, True]
    assert replies[0].spoken is not None
    assert replies[1].spoken is not None
    assert replies[0].spoken.pcm == replies[1].spoken.pcm
    assert sum(call["items_created"] for call in calls(fresh, "realtime")) == 1
