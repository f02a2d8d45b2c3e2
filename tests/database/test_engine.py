"""The database itself: outages, locks, migrations; on SQLite and PostgreSQL."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from tts_service.clients.store import ClientStore
from tts_service.database import tables
from tts_service.database.engine import Database, open_database
from tts_service.errors import DatabaseUnavailable
from tts_service.settings import SettingsError

VERSIONS = Path(tables.__file__).parent / "migrations" / "versions"


def _tables(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(inspect(connection).get_table_names()) - {"alembic_version"}


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_every_step_of_the_schema_goes_down_and_up_again(database: Database) -> None:
    every = set(tables.metadata.tables)
    assert (_tables(database), database.is_current()) == (every, True)
    steps = 0
    while database.revision() is not None:
        database.downgrade()
        assert not database.is_current()
        steps += 1
    assert steps == len(list(VERSIONS.glob("r*.py")))
    assert _tables(database) == set()
    database.downgrade()
    database.upgrade()
    database.upgrade()
    assert (_tables(database), database.is_current()) == (every, True)


def test_clients_outlive_all_steps_after_the_one_that_made_their_table(
    database: Database, store: ClientStore
) -> None:
    client = store.add({"name": "Acme", "ai_api_key": "xai-canary"})
    while database.revision() != "0001":
        database.downgrade()
    database.upgrade()
    # Whoever could set a URL then had the command line, and so vouched for it.
    assert store.get(client.client_id) == replace(client, base_url_vouched=True)


def test_a_failed_step_leaves_no_half_applied_schema(database: Database) -> None:
    database.downgrade("base")
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE spending (x INTEGER)"))
    with pytest.raises((DatabaseUnavailable, ProgrammingError)):
        database.upgrade()
    assert _tables(database) == {"spending"}
    with database.writing() as connection:
        connection.execute(text("DROP TABLE spending"))


def test_an_older_release_runs_on_a_newer_schema_and_does_not_migrate_it(database: Database) -> None:
    newest = database.revision()
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        assert database.is_current()
        with pytest.raises(DatabaseUnavailable) as raised:
            database.upgrade()
        assert "release" in raised.value.message
    finally:
        with database.writing() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{newest}'"))


def test_a_database_without_the_schema_is_not_ready(database: Database) -> None:
    assert database.answers()
    assert database.answers()
    database.downgrade()
    assert not database.answers()


def test_a_failure_inside_writing_leaves_nothing_written(database: Database) -> None:
    row = {"client_id": "x", "day": date(2026, 1, 1), "microdollars": 1}

    def write_twice() -> None:
        with database.writing() as connection:
            connection.execute(insert(tables.spending), row)
            connection.execute(insert(tables.spending), row)

    with pytest.raises(IntegrityError):
        write_twice()
    with database.reading() as connection:
        assert connection.execute(select(tables.spending)).all() == []


# SQLite


def test_opening_makes_the_folder_the_file_and_the_schema(sqlite_path: Path) -> None:
    database = open_database(f"sqlite:///{sqlite_path}")
    assert database.is_current()
    database.close()
    assert stat.S_IMODE(os.stat(sqlite_path).st_mode) == 0o600


def test_sqlite_runs_in_wal_with_foreign_keys_and_patience(sqlite_path: Path) -> None:
    database = open_database(f"sqlite:///{sqlite_path}")
    with database.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000}


def test_a_write_transaction_takes_the_lock_before_its_first_read(sqlite_path: Path) -> None:
    first = open_database(f"sqlite:///{sqlite_path}")
    impatient = Database(f"sqlite:///{sqlite_path}", busy_timeout_s=0.05)
    with first.writing():
        with pytest.raises(DatabaseUnavailable), impatient.writing():
            pytest.fail("two writers at once")
        with impatient.reading() as connection:
            connection.execute(select(tables.clients)).all()
    first.close()
    impatient.close()


def _open_and_close(url: str) -> bool:
    database = open_database(url)
    current = database.is_current()
    database.close()
    return current


def test_processes_that_start_together_can_make_one_database_at_once(sqlite_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=spawn) as pool:
        assert all(pool.map(_open_and_close, [f"sqlite:///{sqlite_path}"] * 3))


def test_a_file_that_is_no_database_is_said_in_plain_words(sqlite_path: Path) -> None:
    sqlite_path.parent.mkdir()
    sqlite_path.write_bytes(b"these are not the bytes of a database" * 100)
    with pytest.raises(DatabaseUnavailable) as raised:
        open_database(f"sqlite:///{sqlite_path}")
    assert "SQLite file" in raised.value.message


def test_a_database_damaged_while_it_runs_is_unavailable_and_no_bug(sqlite_path: Path) -> None:
    database = open_database(f"sqlite:///{sqlite_path}")
    database.close()
    sqlite_path.write_bytes(b"x" * sqlite_path.stat().st_size)
    assert not database.answers()
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="must name a file"):
        Database(url)


@pytest.mark.parametrize("url", ["", "nonsense", "tts.db", "postgresql://host:port/name"])
def test_what_is_no_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL must look like") as raised:
        Database(url)
    assert "host:port" not in str(raised.value)


def test_a_missing_driver_is_named(sqlite_path: Path) -> None:
    with pytest.raises(SettingsError, match="driver"):
        Database("mysql://user:password@localhost/tts")


def test_a_folder_that_cannot_be_made_is_said_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Database(f"sqlite:///{tmp_path / 'file' / 'tts.db'}")


# PostgreSQL


def test_postgres_that_is_behind_asks_for_an_upgrade(postgres_url: str) -> None:
    database = Database(postgres_url)
    database.downgrade()
    with pytest.raises(DatabaseUnavailable) as raised:
        open_database(postgres_url)
    assert "tts-service db upgrade" in raised.value.message
    database.upgrade()
    database.close()
    open_database(postgres_url).close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgres_url_is_taken(postgres_url: str, scheme: str) -> None:
    database = Database(scheme + "://" + postgres_url.partition("://")[2])
    assert not database.is_sqlite
    with database.reading() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "2s"
    database.close()


def test_a_slow_statement_ends_as_unavailable_within_the_statement_timeout(postgres_url: str) -> None:
    database = Database(postgres_url)
    start = time.monotonic()
    with pytest.raises(DatabaseUnavailable), database.reading() as connection:
        connection.execute(text("SELECT pg_sleep(20)"))
    assert time.monotonic() - start < 10
    database.close()


def test_a_full_pool_ends_as_unavailable_instead_of_waiting_for_long(postgres_url: str) -> None:
    database = Database(postgres_url)
    release = threading.Event()
    taken = threading.Barrier(11)

    def hold() -> None:
        with database.reading():
            taken.wait(20)
            release.wait(20)

    holders = [threading.Thread(target=hold) for _ in range(10)]
    for holder in holders:
        holder.start()
    taken.wait(20)
    with pytest.raises(DatabaseUnavailable), database.reading():
        pytest.fail("an eleventh connection")
    release.set()
    for holder in holders:
        holder.join(20)
    assert database.answers() is database.is_current()
    database.close()


def test_killed_connections_are_replaced_unseen(postgres_url: str) -> None:
    database, killer = Database(postgres_url), Database(postgres_url)
    database.upgrade()
    assert database.answers()
    with killer.writing() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert database.answers()
    database.close()
    killer.close()


def test_a_read_only_server_is_unavailable_and_no_bug(postgres_url: str) -> None:
    database = Database(postgres_url)

    def write_after_a_failover() -> None:
        with database.writing() as connection:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            connection.execute(text("CREATE TABLE never (x INTEGER)"))

    with pytest.raises(DatabaseUnavailable):
        write_after_a_failover()
    database.close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_silent_server_lets_the_service_start_and_is_not_ready(
    silent_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    start = time.monotonic()
    with caplog.at_level(logging.WARNING, "tts_service.database"):
        database = open_database(f"postgresql://me:canary@127.0.0.1:{silent_port}/tts")
    assert not database.answers()
    database.close()
    assert time.monotonic() - start < 12
    gc.collect()  # psycopg leaves the socket of a connection that timed out to the garbage collector
    assert "does not answer" in caplog.text
    assert "canary" not in caplog.text


def test_an_absent_server_is_unavailable_at_once() -> None:
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    database = Database(f"postgresql://me:canary@127.0.0.1:{port}/tts")
    with pytest.raises(DatabaseUnavailable), database.reading():
        pytest.fail("connected to nothing")
    database.close()


def test_the_version_of_a_file_changes_with_every_commit_and_with_nothing_else(sqlite_path: Path) -> None:
    database, other = (open_database(f"sqlite:///{sqlite_path}") for _ in range(2))
    before = database.version()
    assert before is not None
    with database.reading() as connection:
        connection.execute(select(tables.clients)).all()
    assert database.version() == before
    seen = {before}
    for writer in (database, other):
        with writer.writing() as connection:
            connection.execute(text("UPDATE clients SET name = name"))
            connection.execute(text("CREATE TABLE IF NOT EXISTS noise (n)"))
            connection.execute(text("INSERT INTO noise VALUES (1)"))
        version = database.version()
        assert version is not None
        seen.add(version)
    assert len(seen) == 3
    other.close()
    database.close()
    assert database.version() is None, "another connection's count says nothing of what was read before"


def test_a_server_and_a_file_that_cannot_be_read_have_no_version(postgres_url: str, tmp_path: Path) -> None:
    server = Database(postgres_url)
    assert server.version() is None
    server.close()
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is no database" * 300)
    broken = Database(f"sqlite:///{path}")
    assert broken.version() is None
    broken.close()
