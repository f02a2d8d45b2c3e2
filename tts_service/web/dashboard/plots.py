"""A report as plots: where each bar, line and label stands. Pure; `dashboard/plot.html` writes the SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tts_service.usage.report import Day, Report
from tts_service.web.dashboard.axes import FRAME, Scale, Tick, day_ticks, middle, scale_to, short_day

MAX_CODES = 4  # told apart in a stack of failures; the rest is "other"
_MARKED_DAYS = 31  # with more, the marks on a line would touch


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
class _Topic:
    """What a plot is about. `say` writes a value; `nothing` is said where there is none."""

    name: str
    title: str
    unit: str
    nothing: str
    say: Callable[[float], str]

    @property
    def is_whole(self) -> bool:
        return self.say is _count

    def with_unit(self, value: float) -> str:
        return f"{self.say(value)} {self.unit.removesuffix('s') if value == 1 else self.unit}"


@dataclass(frozen=True)
class _Series:
    name: str
    values: tuple[float | None, ...]  # a day each; None where there is no such thing as a value


def draw(report: Report) -> list[Plot]:
    """Turns, speech, failures, times to reply, characters and cost, a day each."""
    days = report.days
    return [
        _turns(days),
        _speech(days),
        _failures(report),
        _times(days),
        _characters(days),
        _cost(days),
    ]


def _turns(days: Sequence[Day]) -> Plot:
    topic = _Topic("turns", "Questions a day", "questions", "No questions yet in this span.", _count)
    return _columns(topic, days, [_Series("Questions", tuple(day.usage.turns for day in days))])


def _speech(days: Sequence[Day]) -> Plot:
    longest_s = max((day.usage.speech_s for day in days), default=0.0)
    unit, size_s = ("minutes", 60) if longest_s >= 180 else ("seconds", 1)
    if longest_s >= 3 * 3600:
        unit, size_s = "hours", 3600
    topic = _Topic("speech", "Speech a day", unit, "Nothing was spoken in this span.", _amount)
    bought = tuple((day.usage.speech_ms - day.usage.cached_ms) / 1000 / size_s for day in days)
    cached = tuple(day.usage.cached_ms / 1000 / size_s for day in days)
    return _columns(topic, days, [_Series("Bought", bought), _Series("From the cache", cached)])


def _failures(report: Report) -> Plot:
    topic = _Topic("failures", "Failures a day", "failures", "Nothing failed in this span.", _count)
    codes = list(report.total.failures)
    groups = [(code, [code]) for code in codes[:MAX_CODES]]
    if codes[MAX_CODES:]:
        groups.append(("other", codes[MAX_CODES:]))
    series = [
        _Series(
            name,
            tuple(sum(day.usage.failures.get(code, 0) for code in group) for day in report.days),
        )
        for name, group in groups
    ]
    return _columns(topic, report.days, series)


def _times(days: Sequence[Day]) -> Plot:
    topic = _Topic("times", "Time to the whole reply", "seconds", "No replies yet in this span.", _amount)
    p50 = _seconds([day.usage.p50_ms for day in days])
    p95 = _seconds([day.usage.p95_ms for day in days])
    return _lines(topic, days, [_Series("Half of them (p50)", p50), _Series("Nineteen of twenty (p95)", p95)])


def _characters(days: Sequence[Day]) -> Plot:
    nothing = "No replies yet in this span."
    topic = _Topic("characters", "Length of replies a day", "characters", nothing, _count)
    return _columns(topic, days, [_Series("Characters", tuple(day.usage.characters for day in days))])


def _cost(days: Sequence[Day]) -> Plot:
    most = max((day.usage.dollars for day in days), default=0.0)
    unit, size = ("US cents", 0.01) if most < 0.1 else ("US dollars", 1)
    topic = _Topic("cost", "Estimated cost a day", unit, "Nothing was spent in this span.", _amount)
    return _columns(topic, days, [_Series("Estimated cost", tuple(day.usage.dollars / size for day in days))])


def _columns(topic: _Topic, days: Sequence[Day], series: Sequence[_Series]) -> Plot:
    """Bars, the series of a day on top of each other."""
    stacks = [[one.values[n] or 0 for one in series] for n in range(len(days))]
    scale = scale_to(max(map(sum, stacks), default=0), whole=topic.is_whole)
    bars = [_stack(scale, values) for values in stacks]
    return _plot(topic, days, series, scale, bars=bars, lines=(), is_empty=not any(map(sum, stacks)))


def _lines(topic: _Topic, days: Sequence[Day], series: Sequence[_Series]) -> Plot:
    """A line for each series, broken where a day has no value."""
    values = [value for one in series for value in one.values if value is not None]
    scale = scale_to(max(values, default=0), whole=topic.is_whole)
    # The first on top, where they meet.
    lines = tuple(_line(look, one, scale) for look, one in enumerate(series))[::-1]
    return _plot(topic, days, series, scale, bars=[()] * len(days), lines=lines, is_empty=not values)


def _plot(
    topic: _Topic,
    days: Sequence[Day],
    series: Sequence[_Series],
    scale: Scale,
    *,
    bars: Sequence[tuple[Bar, ...]],
    lines: tuple[Line, ...],
    is_empty: bool,
) -> Plot:
    width = FRAME.slot_width(len(days))
    return Plot(
        name=topic.name,
        title=topic.title,
        unit=topic.unit,
        summary=_summary(topic, days, series),
        legend=tuple(one.name for one in series),
        y_ticks=scale.ticks(),
        x_ticks=day_ticks([day.day for day in days]),
        slots=tuple(
            Slot(round(FRAME.left + n * width, 2), round(width, 2), _told(topic, day, n, series), bars[n])
            for n, day in enumerate(days)
        ),
        lines=lines,
        rows=tuple(
            (day.day.isoformat(), *(_cell(topic, one.values[n]) for one in series))
            for n, day in enumerate(days)
        ),
        nothing=topic.nothing if is_empty else None,
    )


def _stack(scale: Scale, values: Sequence[float]) -> tuple[Bar, ...]:
    bars, below = [], 0.0
    for look, value in enumerate(values):
        if value > 0:
            top, foot = scale.y(below + value), scale.y(below)
            bars.append(Bar(top, max(round(foot - top, 2), 1.0), look))  # the smallest can still be seen
            below += value
    return tuple(bars)


def _line(look: int, series: _Series, scale: Scale) -> Line:
    count = len(series.values)
    runs: list[list[tuple[float, float]]] = [[]]
    for n, value in enumerate(series.values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((middle(n, count), scale.y(value)))
    paths = tuple("M" + " L".join(f"{x} {y}" for x, y in run) for run in runs if len(run) > 1)
    marks = tuple(point for run in runs for point in run if count <= _MARKED_DAYS or len(run) == 1)
    return Line(look, paths, marks)


# Words and numbers.


def _told(topic: _Topic, day: Day, n: int, series: Sequence[_Series]) -> str:
    """`7 Mar: 3 questions`, or `7 Mar: speech_timeout: 2 failures, upstream_auth: 1 failure`."""
    values = [(one.name, one.values[n]) for one in series]
    if all(value is None for _, value in values):
        told = "no value"
    elif len(values) == 1:
        told = topic.with_unit(values[0][1] or 0)
    else:
        parts = [f"{name}: {topic.with_unit(value)}" for name, value in values if value]
        told = ", ".join(parts) or topic.with_unit(0)
    return f"{short_day(day.day)}: {told}"


def _summary(topic: _Topic, days: Sequence[Day], series: Sequence[_Series]) -> str:
    """What the picture shows, in a sentence for each series: where it is highest."""
    sentences = []
    for one in series:
        values = [value or 0 for value in one.values]
        highest = values.index(max(values))
        value = topic.with_unit(values[highest])
        sentences.append(f"{one.name}: at most {value}, on {short_day(days[highest].day)}.")
    return " ".join(sentences)


def _cell(topic: _Topic, value: float | None) -> str:
    return "–" if value is None else topic.say(value)


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _amount(value: float) -> str:
    """Three digits where they matter."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _seconds(times_ms: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(None if ms is None else ms / 1000 for ms in times_ms)
