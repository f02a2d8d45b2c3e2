"""What each client spent today, in estimated US dollars, for its `daily_limit`."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from tts_service.database.engine import Database
from tts_service.database.tables import spending

_MILLION = 1_000_000
_THIS_DAY = (spending.c.client_id == bindparam("client")) & (spending.c.day == bindparam("today"))
_SELECT = select(spending.c.microdollars).where(_THIS_DAY)
_RAISE = update(spending).where(_THIS_DAY).values(microdollars=spending.c.microdollars + bindparam("more"))


def utc_today() -> date:
    return datetime.now(UTC).date()


class Spending:
    """A day begins at 00:00 UTC. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, today: Callable[[], date] = utc_today) -> None:
        self._database = database
        self._today = today

    def today(self, client_id: str) -> float:
        """US dollars since 00:00 UTC."""
        with self._database.reading() as connection:
            found = connection.execute(_SELECT, {"client": client_id, "today": self._today()}).scalar()
        return (found or 0) / _MILLION

    def add(self, client_id: str, dollars: float) -> None:
        """Counts `dollars`, rounded up to a millionth, so that many small turns are never free."""
        more = _microdollars(dollars)
        day = self._today()
        # One UPDATE does it on every turn but the day's first. Two first turns at once: the slower one's
        # INSERT meets the other's row, and its second round finds something to update.
        for last in (False, True):
            try:
                with self._database.writing() as connection:
                    row = {"client": client_id, "today": day, "more": more}
                    if connection.execute(_RAISE, row).rowcount == 0:
                        first = {"client_id": client_id, "day": day, "microdollars": more}
                        connection.execute(insert(spending), first)
                return
            except IntegrityError:
                if last:
                    raise


def _microdollars(dollars: float) -> int:
    if not (math.isfinite(dollars) and dollars >= 0):
        raise ValueError("spending is a finite number of dollars and never negative")
    # 0.07 * 1e6 is 70000.00000000001: what is left of a float's error must not round up.
    return math.ceil(round(dollars * _MILLION, 3))
