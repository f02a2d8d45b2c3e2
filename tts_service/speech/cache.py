"""Spoken pieces already paid for.

A piece is the same sound whenever engine, model, voice, speed, language, pronunciations and text are the
same, so the key is a hash over all of them, and the words themselves are not in it. In this process's memory,
bounded by bytes; in Redis too where several processes share one. Values are raw PCM behind a short header,
never pickled: whoever can write to Redis must not be able to run code here (faults T23).
"""

from __future__ import annotations

import hashlib
import struct
import threading
from collections import OrderedDict
from collections.abc import Mapping

import orjson

from tts_service.shared_memory import SharedMemory, SharedMemoryAway
from tts_service.speech.audio import Pcm

MEMORY_BYTES = 8 * 1024 * 1024  # three minutes of speech: some dozens of greetings and usual answers
ENTRY_BYTES = 4 * 1024 * 1024
KEPT_S = 7 * 24 * 3600

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


class SpeechCache:
    def __init__(self, limit_bytes: int = MEMORY_BYTES, shared: SharedMemory | None = None) -> None:
        self._limit, self._shared = limit_bytes, shared
        self._lock = threading.Lock()
        self._pieces: OrderedDict[str, Pcm] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Pcm | None:
        with self._lock:
            if found := self._pieces.get(key):
                self._pieces.move_to_end(key)
                return found
        if (pcm := self._from_shared(key)) is not None:
            self._keep(key, pcm)
        return pcm

    def put(self, key: str, pcm: Pcm) -> None:
        if len(pcm.data) > ENTRY_BYTES:
            return
        self._keep(key, pcm)
        self._to_shared(key, pcm)

    def _keep(self, key: str, pcm: Pcm) -> None:
        with self._lock:
            if old := self._pieces.pop(key, None):
                self._bytes -= len(old.data)
            self._pieces[key] = pcm
            self._bytes += len(pcm.data)
            while self._bytes > self._limit:
                self._bytes -= len(self._pieces.popitem(last=False)[1].data)

    def _from_shared(self, key: str) -> Pcm | None:
        if self._shared is None:
            return None
        try:
            value = self._shared.get(_name(key), ENTRY_BYTES + _HEADER.size)
        except SharedMemoryAway:
            return None
        return _unpacked(value) if value is not None else None

    def _to_shared(self, key: str, pcm: Pcm) -> None:
        if self._shared is None:
            return
        try:
            self._shared.put(_name(key), _packed(pcm), KEPT_S)
        except SharedMemoryAway:
            return  # it is bought once more where it is missing


def _name(key: str) -> str:
    return f"tts:spoken:{key}"


def _packed(pcm: Pcm) -> bytes:
    return _HEADER.pack(_MAGIC, pcm.rate_hz) + pcm.data


def _unpacked(value: bytes) -> Pcm | None:
    """A value that is not ours is a miss (faults T23)."""
    if len(value) <= _HEADER.size:
        return None
    magic, rate_hz = _HEADER.unpack_from(value)
    data = value[_HEADER.size :]
    if magic != _MAGIC or not 8_000 <= rate_hz <= 48_000 or len(data) % 2:
        return None
    return Pcm(data, rate_hz)
