"""Sound already paid for: kept within its bytes, found by all that makes it sound, and never code."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from tts_service import shared_memory
from tts_service.speech.audio import Pcm
from tts_service.speech.cache import ENTRY_BYTES, KEPT_S, REDIS_REST_S, SpeechCache, cache_key

SOUND = Pcm(b"\x01\x02" * 500, 24_000)
DATABASE = 9  # of the Redis on this machine; the service itself uses 0
REDIS_URL = f"redis://127.0.0.1:6379/{DATABASE}"

# The key.

PARTS: dict[str, Any] = {
    "engine": "realtime",
    "model": "m",
    "voice": "ara",
    "speed": 1.0,
    "language": "auto",
    "pronunciations": {"GIF": "jif", "SQL": "sequel"},
    "text": "Hello.",
}


@pytest.mark.parametrize(
    "other",
    [
        {"engine": "tts"},
        {"model": "n"},
        {"voice": "rex"},
        {"speed": 1.1},
        {"language": "de"},
        {"pronunciations": {}},
        {"pronunciations": {"GIF": "gif", "SQL": "sequel"}},
        {"pronunciations": {"GIF": "jif"}},
        {"text": "Hello"},
        {"text": "hello."},
        {"model": "mara", "voice": ""},
        {"voice": 'ara",1.0,"auto'},
    ],
    ids=repr,
)
def test_a_key_differs_by_every_part(other: dict[str, Any]) -> None:
    assert cache_key(**(PARTS | other)) != cache_key(**PARTS)


def test_a_key_is_the_same_for_the_same_and_holds_no_words() -> None:
    turned = {"pronunciations": {"SQL": "sequel", "GIF": "jif"}}
    key = cache_key(**PARTS)
    assert key == cache_key(**(PARTS | turned))
    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")


@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_no_two_ways_to_cut_the_parts_meet(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    names = ("voice", "language", "text")
    keys = [cache_key(**(PARTS | dict(zip(names, each, strict=True)))) for each in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


# In memory.


def pcm(length: int) -> Pcm:
    return Pcm(bytes(length), 24_000)


def test_what_was_put_is_given_until_others_take_its_place_the_longest_unused_first() -> None:
    cache = SpeechCache(limit_bytes=300)
    for key in ("a", "b", "c"):
        cache.put(key, pcm(100))
    assert cache.get("a") == pcm(100)
    cache.put("d", pcm(100))
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]
    cache.put("e", pcm(200))
    assert [key for key in "acde" if cache.get(key)] == ["d", "e"]


def test_the_same_piece_put_twice_counts_once() -> None:
    cache = SpeechCache(limit_bytes=300)
    for key in ("a", "a", "a", "b", "c"):
        cache.put(key, pcm(100))
    assert all(cache.get(key) for key in "abc")


@pytest.mark.parametrize(("length", "is_kept"), [(ENTRY_BYTES, True), (ENTRY_BYTES + 2, False)])
def test_a_piece_too_long_is_not_kept_and_costs_no_other_its_place(length: int, is_kept: bool) -> None:
    cache = SpeechCache()
    cache.put("short", pcm(100))
    cache.put("long", pcm(length))
    assert (cache.get("long") is not None) is is_kept
    assert cache.get("short") is not None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 120)), max_size=60))
def test_it_never_holds_more_than_its_bytes(puts: list[tuple[int, int]]) -> None:
    cache, put = SpeechCache(limit_bytes=200), {}
    for key, length in puts:
        cache.put(str(key), pcm(length))
        put[str(key)] = length
        held = {name: len(found.data) for name in map(str, range(10)) if (found := cache.get(name))}
        assert held[str(key)] == length, "what was put last is there"
        assert sum(held.values()) <= 200
        assert held.items() <= put.items()


def test_many_threads_leave_it_whole() -> None:
    cache = SpeechCache(limit_bytes=1_000)

    def work(number: int) -> None:
        key = str(number % 23)
        found = cache.get(key)
        assert found is None or len(found.data) == 50 + number % 23
        cache.put(key, pcm(50 + number % 23))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(4_000)))
    held = [found for key in map(str, range(23)) if (found := cache.get(key))]
    assert 0 < sum(len(each.data) for each in held) <= 1_000


# In Redis.


@pytest.fixture
def redis() -> Iterator[Redis]:
    client = shared_memory.connect(REDIS_URL)
    try:
        client.ping()
    except shared_memory.ERRORS as error:
        client.close()
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Redis at 127.0.0.1:6379 ({type(error).__name__}); install redis-server and start it")
    yield client
    client.close()


@pytest.fixture
def key(redis: Redis) -> Iterator[str]:
    key = f"test-{uuid.uuid4()}"
    yield key
    redis.delete(f"tts:spoken:{key}")


def over(redis: Redis) -> SpeechCache:
    return SpeechCache(remote=redis, remote_errors=shared_memory.ERRORS)


def test_what_one_process_bought_another_has(redis: Redis, key: str) -> None:
    over(redis).put(key, SOUND)
    assert over(redis).get(key) == SOUND
    assert 0 < redis.ttl(f"tts:spoken:{key}") <= KEPT_S


def test_what_came_from_redis_is_then_in_memory(redis: Redis, key: str) -> None:
    over(redis).put(key, SOUND)
    cache = over(redis)
    assert cache.get(key) == SOUND
    redis.delete(f"tts:spoken:{key}")
    assert cache.get(key) == SOUND


def test_a_value_is_a_header_and_the_samples(redis: Redis, key: str) -> None:
    over(redis).put(key, SOUND)
    assert redis.get(f"tts:spoken:{key}") == b"TTS1" + struct.pack("<I", 24_000) + SOUND.data


def test_a_piece_too_long_does_not_go_to_redis_either(redis: Redis, key: str) -> None:
    over(redis).put(key, pcm(ENTRY_BYTES + 2))
    assert redis.get(f"tts:spoken:{key}") is None


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (eval, ("__import__('os').environ.__setitem__('TTS_UNPICKLED', '1')",))


HEAD = b"TTS1" + struct.pack("<I", 24_000)
POISON: dict[str, bytes] = {
    "pickle": pickle.dumps(Trap()),
    "pickle-in-our-envelope": b"TTS1" + pickle.dumps(Trap()),
    "wrong-magic": b"TTS0" + HEAD[4:] + b"\x00\x00",
    "odd-length": HEAD + b"\x00" * 3,
    "no-sound": HEAD,
    "half-a-header": HEAD[:5],
    "nothing": b"",
    "rate-0": b"TTS1" + struct.pack("<I", 0) + b"\x00\x00",
    "rate-huge": b"TTS1\xff\xff\xff\xff\x00\x00",
    "too-long": HEAD + bytes(ENTRY_BYTES + 2),
    "json": b'{"rate_hz": 24000, "data": "AAAA"}',
    "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
}


@pytest.mark.parametrize("value", POISON.values(), ids=POISON)
def test_a_poisoned_value_is_a_miss_and_is_replaced_by_the_next_purchase(
    value: bytes, redis: Redis, key: str
) -> None:
    redis.set(f"tts:spoken:{key}", value, ex=60)
    cache = over(redis)
    assert cache.get(key) is None
    assert "TTS_UNPICKLED" not in os.environ, "a value from Redis was run"
    cache.put(key, SOUND)
    assert over(redis).get(key) == SOUND


def test_a_client_that_decodes_is_a_miss_and_no_error(redis: Redis, key: str) -> None:
    redis.set(f"tts:spoken:{key}", "TTS1 as text")
    decoding = Redis.from_url(REDIS_URL, decode_responses=True)
    assert SpeechCache(remote=decoding).get(key) is None
    decoding.close()


def test_a_key_of_another_type_is_a_miss(redis: Redis, key: str) -> None:
    redis.rpush(f"tts:spoken:{key}", "a list")
    assert over(redis).get(key) is None


# Redis in trouble: a miss, soon, and then left alone.


@dataclass
class Trouble:
    """A server on the port of a Redis; `answer` is all it ever says to a command."""

    answer: bytes | None

    def __post_init__(self) -> None:
        self.calls = 0
        self._held: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            self._held.append(sock)
            self._threads.append(threading.Thread(target=self._converse, args=(sock,)))
            self._threads[-1].start()

    def _converse(self, sock: socket.socket) -> None:
        try:
            while (data := sock.recv(65_536)) and self.answer != b"":
                if self.answer is not None:
                    sock.sendall(self.answer * data.count(b"\r\n$"))
        except OSError:
            pass
        finally:
            sock.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for sock in self._held:
            with contextlib.suppress(OSError):  # it is closed already
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


TROUBLES: dict[str, bytes | None] = {
    "hung": None,
    "hangs-up": b"",
    "out-of-memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "read-only": b"-READONLY You can't write against a read only replica.\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "not-redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.fixture
def troubled() -> Iterator[Callable[[bytes | None], Trouble]]:
    servers: list[Trouble] = []

    def start(answer: bytes | None) -> Trouble:
        servers.append(Trouble(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_redis_in_trouble_is_a_miss_within_a_moment_and_then_left_alone_for_ten_seconds(
    trouble: str, troubled: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server, now = troubled(TROUBLES[trouble]), [1000.0]
    client = shared_memory.connect(f"redis://127.0.0.1:{server.port}/0")
    cache = SpeechCache(remote=client, remote_errors=shared_memory.ERRORS, clock=lambda: now[0])
    caplog.set_level(logging.WARNING)

    began = time.monotonic()
    assert cache.get("key") is None
    assert time.monotonic() - began < 0.1 + 1.0, "100 ms, and what a busy machine adds"
    calls = server.calls
    assert calls >= 1

    now[0] += REDIS_REST_S - 0.1
    began = time.monotonic()
    for number in range(100):
        assert cache.get(f"other-{number}") is None
        cache.put(f"other-{number}", SOUND)
    assert time.monotonic() - began < 5, "each turn would pay 100 ms again for the hung server"
    assert server.calls == calls
    assert [record.getMessage() for record in caplog.records] == ["event=cache_remote_failed rests_s=10"]
    assert all(cache.get(f"other-{number}") == SOUND for number in range(100)), "memory needs no Redis"

    now[0] += 0.2
    cache.get("key")
    assert len(caplog.records) == 2, "it was never asked again"
    client.close()


class Relay:
    """Stands before the real Redis; once `frozen`, it forwards no answer any more."""

    def __init__(self) -> None:
        self.frozen = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", 6379))
            self._ends += [near, far]
            for source, sink, is_answer in ((near, far, False), (far, near, True)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, sink, is_answer)))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65_536):
                if not (is_answer and self.frozen.is_set()):
                    sink.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()


@pytest.fixture
def relay(redis: Redis) -> Iterator[Relay]:
    relay = Relay()
    yield relay
    relay.close()


@pytest.mark.parametrize("call", ["get", "put"])
def test_a_redis_that_hangs_in_the_middle_of_its_service_costs_a_moment_once(
    call: str, relay: Relay, redis: Redis, key: str
) -> None:
    client = shared_memory.connect(f"redis://127.0.0.1:{relay.port}/{DATABASE}")
    cache = over(client)
    over(redis).put(key, SOUND)
    assert cache.get(key) == SOUND
    relay.frozen.set()
    began = time.monotonic()
    if call == "get":
        assert cache.get("another") is None
    else:
        cache.put(key, SOUND)
    for number in range(40):
        assert cache.get(f"after-{number}") is None
    assert time.monotonic() - began < 2, "it was asked more than once, at 100 ms each"
    client.close()


def test_a_redis_that_is_not_there_is_a_miss_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        client = shared_memory.connect(f"redis://127.0.0.1:{nobody.getsockname()[1]}/0")
        cache = SpeechCache(remote=client, remote_errors=shared_memory.ERRORS)
        began = time.monotonic()
        assert cache.get("key") is None
        cache.put("key", SOUND)
        assert time.monotonic() - began < 2
        assert cache.get("key") == SOUND
    assert len(caplog.records) == 1
    client.close()


def test_a_bug_in_the_client_is_not_taken_for_an_outage() -> None:
    class Broken:
        def get(self, name: str) -> bytes | None:
            raise ZeroDivisionError

        def set(self, name: str, value: bytes, *, ex: int) -> object:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        SpeechCache(remote=Broken(), remote_errors=shared_memory.ERRORS).get("key")
