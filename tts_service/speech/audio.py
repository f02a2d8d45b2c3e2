"""Sound as the service holds it and hands it out. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pybase64

BYTES_PER_SAMPLE = 2  # signed 16-bit little-endian, one channel: the only form held here (protocols 1.3)


@dataclass(frozen=True)
class Pcm:
    """Signed 16-bit little-endian mono samples; `rate_hz` is what the provider confirmed."""

    data: bytes
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.data) / (BYTES_PER_SAMPLE * self.rate_hz)


def wav(pcm: Pcm) -> bytes:
    """A whole RIFF file with true sizes: players that trust the header would drop the end otherwise."""
    return _wav_header(len(pcm.data), pcm.rate_hz) + pcm.data


def wav_base64(pcm: Pcm) -> tuple[bytes, bytes]:
    """The same file in base64, in two parts, without copying the sound: a cut after 45 bytes, the header and
    one more, falls between two groups of three and needs no padding.
    """
    head = _wav_header(len(pcm.data), pcm.rate_hz) + pcm.data[:1]
    return pybase64.b64encode(head), pybase64.b64encode(memoryview(pcm.data)[1:])


def _wav_header(size: int, rate_hz: int) -> bytes:
    # struct instead of the wave module: 2 us against 4 ms for 5 s of sound (ecosystem 2, "Micro").
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + size,
        b"WAVE",
        b"fmt ",
        16,
        1,  # PCM
        1,  # mono
        rate_hz,
        rate_hz * BYTES_PER_SAMPLE,
        BYTES_PER_SAMPLE,
        8 * BYTES_PER_SAMPLE,
        b"data",
        size,
    )
