"""A report as plots: where each bar, line and label stands. Pure; `dashboard/plot.html` writes the SVG.

Lengths are units of the SVG's viewBox. It is 400 wide, so that on a phone of 360 px a unit is not much less
than a pixel and labels stay readable; wide screens show several plots beside each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from tts_service.usage.report import Day, Report

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 22, 12, 30
_FLOOR = HEIGHT - BOTTOM
_ACROSS = WIDTH - LEFT - RIGHT
_DOWN = _FLOOR - TOP

MAX_CODES = 4  # told apart in a stack of failures; the rest is "other"
_MAX_TICKS = 5  # above zero
_LABEL_EVERY = {7: 2, 30: 7, 90: 15}  # days
_MARKED_DAYS = 31  # with more, the marks on a line would touch
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class Frame:
    """The edges of the picture and, inside it, of the drawing."""

    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    floor: int = _FLOOR


FRAME = Frame()


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """`look` is a colour and a pattern: the legend's entry with the same number."""

    y: float
    height: float
    look: int


@dataclass(frozen=True)
class Slot:
    """A day's column: its bars, and what is told where somebody points at it."""

    x: float
    width: float
    told: str
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True)
class Line:
    """`paths` are an SVG path's `d`, one for each run of days that have a value."""

    look: int
    paths: tuple[str, ...]
    marks: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Plot:
    name: str  # an HTML id
    title: str
    unit: str
    summary: str  # for who cannot see it
    legend: tuple[str, ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    slots: tuple[Slot, ...]
    lines: tuple[Line, ...]
    rows: tuple[tuple[str, ...], ...]  # the table: a day, then a value for each entry of the legend
    nothing: str | None  # said in place of the picture where there is nothing to see


@dataclass(frozen=True)
class _Series:
    name: str
    values: tuple[float | None, ...]  # a day each; None where there is no such thing as a value


@dataclass(frozen=True)
class _Scale:
    """From 0 to `top`, in round steps."""

    top: float
    step: float

    def y(self, value: float) -> float:
        return round(_FLOOR - value / self.top * _DOWN, 2)

    def ticks(self) -> list[float]:
        return [n * self.step for n in range(round(self.top / self.step) + 1)]


def draw(report: Report) -> list[Plot]:
    """Turns, speech, characters, failures, times to reply and cost, a day each."""
    days = report.days
    return [
        _turns(days),
        _speech(days),
        _failures(report),
        _times(days),
        _characters(days),
        _cost(days),
    ]


def short_day(day: date) -> str:
    """The same in every locale: 7 Mar."""
    return f"{day.day} {_MONTHS[day.month - 1]}"


def _turns(days: Sequence[Day]) -> Plot:
    turns = _Series("Questions", tuple(day.usage.turns for day in days))
    return _columns(
        "turns", "Questions a day", "questions", days, [turns], _count, "No questions yet in this span."
    )


def _speech(days: Sequence[Day]) -> Plot:
    longest_s = max((day.usage.speech_s for day in days), default=0.0)
    unit, size_s = ("minutes", 60) if longest_s >= 180 else ("seconds", 1)
    if longest_s >= 3 * 3600:
        unit, size_s = "hours", 3600
    bought = tuple((day.usage.speech_ms - day.usage.cached_ms) / 1000 / size_s for day in days)
    cached = tuple(day.usage.cached_ms / 1000 / size_s for day in days)
    series = [_Series("Bought", bought), _Series("From the cache", cached)]
    nothing = "Nothing was spoken in this span."
    return _columns("speech", "Speech a day", unit, days, series, _amount, nothing)


def _characters(days: Sequence[Day]) -> Plot:
    written = _Series("Characters", tuple(day.usage.characters for day in days))
    nothing = "No replies yet in this span."
    return _columns("characters", "Length of replies a day", "characters", days, [written], _count, nothing)


def _failures(report: Report) -> Plot:
    named = list(report.total.failures)[:MAX_CODES]
    rest = list(report.total.failures)[MAX_CODES:]
    series = [_Series(code, tuple(day.usage.failures.get(code, 0) for day in report.days)) for code in named]
    if rest:
        others = [Counter(day.usage.failures) for day in report.days]
        series.append(_Series("other", tuple(sum(day[code] for code in rest) for day in others)))
    series = series or [_Series("Failures", (0,) * len(report.days))]
    nothing = "Nothing failed in this span."
    return _columns("failures", "Failures a day", "failures", report.days, series, _count, nothing)


def _cost(days: Sequence[Day]) -> Plot:
    most = max((day.usage.dollars for day in days), default=0.0)
    unit, size = ("US cents", 0.01) if most < 0.1 else ("US dollars", 1)
    cost = _Series("Estimated cost", tuple(day.usage.dollars / size for day in days))
    nothing = "Nothing was spent in this span."
    return _columns("cost", "Estimated cost a day", unit, days, [cost], _amount, nothing)


def _times(days: Sequence[Day]) -> Plot:
    p50, p95 = ([day.usage.p50_ms for day in days], [day.usage.p95_ms for day in days])
    series = [
        _Series("Half of them (p50)", _seconds(p50)),
        _Series("Nineteen of twenty (p95)", _seconds(p95)),
    ]
    return _lines(
        "times", "Time to the whole reply", "seconds", days, series, _amount, "No replies yet in this span."
    )


_Say = Callable[[float], str]


def _columns(
    name: str, title: str, unit: str, days: Sequence[Day], series: Sequence[_Series], say: _Say, nothing: str
) -> Plot:
    """Bars, the series of a day on top of each other."""
    totals = [sum(one.values[n] or 0 for one in series) for n in range(len(days))]
    scale = _scale(max(totals, default=0), whole=say is _count)
    width = _ACROSS / max(len(days), 1)
    slots = tuple(
        Slot(
            round(LEFT + n * width, 2),
            round(width, 2),
            _told(day.day, n, series, say, unit),
            tuple(_stack(scale, [one.values[n] or 0 for one in series])),
        )
        for n, day in enumerate(days)
    )
    return _plot(name, title, unit, days, series, say, scale, slots, (), nothing if not any(totals) else None)


def _lines(
    name: str, title: str, unit: str, days: Sequence[Day], series: Sequence[_Series], say: _Say, nothing: str
) -> Plot:
    """A line for each series, broken where a day has no value."""
    values = [value for one in series for value in one.values if value is not None]
    scale = _scale(max(values, default=0), whole=False)
    width = _ACROSS / max(len(days), 1)
    slots = tuple(
        Slot(round(LEFT + n * width, 2), round(width, 2), _told(day.day, n, series, say, unit))
        for n, day in enumerate(days)
    )
    # The first on top, where they meet.
    lines = tuple(_line(look, one, scale, width) for look, one in enumerate(series))[::-1]
    return _plot(name, title, unit, days, series, say, scale, slots, lines, None if values else nothing)


def _plot(
    name: str,
    title: str,
    unit: str,
    days: Sequence[Day],
    series: Sequence[_Series],
    say: _Say,
    scale: _Scale,
    slots: tuple[Slot, ...],
    lines: tuple[Line, ...],
    nothing: str | None,
) -> Plot:
    rows = tuple(
        (day.day.isoformat(), *(_cell(one.values[n], say) for one in series)) for n, day in enumerate(days)
    )
    return Plot(
        name=name,
        title=title,
        unit=unit,
        summary=_summary(days, series, say, unit),
        legend=tuple(one.name for one in series),
        y_ticks=tuple(Tick(scale.y(at), _tick_label(at, scale.step)) for at in scale.ticks()),
        x_ticks=_day_ticks(days),
        slots=slots,
        lines=lines,
        rows=rows,
        nothing=nothing,
    )


def _stack(scale: _Scale, values: Sequence[float]) -> list[Bar]:
    bars, below = [], 0.0
    for look, value in enumerate(values):
        if value > 0:
            top, foot = scale.y(below + value), scale.y(below)
            bars.append(Bar(top, max(round(foot - top, 2), 1.0), look))  # the smallest can still be seen
            below += value
    return bars


def _line(look: int, series: _Series, scale: _Scale, width: float) -> Line:
    runs: list[list[tuple[float, float]]] = [[]]
    for n, value in enumerate(series.values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((round(LEFT + (n + 0.5) * width, 2), scale.y(value)))
    runs = [run for run in runs if run]
    paths = tuple("M" + " L".join(f"{x} {y}" for x, y in run) for run in runs if len(run) > 1)
    is_marked = len(series.values) <= _MARKED_DAYS
    marks = tuple(point for run in runs for point in run if is_marked or len(run) == 1)
    return Line(look, paths, marks)


def _scale(most: float, *, whole: bool) -> _Scale:
    """The round scale that is just long enough: steps of 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return _Scale(1, 1)
    size = 10.0 ** math.floor(math.log10(most / _MAX_TICKS))
    step = next(size * n for n in (1, 2, 5, 10) if size * n * _MAX_TICKS >= most * 0.999_999)
    if whole:
        step = max(step, 1)
    return _Scale(step * math.ceil(round(most / step, 6)), step)


def _day_ticks(days: Sequence[Day]) -> tuple[Tick, ...]:
    """Counted back from the last day, which is always named."""
    count = len(days)
    every = _LABEL_EVERY.get(count, math.ceil(count / 6) or 1)
    width = _ACROSS / max(count, 1)
    return tuple(
        Tick(round(LEFT + (n + 0.5) * width, 2), short_day(days[n].day))
        for n in sorted(range(count - 1, -1, -every))
    )


# Words and numbers.


def _told(day: date, n: int, series: Sequence[_Series], say: _Say, unit: str) -> str:
    """`7 Mar: 3 failures (speech_timeout 2, upstream_auth 1)`."""
    values = [(one.name, one.values[n]) for one in series if one.values[n] is not None]
    if not values:
        return f"{short_day(day)}: no value"
    if len(series) == 1:
        return f"{short_day(day)}: {_with_unit(values[0][1] or 0, say, unit)}"
    parts = ", ".join(f"{name}: {_with_unit(value or 0, say, unit)}" for name, value in values if value)
    return f"{short_day(day)}: {parts or _with_unit(0, say, unit)}"


def _with_unit(value: float, say: _Say, unit: str) -> str:
    singular = unit.removesuffix("s") if value == 1 else unit
    return f"{say(value)} {singular}"


def _cell(value: float | None, say: _Say) -> str:
    return "–" if value is None else say(value)


def _summary(days: Sequence[Day], series: Sequence[_Series], say: _Say, unit: str) -> str:
    """What the picture shows, in a sentence for each series: where it is highest."""
    sentences = []
    for one in series:
        best = max((value, -n) for n, value in enumerate(value or 0 for value in one.values))
        day = days[-best[1]].day
        sentences.append(f"{one.name}: at most {_with_unit(best[0], say, unit)}, on {short_day(day)}.")
    return " ".join(sentences)


def _tick_label(value: float, step: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:,.10g}k"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}" if value else "0"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _amount(value: float) -> str:
    """Three digits where they matter."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def dollars(value: float) -> str:
    """Cents, and for what is less than a dollar ten-thousandths: a turn costs about half a cent."""
    return f"${value:,.{2 if value >= 1 or value == 0 else 4}f}"


def _seconds(times_ms: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(None if ms is None else ms / 1000 for ms in times_ms)
