"""Finished turns added up in memory, by client and UTC day, until they are written. Pure.

The numbers need a little room for each client however many turns there are. What was said needs room for
every turn, so that is bounded, and what does not fit is counted.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from tts_service.usage.scale import bucket_of
from tts_service.usage.turn import Turn

MAX_TEXTS = 2_000
MAX_TEXT_BYTES = 8 * 1024 * 1024
_MILLION = 1_000_000
_DAY_S = 86_400


@dataclass(slots=True)
class Sums:
    """Of one client and day. `failures` by code, `times` by bucket of the scale."""

    turns: int = 0
    spoken_turns: int = 0
    speech_ms: int = 0
    cached_ms: int = 0
    characters: int = 0
    microdollars: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    times: Counter[int] = field(default_factory=Counter)

    def add(self, turn: Turn) -> None:
        if turn.is_turn:
            self.turns += 1
            self.spoken_turns += turn.spoken_ms > 0
        self.speech_ms += turn.spoken_ms
        self.cached_ms += turn.cached_ms
        self.characters += turn.characters
        self.microdollars += math.ceil(round(turn.dollars * _MILLION, 3))  # as clients/spending.py rounds
        if turn.failure is not None:
            self.failures[turn.failure] += 1
        if turn.total_ms is not None:
            self.times[bucket_of(turn.total_ms)] += 1

    def merge(self, other: Sums) -> None:
        for name in ("turns", "spoken_turns", "speech_ms", "cached_ms", "characters", "microdollars"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failures.update(other.failures)
        self.times.update(other.times)


@dataclass(frozen=True, slots=True)
class KeptText:
    """One exchange on its way to the database. The id makes a second writing of it a repetition."""

    exchange_id: str
    client_id: str
    at_ms: int
    conversation_id: str
    question: str
    answer: str
    speech_code: str | None

    @property
    def size_bytes(self) -> int:
        return 4 * (len(self.question) + len(self.answer))  # at most, in memory as in UTF-8


class Tally:
    """Not for several threads at once."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, int], Sums] = {}  # by client and days since 1970
        self.texts: list[KeptText] = []
        self.lost_texts = 0
        self._text_bytes = 0

    def __bool__(self) -> bool:
        return bool(self.sums or self.texts)

    def add(self, turn: Turn) -> None:
        key = (turn.client_id, int(turn.ended_at) // _DAY_S)
        sums = self.sums.get(key)
        if sums is None:
            sums = self.sums[key] = Sums()
        sums.add(turn)
        if turn.exchange is not None:
            self._keep(_text(turn))

    def merge(self, later: Tally) -> None:
        """Adds what was counted after this."""
        for key, sums in later.sums.items():
            self.sums.setdefault(key, Sums()).merge(sums)
        for text in later.texts:
            self._keep(text)
        self.lost_texts += later.lost_texts

    def forget_texts(self, client_id: str) -> None:
        self.texts = [text for text in self.texts if text.client_id != client_id]
        self._text_bytes = sum(text.size_bytes for text in self.texts)

    def _keep(self, text: KeptText) -> None:
        size = text.size_bytes
        if len(self.texts) >= MAX_TEXTS or self._text_bytes + size > MAX_TEXT_BYTES:
            self.lost_texts += 1
            return
        self.texts.append(text)
        self._text_bytes += size


def day_of(days: int) -> date:
    """The UTC day so many days after 1970-01-01."""
    return datetime.fromtimestamp(days * _DAY_S, UTC).date()


def _text(turn: Turn) -> KeptText:
    said = turn.exchange
    assert said is not None
    return KeptText(
        str(uuid.uuid4()),
        turn.client_id,
        int(turn.ended_at * 1000),
        said.conversation_id,
        said.question,
        _storable(said.answer),
        said.speech_code,
    )


def _storable(text: str) -> str:
    """A model may write what PostgreSQL cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
