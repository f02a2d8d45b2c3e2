"""One wall-clock budget, handed down through every step of a piece of work.

Pure but for the monotonic clock, which no clock change can move (faults T27).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

Clock = Callable[[], float]


class Deadline(NamedTuple):
    """A point on the monotonic clock. Steps take what is left of it; none begins a budget of its own."""

    at: float
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Clock = time.monotonic) -> Deadline:
        return cls(clock() + seconds, clock)

    def within(self, seconds: float) -> Deadline:
        """The sooner of this deadline and one `seconds` from now: a step's own limit can only shorten."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)

    @property
    def remaining_s(self) -> float:
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        return self.clock() >= self.at
