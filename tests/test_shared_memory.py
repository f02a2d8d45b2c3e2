"""Redis as several instances use it: bounded, forgiving, soon given up and soon found again."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from redis import DataError

from tests.redis_faults import FAULTS, Relay, Trouble
from tts_service.settings import SettingsError
from tts_service.shared_memory import REST_S, SharedMemory, SharedMemoryAway, open_shared_memory

SOON_S = 4.0  # the timeout is 0.1 s; the rest is for a busy machine. What nothing bounds takes 10 s or more


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def key(shared: SharedMemory) -> Iterator[str]:
    key = f"tts:test:{uuid.uuid4()}"
    yield key
    shared.run("redis.call('DEL', KEYS[1])", key)


@pytest.fixture
def relay(redis_url: str) -> Iterator[Relay]:
    relay = Relay(redis_url)
    yield relay
    relay.close()


@pytest.fixture
def troubled() -> Iterator[Callable[..., Trouble]]:
    servers: list[Trouble] = []

    def start(answer: bytes | Callable[[bytes], bytes] | None) -> Trouble:
        servers.append(Trouble(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def is_away(memory: SharedMemory) -> bool:
    try:
        memory.get("tts:test:nothing", 10)
    except SharedMemoryAway:
        return True
    return False


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().split()[0] for record in caplog.records]


def test_what_one_instance_puts_another_gets_until_its_time_is_over(
    shared: SharedMemory, redis_url: str, key: str
) -> None:
    other = SharedMemory(redis_url, timeout_s=2)
    shared.put(key, b"\x00\xffbytes", 60)
    assert other.get(key, 100) == b"\x00\xffbytes"
    assert 50_000 < other.run("return redis.call('PTTL', KEYS[1])", key) <= 60_000
    other.close()


def test_a_key_that_is_not_there_of_another_type_or_too_long_is_nothing(
    shared: SharedMemory, key: str
) -> None:
    assert shared.get(key, 10) is None
    shared.run("redis.call('SADD', KEYS[1], 'x')", key)
    assert shared.get(key, 10) is None
    shared.put(key, b"x" * 11, 60)
    assert (shared.get(key, 10), shared.get(key, 11)) == (None, b"x" * 11)


@pytest.mark.parametrize(
    "url",
    [
        "cache:6379",
        "http://cache:6379",
        "redis://cache:port/0",
        "redis://cache/zero",
        "redis://cache/0?no_such_option=1",
        "redis://cache/0?socket_timeout=long",
        "redis://:canary@cache:99999/0",
    ],
)
def test_a_url_that_is_none_is_told_at_the_start_and_never_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL must look like") as raised:
        open_shared_memory(url)
    assert url not in str(raised.value)


def test_a_url_cannot_ask_for_more_patience(troubled: Callable[..., Trouble]) -> None:
    memory = SharedMemory(troubled(None).url + "?socket_timeout=10&retry_on_timeout=yes")
    began = time.monotonic()
    assert is_away(memory)
    assert time.monotonic() - began < SOON_S
    memory.close()


def test_without_a_url_there_is_nothing_to_open() -> None:
    assert open_shared_memory(None) is None


def test_a_redis_that_is_not_there_at_the_start_is_told_once_and_stops_nothing(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    relay = Relay(redis_url)
    relay.cut()
    memory = open_shared_memory(relay.url)
    assert memory is not None
    assert not memory.answers()
    assert is_away(memory)
    assert events(caplog) == ["event=redis_away"]
    memory.close()
    relay.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_redis_in_trouble_costs_a_moment_once_and_is_then_left_alone(
    fault: str, troubled: Callable[..., Trouble], caplog: pytest.LogCaptureFixture
) -> None:
    server, clock = troubled(FAULTS[fault]), HandClock()
    memory = SharedMemory(server.url, clock)
    began = time.monotonic()
    assert is_away(memory)
    assert time.monotonic() - began < SOON_S
    calls = server.calls

    clock.now += REST_S - 0.1
    began = time.monotonic()
    assert all(is_away(memory) for _ in range(100))
    assert time.monotonic() - began < 5, "each of 100 turns would pay again"
    assert server.calls == calls

    clock.now += 0.2
    assert is_away(memory)
    assert server.calls == calls + 1, "it was never tried again, or by more than one"
    assert all(is_away(memory) for _ in range(10))
    assert server.calls == calls + 1
    assert events(caplog) == ["event=redis_away"]
    memory.close()


@pytest.mark.parametrize("fault", ["frozen", "cut"])
def test_a_redis_that_comes_back_is_found_again_by_itself(
    fault: str, relay: Relay, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HandClock()
    memory = SharedMemory(relay.url, clock, timeout_s=1)
    memory.put(key, b"kept", 60)
    relay.frozen.set() if fault == "frozen" else relay.cut()
    began = time.monotonic()
    assert is_away(memory)
    assert time.monotonic() - began < SOON_S
    relay.mend()
    assert is_away(memory), "it is left alone for ten seconds"
    clock.now += REST_S
    assert memory.get(key, 10) == b"kept"
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert events(caplog) == ["event=redis_away", "event=redis_back"]
    memory.close()


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(relay: Relay, key: str) -> None:
    clock = HandClock()
    memory = SharedMemory(relay.url, clock, timeout_s=1)
    memory.put(key, b"late", 60)
    relay.frozen.set()
    with pytest.raises(SharedMemoryAway):
        memory.get(key, 10)
    relay.mend()
    clock.now += REST_S
    assert memory.get("tts:test:nothing", 10) is None
    memory.close()


def test_a_connection_that_the_server_has_closed_meanwhile_is_no_outage(relay: Relay, key: str) -> None:
    memory = SharedMemory(relay.url, timeout_s=2)
    memory.put(key, b"kept", 60)
    relay.cut()
    relay.mend()
    time.sleep(0.02)  # for the end of the connection to arrive
    assert memory.get(key, 10) == b"kept"
    memory.close()


def test_a_redis_that_can_only_be_read_is_not_taken_for_well(troubled: Callable[..., Trouble]) -> None:
    def full(command: bytes) -> bytes:
        return b"-OOM command not allowed\r\n" if b"SET\r\n" in command else b"$-1\r\n"

    clock = HandClock()
    memory = SharedMemory(troubled(full).url, clock, timeout_s=2)
    assert not is_away(memory)
    assert not memory.answers()
    clock.now += REST_S
    assert is_away(memory), "each rest would end with the next read, and each write begin one"
    memory.close()


def test_one_that_is_well_answers(shared: SharedMemory) -> None:
    assert shared.answers()
    assert 0 < shared.run("return redis.call('TTL', KEYS[1])", "tts:trial") <= 60


def test_a_bug_in_a_call_is_not_taken_for_an_outage(shared: SharedMemory) -> None:
    with pytest.raises(DataError):
        shared.get(None, 10)  # type: ignore[arg-type]
    assert shared.answers()


KILLED_AND_FORKED = """
from gevent import monkey
monkey.patch_all()
import os, sys, uuid, gevent
from tts_service.shared_memory import SharedMemory

memory = SharedMemory(sys.argv[1], timeout_s=2)
keys = [f"tts:test:{uuid.uuid4()}" for _ in range(8)]
for key in keys:
    memory.put(key, key.encode(), 60)
wrong = 0

def read(key):
    global wrong
    while True:
        wrong += memory.get(key, 100) != key.encode()

for _ in range(30):
    readers = [gevent.spawn(read, key) for key in keys]
    gevent.sleep(0.002)
    gevent.killall(readers)
    wrong += sum(memory.get(key, 100) != key.encode() for key in keys)

pid = os.fork()
own = keys[pid == 0]
wrong += sum(memory.get(own, 100) != own.encode() for _ in range(200))
if pid == 0:
    os._exit(wrong)
print("wrong", wrong + os.waitpid(pid, 0)[1])  # os.wait() would race gevent's own
"""


def test_nobody_gets_the_answer_of_a_killed_greenlet_or_of_another_process(redis_url: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", KILLED_AND_FORKED, redis_url], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == ("wrong 0\n", "")
