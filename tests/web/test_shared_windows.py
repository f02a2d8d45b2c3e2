"""Limits that several instances count together in the real Redis, and what is left of them without it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.redis_faults import FAULTS, Relay, Trouble
from tts_service.shared_memory import REST_S, TIMEOUT_S, SharedMemory
from tts_service.web.shared_windows import SharedWindows
from tts_service.web.windows import MemoryWindows

Process = Callable[..., SharedWindows]


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def key(shared: SharedMemory) -> Iterator[str]:
    key = f"test/{uuid.uuid4()}"
    yield key
    forget(shared, key)


@pytest.fixture
def process() -> Iterator[Process]:
    """A process of its own as far as windows go: `process(url, clock)`."""
    memories: list[SharedMemory] = []

    def start(
        url: str, clock: HandClock | None = None, processes: int = 2, timeout_s: float = 2
    ) -> SharedWindows:
        memories.append(SharedMemory(url, clock or time.monotonic, timeout_s))
        return SharedWindows(memories[-1], MemoryWindows(clock or time.monotonic), processes)

    yield start
    for memory in memories:
        memory.close()


@pytest.fixture
def relay(redis_url: str) -> Iterator[Relay]:
    relay = Relay(redis_url)
    yield relay
    relay.close()


def forget(shared: SharedMemory, key: str) -> None:
    shared.run("redis.call('DEL', KEYS[1])", f"tts:window:{key}")


def passed(windows: SharedWindows, key: str, times: int, limit: int = 10) -> int:
    return sum(windows.take(key, limit, 60) == 0 for _ in range(times))


def test_two_processes_count_together(process: Process, redis_url: str, key: str) -> None:
    one, other = process(redis_url), process(redis_url)
    assert passed(one, key, 7) + passed(other, key, 7) == 10
    assert 50 < one.take(key, 10, 60) <= 60
    assert 50 < other.take(key, 10, 60) <= 60


def test_the_window_moves_and_a_refused_turn_is_not_counted(
    process: Process, redis_url: str, key: str
) -> None:
    windows = process(redis_url)
    assert windows.take(key, 2, 2) == 0
    time.sleep(1)
    assert windows.take(key, 2, 2) == 0
    wait_s = windows.take(key, 2, 2)
    assert 0 < wait_s <= 1.01
    time.sleep(wait_s + 0.01)
    assert windows.take(key, 2, 2) == 0
    assert 0 < windows.take(key, 2, 2) < 2


def test_waiting_is_told_without_counting(process: Process, relay: Relay, redis_url: str, key: str) -> None:
    one, other = process(relay.url), process(redis_url)
    assert [one.wait(key, 2, 60) for _ in range(3)] == [0, 0, 0]
    assert passed(other, key, 2, limit=2) == 2
    assert 50 < one.wait(key, 2, 60) <= 60
    relay.cut()
    assert one.wait(key, 2, 60) == 0, "its own share is unused"
    one.take(key, 2, 60)
    assert 50 < one.wait(key, 2, 60) <= 60


def test_many_at_once_from_two_processes_do_not_slip_past_the_limit(
    process: Process, redis_url: str, key: str
) -> None:
    both = [process(redis_url), process(redis_url)]
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda number: both[number % 2].take(key, 30, 60), range(120)))
    assert waits.count(0) == 30


def test_a_window_leaves_redis_by_itself(
    process: Process, shared: SharedMemory, redis_url: str, key: str
) -> None:
    process(redis_url).take(key, 10, 60)
    assert 50_000 < shared.run("return redis.call('PTTL', KEYS[1])", f"tts:window:{key}") <= 60_000


@pytest.mark.parametrize(
    "poison",
    [
        "redis.call('SET', KEYS[1], 'x')",
        "redis.call('ZADD', KEYS[1], 1, 'x')",
        "redis.call('RPUSH', KEYS[1], 'x', 'y')",
        "for i = 1, 20 do redis.call('RPUSH', KEYS[1], 'nan') end",
        "for i = 1, 20 do redis.call('RPUSH', KEYS[1], '9999999999999') end",
    ],
)
def test_what_is_no_window_of_ours_is_replaced_by_one(
    poison: str, process: Process, shared: SharedMemory, redis_url: str, key: str
) -> None:
    shared.run(poison, f"tts:window:{key}")
    assert passed(process(redis_url), key, 12) == 10
    assert shared.answers()


@pytest.mark.parametrize("fault", FAULTS)
def test_without_redis_each_process_has_its_share_and_no_more(fault: str, process: Process, key: str) -> None:
    server = Trouble(FAULTS[fault])
    try:
        windows = process(server.url, processes=3, timeout_s=TIMEOUT_S)
        began = time.monotonic()
        assert passed(windows, key, 50) == 3
        assert passed(windows, "another", 50, limit=2) == 1, "a share is never nothing"
        assert passed(windows, "closed", 50, limit=0) == 0
        assert time.monotonic() - began < 7, "each of 150 turns pays for the missing Redis"
    finally:
        server.close()


def test_what_was_counted_before_redis_went_counts_in_the_share(
    process: Process, relay: Relay, key: str
) -> None:
    windows = process(relay.url)
    assert passed(windows, key, 3) == 3
    relay.cut()
    assert passed(windows, key, 50) == 2
    assert 50 < windows.take(key, 10, 60) <= 60


def test_a_redis_that_comes_back_does_not_give_it_all_again(process: Process, relay: Relay, key: str) -> None:
    clock = HandClock()
    windows = process(relay.url, clock)
    relay.cut()
    assert passed(windows, key, 50) == 5
    relay.mend()
    clock.now += REST_S
    assert passed(windows, key, 50) == 0, "it has had its share, and Redis knows nothing of it"
    clock.now += 60
    assert passed(windows, key, 50) == 10


def test_a_redis_that_was_flushed_leaves_each_process_its_share(
    process: Process, shared: SharedMemory, redis_url: str, key: str
) -> None:
    windows = process(redis_url)
    assert passed(windows, key, 4) == 4
    forget(shared, key)
    assert passed(windows, key, 50) == 1
    forget(shared, key)
    assert passed(windows, key, 50) == 0
