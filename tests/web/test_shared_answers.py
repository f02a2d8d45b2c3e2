"""One Idempotency-Key at several instances, with the real Redis between them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest

from tests.redis_faults import Relay, Trouble
from tts_service.errors import IdempotencyInFlight, IdempotencyMismatch, UpstreamUnavailable
from tts_service.shared_memory import SharedMemory
from tts_service.web.idempotency import KEPT_S, Answer, Once, once
from tts_service.web.shared_answers import SHARED_BYTES, SharedAnswers, place_of


class Turn:
    """Counts how often it ran."""

    def __init__(self, body: bytes = b'{"text": "reply"}\n') -> None:
        self.body = body
        self.runs = 0

    def __call__(self) -> Answer:
        self.runs += 1
        return Answer(self.body, "llm;dur=1")


@pytest.fixture
def asked(shared: SharedMemory) -> Iterator[Once]:
    asked = once(f"my words {uuid.uuid4()}", "client /api/chat", b"body")
    yield asked
    shared.run("redis.call('DEL', KEYS[1])", place_of(asked))


def other_body(asked: Once) -> Once:
    return once(asked.key, asked.scope, b"other")


def instance(memory: SharedMemory, claim_s: float = 65) -> SharedAnswers:
    return SharedAnswers(memory, claim_s)


def test_another_instance_gives_the_first_one_s_answer(shared: SharedMemory, asked: Once) -> None:
    turn, one, other = Turn(), instance(shared), instance(shared)
    first, second = one.give(asked, turn), other.give(asked, turn)
    third = other.give(asked, turn)
    assert turn.runs == 1
    assert (first.replayed, second.replayed, third.replayed) == (False, True, True)
    assert {(answer.body, answer.server_timing) for answer in (first, second, third)} == {
        (turn.body, "llm;dur=1")
    }


def test_another_body_is_a_mismatch_there_too(shared: SharedMemory, asked: Once) -> None:
    instance(shared).give(asked, Turn())
    with pytest.raises(IdempotencyMismatch):
        instance(shared).give(other_body(asked), Turn())
    with pytest.raises(IdempotencyMismatch):
        instance(shared).give(other_body(asked), Turn())


def test_a_key_in_flight_at_one_instance_is_in_flight_at_the_other(shared: SharedMemory, asked: Once) -> None:
    def during() -> Answer:
        with pytest.raises(IdempotencyInFlight) as raised:
            instance(shared).give(asked, Turn())
        assert raised.value.retry_after_s == 1
        with pytest.raises(IdempotencyMismatch):
            instance(shared).give(other_body(asked), Turn())
        return Answer(b"{}")

    instance(shared).give(asked, during)


def test_fifty_at_two_instances_at_once_run_one_turn(shared: SharedMemory, asked: Once) -> None:
    both = [instance(shared), instance(shared)]
    turn, everyone_asked = Turn(), threading.Event()
    refused: list[str] = []

    def slow() -> Answer:
        everyone_asked.wait(10)
        return turn()

    def ask(number: int) -> None:
        try:
            both[number % 2].give(asked, slow)
        except IdempotencyInFlight:
            refused.append("in flight")
            if len(refused) == 49:
                everyone_asked.set()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (turn.runs, len(refused)) == (1, 49)


def test_a_turn_that_failed_may_be_tried_again_anywhere(shared: SharedMemory, asked: Once) -> None:
    def fail() -> Answer:
        raise UpstreamUnavailable

    with pytest.raises(UpstreamUnavailable):
        instance(shared).give(asked, fail)
    turn = Turn()
    assert not instance(shared).give(asked, turn).replayed
    assert turn.runs == 1


def test_the_claim_of_an_instance_that_died_ends_by_itself_and_is_not_settled_any_more(
    shared: SharedMemory, asked: Once
) -> None:
    """The first one was only stopped for a while: what it brings too late must not end the second's claim."""
    second = Turn(b'{"text": "second"}')

    def stopped() -> Answer:
        pause.wait(0.1)
        assert not instance(shared).give(asked, second).replayed
        return Answer(b'{"text": "first"}')

    pause = threading.Event()
    instance(shared, claim_s=0.05).give(asked, stopped)
    assert instance(shared).give(asked, Turn()).body == second.body


def test_a_key_holds_no_words_and_every_value_ends(shared: SharedMemory, asked: Once) -> None:
    def during() -> Answer:
        assert 60 < ttl() <= 65
        return Answer(b"{}")

    def ttl() -> float:
        return float(shared.run("return redis.call('PTTL', KEYS[1])", place_of(asked))) / 1000

    assert "words" not in place_of(asked)
    instance(shared).give(asked, during)
    assert KEPT_S - 5 < ttl() <= KEPT_S


@pytest.mark.parametrize(
    "poison",
    [
        "redis.call('SET', KEYS[1], 'x')",
        "redis.call('SET', KEYS[1], '')",
        "redis.call('SET', KEYS[1], '{}\\n{}')",
        'redis.call(\'SET\', KEYS[1], \'{"asked": 1, "claim": "x"}\\n\')',
        "redis.call('SET', KEYS[1], '\\128\\4K\\1.')",
        "redis.call('RPUSH', KEYS[1], 'x')",
        f"redis.call('SETRANGE', KEYS[1], {SHARED_BYTES}, 'x')",
    ],
)
def test_what_is_not_ours_is_replaced(poison: str, shared: SharedMemory, asked: Once) -> None:
    instance(shared).give(asked, Turn())
    shared.run("redis.call('DEL', KEYS[1]) " + poison, place_of(asked))
    turn = Turn()
    assert not instance(shared).give(asked, turn).replayed
    assert instance(shared).give(asked, turn).replayed
    assert turn.runs == 1


def test_an_answer_too_long_to_share_is_replayed_where_it_was_made(shared: SharedMemory, asked: Once) -> None:
    turn, one = Turn(b"x" * SHARED_BYTES), instance(shared)
    one.give(asked, turn)
    assert one.give(asked, turn).replayed
    assert shared.run("return redis.call('EXISTS', KEYS[1])", place_of(asked)) == 0


def test_without_redis_each_instance_pays_once_and_none_waits(asked: Once) -> None:
    hung = Trouble(None)
    memory = SharedMemory(hung.url)
    turn, one = Turn(), instance(memory)
    one.give(asked, turn)
    assert one.give(asked, turn).replayed
    assert turn.runs == 1
    memory.close()
    hung.close()


def test_a_redis_lost_during_the_turn_costs_no_answer(redis_url: str, asked: Once) -> None:
    relay = Relay(redis_url)
    memory = SharedMemory(relay.url, timeout_s=2)
    turn, one = Turn(), instance(memory)

    def during() -> Answer:
        relay.cut()
        return turn()

    assert one.give(asked, during).body == turn.body
    assert one.give(asked, turn).replayed
    memory.close()
    relay.close()
