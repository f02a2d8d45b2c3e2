"""A text as a stream of small pieces of sound, each with the words it speaks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncGenerator, Callable, Mapping

from tts_service.sandbox import speech
from tts_service.sandbox.speech import Manner, Speech

DELTA_S = 0.1


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some coded audio and the words that begin in it."""

    audio: bytes
    words: str
    duration_s: float


@dataclasses.dataclass(frozen=True)
class Coding:
    """How samples become bytes: `encode` takes PCM s16, `sample_bytes` is what one becomes."""

    encode: Callable[[bytes], bytes]
    sample_bytes: int
    delta_s: float = DELTA_S
    odd: bool = False


async def spoken(
    voice: Speech, text: str, manner: Manner, coding: Coding, replace: Mapping[str, str]
) -> AsyncGenerator[Chunk, None]:
    """The text piece by piece; the words of all chunks, joined, are the text."""
    for piece in speech.pieces(text):
        pcm = await voice.pcm(speech.respelled(piece, replace), manner)
        for chunk in _cut(coding.encode(pcm), piece, manner.rate_hz, coding):
            yield chunk


def _cut(data: bytes, text: str, rate_hz: int, coding: Coding) -> list[Chunk]:
    bytes_per_s = rate_hz * coding.sample_bytes
    size = max(1, round(rate_hz * coding.delta_s)) * coding.sample_bytes + (1 if coding.odd else 0)
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    # A scrap of an ending joins its neighbour: deltas are 20 to 200 ms (protocols 8).
    if len(parts) > 1 and not coding.odd and len(parts[-1]) * 2 < size:
        parts[-2:] = [parts[-2] + parts[-1]]
    words = re.findall(r"\s*\S+\s*", text) or [text]
    chunks = []
    for index, part in enumerate(parts):
        begun = _share(len(words), index, len(parts))
        ended = _share(len(words), index + 1, len(parts))
        chunks.append(Chunk(part, "".join(words[begun:ended]), len(part) / bytes_per_s))
    return chunks


def _share(words: int, index: int, parts: int) -> int:
    return -(-words * index // parts)
