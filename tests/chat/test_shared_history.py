"""What two instances remember together in the real Redis, and each alone without it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.redis_faults import Relay
from tts_service.chat.completions import Said
from tts_service.chat.history import CHARS_TOLD, IDLE_S, TURNS_TOLD, Histories
from tts_service.chat.shared_history import SharedHistories, key_of
from tts_service.shared_memory import SharedMemory

ACME = "client-acme"


@pytest.fixture
def conversation(shared: SharedMemory) -> Iterator[str]:
    conversation = f"my words {uuid.uuid4()}"
    yield conversation
    shared.run("redis.call('DEL', KEYS[1])", key_of(ACME, conversation))


def test_a_conversation_goes_on_at_another_instance(shared: SharedMemory, conversation: str) -> None:
    one, other = SharedHistories(shared), SharedHistories(shared)
    one.remember(ACME, conversation, "My name is Ada.", "Hello Ada.")
    other.remember(ACME, conversation, "What is my name?", "Ada.\n☃")
    told = [
        Said("user", "My name is Ada."),
        Said("assistant", "Hello Ada."),
        Said("user", "What is my name?"),
        Said("assistant", "Ada.\n☃"),
    ]
    assert one.recall(ACME, conversation) == other.recall(ACME, conversation) == told
    assert SharedHistories(shared).recall("another client", conversation) == []


def test_turns_answered_at_the_same_time_are_all_remembered(shared: SharedMemory, conversation: str) -> None:
    histories = [SharedHistories(shared), SharedHistories(shared)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: histories[n % 2].remember(ACME, conversation, f"{n}?", f"{n}."), range(20)))
    told = SharedHistories(shared).recall(ACME, conversation)
    assert {line.text for line in told if line.role == "user"} == {f"{n}?" for n in range(20)}


def test_its_key_holds_no_words_and_ends_after_an_hour(shared: SharedMemory, conversation: str) -> None:
    key = key_of(ACME, conversation)
    SharedHistories(shared).remember(ACME, conversation, "One?", "One.")
    assert "words" not in key
    assert ACME not in key
    assert IDLE_S - 1 <= shared.run("return redis.call('TTL', KEYS[1])", key) <= IDLE_S


@pytest.mark.parametrize(
    ("turns", "question", "answer"),
    [(TURNS_TOLD + 5, "short", "short"), (8, "?" * 2_000, "\u20ac" * 2_000), (3, "?" * 4_000, "!" * 20_000)],
)
def test_as_much_is_told_as_by_one_instance_alone_and_no_more_is_kept(
    turns: int, question: str, answer: str, shared: SharedMemory, conversation: str
) -> None:
    alone, together = Histories(), SharedHistories(shared)
    for n in range(turns):
        alone.remember(ACME, conversation, f"{n}{question}"[:4_000], answer)
        together.remember(ACME, conversation, f"{n}{question}"[:4_000], answer)
    assert SharedHistories(shared).recall(ACME, conversation) == alone.recall(ACME, conversation)
    kept = shared.run("return redis.call('LRANGE', KEYS[1], 0, -1)", key_of(ACME, conversation))
    assert len(kept) <= TURNS_TOLD
    assert sum(map(len, kept[:-1])) <= 4 * CHARS_TOLD


POISON = {
    "a string": "redis.call('SET', KEYS[1], '[\"q\", \"a\"]')",
    "no JSON": "redis.call('RPUSH', KEYS[1], 'q')",
    "other JSON": "redis.call('RPUSH', KEYS[1], '{\"role\": \"system\"}')",
    "numbers": "redis.call('RPUSH', KEYS[1], '[1, 2]')",
    "three": 'redis.call(\'RPUSH\', KEYS[1], \'["q", "a", "b"]\')',
    "no UTF-8": "redis.call('RPUSH', KEYS[1], '[\"\\255\", \"a\"]')",
    "huge": "redis.call('RPUSH', KEYS[1], '[\"q\", \"' .. string.rep('a', 600000) .. '\"]')",
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_what_is_not_ours_is_a_miss(poison: str, shared: SharedMemory, conversation: str) -> None:
    shared.run(poison, key_of(ACME, conversation))
    assert SharedHistories(shared).recall(ACME, conversation) == []
    assert shared.answers()


def test_what_is_of_another_type_gives_way_to_the_next_turn(shared: SharedMemory, conversation: str) -> None:
    shared.put(key_of(ACME, conversation), b"a string", 60)
    SharedHistories(shared).remember(ACME, conversation, "Two?", "Two.")
    assert [said.text for said in SharedHistories(shared).recall(ACME, conversation)] == ["Two?", "Two."]


def test_without_redis_a_process_remembers_what_it_has_answered_itself(
    redis_url: str, shared: SharedMemory, conversation: str
) -> None:
    relay = Relay(redis_url)
    memory = SharedMemory(relay.url, timeout_s=2)
    histories = SharedHistories(memory)
    histories.remember(ACME, conversation, "One?", "One.")
    relay.cut()
    histories.remember(ACME, conversation, "Two?", "Two.")
    assert [said.text for said in histories.recall(ACME, conversation)] == ["One?", "One.", "Two?", "Two."]
    memory.close()
    relay.close()
