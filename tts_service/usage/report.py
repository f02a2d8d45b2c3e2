"""What a client was used for in a span of days, read back from what the ledger wrote.

Every function raises DatabaseUnavailable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, func, select

from tts_service.database.engine import Database
from tts_service.database.tables import usage_days, usage_failures, usage_times
from tts_service.usage.scale import percentile_ms

_MILLION = 1_000_000


@dataclass(frozen=True)
class Usage:
    """Of one day, or of several added up. `failures` by code, most frequent first; `times` by bucket."""

    turns: int = 0
    spoken_turns: int = 0
    speech_ms: int = 0  # of sound, greetings too
    cached_ms: int = 0  # of it from the cache
    characters: int = 0
    microdollars: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[int, int] = field(default_factory=dict)

    @property
    def speech_s(self) -> float:
        return self.speech_ms / 1000

    @property
    def cached_share(self) -> float | None:
        """0 to 1, of the seconds; None where nothing was spoken."""
        return self.cached_ms / self.speech_ms if self.speech_ms else None

    @property
    def dollars(self) -> float:
        return self.microdollars / _MILLION

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def p50_ms(self) -> float | None:
        """Half of the replies were complete after so long; at most 5 % off. None where no reply came."""
        return percentile_ms(self.times, 50)

    @property
    def p95_ms(self) -> float | None:
        return percentile_ms(self.times, 95)

    @property
    def is_empty(self) -> bool:
        """Nothing happened at all; a greeting that was heard is something."""
        return not (self.turns or self.speech_ms or self.failures)


@dataclass(frozen=True)
class Day:
    day: date  # UTC
    usage: Usage


@dataclass(frozen=True)
class Report:
    """Every day of the span, also those on which nothing happened, and all of them added up."""

    days: tuple[Day, ...]
    total: Usage


@dataclass(frozen=True)
class Brief:
    """A client's use in a line."""

    turns: int
    dollars: float


_SUMS = ("turns", "spoken_turns", "speech_ms", "cached_ms", "characters", "microdollars")


def _of_client(table: Table) -> Select[*tuple[Any, ...]]:
    days = table.c.day.between(bindparam("first"), bindparam("last"))
    return select(table).where(table.c.client_id == bindparam("client"), days)


_DAYS, _FAILURES, _TIMES = map(_of_client, (usage_days, usage_failures, usage_times))
_OVERVIEW = (
    select(usage_days.c.client_id, func.sum(usage_days.c.turns), func.sum(usage_days.c.microdollars))
    .where(usage_days.c.day >= bindparam("first"))
    .group_by(usage_days.c.client_id)
)


def read_report(database: Database, client_id: str, last: date, days: int) -> Report:
    """The `days` days up to and with `last`."""
    first = last - timedelta(days=days - 1)
    span = {"client": client_id, "first": first, "last": last}
    with database.reading() as connection:
        sums = {row.day: row for row in connection.execute(_DAYS, span)}
        failures = _by_day(connection.execute(_FAILURES, span), "code")
        times = _by_day(connection.execute(_TIMES, span), "bucket")
    each = [first + timedelta(days=n) for n in range(days)]
    found = tuple(
        Day(day, _usage(sums.get(day), failures.get(day, Counter()), times.get(day, Counter())))
        for day in each
    )
    return Report(found, _added(day.usage for day in found))


def read_overview(database: Database, first: date) -> dict[str, Brief]:
    """Turns and estimated cost of every client that was used since `first`, by client_id."""
    with database.reading() as connection:
        rows = connection.execute(_OVERVIEW, {"first": first}).all()
    return {client: Brief(int(turns), int(microdollars) / _MILLION) for client, turns, microdollars in rows}


def _by_day(rows: Iterable[Row[*tuple[Any, ...]]], key: str) -> dict[date, Counter[Any]]:
    found: dict[date, Counter[Any]] = {}
    for row in rows:
        found.setdefault(row.day, Counter())[getattr(row, key)] = row.turns
    return found


def _usage(row: Row[*tuple[Any, ...]] | None, failures: Counter[str], times: Counter[int]) -> Usage:
    sums = {name: getattr(row, name) for name in _SUMS} if row is not None else {}
    return Usage(**sums, failures=dict(failures.most_common()), times=times)


def _added(usages: Iterable[Usage]) -> Usage:
    sums: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    times: Counter[int] = Counter()
    for usage in usages:
        sums.update({name: getattr(usage, name) for name in _SUMS})
        failures.update(usage.failures)
        times.update(usage.times)
    return Usage(**sums, failures=dict(failures.most_common()), times=times)
