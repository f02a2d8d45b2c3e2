"""Samples: resampling, G.711 and the WAV header, from the standard library alone."""

from __future__ import annotations

import array
import functools
import math
import struct
import sys

_BIG_ENDIAN = sys.byteorder == "big"


def samples_of(pcm: bytes) -> array.array[int]:
    """Little-endian s16 bytes as numbers; an odd last byte is dropped."""
    samples = array.array("h", pcm[: len(pcm) & ~1])
    if _BIG_ENDIAN:
        samples.byteswap()
    return samples


def bytes_of(samples: array.array[int]) -> bytes:
    """Numbers as little-endian s16 bytes."""
    if _BIG_ENDIAN:
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """The same sound at another rate: linear, phase by phase, smoothed first when going down."""
    if from_hz == to_hz or not pcm:
        return pcm
    shared = math.gcd(from_hz, to_hz)
    up, down = to_hz // shared, from_hz // shared
    source = samples_of(pcm)
    for _ in range(min(6, 2 * (from_hz // to_hz))):
        source = _smoothed(source)
    count = len(source) * up // down
    source.extend([source[-1]] * (2 * down))
    blocks = -(-count // up)
    out = array.array("h", bytes(2 * blocks * up))
    for phase in range(up):
        start, rest = divmod(phase * down, up)
        weight = (rest << 15) // up
        end = start + blocks * down
        out[phase::up] = array.array(
            "h",
            [
                a + ((b - a) * weight >> 15)
                for a, b in zip(
                    _padded(source, start, end, down),
                    _padded(source, start + 1, end + 1, down),
                    strict=True,
                )
            ],
        )
    return bytes_of(out[:count])


def _padded(source: array.array[int], start: int, end: int, step: int) -> array.array[int]:
    taken = source[start:end:step]
    missing = -(-(end - start) // step) - len(taken)
    taken.extend([0] * missing)
    return taken


def _smoothed(source: array.array[int]) -> array.array[int]:
    edged = array.array("h", [source[0], *source, source[-1]])
    triples = zip(edged, source, edged[2:], strict=False)
    return array.array("h", [(a + 2 * b + c) >> 2 for a, b, c in triples])


def loudness(pcm: bytes) -> float:
    """Root mean square of s16 samples, 0 to 32,768."""
    samples = samples_of(pcm)
    return math.sqrt(sum(one * one for one in samples) / len(samples)) if samples else 0.0


def ulaw(pcm: bytes) -> bytes:
    """G.711 mu-law, one byte a sample."""
    return bytes(_ulaw_byte(one >> 2) for one in samples_of(pcm))


def alaw(pcm: bytes) -> bytes:
    """G.711 A-law, one byte a sample."""
    return bytes(_alaw_byte(one >> 3) for one in samples_of(pcm))


def from_ulaw(data: bytes) -> bytes:
    """s16 from mu-law."""
    table = _ulaw_table()
    return bytes_of(array.array("h", [table[one] for one in data]))


def from_alaw(data: bytes) -> bytes:
    """s16 from A-law."""
    table = _alaw_table()
    return bytes_of(array.array("h", [table[one] for one in data]))


@functools.lru_cache(maxsize=16_384)
def _ulaw_byte(sample14: int) -> int:
    sign = 0x80 if sample14 < 0 else 0
    magnitude = min(abs(sample14), 8_158) + 33
    exponent = magnitude.bit_length() - 6
    return ~(sign | exponent << 4 | magnitude >> (exponent + 1) & 0x0F) & 0xFF


@functools.lru_cache(maxsize=8_192)
def _alaw_byte(sample13: int) -> int:
    sign = 0x80 if sample13 >= 0 else 0
    magnitude = min(sample13 if sample13 >= 0 else -sample13 - 1, 4_095)
    exponent = max(0, magnitude.bit_length() - 5)
    mantissa = magnitude >> max(1, exponent) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


@functools.cache
def _ulaw_table() -> tuple[int, ...]:
    return tuple(_ulaw_sample(~one & 0xFF) for one in range(256))


def _ulaw_sample(code: int) -> int:
    magnitude = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
    return -magnitude if code & 0x80 else magnitude


@functools.cache
def _alaw_table() -> tuple[int, ...]:
    return tuple(_alaw_sample(one ^ 0x55) for one in range(256))


def _alaw_sample(code: int) -> int:
    exponent, mantissa = code >> 4 & 7, code & 0x0F
    magnitude = (mantissa << 4) + 8 if exponent == 0 else (mantissa << 4) + 264 << exponent - 1
    return magnitude if code & 0x80 else -magnitude


def wav(pcm: bytes, rate_hz: int) -> bytes:
    """A RIFF file of mono s16 with true sizes."""
    return (
        struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1,
                    rate_hz, 2 * rate_hz, 2, 16, b"data", len(pcm))
        + pcm
    )  # fmt: skip
