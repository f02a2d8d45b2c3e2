"""For every test: no thread and no socket outlives it. A test's own servers belong in fixtures that stop
them. And a database for those that want one: a SQLite file always, PostgreSQL where a server is reachable.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, delete, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests import workload
from tests.chat.scripted import Script, ScriptedPeer
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database import tables
from tts_service.database.engine import Database
from tts_service.dial import Dialer
from tts_service.secret import Secret
from tts_service.shared_memory import SharedMemory
from tts_service.upstream import Upstream

SETTLE_S = 6.0
# Database 9, since a service on this machine uses 0. Tests make keys that no other test can meet.
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
# No deadline: a slow machine is no failure. In CI the same examples every time.
hypothesis_settings.register_profile(
    "suite", max_examples=100, deadline=None, derandomize=os.environ.get("CI") == "true"
)
hypothesis_settings.load_profile("suite")
POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    return workload.Units(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: workload.rank(item.nodeid))


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def _sockets() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # the listing's own descriptor
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """Set up before the function's other fixtures, so it looks after they have been torn down.

    What module- and session-wide fixtures opened before stays in the baseline.
    """
    with nothing_leaks():
        yield


@contextmanager
def nothing_leaks() -> Iterator[None]:
    threads, sockets = _threads(), _sockets()
    yield
    deadline = time.monotonic() + SETTLE_S
    while (_threads() - threads or _sockets() - sockets) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = sorted(thread.name for thread in _threads() - threads)
    assert not left, f"threads left running: {left}"
    assert not _sockets() - sockets, f"sockets left open: {len(_sockets() - sockets)}"


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "tts.db"


def _missing(reason: str) -> NoReturn:
    """CI has all the servers; a developer may have none of them."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_url() -> str:
    memory = SharedMemory(REDIS, timeout_s=2)
    try:
        if not memory.answers():
            _missing("Redis cannot be used; start redis-server, or set TEST_REDIS_URL")
    finally:
        memory.close()
    return REDIS


@pytest.fixture
def shared(redis_url: str) -> Iterator[SharedMemory]:
    memory = SharedMemory(redis_url, timeout_s=2)  # what is no matter of time must not fail on a busy machine
    yield memory
    memory.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A scratch database of its own, dropped at the end."""
    url = make_url(POSTGRES).set(drivername="postgresql+psycopg")
    try:
        # NullPool: this fixture lives as long as the session, and must hold no socket meanwhile.
        admin = create_engine(
            url, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args={"connect_timeout": 2}
        )
        admin.connect().close()
    except (ModuleNotFoundError, OperationalError) as error:
        _missing(f"PostgreSQL cannot be used ({type(error).__name__}); set TEST_POSTGRES_URL")
    name = f"tts_scratch_{uuid.uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, sqlite_path: Path) -> str:
    """The URL of a database whose tables, if any, are empty."""
    if request.param == "sqlite":
        return f"sqlite:///{sqlite_path}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.upgrade()
    yield database
    if database.is_current():
        with database.writing() as connection:
            for table in tables.metadata.tables.values():
                connection.execute(delete(table))
    database.close()


@pytest.fixture
def sealer() -> Sealer:
    return Sealer((Secret("a first secret key"),))


@pytest.fixture
def store(database: Database, sealer: Sealer) -> ClientStore:
    return ClientStore(database, sealer)


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedPeer]]:
    """Starts peers that answer as their script says; stops them at the end of the test."""
    peers: list[ScriptedPeer] = []

    def start(script: Script, tls: ssl.SSLContext | None = None) -> ScriptedPeer:
        peers.append(ScriptedPeer(script, tls))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    dialer = Dialer()
    upstream = Upstream(dialer)
    yield upstream
    upstream.close()
    dialer.close()
