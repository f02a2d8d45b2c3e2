"""Sound already paid for: kept within its bytes, found by all that makes it sound, and never code."""

from __future__ import annotations

import os
import pickle
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.redis_faults import Relay
from tts_service.shared_memory import SharedMemory
from tts_service.speech.audio import Pcm
from tts_service.speech.cache import ENTRY_BYTES, KEPT_S, SpeechCache, cache_key

SOUND = Pcm(b"\x01\x02" * 500, 24_000)

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
def key(shared: SharedMemory) -> Iterator[str]:
    key = f"test-{uuid.uuid4()}"
    yield key
    shared.run("redis.call('DEL', KEYS[1])", name(key))


def name(key: str) -> str:
    return f"tts:spoken:{key}"


def over(shared: SharedMemory) -> SpeechCache:
    return SpeechCache(shared=shared)


def test_what_one_process_bought_another_has(shared: SharedMemory, key: str) -> None:
    over(shared).put(key, SOUND)
    assert over(shared).get(key) == SOUND
    assert 0 < shared.run("return redis.call('TTL', KEYS[1])", name(key)) <= KEPT_S


def test_what_came_from_redis_is_then_in_memory(shared: SharedMemory, key: str) -> None:
    over(shared).put(key, SOUND)
    cache = over(shared)
    assert cache.get(key) == SOUND
    shared.run("redis.call('DEL', KEYS[1])", name(key))
    assert cache.get(key) == SOUND


def test_a_value_is_a_header_and_the_samples(shared: SharedMemory, key: str) -> None:
    over(shared).put(key, SOUND)
    assert shared.get(name(key), ENTRY_BYTES) == b"TTS1" + struct.pack("<I", 24_000) + SOUND.data


def test_a_piece_as_long_as_may_be_goes_to_redis_and_a_longer_one_does_not(
    shared: SharedMemory, key: str
) -> None:
    longest = pcm(ENTRY_BYTES)
    over(shared).put(key, pcm(ENTRY_BYTES + 2))
    assert over(shared).get(key) is None
    over(shared).put(key, longest)
    assert over(shared).get(key) == longest


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
    value: bytes, shared: SharedMemory, key: str
) -> None:
    shared.put(name(key), value, 60)
    cache = over(shared)
    assert cache.get(key) is None
    assert "TTS_UNPICKLED" not in os.environ, "a value from Redis was run"
    cache.put(key, SOUND)
    assert over(shared).get(key) == SOUND


def test_a_key_of_another_type_is_a_miss(shared: SharedMemory, key: str) -> None:
    shared.run("redis.call('RPUSH', KEYS[1], 'a list')", name(key))
    assert over(shared).get(key) is None
    over(shared).put(key, SOUND)
    assert over(shared).get(key) == SOUND


def test_without_redis_memory_goes_on_alone(redis_url: str, key: str) -> None:
    relay = Relay(redis_url)
    memory = SharedMemory(relay.url)
    cache = over(memory)
    cache.put(key, SOUND)
    relay.frozen.set()
    began = time.monotonic()
    assert cache.get("another") is None
    cache.put("another", SOUND)
    assert cache.get("another") == cache.get(key) == SOUND
    assert all(cache.get(str(number)) is None for number in range(100))
    assert time.monotonic() - began < 5, "the 100 ms were paid more than once"
    memory.close()
    relay.close()
