"""The figures as Markdown, ready for README, and as a JSON document. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

from bench.contender import BY_KEY
from bench.load import Measured
from bench.script import LOAD_TURN_S
from bench.visit import Heard

RIG_BUSY_AT_MOST = 0.80  # above it the rig is part of what it measures


@dataclass
class Figures:
    """All that was measured; what was not is absent. Loads by contender and turns at once."""

    machine: str = ""
    loads: dict[str, dict[int, Measured]] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)  # by contender, the answer as JSON
    streamed: dict[str, Heard | None] = field(default_factory=dict)  # the same as an event stream
    sockets: dict[int, Heard] = field(default_factory=dict)  # by how many speech sockets a turn had
    handshake_ms: dict[str, float] = field(default_factory=dict)  # whole turn, "at once" and "slow"
    us_per_mb: dict[str, float] = field(default_factory=dict)
    peer: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def percentile(values: list[float], share: float) -> float:
    """The nearest rank of sorted values; NaN of none."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan


def turns_per_s(measured: Measured) -> float:
    return measured.turns / measured.window_s


def cpu_ms(measured: Measured) -> float:
    return measured.cpu_s * 1000 / measured.turns if measured.turns else math.nan


def added_ms(measured: Measured, share: float) -> float:
    return percentile(measured.latencies_ms, share) - LOAD_TURN_S * 1000


def document(figures: Figures) -> dict[str, object]:
    return asdict(figures)


def markdown(figures: Figures) -> str:
    parts = [_loads(figures), _goals(figures), _rig(figures)]
    if figures.problems:
        parts.insert(0, "**Not to be trusted:**\n" + "\n".join(f"- {line}" for line in figures.problems))
    return "\n\n".join(part for part in parts if part)


def problems_of(name: str, turns: int, measured: Measured) -> list[str]:
    """What would make a row a lie."""
    found = [f"{name} at {turns}: {count} x {error}" for error, count in sorted(measured.errors.items())]
    if not measured.turns:
        found.append(f"{name} at {turns}: not one turn ended in {measured.window_s:.0f} s")
    if measured.rig_busy > RIG_BUSY_AT_MOST:
        found.append(f"{name} at {turns}: the rig's core was {measured.rig_busy:.0%} busy")
    if measured.stolen > 0.01:
        found.append(f"{name} at {turns}: the host took {measured.stolen:.0%} of a core away")
    return found


def _loads(figures: Figures) -> str:
    levels = sorted({level for by_level in figures.loads.values() for level in by_level})
    at = " / ".join(map(str, levels))
    head = (
        f"at {at} turns at once",
        "turns a second",
        "added ms, p50",
        "added ms, p99",
        "CPU ms a turn",
        "worker MB",
        "first audio ms",
        "whole reply ms",
    )
    rows = [_row(figures, key, levels) for key in figures.loads]
    return _table(head, rows)


def _row(figures: Figures, key: str, levels: list[int]) -> tuple[str, ...]:
    by_level = figures.loads[key]
    columns = (
        [f"{turns_per_s(by_level[level]):.0f}" if level > 1 else "-" for level in levels],
        [_number(added_ms(by_level[level], 0.50)) for level in levels],
        [_number(added_ms(by_level[level], 0.99)) for level in levels],
        [f"{cpu_ms(by_level[level]):.1f}" for level in levels],
        [_number(by_level[level].worker_mb) for level in levels],
    )
    heard, streamed = figures.heard.get(key), figures.streamed.get(key)
    first = streamed or heard
    return (
        BY_KEY[key].name,
        *(" / ".join(column) for column in columns),
        f"{_number(first.first_audio_ms)}{' (event stream)' if streamed else ''}" if first else "-",
        _number(heard.whole_ms) if heard else "-",
    )


def _goals(figures: Figures) -> str:
    rows = [row for row in (*_issue_2(figures), *_issue_3(figures)) if row]
    return _table(("figure", "measured", "goal"), rows)


