"""What coded samples travel in: nothing, a WAV, or an MP3 made by lameenc where it is installed."""

from __future__ import annotations

import struct
from typing import Any

from tts_service.sandbox import sound

try:
    import lameenc  # type: ignore[import-not-found,import-untyped,unused-ignore]
except ImportError:
    lameenc = None

HAS_MP3 = lameenc is not None
_UNKNOWN_SIZE = 0xFFFFFFFF


class Container:
    """One stream of `codec`: `add` chunks of coded samples, then `finish`."""

    def __init__(self, codec: str, rate_hz: int, bit_rate: int) -> None:
        self._header = _endless_wav(rate_hz) if codec == "wav" else b""
        self._mp3 = _encoder(rate_hz, bit_rate) if codec == "mp3" else None

    def add(self, data: bytes) -> bytes:
        """The bytes ready to be sent; may be none yet."""
        if self._mp3 is not None:
            return bytes(self._mp3.encode(data))
        header, self._header = self._header, b""
        return header + data

    def finish(self) -> bytes:
        """What was held back."""
        return b"" if self._mp3 is None else bytes(self._mp3.flush())


def whole(data: bytes, codec: str, rate_hz: int, bit_rate: int) -> bytes:
    """A complete file, with true sizes."""
    if codec == "wav":
        return sound.wav(data, rate_hz)
    stream = Container(codec, rate_hz, bit_rate)
    return stream.add(data) + stream.finish()


def _endless_wav(rate_hz: int) -> bytes:
    """A WAV header for a stream whose length nobody knows yet."""
    header = bytearray(sound.wav(b"", rate_hz))
    for offset in (4, 40):
        struct.pack_into("<I", header, offset, _UNKNOWN_SIZE)
    return bytes(header)


def _encoder(rate_hz: int, bit_rate: int) -> Any:
    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(rate_hz)
    encoder.set_channels(1)
    encoder.set_bit_rate(bit_rate // 1000)
    encoder.set_quality(7)
    encoder.silence()
    return encoder
