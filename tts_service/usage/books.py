"""Enters a tally into the tables: several processes add to the same rows, and none waits for long."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from tts_service.database import tables
from tts_service.usage.tally import Tally, day_of

_Insert = sqlite.Insert | postgresql.Insert
_Rows = list[dict[str, object]]

_COUNTERS = ("turns", "spoken_turns", "speech_ms", "cached_ms", "characters", "microdollars")
_DAY_MS = 86_400_000

# FOR SHARE: a client's deletion, and a change of its retention_days, happens before this or after it, never
# in between. So nothing stays of a deleted client, and no text that must not be kept (and no two of these
# transactions can wait for each other: a deletion begins with the client's row, as this does).
_RETENTION = (
    select(tables.clients.c.client_id, tables.clients.c.retention_days)
    .where(tables.clients.c.client_id.in_(bindparam("wanted", expanding=True)))
    .order_by(tables.clients.c.client_id)
    .with_for_update(read=True)
)


def _adding(table: Table, columns: Collection[str], insert: type[_Insert]) -> _Insert:
    """Adds to the row of the same key, or makes it."""
    statement = insert(table)
    more = {name: table.c[name] + statement.excluded[name] for name in columns}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=more)


def _statements(insert: type[_Insert]) -> dict[Table, _Insert]:
    return {
        tables.usage_days: _adding(tables.usage_days, _COUNTERS, insert),
        tables.usage_failures: _adding(tables.usage_failures, ["turns"], insert),
        tables.usage_times: _adding(tables.usage_times, ["turns"], insert),
        tables.exchanges: insert(tables.exchanges).on_conflict_do_nothing(),
    }


_STATEMENTS = {"sqlite": _statements(sqlite.Insert), "postgresql": _statements(postgresql.Insert)}


def enter(connection: Connection, tally: Tally, now_ms: int) -> None:
    """Adds it all, in the transaction of `connection`."""
    clients = {client for client, _ in tally.sums} | {text.client_id for text in tally.texts}
    found = connection.execute(_RETENTION, {"wanted": sorted(clients)})
    retention_days: dict[str, int] = {row.client_id: row.retention_days for row in found}
    statements = _STATEMENTS[connection.dialect.name]
    for table, rows in _rows(tally, retention_days, now_ms).items():
        if rows:
            connection.execute(statements[table], rows)


def _rows(tally: Tally, retention_days: dict[str, int], now_ms: int) -> dict[Table, _Rows]:
    """Sorted: transactions that lock the same rows in the same order never block each other for good."""
    days: _Rows = []
    failures: _Rows = []
    times: _Rows = []
    for (client_id, day), sums in sorted(tally.sums.items(), key=lambda entry: entry[0]):
        if client_id not in retention_days:
            continue
        key: dict[str, object] = {"client_id": client_id, "day": day_of(day)}
        days.append(key | {name: getattr(sums, name) for name in _COUNTERS})
        failures += [key | {"code": code, "turns": n} for code, n in sorted(sums.failures.items())]
        times += [key | {"bucket": bucket, "turns": n} for bucket, n in sorted(sums.times.items())]
    texts: _Rows = [
        asdict(text)
        for text in tally.texts
        if text.at_ms > now_ms - retention_days.get(text.client_id, 0) * _DAY_MS
    ]
    return {
        tables.usage_days: days,
        tables.usage_failures: failures,
        tables.usage_times: times,
        tables.exchanges: texts,
    }
