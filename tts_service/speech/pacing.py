"""Which sentences are sent to the provider together, and when. Pure.

Each piece costs its price and half a second of handshake with the synthesiser, and the listener must never
wait in the middle. So the first sentence goes at once; then pieces grow as long as the listener still has
something to hear, or enough has been written that waiting would only delay the end. A piece that meets a
limit before its end is lost whole, so none is longer than half of what the limits leave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_MEASURABLE_S = 0.02
_NO_SPACE_AFTER = "。！？、；：…」』）"


@dataclass
class Pacing:
    """Times are seconds on any one clock that does not jump."""

    first_chars: int = 12  # "Sure!" alone would be heard out before the next piece has come
    piece_chars: int = 200  # 13 s of speech: worth a piece of its own while the model still writes
    most_chars: int = 600  # 40 s of speech
    lead_s: float = 1.0  # the next piece is asked for this long before the listener has heard everything
    _waiting: list[str] = field(default_factory=list)
    _is_first: bool = True
    _is_finished: bool = False
    _heard_until: float = 0.0  # when the listener will have heard all that was spoken so far
    # Guesses until a piece has come back: English at speed 1, and a provider twice as fast as real time.
    _chars_a_second: float = 15.0
    _pace: float = 2.0  # seconds of speech made in a second
    _taken_chars: int = 0
    _taken_at: float = 0.0

    def add(self, sentence: str) -> None:
        self._waiting.append(sentence)

    def finish(self) -> None:
        """Nothing more will be added."""
        self._is_finished = True

    @property
    def is_over(self) -> bool:
        return self._is_finished and not self._waiting

    def spoken(self, audio_s: float, now: float) -> None:
        """A piece has come back; it is heard after what came before it."""
        self._heard_until = max(self._heard_until, now) + audio_s
        took_s = now - self._taken_at
        if audio_s > 0 and took_s > _MEASURABLE_S:  # else it came from the cache
            self._chars_a_second, self._pace = self._taken_chars / audio_s, audio_s / took_s

    def wait_s(self, now: float) -> float | None:
        """How long until `take` gives something even if nothing is added; None: it never will."""
        if not self._waiting:
            return None
        if self._is_ripe():
            return 0.0
        return None if self._is_first else max(0.0, self._heard_until - self.lead_s - now)

    def take(self, now: float, speech_left_s: float = math.inf, time_left_s: float = math.inf) -> str | None:
        """The next piece, or None while it is better to wait. The limits are those of the whole reply: how
        much more speech it may hold, and how much more time it may take.
        """
        if self.wait_s(now) != 0.0:
            return None
        most_chars = min(self.most_chars, self._room_chars(speech_left_s, time_left_s))
        piece = self._waiting.pop(0)
        while self._waiting and len(piece) + len(self._waiting[0]) < most_chars:
            piece = _joined(piece, self._waiting.pop(0))
        self._is_first = False
        self._taken_chars, self._taken_at = len(piece), now
        return piece

    def _room_chars(self, speech_left_s: float, time_left_s: float) -> float:
        return self._chars_a_second * min(speech_left_s, time_left_s * self._pace) / 2

    def _is_ripe(self) -> bool:
        enough = self.first_chars if self._is_first else self.piece_chars
        return self._is_finished or sum(map(len, self._waiting)) >= enough


def _joined(before: str, after: str) -> str:
    return before + after if before.endswith(tuple(_NO_SPACE_AFTER)) else f"{before} {after}"
