"""One paid turn for one Idempotency-Key, however often the request comes (faults 5-41, T26).

A key belongs to one client and one route, and to the body it came with. Finished answers are replayed for ten
minutes; a turn that failed is forgotten, so that the same key may try again.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from tts_service.deadline import Clock
from tts_service.errors import IdempotencyInFlight, IdempotencyMismatch, InvalidRequest

KEPT_S = 600.0
MAX_KEPT_BYTES = 32 << 20  # a hundred replies of 5 s

_ENTRY_BYTES = 600  # what an entry weighs beside its body: key, digest, objects
KEY = r"[\x20-\x7e]{1,255}"
_Place = tuple[str, str]


@dataclass(frozen=True)
class Once:
    """A request that must run once. `scope`: the client and the route; `body`: the digest of what it asks."""

    scope: str
    key: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is replayed: the JSON and the timings of the turn that was paid for."""

    body: bytes
    server_timing: str = ""
    replayed: bool = False


@dataclass(frozen=True)
class _Kept:
    asked: bytes
    answer: Answer
    until: float

    @property
    def size(self) -> int:
        return len(self.answer.body) + _ENTRY_BYTES


def once(key: str, scope: str, body: bytes) -> Once:
    """Raises InvalidRequest for a key that is not 1 to 255 printable ASCII characters."""
    if not re.fullmatch(KEY, key):
        raise InvalidRequest(
            "Idempotency-Key must be 1 to 255 printable ASCII characters.", param="Idempotency-Key"
        )
    return Once(scope, key, hashlib.sha256(body).digest())


class Answers:
    """The answers of one process, the oldest dropped when they are too many bytes."""

    def __init__(self, clock: Clock = time.monotonic, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._running: dict[_Place, bytes] = {}
        self._kept: OrderedDict[_Place, _Kept] = OrderedDict()  # in the order in which they expire
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def give(self, asked: Once, make: Callable[[], Answer]) -> Answer:
        """The stored answer, or that of `make`, which runs at most once at a time for each key.

        Raises IdempotencyInFlight, IdempotencyMismatch, and what `make` raises.
        """
        stored = self._claim(asked)
        if stored is not None:
            return stored
        answer = None
        try:
            answer = make()
        finally:
            self._settle(asked, answer)
        return answer

    def _claim(self, asked: Once) -> Answer | None:
        """The stored answer; or None, and the key is taken until `_settle`."""
        place = (asked.scope, asked.key)
        with self._lock:
            self._drop(0)
            kept = self._kept.get(place)
            body = kept.asked if kept else self._running.get(place)
            if body is not None and body != asked.body:
                raise IdempotencyMismatch(param="Idempotency-Key")
            if kept is not None:
                return replace(kept.answer, replayed=True)
            if body is not None:
                raise IdempotencyInFlight(param="Idempotency-Key", retry_after_s=1)
            self._running[place] = asked.body
            return None

    def _settle(self, asked: Once, answer: Answer | None) -> None:
        place = (asked.scope, asked.key)
        with self._lock:
            del self._running[place]
            if answer is None:
                return
            kept = _Kept(asked.body, answer, self._clock() + KEPT_S)
            self._drop(kept.size)
            self._kept[place] = kept
            self._kept_bytes += kept.size

    def _drop(self, needed_bytes: int) -> None:
        """Forgets what has expired, and then the oldest until `needed_bytes` more fit."""
        now = self._clock()
        while self._kept:
            place, kept = next(iter(self._kept.items()))
            if kept.until > now and self._kept_bytes + needed_bytes <= self._max_bytes:
                return
            del self._kept[place]
            self._kept_bytes -= kept.size
