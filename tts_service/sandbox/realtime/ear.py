"""What the session hears: decodes appended audio and tells speech from silence by its energy."""

from __future__ import annotations

import dataclasses

from tts_service.sandbox import sound
from tts_service.sandbox.realtime.config import Format, Json

_FRAME_MS = 20
_FRAMES_TO_START = 3
# A threshold of 0.85 asks for an rms of about 0.026 of full scale (-32 dBFS).
_RMS_PER_THRESHOLD = 1_000.0


@dataclasses.dataclass(frozen=True)
class Started:
    """Speech began, in milliseconds of audio since the session began."""

    at_ms: int


@dataclasses.dataclass(frozen=True)
class Stopped:
    """Speech ended, in milliseconds of audio since the session began."""

    at_ms: int


class Ear:
    """The input audio buffer of one session."""

    def __init__(self) -> None:
        self.buffered_ms = 0.0
        self.total_ms = 0.0
        self.speaking = False
        self._rest = b""
        self._loud = 0
        self._quiet_ms = 0

    def append(self, data: bytes, audio_format: Format, vad: Json | None) -> list[Started | Stopped]:
        """Takes coded audio; returns what the voice detector noticed, when there is one."""
        self.buffered_ms += 1000 * len(data) / audio_format.bytes_per_s
        if vad is None:
            self.total_ms += 1000 * len(data) / audio_format.bytes_per_s
            return []
        noticed: list[Started | Stopped] = []
        pcm = self._rest + decode(data, audio_format)
        step = 2 * audio_format.rate_hz * _FRAME_MS // 1000
        end = len(pcm) - len(pcm) % step
        self._rest = pcm[end:]
        for start in range(0, end, step):
            self.total_ms += _FRAME_MS
            change = self._frame(pcm[start : start + step], vad)
            if change is not None:
                noticed.append(change)
        return noticed

    def take(self) -> float:
        """Empties the buffer; returns how many milliseconds it held."""
        held, self.buffered_ms, self._rest = self.buffered_ms, 0.0, b""
        self.speaking, self._loud, self._quiet_ms = False, 0, 0
        return held

    def _frame(self, pcm: bytes, vad: Json) -> Started | Stopped | None:
        if sound.loudness(pcm) >= vad["threshold"] * _RMS_PER_THRESHOLD:
            self._loud += 1
            self._quiet_ms = 0
            if not self.speaking and self._loud >= _FRAMES_TO_START:
                self.speaking = True
                began = self.total_ms - self._loud * _FRAME_MS - vad["prefix_padding_ms"]
                return Started(max(0, round(began)))
            return None
        self._loud = 0
        self._quiet_ms += _FRAME_MS
        if self.speaking and self._quiet_ms >= vad["silence_duration_ms"]:
            self.speaking = False
            return Stopped(round(self.total_ms))
        return None


def decode(data: bytes, audio_format: Format) -> bytes:
    """PCM s16 from the bytes of one append."""
    if audio_format.type == "audio/pcmu":
        return sound.from_ulaw(data)
    if audio_format.type == "audio/pcma":
        return sound.from_alaw(data)
    return data


def encode(pcm: bytes, audio_format: Format) -> bytes:
    """The bytes that format sends for PCM s16 of its rate."""
    if audio_format.type == "audio/pcmu":
        return sound.ulaw(pcm)
    if audio_format.type == "audio/pcma":
        return sound.alaw(pcm)
    return pcm
