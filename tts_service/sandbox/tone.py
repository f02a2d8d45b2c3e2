"""The voice of a machine without espeak: one harmonic syllable per group of vowels."""

from __future__ import annotations

import array
import functools
import math
import re

RATE_HZ = 22_050
_WORD = re.compile(r"[^\W_]+|[.,;:!?…]")
_VOWELS = re.compile(r"[aeiouyàâäéèêëíîïóôöúùûü]+", re.IGNORECASE)


def synthesize(text: str, *, base_hz: float, words_per_minute: int) -> bytes:
    """PCM s16 at RATE_HZ that rises and falls with the words, at about that pace."""
    syllable_s = 60 / words_per_minute / 1.9
    loud = _syllable(base_hz, syllable_s)
    high = _syllable(base_hz * 1.12, syllable_s)
    gap = bytes(2 * int(RATE_HZ * syllable_s * 0.35))
    pause = bytes(2 * int(RATE_HZ * 0.25))
    parts: list[bytes] = []
    for index, found in enumerate(_WORD.findall(text)):
        if not found[0].isalnum():
            parts.append(pause)
            continue
        count = max(1, len(_VOWELS.findall(found)))
        parts.append((high if index % 3 == 0 else loud) + loud * (count - 1) + gap)
    return b"".join(parts)


@functools.lru_cache(maxsize=64)
def _syllable(base_hz: float, length_s: float) -> bytes:
    count = int(RATE_HZ * length_s)
    out = array.array("h")
    for n in range(count):
        t = n / RATE_HZ
        envelope = math.sin(math.pi * n / count) ** 0.6
        wave = sum(
            _formant(k * base_hz) * math.sin(2 * math.pi * k * base_hz * t)
            for k in range(1, int(3_500 / base_hz))
        )
        out.append(int(2_600 * envelope * wave))
    return out.tobytes()


def _formant(hz: float) -> float:
    """An open vowel: peaks near 700 and 1,200 Hz."""
    return (
        0.5 / (1 + hz / 400)
        + math.exp(-(((hz - 700) / 150) ** 2))
        + 0.6 * math.exp(-(((hz - 1_200) / 200) ** 2))
    )
