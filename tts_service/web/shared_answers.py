"""One paid turn for one Idempotency-Key on all instances together, through Redis.

Within a process `Answers` sees to it, so an instance comes here once for each key and finds the place empty
(and takes it), taken, or answered. Without Redis each process pays once, as one instance alone does.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from tts_service.errors import IdempotencyInFlight, IdempotencyMismatch
from tts_service.shared_memory import SharedMemory, SharedMemoryAway
from tts_service.web.idempotency import KEPT_S, Answer, Answers, Once

# The JSON of 65 s of speech, written within 25 ms; 8 MiB took up to 70 of the 100 ms there are (measured on 2
# busy cores). A longer answer is replayed by its own instance only.
SHARED_BYTES = 4 << 20
_HEAD_BYTES = 1024  # the line above the body: a digest and a Server-Timing

# A place holds a line of JSON that says whose it is, and below it the answer's body when there is one.
# What is of no use to us (another type, far too long) counts as empty.
_CLAIM = """
local max, bytes = tonumber(ARGV[3]), 0
if redis.call('TYPE', KEYS[1]).ok == 'string' then bytes = redis.call('STRLEN', KEYS[1]) end
if bytes > 0 and bytes <= max then return redis.call('GET', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""

# Only where it still holds what was read or written there: a claim that expired may be another's by now.
_REPLACE = """
if redis.call('TYPE', KEYS[1]).ok ~= 'string' or redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


@dataclass(frozen=True)
class _Stored:
    """What stands at a place; without an answer, the turn is in flight."""

    asked: str
    answer: Answer | None


class SharedAnswers(Answers):
    """`claim_s`: longer than any turn lasts. The claim of an instance that died is free again after it."""

    def __init__(self, memory: SharedMemory, claim_s: float) -> None:
        super().__init__()
        self._memory, self._claim_ms = memory, int(claim_s * 1000)

    def give(self, asked: Once, make: Callable[[], Answer]) -> Answer:
        """The stored answer, or that of `make`, which runs at most once at a time for each key anywhere.

        Raises IdempotencyInFlight, IdempotencyMismatch, and what `make` raises.
        """
        return super().give(asked, lambda: self._give_anywhere(asked, make))

    def _give_anywhere(self, asked: Once, make: Callable[[], Answer]) -> Answer:
        claim = _written(asked, {"claim": secrets.token_hex(16)})
        stored = self._taken(asked, claim)
        if stored is not None:
            return _replayed(stored, asked)
        answer = None
        try:
            answer = make()
        finally:
            self._settle_place(asked, claim, answer)
        return answer

    def _taken(self, asked: Once, claim: bytes) -> _Stored | None:
        """What stands at the place; or None, and it is ours, or Redis is away."""
        try:
            found = self._memory.run(_CLAIM, place_of(asked), claim, self._claim_ms, SHARED_BYTES)
            if found is None:
                return None
            stored = _read(found)
            if stored is None and self._replace(asked, found, claim, self._claim_ms):
                return None  # what stood there was not ours (faults T23)
        except SharedMemoryAway:
            return None
        return stored or _Stored(asked.body.hex(), None)

    def _settle_place(self, asked: Once, claim: bytes, answer: Answer | None) -> None:
        value = b""
        if answer is not None and len(answer.body) < SHARED_BYTES - _HEAD_BYTES:
            value = _written(asked, {"server_timing": answer.server_timing}, answer.body)
        try:
            self._replace(asked, claim, value, int(KEPT_S * 1000))
        except SharedMemoryAway:
            return  # this process has the answer; elsewhere the claim ends by itself

    def _replace(self, asked: Once, old: bytes, new: bytes, ttl_ms: int) -> bool:
        replaced: int = self._memory.run(_REPLACE, place_of(asked), old, new, ttl_ms)
        return replaced == 1


def place_of(asked: Once) -> str:
    """Hashed: a caller chooses the key, and may have put words in it."""
    return f"tts:once:{hashlib.sha256(f'{asked.scope} {asked.key}'.encode()).hexdigest()}"


def _written(asked: Once, facts: dict[str, str], body: bytes = b"") -> bytes:
    return orjson.dumps({"asked": asked.body.hex()} | facts) + b"\n" + body


def _read(value: bytes) -> _Stored | None:
    """None for what is not ours."""
    head, _, body = value.partition(b"\n")
    try:
        match orjson.loads(head):
            case {"asked": str(asked), "server_timing": str(server_timing)} if body:
                return _Stored(asked, Answer(body, server_timing, replayed=True))
            case {"asked": str(asked), "claim": str()} if not body:
                return _Stored(asked, None)
    except orjson.JSONDecodeError:
        return None
    return None


def _replayed(stored: _Stored, asked: Once) -> Answer:
    if stored.asked != asked.body.hex():
        raise IdempotencyMismatch(param="Idempotency-Key")
    if stored.answer is None:
        raise IdempotencyInFlight(param="Idempotency-Key", retry_after_s=1)
    return stored.answer
