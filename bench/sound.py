"""The sound the scripted provider speaks. Pure; the peer sends it and the check expects it back."""

from __future__ import annotations

import math
import struct
from base64 import b64encode
from functools import lru_cache

RATE_HZ = 24_000
BYTES_PER_S = 2 * RATE_HZ
DELTA_BYTES = 6_000  # 125 ms, a usual size (protocols 8: 20 to 200 ms)
_DISTINCT = 40  # then it begins again


@lru_cache(1)
def _period() -> bytes:
    """5 s of a tone that rises, so that no two deltas are alike."""
    samples = _DISTINCT * DELTA_BYTES // 2
    return struct.pack(
        f"<{samples}h",
        *(int(9_000 * math.sin(n * (0.03 + n / samples * 0.05)) + n % 251) for n in range(samples)),
    )


def pcm(size: int) -> bytes:
    """`size` bytes of sound, an even number."""
    period = _period()
    return (period * (size // len(period) + 1))[:size]


@lru_cache(64)
def deltas(size: int) -> tuple[bytes, ...]:
    """The same in pieces of DELTA_BYTES, each in base64, as the provider sends it."""
    sound = pcm(size)
    return tuple(b64encode(sound[at : at + DELTA_BYTES]) for at in range(0, size, DELTA_BYTES))
