"""What was said is kept where the client wants it, as long as it wants it, and nowhere else."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from tests.usage.conftest import MakeLedger
from tts_service.clients.store import ClientStore
from tts_service.database import tables
from tts_service.database.engine import Database, open_database
from tts_service.usage import exchanges
from tts_service.usage.ledger import Ledger
from tts_service.usage.turn import Exchange, Turn

CANARY = "canary-of-a-visitor"
DAY_MS = 86_400_000


def now_ms() -> int:
    return int(time.time() * 1000)


def said(client_id: str, question: str, *, conversation: str = "c1", age_days: float = 0) -> Turn:
    ended_at = time.time() - age_days * 86_400
    return Turn(client_id, ended_at, exchange=Exchange(conversation, question, "Yes.", "speech_timeout"))


@pytest.fixture
def keeping_id(store: ClientStore) -> str:
    return store.add({"name": "Keeping", "retention_days": 30}).client_id


def write(ledger: Ledger, *turns: Turn) -> None:
    for turn in turns:
        ledger.record(turn)
    ledger.write()


def stored(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(text("SELECT question FROM exchanges ORDER BY at_ms")).scalars())


def insert_old(database: Database, client_id: str, question: str, age_days: float) -> None:
    row = {
        "exchange_id": question,
        "client_id": client_id,
        "conversation_id": "c1",
        "at_ms": int(now_ms() - age_days * DAY_MS),
        "question": question,
        "answer": "Yes.",
    }
    with database.writing() as connection:
        connection.execute(insert(tables.exchanges), row)


def test_conversations_come_back_grouped_the_last_used_first_each_in_its_order(
    database: Database, ledger: Ledger, keeping_id: str
) -> None:
    write(
        ledger,
        said(keeping_id, "one", age_days=3),
        said(keeping_id, "alone", conversation="c2", age_days=2),
        said(keeping_id, "two", age_days=1),
    )
    found = exchanges.recent(database, keeping_id, 30, now_ms())
    assert [(c.conversation_id, [e.question for e in c.exchanges]) for c in found] == [
        ("c1", ["one", "two"]),
        ("c2", ["alone"]),
    ]
    last = found[0].exchanges[-1]
    assert (last.answer, last.speech_code) == ("Yes.", "speech_timeout")
    assert abs(last.at.timestamp() - (time.time() - 86_400)) < 5


def test_the_newest_are_shown_where_there_are_many(
    database: Database, ledger: Ledger, keeping_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = exchanges.MAX_SHOWN + 5
    write(ledger, *(said(keeping_id, f"q{n}", age_days=(count - n) / 100) for n in range(count)))
    (conversation,) = exchanges.recent(database, keeping_id, 30, now_ms())
    assert len(conversation.exchanges) == exchanges.MAX_SHOWN
    assert conversation.exchanges[-1].question == f"q{count - 1}"


def test_a_client_that_keeps_nothing_leaves_no_word_even_of_turns_under_way(
    database: Database, ledger: Ledger, store: ClientStore, keeping_id: str
) -> None:
    ledger.record(said(keeping_id, "under way"))
    store.change(keeping_id, {"retention_days": 0})
    ledger.write()
    assert stored(database) == []


def test_what_is_too_old_when_it_is_written_is_not_written(
    database: Database, ledger: Ledger, keeping_id: str
) -> None:
    write(ledger, said(keeping_id, "old", age_days=31), said(keeping_id, "new", age_days=29))
    assert stored(database) == ["new"]


def test_a_shorter_retention_deletes_at_once_what_is_older_and_of_that_client_alone(
    database: Database, ledger: Ledger, store: ClientStore, keeping_id: str
) -> None:
    other = store.add({"name": "Other", "retention_days": 30}).client_id
    write(ledger, *(said(keeping_id, f"{age}", age_days=age) for age in (9, 6.9, 0)))
    write(ledger, said(other, "other", age_days=20))

    store.change(keeping_id, {"name": "Renamed"})
    assert stored(database) == ["other", "9", "6.9", "0"]
    store.change(keeping_id, {"retention_days": 7})
    assert stored(database) == ["other", "6.9", "0"]
    store.change(keeping_id, {"retention_days": 3650})
    assert stored(database) == ["other", "6.9", "0"]
    store.change(keeping_id, {"retention_days": 0})
    assert stored(database) == ["other"]


def test_a_deleted_client_takes_its_words_with_it(
    database: Database, ledger: Ledger, store: ClientStore, keeping_id: str
) -> None:
    write(ledger, said(keeping_id, "gone"))
    store.delete(keeping_id)
    assert stored(database) == []


def test_the_purge_deletes_what_is_over_and_nothing_else(
    database: Database, store: ClientStore, keeping_id: str
) -> None:
    longest = store.add({"name": "Longest", "retention_days": 3650}).client_id
    nothing = store.add({"name": "Nothing"}).client_id
    for client, question, age in (
        (keeping_id, "over", 30.01),
        (keeping_id, "not yet", 29.99),
        (longest, "ten years", 3649),
        (nothing, "never allowed", 0),
        ("00000000-0000-4000-8000-00000000000a", "of nobody", 1),
    ):
        insert_old(database, client, question, age)
    exchanges.purge(database, now_ms())
    assert stored(database) == ["ten years", "not yet"]


def test_several_instances_may_purge_at_once(database_url: str, database: Database, keeping_id: str) -> None:
    for n in range(50):
        insert_old(database, keeping_id, f"q{n}", 31)
    others = [Database(database_url) for _ in range(4)]
    threads = [threading.Thread(target=exchanges.purge, args=(other, now_ms())) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert stored(database) == []
    for other in others:
        other.close()


def test_what_is_over_is_not_shown_before_the_purge_either(database: Database, keeping_id: str) -> None:
    insert_old(database, keeping_id, "over", 30.01)
    assert exchanges.recent(database, keeping_id, 30, now_ms()) == []
    assert exchanges.recent(database, keeping_id, 0, now_ms()) == []


def test_a_ledger_purges_now_and_then_also_where_nobody_asks_anything(
    database: Database, make_ledger: MakeLedger, keeping_id: str
) -> None:
    insert_old(database, keeping_id, "over", 31)
    ledger = make_ledger(database, write_every_s=0.01, purge_every_s=0.02)
    ledger.start()
    until = time.monotonic() + 20
    while stored(database) and time.monotonic() < until:
        time.sleep(0.01)
    assert stored(database) == []


def test_all_can_be_deleted_also_what_is_not_written_yet(
    database: Database, ledger: Ledger, store: ClientStore, keeping_id: str
) -> None:
    other = store.add({"name": "Other", "retention_days": 1}).client_id
    write(ledger, said(keeping_id, "written"), said(other, "other"))
    ledger.record(said(keeping_id, "recorded"))
    ledger.record(said(other, "other too"))
    ledger.delete_texts(keeping_id)
    ledger.write()
    assert sorted(stored(database)) == ["other", "other too"]


def test_deleted_words_are_not_left_in_the_file(sqlite_path: Path, make_ledger: MakeLedger) -> None:
    database = open_database(f"sqlite:///{sqlite_path}")
    row = {"exchange_id": "e", "client_id": "a", "conversation_id": "c", "at_ms": 1, "answer": "Yes."}
    with database.writing() as connection:
        connection.execute(insert(tables.exchanges), row | {"question": CANARY})
    exchanges.delete_all(database, "a")
    database.close()  # the last one to leave empties the write-ahead log
    for file in sqlite_path.parent.iterdir():
        assert CANARY.encode() not in file.read_bytes(), file.name
