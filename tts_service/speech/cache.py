"""Spoken pieces already paid for.

A piece is the same sound whenever engine, model, voice, speed, language, pronunciations and text are the
same, so the key is a hash over all of them, and the words themselves are not in it. In this process's memory,
bounded by bytes; in Redis too where several processes share one. Values are raw PCM behind a short header,
never pickled: whoever can write to Redis must not be able to run code here (faults T23).
"""

from __future__ import annotations

import hashlib
import logging
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import orjson

from tts_service.speech.audio import Pcm

log = logging.getLogger(__name__)

MEMORY_BYTES = 8 * 1024 * 1024  # three minutes of speech: some dozens of greetings and usual answers
ENTRY_BYTES = 4 * 1024 * 1024
KEPT_S = 7 * 24 * 3600
# Redis is a convenience here: a slow one is left alone for a while rather than waited for in each turn (3e).
REDIS_REST_S = 10.0

_Answer = TypeVar("_Answer")

_HEADER = struct.Struct("<4sI")
_MAGIC = b"TTS1"


def cache_key(
    *,
    engine: str,
    model: str,
    voice: str,
    speed: float,
    language: str,
    pronunciations: Mapping[str, str],
    text: str,
) -> str:
    parts = [engine, model, voice, speed, language, sorted(pronunciations.items()), text]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


class Remote(Protocol):
    """The two calls used of a Redis client whose socket timeout is 100 ms."""

    def get(self, name: str) -> object: ...

    def set(self, name: str, value: bytes, *, ex: int) -> object: ...


class SpeechCache:
    def __init__(
        self,
        limit_bytes: int = MEMORY_BYTES,
        remote: Remote | None = None,
        remote_errors: tuple[type[Exception], ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._remote, self._remote_errors = limit_bytes, remote, remote_errors
        self._clock = clock
        self._lock = threading.Lock()
        self._pieces: OrderedDict[str, Pcm] = OrderedDict()
        self._bytes = 0
        self._remote_rests_until = 0.0

    def get(self, key: str) -> Pcm | None:
        with self._lock:
            if found := self._pieces.get(key):
                self._pieces.move_to_end(key)
                return found
        if (value := self._ask_remote(lambda remote: remote.get(_name(key)))) is None:
            return None
        if (pcm := _unpacked(value)) is not None:
            self._keep(key, pcm)
        return pcm

    def put(self, key: str, pcm: Pcm) -> None:
        if len(pcm.data) > ENTRY_BYTES:
            return
        self._keep(key, pcm)
        self._ask_remote(lambda remote: remote.set(_name(key), _packed(pcm), ex=KEPT_S))

    def _keep(self, key: str, pcm: Pcm) -> None:
        with self._lock:
            if old := self._pieces.pop(key, None):
                self._bytes -= len(old.data)
            self._pieces[key] = pcm
            self._bytes += len(pcm.data)
            while self._bytes > self._limit:
                self._bytes -= len(self._pieces.popitem(last=False)[1].data)

    def _ask_remote(self, call: Callable[[Remote], _Answer]) -> _Answer | None:
        if self._remote is None or self._clock() < self._remote_rests_until:
            return None
        try:
            return call(self._remote)
        except self._remote_errors:
            self._remote_rests_until = self._clock() + REDIS_REST_S
            log.warning("event=cache_remote_failed rests_s=%d", REDIS_REST_S)
            return None


def _name(key: str) -> str:
    return f"tts:spoken:{key}"


def _packed(pcm: Pcm) -> bytes:
    return _HEADER.pack(_MAGIC, pcm.rate_hz) + pcm.data


def _unpacked(value: object) -> Pcm | None:
    """A value that is not ours is a miss (faults T23)."""
    if not isinstance(value, bytes) or not _HEADER.size < len(value) <= ENTRY_BYTES + _HEADER.size:
        return None
    magic, rate_hz = _HEADER.unpack_from(value)
    data = value[_HEADER.size :]
    if magic != _MAGIC or not 8_000 <= rate_hz <= 48_000 or len(data) % 2:
        return None
    return Pcm(data, rate_hz)