def _issue_2(figures: Figures) -> list[tuple[str, str, str]]:
    rows = []
    ours = figures.loads.get("ours", {})
    if ours:
        # Fewer at once cost more each: the core sleeps between two frames, and has to be woken for the next.
        level = 200 if 200 in ours else max(ours)
        text = f"CPU of a turn with 5 s of audio, {level} at once"
        rows.append((text, *_kept(cpu_ms(ours[level]), 4.0, "ms")))
    if 200 in ours:
        rows.append(("worker's memory, 200 turns at once", *_kept(ours[200].worker_mb, 150, "MB")))
    if figures.handshake_ms:
        added = figures.handshake_ms["slow"] - figures.handshake_ms["at once"]
        text = "what a handshake that takes 150 ms longer adds, the model taking 300 ms"
        rows.append((text, *_kept(added, 10, "ms")))
    return rows


def _issue_3(figures: Figures) -> list[tuple[str, str, str]]:
    loads, rows = figures.loads, []
    for other, goal in (("b", 1.0), ("a", 8.0)):
        if 500 in loads.get("ours", {}) and 500 in loads.get(other, {}):
            ratio = _over(turns_per_s(loads["ours"][500]), turns_per_s(loads[other][500]))
            rows.append((f"turns a second at 500, times ({other})", *_kept(ratio, goal, "", at_least=True)))
    cost = figures.us_per_mb
    if "ours" in cost:
        text = "CPU to read a MB of audio, times (c)"
        against = _kept(_over(cost["ours"], cost["decode"]), 1.5, "")
        rows.append((f"{text} that decodes ({cost['ours']:.0f} and {cost['decode']:.0f} us)", *against))
        bare = _over(cost["ours"], cost["count"])
        rows.append((f"{text} that counts bytes ({cost['count']:.0f} us)", f"{bare:.1f}", "-"))
    return rows + _soon(figures)


def _soon(figures: Figures) -> list[tuple[str, str, str]]:
    ours, streamed = figures.heard.get("ours"), figures.streamed.get("ours")
    rows = []
    if obvious := figures.heard.get("a"):
        first = streamed.first_audio_ms / obvious.first_audio_ms if streamed else None
        text = "first audio, event stream, times (a)"
        rows.append((text, *_kept(first, 0.5, "")) if first else (text, "n/a: it answers JSON", "<= 0.5"))
        if ours:
            ratio = ours.whole_ms / obvious.whole_ms
            rows.append(("whole reply on one socket, times (a)", *_kept(ratio, 0.82, "")))
    if {1, 2} <= figures.sockets.keys():
        one, two = figures.sockets[1], figures.sockets[2]
        bought = f"{_number(one.whole_ms)} -> {_number(two.whole_ms)} ms ({two.whole_ms / one.whole_ms:.2f})"
        text = "sentences on one socket -> on two: whole reply (cost: twice the sessions of the account)"
        rows.append((text, bought, "-"))
    return rows


def _rig(figures: Figures) -> str:
    windows = [(level, m) for by_level in figures.loads.values() for level, m in by_level.items()]
    if not windows:
        return figures.machine
    busiest, at = max((m.rig_busy, level) for level, m in windows)
    stolen = max(m.stolen for _, m in windows)
    return (
        f"{figures.machine}. One core for the server, one for the rig: at most {busiest:.0%} busy (at {at}); "
        f"stolen by the host: {stolen:.1%}. Added: what a turn takes beyond the {LOAD_TURN_S:g} s of the "
        "script's model and voice. First audio and whole reply: one visitor, the provider 50 ms away, a "
        "model that writes 35 words a second; first audio is the first that a browser can play."
    )


def _kept(value: float, goal: float, unit: str, *, at_least: bool = False) -> tuple[str, str]:
    """(measured, goal), with a word where the goal is missed."""
    is_kept = value >= goal if at_least else value <= goal
    measured = f"{value:.2f} {unit}" if abs(value) < 100 else f"{value:.0f} {unit}"
    sign = ">=" if at_least else "<="
    return measured.strip() + ("" if is_kept else " (missed)"), f"{sign} {goal:g} {unit}".strip()


def _over(value: float, other: float) -> float:
    return value / other if other else math.nan


def _number(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "-"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    rule = "|".join(["---"] + ["---:"] * (len(head) - 1))
    lines = ["| " + " | ".join(head) + " |", f"|{rule}|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
