"""What a turn adds to the day's spending, and what the daily limit stops."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chat.conftest import Compose, Serve
from tests.chat.scripted import says, streamed
from tests.chat.turns import SAID, a_client, calls, code, provider, speaks_a_second, turn
from tts_service.chat.turn import Question
from tts_service.clients.client import Client
from tts_service.clients.spending import Spending
from tts_service.database.engine import Database
from tts_service.errors import (
    BudgetExhausted,
    DatabaseUnavailable,
)

# Money.


def spent_today(spending: Spending, client: Client) -> float:
    return spending.today(client.client_id)


def test_a_turn_adds_what_it_cost(compose: Compose, serve: Serve, spending: Spending) -> None:
    peer = serve(provider(says(streamed("x" * 400)), speaks_a_second, []))
    composer = compose(
        peer.url,
        price_speech_minute=6.0,
        price_speech_item=1.0,
        price_chat_million_in=10_000.0,
        price_chat_million_out=20_000.0,
    )
    client = a_client(daily_limit=100.0, system_prompt="s" * 40)

    turn(composer, client, "m" * 360, conversation_id="c1")
    once = spent_today(spending, client)
    assert once == pytest.approx(1.0 + 6.0 / 60 + 100 * 0.01 + 100 * 0.02, abs=1e-5)

    turn(composer, client, "m" * 360, conversation_id="c1")
    assert spent_today(spending, client) > 2 * once, "the second turn tells the first again"


def test_a_turn_that_is_left_early_costs_what_was_said_until_then(
    compose: Compose, serve: Serve, spending: Spending
) -> None:
    peer = serve(says(streamed(*["word "] * 5)))
    composer = compose(peer.url, price_chat_million_in=0.0, price_chat_million_out=4e6)
    client = a_client(daily_limit=100.0, speech_provider="off")
    events = composer.compose(Question(client, "Hi"))

    next(events)
    next(events)
    events.close()

    assert spent_today(spending, client) == pytest.approx(10.0)


def test_at_the_daily_limit_the_voice_stops_and_the_text_goes_on(
    compose: Compose, fresh: str, spending: Spending
) -> None:
    client = a_client(daily_limit=2.0)
    spending.add(client.client_id, 2.0)

    reply = turn(compose(fresh), client)

    assert (reply.text, code(reply), reply.spoken) == (SAID, "speech_budget", None)
    assert calls(fresh, "realtime") == []


def test_just_below_the_daily_limit_the_voice_still_speaks(
    compose: Compose, sandbox: str, spending: Spending
) -> None:
    client = a_client(daily_limit=2.0)
    spending.add(client.client_id, 1.999999)

    assert turn(compose(sandbox), client).spoken is not None


@pytest.mark.parametrize(("limit", "spent"), [(2.0, 2.5), (2.0, 100.0), (0.0, 0.0)])
def test_beyond_one_and_a_quarter_of_the_limit_nobody_is_asked(
    compose: Compose, fresh: str, spending: Spending, limit: float, spent: float
) -> None:
    client = a_client(daily_limit=limit)
    spending.add(client.client_id, spent)

    with pytest.raises(BudgetExhausted) as raised:
        turn(compose(fresh), client)

    midnight = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    left = (midnight + datetime.timedelta(days=1) - datetime.datetime.now(datetime.UTC)).total_seconds()
    assert raised.value.retry_after_s == pytest.approx(left, abs=3)
    assert (raised.value.code, raised.value.status) == ("budget_exhausted", 429)
    assert calls(fresh, "chat") == calls(fresh, "realtime") == []


@pytest.fixture
def broken_spending(tmp_path: Any) -> Iterator[Spending]:
    """A database that has no tables: every question to it fails."""
    database = Database(f"sqlite:///{tmp_path}/empty.db")
    yield Spending(database)
    database.close()


def test_without_a_limit_the_day_is_never_read_or_written(
    compose: Compose, sandbox: str, broken_spending: Spending
) -> None:
    assert turn(compose(sandbox, broken_spending), a_client()).spoken is not None


def test_a_limit_that_cannot_be_read_refuses_the_turn(
    compose: Compose, fresh: str, broken_spending: Spending
) -> None:
    with pytest.raises(DatabaseUnavailable):
        turn(compose(fresh, broken_spending), a_client(daily_limit=5.0))
    assert calls(fresh, "chat") == []
