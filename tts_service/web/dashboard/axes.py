"""The axes of a plot: its frame, round scales, days across. Pure.

Lengths are units of the SVG's viewBox. It is 400 wide, so that on a phone of 360 px a unit is not much less
than a pixel and labels stay readable; wide screens show several plots beside each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

_MAX_TICKS = 5  # above zero
_LABEL_EVERY = {7: 2, 30: 7, 90: 15}  # days
_FLOAT_ERROR = 1e-9  # 0.6 / 0.2 is a little less than 3, and other quotients a little more
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class Frame:
    """The edges of the picture and, inside it, of the drawing."""

    width: int = 400
    height: int = 220
    left: int = 48
    right: int = 376
    top: int = 12
    floor: int = 190

    def slot_width(self, days: int) -> float:
        return (self.right - self.left) / max(days, 1)


FRAME = Frame()


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Scale:
    """From 0 to `top`, in round steps."""

    top: float
    step: float

    def y(self, value: float) -> float:
        return round(FRAME.floor - value / self.top * (FRAME.floor - FRAME.top), 2)

    def ticks(self) -> tuple[Tick, ...]:
        marks = [n * self.step for n in range(round(self.top / self.step) + 1)]
        return tuple(Tick(self.y(mark), self._label(mark)) for mark in marks)

    def _label(self, value: float) -> str:
        if value >= 10_000:
            return f"{value / 1000:,.10g}k"
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        return f"{value:,.{decimals}f}" if value else "0"


def scale_to(most: float, *, whole: bool) -> Scale:
    """The round scale that is just long enough: steps of 1, 2 or 5 times a power of ten, at least 1 if
    there are only whole numbers."""
    if most <= 0:
        return Scale(1, 1)
    size = 10.0 ** math.floor(math.log10(most / _MAX_TICKS))
    step = next((size * n for n in (1, 2, 5) if size * n * _MAX_TICKS >= most), size * 10)
    if whole:
        step = max(step, 1)
    return Scale(step * math.ceil(most / step - _FLOAT_ERROR), step)


def day_ticks(days: Sequence[date]) -> tuple[Tick, ...]:
    """Counted back from the last day, which is always named."""
    count = len(days)
    every = _LABEL_EVERY.get(count, math.ceil(count / 6) or 1)
    return tuple(Tick(middle(n, count), short_day(days[n])) for n in sorted(range(count - 1, -1, -every)))


def middle(n: int, days: int) -> float:
    """Of the n-th day's column, from the left."""
    return round(FRAME.left + (n + 0.5) * FRAME.slot_width(days), 2)


def short_day(day: date) -> str:
    """The same in every locale: 7 Mar."""
    return f"{day.day} {_MONTHS[day.month - 1]}"
