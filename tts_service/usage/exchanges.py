"""What was said, for clients whose `retention_days` is not 0: read, and deleted when its time is over.

The ledger writes it. clients/store.py deletes it in the transaction that shortens a client's retention or
deletes the client. Every function raises DatabaseUnavailable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Row, Select, bindparam, cast, delete, exists, select

from tts_service.database.engine import Database
from tts_service.database.tables import clients, exchanges

MAX_SHOWN = 200
_DAY_MS = 86_400_000

_SELECT: Select[*tuple[Any, ...]] = (
    select(exchanges)
    .where(exchanges.c.client_id == bindparam("client"), exchanges.c.at_ms > bindparam("since"))
    .order_by(exchanges.c.at_ms.desc())
    .limit(MAX_SHOWN)
)
_IS_WANTED = exists().where(
    clients.c.client_id == exchanges.c.client_id,
    clients.c.retention_days > 0,
    exchanges.c.at_ms > bindparam("now") - cast(clients.c.retention_days, BigInteger) * _DAY_MS,
)
_PURGE = delete(exchanges).where(~_IS_WANTED)


@dataclass(frozen=True)
class KeptExchange:
    at: datetime  # UTC, when the turn ended
    question: str
    answer: str
    speech_code: str | None


@dataclass(frozen=True)
class Conversation:
    """Its exchanges in the order in which they happened; at least one."""

    conversation_id: str
    exchanges: tuple[KeptExchange, ...]


def recent(database: Database, client_id: str, retention_days: int, now_ms: int) -> list[Conversation]:
    """The conversations of the last MAX_SHOWN exchanges, the one that was used last first.

    What is older than `retention_days` is not shown, whether or not it was purged already.
    """
    row = {"client": client_id, "since": now_ms - retention_days * _DAY_MS}
    with database.reading() as connection:
        rows = connection.execute(_SELECT, row).all()
    found: dict[str, list[Row[*tuple[Any, ...]]]] = {}
    for entry in rows:
        found.setdefault(entry.conversation_id, []).append(entry)
    return [Conversation(name, _in_order(said)) for name, said in found.items()]


def delete_all(database: Database, client_id: str) -> None:
    with database.writing() as connection:
        connection.execute(delete(exchanges).where(exchanges.c.client_id == client_id))


def purge(database: Database, now_ms: int) -> None:
    """Deletes what is older than its client's `retention_days`. Several instances may do it at once."""
    with database.writing() as connection:
        connection.execute(_PURGE, {"now": now_ms})


def _in_order(newest_first: Sequence[Row[*tuple[Any, ...]]]) -> tuple[KeptExchange, ...]:
    return tuple(
        KeptExchange(datetime.fromtimestamp(row.at_ms / 1000, UTC), row.question, row.answer, row.speech_code)
        for row in reversed(newest_first)
    )
