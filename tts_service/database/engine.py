"""Owns the database: its engine and its transactions.

SQLite for one machine, PostgreSQL for several (faults 3e). Whatever the database does wrong leaves here as
DatabaseUnavailable; what is our own mistake (a wrong column, a broken constraint) stays what it is.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
    TimeoutError,
)

from tts_service.database import schema
from tts_service.deadline import Deadline
from tts_service.errors import DatabaseUnavailable
from tts_service.settings import SettingsError

_log = logging.getLogger(__name__)

POOL_SIZE = 10  # faults 3e: at most 10 connections a process
POOL_WAIT_S = 1.0
BUSY_TIMEOUT_S = 5.0
_STATEMENT_TIMEOUT_MS = 2_000
_CONNECT_TIMEOUT_S = 2  # libpq's shortest
_UPGRADE_LOCK = 0x7474_7331  # any number, the same in every release: one upgrade at a time


class Database:
    """One engine. Threads and greenlets share it; processes make their own, after a fork."""

    def __init__(self, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        parsed = _parsed(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        options = _sqlite(parsed, busy_timeout_s) if self.is_sqlite else _server(parsed)
        try:
            # hide_parameters: a visitor's words or a sealed key must not come out in an exception's text.
            self._engine = create_engine(parsed, hide_parameters=True, pool_size=POOL_SIZE, **options)
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            raise SettingsError([_driver_problem(parsed)]) from error
        if self.is_sqlite:
            event.listen(self._engine, "connect", partial(_prepare_sqlite, busy_timeout_s=busy_timeout_s))
        # A read is one statement. SQLite's driver begins nothing by itself; a server is told not to.
        self._reader = (
            self._engine if self.is_sqlite else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._checked = False
        self._witness: sqlite3.Connection | None = None
        self._witness_lock = threading.Lock()

    def version(self) -> int | None:
        """Another number after every change that anybody has committed, in whatever process; so what was read
        while it was the same is still so. None where that cannot be told: on a server, in an outage, after
        `close`.
        """
        if not self.is_sqlite:
            return None
        try:
            # PRAGMA data_version counts the commits of all connections but the one that asks: so one that
            # does nothing else. It takes a fifth of a SELECT by primary key.
            with self._witness_lock:
                if self._witness is None:
                    self._witness = self._new_witness()
                return int(self._witness.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For single SELECTs: each stands alone. Raises DatabaseUnavailable."""
        with _outages_told(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block. Raises DatabaseUnavailable."""
        with _outages_told(), self._engine.begin() as connection:
            if self.is_sqlite:
                # Take the lock before the first read: a reader that becomes a writer fails at once, whatever
                # the busy timeout (faults L23: 1,050 of 1,200 failed without this, none with it).
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def answers(self) -> bool:
        """Whether a turn could be served now: the server answers, and the schema is there."""
        try:
            if not self._checked:
                self._checked = self.is_current()
                return self._checked
            with self.reading() as connection:
                connection.execute(text("SELECT 1"))
        except DatabaseUnavailable:
            return False
        return True

    def revision(self) -> str | None:
        """The schema's revision, None for a database without our tables."""
        with self.reading() as connection:
            return schema.revision(connection)

    def is_current(self) -> bool:
        """Whether the schema has all this release needs. One made by a newer release has, by house rule:
        a migration only adds what the release before it can ignore (faults 3e, expand and contract)."""
        return schema.suffices(self.revision())

    def upgrade(self) -> None:
        """Brings the schema up to date, in one transaction; does nothing where that is already so."""
        self._migrate("upgrade", "head")

    def downgrade(self, revision: str = "-1") -> None:
        """Takes the newest revision back, with the data that only it can hold; none: does nothing."""
        self._checked = False
        if self.revision() is None:
            return
        self._migrate("downgrade", revision)

    def close(self) -> None:
        self._engine.dispose()
        with self._witness_lock:
            if self._witness is not None:
                self._witness.close()  # and kept: another one would count from where it likes

    def _new_witness(self) -> sqlite3.Connection:
        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect
        return connect(*arguments, **options)

    def _migrate(self, way: Literal["upgrade", "downgrade"], revision: str) -> None:
        revisions = schema.revisions()
        try:
            with self.writing() as connection:
                if self._engine.dialect.name == "postgresql":
                    connection.execute(text("SET LOCAL statement_timeout = 0"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
                getattr(revisions, way)(connection, revision)
        except revisions.UnknownRevision as error:
            raise DatabaseUnavailable(
                "The database has a schema that this release does not know. "
                "Run this command with the release that made it."
            ) from error


def open_database(url: str) -> Database:
    """A database ready for use. SQLite is brought up to date; a server must have been, by `db upgrade`.

    A server that does not answer is no reason to stop: the process starts, says that it is not ready
    (`answers`), and recovers with the server (faults 3e). Raises SettingsError and DatabaseUnavailable.
    """
    database = Database(url)
    try:
        if database.is_sqlite:
            if not database.is_current():
                database.upgrade()
            return database
        current = database.is_current()
    except DatabaseUnavailable as outage:
        if database.is_sqlite:
            database.close()
            raise DatabaseUnavailable(
                "The SQLite file of DATABASE_URL cannot be opened or written. "
                "Check that it is a database, its owner, and the space on its disk."
            ) from outage
        _log.warning("The database does not answer yet; the service is not ready until it does.")
        return database
    if not current:
        database.close()
        raise DatabaseUnavailable(
            "The database schema is older than this release. Run: tts-service db upgrade"
        )
    return database


@contextmanager
def _outages_told() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, InternalError, TimeoutError) as error:
        raise DatabaseUnavailable from error
    except DatabaseError as error:
        # SQLite reports a damaged file with the parent of all its errors; the children are our own bugs.
        if type(error) is not DatabaseError:
            raise
        raise DatabaseUnavailable from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError(
            ["DATABASE_URL must look like sqlite:///instance/tts.db or postgresql://user:password@host/name."]
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _driver_problem(url: URL) -> str:
    if url.get_backend_name() == "postgresql":
        return "DATABASE_URL names PostgreSQL; its driver is missing: pip install 'psycopg[binary]'"
    return "DATABASE_URL names a database whose driver is not installed."


def _sqlite(url: URL, busy_timeout_s: float) -> dict[str, Any]:
    if url.database in (None, "", ":memory:") or "memory" in url.query.get("mode", ""):
        raise SettingsError(["DATABASE_URL must name a file: what is kept in memory is lost at every start."])
    path = Path(str(url.database))
    if not str(path).startswith("file:"):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Only its owner may read it; -wal and -shm take over the file's permissions.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError:
            raise SettingsError(
                ["DATABASE_URL names a file that cannot be made or written. Check its folder."]
            ) from None
    # A writer waits for the lock inside its connection, so the pool waits a little longer than that.
    return {
        "connect_args": {"timeout": busy_timeout_s},
        "max_overflow": 0,
        "pool_timeout": busy_timeout_s + 1,
    }


def _server(url: URL) -> dict[str, Any]:
    options: dict[str, Any] = {"max_overflow": 0, "pool_timeout": POOL_WAIT_S, "pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        options["connect_args"] = {
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS}",
            "tcp_user_timeout": _STATEMENT_TIMEOUT_MS,  # a server that vanished without a FIN
        }
    return options


def _prepare_sqlite(connection: sqlite3.Connection, _record: object, *, busy_timeout_s: float) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own: `writing` does
    # SQLite's own knows the letters of ASCII only, and a search for MÜLLER would find no Müller.
    connection.create_function("lower", 1, _lower, deterministic=True)
    _enter_wal(connection, Deadline.after(busy_timeout_s))
    # secure_delete: what was said and is deleted must not stay readable in the file's free pages.
    for pragma in ("foreign_keys = ON", "synchronous = NORMAL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _enter_wal(connection: sqlite3.Connection, deadline: Deadline) -> None:
    """SQLite's own busy timeout does not cover this step: while another process makes the same file, or
    closes it as the last one, it fails at once (measured: 6 of 60 starts of eight processes)."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or deadline.expired:
                raise
            time.sleep(0.01)
        else:
            return
