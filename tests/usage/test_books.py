"""Writing beside changes of the same clients: whichever comes first, nothing stays that must not."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import delete, select

from tts_service.clients.store import ClientStore
from tts_service.database import tables
from tts_service.database.engine import Database
from tts_service.usage.books import enter
from tts_service.usage.ledger import Ledger
from tts_service.usage.tally import Tally
from tts_service.usage.turn import Exchange, Turn

SEEN_S = 0.2  # time for the other thread to come to the row it has to wait for


@pytest.fixture
def client_id(store: ClientStore) -> str:
    return store.add({"name": "Acme", "retention_days": 30}).client_id


def a_turn(client_id: str) -> Turn:
    return Turn(client_id, time.time(), total_ms=900, failure="x", exchange=Exchange("c1", "Open?", "Yes."))


def left(database: Database) -> int:
    usage = (tables.usage_days, tables.usage_failures, tables.usage_times, tables.exchanges)
    with database.reading() as connection:
        return sum(len(connection.execute(select(table)).all()) for table in usage)


def test_a_retention_set_to_nothing_while_words_are_being_written_deletes_them(
    database: Database, store: ClientStore, client_id: str
) -> None:
    tally = Tally()
    tally.add(a_turn(client_id))
    change = threading.Thread(target=store.change, args=(client_id, {"retention_days": 0}))
    with database.writing() as connection:
        enter(connection, tally, int(time.time() * 1000))
        change.start()
        change.join(SEEN_S)
    change.join(20)
    assert left(database) == 3, "the numbers stay, the words do not"


def test_a_client_deleted_while_its_turns_are_being_written_leaves_nothing(
    database: Database, store: ClientStore, client_id: str
) -> None:
    tally = Tally()
    tally.add(a_turn(client_id))
    deletion = threading.Thread(target=store.delete, args=(client_id,))
    with database.writing() as connection:
        enter(connection, tally, int(time.time() * 1000))
        deletion.start()
        deletion.join(SEEN_S)
    deletion.join(20)
    assert left(database) == 0


def test_turns_written_while_their_client_is_being_deleted_leave_nothing(
    database: Database, ledger: Ledger, client_id: str
) -> None:
    ledger.record(a_turn(client_id))
    writing = threading.Thread(target=ledger.write)
    with database.writing() as connection:
        connection.execute(delete(tables.clients).where(tables.clients.c.client_id == client_id))
        writing.start()
        writing.join(SEEN_S)
    writing.join(20)
    assert left(database) == 0


def test_a_text_that_was_written_already_is_not_written_twice(database: Database, client_id: str) -> None:
    """A connection lost at the commit leaves open whether it was written: it is written again."""
    tally = Tally()
    tally.add(a_turn(client_id))
    for _ in range(2):
        with database.writing() as connection:
            enter(connection, tally, int(time.time() * 1000))
    with database.reading() as connection:
        assert len(connection.execute(select(tables.exchanges)).all()) == 1
