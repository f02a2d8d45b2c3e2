"""What an engine is asked for and what it tells: the seam between a turn and whoever speaks for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tts_service.errors import SpeechError
from tts_service.speech.audio import Pcm


@dataclass(frozen=True)
class Voice:
    """How to speak. `speed` 0.7 to 1.5; `pronunciations` maps a phrase to its respelling (protocols 1.3)."""

    id: str
    speed: float = 1.0
    language: str = "auto"
    pronunciations: Mapping[str, str] = field(default_factory=dict)
    retries_drift: bool = False  # have a piece spoken by the other engine when its transcript differs


@dataclass(frozen=True)
class Opened:
    """The provider is ready for text. `took_ms` from the first packet on."""

    took_ms: int


@dataclass(frozen=True)
class Asked:
    """A piece was sent to the provider: from now on it costs, whatever comes of it."""

    text: str


@dataclass(frozen=True)
class FirstSound:
    """The first sound of the reply has come."""


@dataclass(frozen=True)
class Piece:
    """One piece of text, spoken whole. `seq` counts from 0; `cached`: it was not bought for this reply."""

    seq: int
    text: str
    pcm: Pcm
    cached: bool = False


@dataclass(frozen=True)
class Ended:
    """The last thing an engine tells; its socket is closed by then. `error` is None where all was spoken."""

    error: SpeechError | None = None


Told = Opened | Asked | FirstSound | Piece | Ended
Tell = Callable[[Told], None]
