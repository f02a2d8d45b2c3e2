"""How often somebody has tried to sign in of late. In the database, so that all instances count together."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tts_service.database.engine import Database
from tts_service.database.tables import sign_in_failures as failures

WINDOW_S = 15 * 60


class Attempts:
    """Counts by place: any text, of which a digest is kept. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def count(self, place: str) -> tuple[int, int]:
        """This attempt's number in the window, from 1, and in how many seconds the window ends.

        Counted before the password is looked at: a hundred attempts at once get a hundred numbers.
        """
        # Of two first attempts at once, the slower one's INSERT meets the other's row, as in `Spending.add`.
        try:
            return self._count(_digest(place))
        except IntegrityError:
            return self._count(_digest(place))

    def take_back(self, place: str) -> None:
        """One attempt was no failure."""
        with self._database.writing() as connection:
            connection.execute(
                update(failures)
                .where(failures.c.place == _digest(place))
                .values(failures=failures.c.failures - 1)
            )

    def forget(self, place: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(failures).where(failures.c.place == _digest(place)))

    def _count(self, place: str) -> tuple[int, int]:
        now = int(self._now())
        with self._database.writing() as connection:
            connection.execute(delete(failures).where(failures.c.since <= now - WINDOW_S))
            number, since = _raised(connection, place, now)
        return number, since + WINDOW_S - now


def _raised(connection: Connection, place: str, now: int) -> tuple[int, int]:
    its_row = failures.c.place == place
    more = update(failures).where(its_row).values(failures=failures.c.failures + 1)
    if connection.execute(more).rowcount == 0:
        connection.execute(insert(failures).values(place=place, failures=1, since=now))
        return 1, now
    row = connection.execute(select(failures.c.failures, failures.c.since).where(its_row)).one()
    return row.failures, row.since


def _digest(place: str) -> str:
    return hashlib.sha256(place.encode(errors="replace")).hexdigest()
