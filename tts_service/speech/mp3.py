"""PCM into MP3, for callers that ask for small audio. Owns lameenc, which is an optional extra (LGPL).

7.6 s of speech: 46 kB instead of 363 kB, for 8 ms of CPU (ecosystem 4): three times what the rest of a turn
costs, so only on request.
"""

from __future__ import annotations

from typing import Any

from tts_service.errors import InvalidRequest
from tts_service.speech.audio import Pcm

try:
    import lameenc
except ImportError:
    lameenc = None

BIT_RATE_KBIT = 48
QUALITY = 7  # lame's 0 (best) to 9; below 7 costs time and nobody hears it in speech


def check_available() -> None:
    """Raises InvalidRequest where the extra is not installed."""
    if lameenc is None:
        raise InvalidRequest(
            "This server cannot make MP3. Ask for audio_format wav, or have it installed with the mp3 extra.",
            param="audio_format",
        )


def mp3(pcm: Pcm) -> bytes:
    encoder: Any = lameenc.Encoder()
    encoder.silence()  # lame prints to stderr otherwise
    encoder.set_bit_rate(BIT_RATE_KBIT)
    encoder.set_in_sample_rate(pcm.rate_hz)
    encoder.set_channels(1)
    encoder.set_quality(QUALITY)
    return bytes(encoder.encode(pcm.data)) + bytes(encoder.flush())
