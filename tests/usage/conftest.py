"""Ledgers on a real database, closed at the end of their test, and clients to keep them for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tts_service.database.engine import Database
from tts_service.usage.ledger import Ledger

MakeLedger = Callable[..., Ledger]


@pytest.fixture
def make_ledger() -> Iterator[MakeLedger]:
    """Ledgers that write when they are told to, unless the test wants them to do so by themselves."""
    made: list[Ledger] = []

    def make(database: Database, *, write_every_s: float = 3600.0, **options: float) -> Ledger:
        made.append(Ledger(database, write_every_s=write_every_s, **options))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(database: Database, make_ledger: MakeLedger) -> Ledger:
    return make_ledger(database)
