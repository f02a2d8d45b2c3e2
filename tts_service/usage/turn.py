"""What is counted of one finished turn. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was said in a turn. It exists only where the client's `retention_days` is not 0."""

    conversation_id: str
    question: str
    answer: str  # as far as it came
    speech_code: str | None = None  # why there was no voice, or why it ended early


@dataclass(frozen=True, slots=True)
class Turn:
    """One finished turn, or a greeting: speech that nobody asked for, and no turn (`is_turn`)."""

    client_id: str
    ended_at: float  # Unix seconds
    spoken_ms: int = 0  # of sound, cached or bought
    cached_ms: int = 0  # of it from the cache
    characters: int = 0  # of the reply, as the model wrote it
    dollars: float = 0.0  # estimated
    failure: str | None = None  # a code of errors.py: the turn's, or its voice's
    total_ms: int | None = None  # to the whole reply; None where none came
    exchange: Exchange | None = None
    is_turn: bool = True


Record = Callable[[Turn], None]
"""Takes a finished turn. It never raises and never waits."""
