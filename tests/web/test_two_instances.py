"""Two services on one PostgreSQL and one Redis behave as one, and each alone when Redis is taken away."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import delete

from tests.redis_faults import Relay, Trouble
from tts_service import shared_memory
from tts_service.clients.sealing import Sealer
from tts_service.clients.spending import Spending
from tts_service.clients.store import ClientStore
from tts_service.database import tables
from tts_service.database.engine import Database
from tts_service.secret import Secret

DOLLARS_A_REPLY = 0.30
ENVIRONMENT = {
    "INSTANCES": "2",
    "TRUSTED_PROXIES": "1",
    "PRICE_CHAT_MILLION_IN": "0",
    "PRICE_CHAT_MILLION_OUT": "100000",  # the model's reply has 12 characters, about 3 tokens
}


@dataclass
class Pair:
    """Instances that share a database and a Redis."""

    start: Callable[..., Any]
    store: ClientStore
    spending: Spending
    environment: dict[str, str]
    client_id: str

    def instance(self, **changes: str) -> Any:
        return self.start(clients={"acme": self.client_id}, **self.environment | changes)

    def both(self, **changes: str) -> tuple[Any, Any]:
        return self.instance(**changes), self.instance(**changes)

    def change(self, **fields: object) -> None:
        self.store.change(self.client_id, fields)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Redis a busy machine may take its time: what is counted alone for once is counted wrong here."""
    monkeypatch.setattr(shared_memory, "TIMEOUT_S", 1.0)


@pytest.fixture
def pair(start: Callable[..., Any], postgres_url: str, redis_url: str) -> Iterator[Pair]:
    database = Database(postgres_url)
    database.upgrade()
    store = ClientStore(database, Sealer((Secret("a-secret-key-of-the-tests"),)))
    client = store.add({"name": "Acme", "allowed_origins": ["*"], "speech_provider": "off"})
    where = {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url}
    yield Pair(start, store, Spending(database), ENVIRONMENT | where, client.client_id)
    with database.writing() as connection:
        for table in tables.metadata.tables.values():
            connection.execute(delete(table))
    database.close()


def new_address() -> str:
    """Of a visitor that no other test has seen; what Redis knows outlives the tests."""
    return f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"


@pytest.fixture
def address() -> str:
    return new_address()


def statuses(services: list[Any], times: int, **headers: str) -> list[int]:
    """Of so many questions, to each service in turn."""
    return [services[number % len(services)].ask(**headers).status for number in range(times)]


def test_a_conversation_goes_on_at_the_other_instance(pair: Pair) -> None:
    one, other = pair.both()
    conversation = one.ask("My name is Ada.").json["conversation_id"]
    other.ask("What is my name?", conversation=conversation)
    assert one.model.told[-1] == ["My name is Ada.", "Hello there.", "What is my name?"]
    one.ask("And now?", conversation=conversation)
    assert len(one.model.told[-1]) == 5


def test_a_limit_counts_the_turns_of_both(pair: Pair, address: str) -> None:
    both = list(pair.both(RATE_LIMIT_IP="6/hour", RATE_LIMIT_CLIENT_IP=""))
    assert statuses(both, 9, X_Forwarded_For=address) == [200] * 6 + [429] * 3


def test_a_client_s_limit_counts_the_turns_of_both(pair: Pair) -> None:
    both = list(pair.both(RATE_LIMIT_CLIENT="4/hour"))
    assert statuses(both, 6) == [200] * 4 + [429] * 2


def test_a_budget_counts_the_turns_of_both(pair: Pair) -> None:
    both = list(pair.both())
    pair.change(daily_limit=1.0)
    # Refused at 1.25: after five replies of 0.30.
    assert statuses(both, 8) == [200] * 5 + [429] * 3
    assert pair.spending.today(pair.client_id) == pytest.approx(5 * DOLLARS_A_REPLY)


def test_a_budget_is_overspent_by_the_turns_in_flight_at_most(pair: Pair) -> None:
    both = pair.both()
    pair.change(daily_limit=1.0)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: both[number % 2].ask().status, range(32)))
    assert 5 <= answers.count(200) <= 5 + 8
    assert answers.count(200) + answers.count(429) == 32
    spent = pair.spending.today(pair.client_id)
    assert spent == pytest.approx(answers.count(200) * DOLLARS_A_REPLY)


def test_41_one_key_pays_for_one_turn_at_both(pair: Pair) -> None:
    both = pair.both()
    model, key = both[0].model, uuid.uuid4().hex
    asked_before = len(model.asked)
    model.release.clear()
    refused = threading.Semaphore(0)

    def ask(number: int) -> Any:
        answer = both[number % 2].ask("hold", Idempotency_Key=key)
        if answer.status == 409:
            refused.release()
        return answer

    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(ask, number) for number in range(10)]
        all_refused = all(refused.acquire(timeout=30) for _ in range(9))
        model.release.set()
        answers = [future.result() for future in asked]
    assert all_refused
    [paid] = [answer for answer in answers if answer.status == 200]
    assert len(model.asked) - asked_before == 1
    for service in both:
        replay = service.ask("hold", Idempotency_Key=key)
        assert (replay.status, replay.body) == (200, paid.body)
        assert replay.headers["Idempotent-Replayed"] == "true"
        assert replay.headers["Server-Timing"] == paid.headers["Server-Timing"]
        assert service.ask("other", Idempotency_Key=key).code == "idempotency_mismatch"


def test_a_client_changed_at_one_is_changed_at_the_other(pair: Pair) -> None:
    both = pair.both()
    assert [service.ask().status for service in both] == [200, 200]
    pair.change(enabled=False)
    assert [service.ask().code for service in both] == ["client_disabled"] * 2


@pytest.mark.parametrize("fault", ["cut", "frozen"])
def test_without_redis_limits_hold_for_each_and_turns_go_on(
    pair: Pair, redis_url: str, address: str, fault: str
) -> None:
    relay = Relay(redis_url)
    both = list(pair.both(REDIS_URL=relay.url, RATE_LIMIT_IP="10/hour", RATE_LIMIT_CLIENT_IP=""))
    assert statuses(both, 2, X_Forwarded_For=address) == [200, 200]
    ada = {"X_Forwarded_For": new_address()}
    conversation = both[0].ask("My name is Ada.", **ada).json["conversation_id"]
    relay.cut() if fault == "cut" else relay.frozen.set()

    began = time.monotonic()
    for service in both:
        told = statuses([service], 6, X_Forwarded_For=address)
        assert told == [200] * 4 + [429] * 2, "five of ten are this instance's share, one is counted already"
    assert time.monotonic() - began < 8, "each turn waits for what is gone"
    both[0].ask("What is my name?", conversation=conversation, **ada)
    assert both[0].model.told[-1] == ["My name is Ada.", "Hello there.", "What is my name?"]
    assert both[0].send("GET", "/ready").json["checks"] == {"database": True, "redis": False}
    relay.close()


def test_a_redis_that_hangs_from_the_start_stops_no_instance(pair: Pair, address: str) -> None:
    hung = Trouble(None)
    began = time.monotonic()
    service = pair.instance(REDIS_URL=hung.url, RATE_LIMIT_IP="4/hour", RATE_LIMIT_CLIENT_IP="")
    assert statuses([service], 16, X_Forwarded_For=address) == [200] * 2 + [429] * 14
    assert service.ask(Idempotency_Key="one", X_Forwarded_For=new_address()).status == 200
    assert time.monotonic() - began < 9, "each of 17 turns waits for a second"
    hung.close()
