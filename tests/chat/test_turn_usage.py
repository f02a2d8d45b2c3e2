"""What is counted of a turn when it is over, however it ended."""

from __future__ import annotations

import time

import pytest

from tests.chat.conftest import Compose, Serve
from tests.chat.scripted import says, streamed
from tests.chat.turns import SAID, SECOND, Talk, a_client, provider, speaks_a_second, turn
from tts_service.chat.greeting import greet
from tts_service.chat.turn import Question
from tts_service.clients.spending import Spending
from tts_service.errors import BudgetExhausted, ServiceError
from tts_service.usage.turn import Exchange, Turn

REPLY = "x" * 400


def test_a_spoken_turn_is_counted_with_its_sound_its_words_its_cost_and_its_time(
    compose: Compose, serve: Serve
) -> None:
    turns: list[Turn] = []
    peer = serve(provider(says(streamed(REPLY)), speaks_a_second, []))
    client = a_client()
    prices = {"price_speech_item": 1.0, "price_speech_minute": 6.0}
    reply = turn(compose(peer.url, turns=turns, price_chat_million_out=20_000.0, **prices), client, "Hi")

    (counted,) = turns
    assert (counted.client_id, counted.is_turn, counted.failure) == (client.client_id, True, None)
    assert (counted.spoken_ms, counted.cached_ms, counted.characters) == (1_000, 0, 400)
    assert counted.dollars == pytest.approx(1.0 + 0.1 + 2.0, abs=0.01)
    assert counted.total_ms == reply.timings_ms["total"]
    assert abs(counted.ended_at - time.time()) < 5
    assert counted.exchange is None, "retention_days is 0"


def test_sound_from_the_cache_is_counted_as_such(compose: Compose, serve: Serve) -> None:
    turns: list[Turn] = []
    peer = serve(provider(says(streamed("The same reply.")), speaks_a_second, []))
    composer = compose(peer.url, turns=turns)
    for _ in range(2):
        turn(composer, a_client(), "Hi")
    assert [(each.spoken_ms, each.cached_ms) for each in turns] == [(1_000, 0), (1_000, 1_000)]


def test_a_voice_that_failed_is_counted_by_its_code_with_the_reply_it_left_silent(
    compose: Compose, serve: Serve
) -> None:
    turns: list[Turn] = []
    peer = serve(says(streamed("Hello.")))  # answers a WebSocket's handshake with a chat completion
    reply = turn(compose(peer.url, turns=turns), a_client(retention_days=1), "Hi", conversation_id="c1")

    (counted,) = turns
    assert reply.audio_error is not None
    assert counted.failure == reply.audio_error.code
    assert counted.total_ms is not None
    assert counted.exchange == Exchange("c1", "Hi", "Hello.", counted.failure)


def test_a_voice_cut_short_is_a_failure_with_the_sound_that_was_heard(compose: Compose, serve: Serve) -> None:
    spoken: list[bool] = []

    def one_piece_of_several(talk: Talk) -> None:
        talk.opens()
        talk.until("conversation.item.create")
        if not spoken:  # pieces may come over one connection or over several
            spoken.append(True)
            talk.speaks(SECOND)
        talk.until("conversation.item.create")

    turns: list[Turn] = []
    text = " ".join(f"This is sentence {n} of many, and together they are several pieces." for n in range(12))
    peer = serve(provider(says(streamed(text)), one_piece_of_several, []))
    reply = turn(compose(peer.url, turns=turns, speech_deadline_s=1.0), a_client(), "Hi")
    assert reply.spoken is not None
    assert reply.spoken.truncated
    assert (turns[0].failure, turns[0].spoken_ms) == ("speech_timeout", len(SECOND) // 48)


@pytest.mark.parametrize("retention_days", [0, 30])
def test_what_was_said_is_handed_on_only_where_it_may_be_kept(
    compose: Compose, sandbox: str, retention_days: int
) -> None:
    turns: list[Turn] = []
    client = a_client(speech_provider="off", retention_days=retention_days)
    reply = turn(compose(sandbox, turns=turns), client)
    kept = Exchange(reply.conversation_id, f"Say: {SAID}", SAID)
    assert turns[0].exchange == (kept if retention_days else None)


def test_a_turn_without_a_reply_is_counted_by_its_code(compose: Compose, serve: Serve) -> None:
    turns: list[Turn] = []
    peer = serve(says(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"))
    client = a_client(speech_provider="off", retention_days=9)
    with pytest.raises(ServiceError):
        turn(compose(peer.url, turns=turns), client, "Hi")
    (counted,) = turns
    assert (counted.failure, counted.total_ms, counted.exchange) == ("upstream_auth", None, None)


def test_a_reader_who_left_is_counted_with_what_was_said_until_then(compose: Compose, serve: Serve) -> None:
    turns: list[Turn] = []
    peer = serve(says(streamed(*["word "] * 5)))
    events = compose(peer.url, turns=turns).compose(Question(a_client(speech_provider="off"), "Hi"))
    next(events)
    next(events)
    events.close()
    (counted,) = turns
    assert (counted.failure, counted.characters, counted.total_ms) == ("reader_gone", 10, None)


def test_a_turn_that_the_limit_refused_is_counted_and_cost_nothing(
    compose: Compose, sandbox: str, spending: Spending
) -> None:
    turns: list[Turn] = []
    client = a_client(daily_limit=1.0)
    spending.add(client.client_id, 2.0)
    with pytest.raises(BudgetExhausted):
        turn(compose(sandbox, turns=turns), client)
    assert [(each.failure, each.dollars) for each in turns] == [("budget_exhausted", 0.0)]


def test_a_greeting_is_counted_as_speech_and_not_as_a_turn(compose: Compose, sandbox: str) -> None:
    turns: list[Turn] = []
    composer = compose(sandbox, turns=turns)
    client = a_client(greeting="Welcome to us!")
    greet(composer, client)
    greet(composer, client)
    bought, cached = turns
    assert [each.is_turn for each in turns] == [False, False]
    assert bought.spoken_ms == cached.spoken_ms == cached.cached_ms > bought.cached_ms == 0
    assert bought.dollars > cached.dollars == 0
    assert bought.exchange is None


def test_a_greeting_that_could_not_be_spoken_is_counted_by_its_code(
    compose: Compose, sandbox: str, spending: Spending
) -> None:
    turns: list[Turn] = []
    client = a_client(greeting="Welcome!", daily_limit=1.0)
    spending.add(client.client_id, 1.0)
    greet(compose(sandbox, turns=turns), client)
    assert [(each.failure, each.spoken_ms) for each in turns] == [("speech_budget", 0)]
