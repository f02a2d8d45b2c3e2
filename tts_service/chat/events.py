"""What happens in one turn, in order: any number of `TextDelta` and `SpokenPiece`, then one `Reply`.

Pure. A turn that has no text to give raises an UpstreamError instead of its `Reply`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tts_service.errors import SpeechError
from tts_service.speech.audio import Pcm


@dataclass(frozen=True)
class TextDelta:
    """The next part of the reply as the model wrote it."""

    delta: str


@dataclass(frozen=True)
class SpokenPiece:
    """One piece of the reply, spoken whole. `seq` counts from 0; `text` is the words that were said."""

    seq: int
    text: str
    pcm: Pcm


@dataclass(frozen=True)
class Spoken:
    """The voice of a whole reply."""

    voice: str
    pcm: Pcm
    truncated: bool = False
    cached: bool = False


@dataclass(frozen=True)
class Reply:
    """The turn, folded up. At most one of `spoken` and `audio_error` is set; a text-only client has neither.

    `timings_ms` has the keys llm_first_token, llm, speech_first_audio, speech, total (contract.md).
    """

    conversation_id: str
    text: str
    spoken: Spoken | None = None
    audio_error: SpeechError | None = None
    timings_ms: dict[str, int] = field(default_factory=dict)


Event = TextDelta | SpokenPiece | Reply


def fold(events: Iterable[Event]) -> Reply:
    """The JSON form of a turn: its last event. Raises what the turn raises."""
    reply = None
    for event in events:
        if isinstance(event, Reply):
            reply = event
    if reply is None:
        raise RuntimeError("a turn ended without its Reply")
    return reply
