"""Clients as the database keeps them: what comes back, sealed keys, changes at once, what turns read."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, update

from tts_service.clients import store as store_module
from tts_service.clients.client import Client
from tts_service.clients.sealing import Sealer
from tts_service.clients.spending import Spending
from tts_service.clients.store import ClientStore
from tts_service.database import tables
from tts_service.database.engine import Database, open_database
from tts_service.errors import ClientNotFound, DatabaseUnavailable, InvalidRequest, UnknownField
from tts_service.secret import Secret

KEY = "xai-canary-0123456789abcdef"
EVERYTHING: dict[str, Any] = {
    "name": "Müller & Söhne 株式会社",
    "enabled": False,
    "ai_provider": "compatible",
    "ai_base_url": "https://llm.example.com/v1",
    "ai_api_key": KEY,
    "ai_model": "small",
    "system_prompt": "Be kind.\n👩‍👩‍👧 'quotes' \"double\" %s {{7*7}}",
    "speech_provider": "xai",
    "speech_engine": "tts",
    "voice": "rex",
    "speed": 1.1,
    "language": "pt-BR",
    "pronunciations": {"SQL": "sequel", "日本": "nippon"},
    "allowed_origins": ["https://a.com", "http://localhost:3000"],
    "greeting": "Hello",
    "daily_limit": 0.25,
    "retention_days": 30,
    "browser_tokens": True,
    "retry_on_drift": True,
}


def _token(database: Database, client_id: str) -> str | None:
    with database.reading() as connection:
        query = select(tables.clients.c.ai_api_key_sealed).where(tables.clients.c.client_id == client_id)
        token: str | None = connection.execute(query).scalar_one()
        return token


def test_a_client_comes_back_as_it_was_stored(store: ClientStore) -> None:
    client = store.add(EVERYTHING)
    assert store.get(client.client_id) == client
    for field, value in EVERYTHING.items():
        kept = getattr(client, field)
        assert (kept.reveal() if isinstance(kept, Secret) else kept) == (
            tuple(value) if isinstance(value, list) else value
        )


def test_a_new_client_has_a_uuid4_and_the_contracts_defaults(store: ClientStore) -> None:
    client = store.add({"name": "Acme"})
    assert uuid.UUID(client.client_id).version == 4
    assert store.get(client.client_id) == Client(client.client_id, "Acme")


@pytest.mark.parametrize(
    ("changes", "refusal", "param"),
    [
        ({}, InvalidRequest, "name"),
        ({"name": ""}, InvalidRequest, "name"),
        ({"name": "Acme", "tenant": "x"}, UnknownField, "tenant"),
        ({"name": "Acme", "ai_provider": "compatible"}, InvalidRequest, "ai_base_url"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_stored(
    store: ClientStore, changes: dict[str, Any], refusal: type[InvalidRequest], param: str
) -> None:
    with pytest.raises(refusal) as raised:
        store.add(changes)
    assert raised.value.param == param
    assert store.all() == []


def test_a_refused_change_changes_nothing(store: ClientStore) -> None:
    client = store.add({"name": "Acme"})
    with pytest.raises(InvalidRequest):
        store.change(client.client_id, {"voice": "rex", "speed": 9})
    assert store.get(client.client_id) == client


def test_a_change_touches_only_its_fields(store: ClientStore) -> None:
    client = store.add(EVERYTHING)
    other = store.add({"name": "Other"})
    changed = store.change(client.client_id, {"voice": "Leo", "daily_limit": None})
    assert (changed.voice, changed.daily_limit) == ("leo", None)
    assert store.get(client.client_id) == changed
    assert {k for k, v in changed.shown().items() if v != client.shown()[k]} == {"voice", "daily_limit"}
    assert store.get(other.client_id) == other


@pytest.mark.parametrize(
    "client_id",
    [
        "00000000-0000-4000-8000-000000000000",
        "",
        "x" * 1_000_000,
        "\x00",
        "\ud800",
        "' OR 1=1--",
        "{00000000-0000-4000-8000-000000000000}",
    ],
)
def test_a_client_that_is_not_there_is_not_found_whatever_the_id(store: ClientStore, client_id: str) -> None:
    for ask in (
        lambda: store.get(client_id),
        lambda: store.change(client_id, {"name": "x"}),
        lambda: store.delete(client_id),
    ):
        with pytest.raises(ClientNotFound):
            ask()


def test_an_id_in_another_spelling_is_not_found(store: ClientStore) -> None:
    client = store.add({"name": "Acme"})
    for spelling in (
        client.client_id.upper() + " ",
        client.client_id.replace("-", ""),
        client.client_id + "\n",
        client.client_id + "\x00",
    ):
        with pytest.raises(ClientNotFound):
            store.get(spelling)


def test_clients_are_listed_by_name(store: ClientStore) -> None:
    for name in ("b", "c", "a", "a"):
        store.add({"name": name})
    assert [client.name for client in store.all()] == ["a", "a", "b", "c"]


def test_a_deleted_client_is_gone_with_its_spending_and_no_other(
    store: ClientStore, database: Database
) -> None:
    gone, stays = store.add({"name": "gone"}), store.add({"name": "stays"})
    spending = Spending(database)
    for client in (gone, stays):
        spending.add(client.client_id, 1)
    store.delete(gone.client_id)
    assert store.all() == [stays]
    assert (spending.today(gone.client_id), spending.today(stays.client_id)) == (0, 1)
    with pytest.raises(ClientNotFound):
        store.get(gone.client_id)


def test_preflights_know_the_origins_of_enabled_clients_only(store: ClientStore) -> None:
    store.add({"name": "a", "allowed_origins": ["https://a.com", "https://b.com"]})
    store.add({"name": "b", "allowed_origins": ["https://b.com", "https://c.com"]})
    store.add({"name": "off", "enabled": False, "allowed_origins": ["https://off.com"]})
    store.add({"name": "none"})
    assert store.allowed_origins() == {"https://a.com", "https://b.com", "https://c.com"}


@pytest.mark.parametrize(("production", "allowed"), [(True, False), (False, True)])
def test_plain_http_origins_are_refused_in_production(
    database: Database, sealer: Sealer, production: bool, allowed: bool
) -> None:
    store = ClientStore(database, sealer, production=production)
    changes = {"name": "Acme", "allowed_origins": ["https://a.com", "http://a.com"]}
    if allowed:
        assert len(store.add(changes).allowed_origins) == 2
        return
    with pytest.raises(InvalidRequest) as raised:
        store.add(changes)
    assert raised.value.param == "allowed_origins"


def test_two_changes_at_once_lose_neither(store: ClientStore) -> None:
    client_id = store.add({"name": "Acme"}).client_id
    rounds = 15

    def change(field: str, values: list[Any]) -> None:
        for value in values:
            store.change(client_id, {field: value})

    threads = [
        threading.Thread(target=change, args=("retention_days", list(range(1, rounds + 1)))),
        threading.Thread(target=change, args=("greeting", [f"hello {i}" for i in range(1, rounds + 1)])),
        threading.Thread(target=change, args=("ai_model", [f"m{i}" for i in range(1, rounds + 1)])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    client = store.get(client_id)
    assert (client.retention_days, client.greeting, client.ai_model) == (15, "hello 15", "m15")


# Keys


def test_no_key_stands_in_clear_in_the_files_of_the_database(sqlite_path: Path, sealer: Sealer) -> None:
    database = open_database(f"sqlite:///{sqlite_path}")
    store = ClientStore(database, sealer)
    client_id = store.add({"name": "name-canary", "ai_api_key": KEY}).client_id
    store.change(client_id, {"ai_api_key": KEY + "2"})
    files = {path.name: path.read_bytes() for path in sqlite_path.parent.iterdir()}
    database.close()
    files |= {path.name + " closed": path.read_bytes() for path in sqlite_path.parent.iterdir()}
    assert {"tts.db", "tts.db-wal"} <= set(files)
    assert any(b"name-canary" in content for content in files.values())  # the search would have found it
    assert not [
        name for name, content in files.items() if b"xai-canary" in content or b"0123456789" in content
    ]


def test_sealed_keys_swapped_between_clients_open_for_neither(store: ClientStore, database: Database) -> None:
    a, b = (store.add({"name": name, "ai_api_key": KEY + name}) for name in "ab")
    tokens = {a.client_id: _token(database, b.client_id), b.client_id: _token(database, a.client_id)}
    with database.writing() as connection:
        for client_id, token in tokens.items():
            connection.execute(
                update(tables.clients)
                .where(tables.clients.c.client_id == client_id)
                .values(ai_api_key_sealed=token)
            )
    assert [store.get(c.client_id).ai_api_key for c in (a, b)] == [None, None]


def test_a_new_key_replaces_the_stored_one(store: ClientStore) -> None:
    client_id = store.add(EVERYTHING).client_id
    store.change(client_id, {"ai_api_key": "another-key-9876"})
    client = store.get(client_id)
    assert (client.ai_api_key, client.key_last4) == (Secret("another-key-9876"), "9876")
    store.change(client_id, {"ai_api_key": None})
    assert not store.get(client_id).has_api_key


def test_a_dropped_key_is_gone_from_the_database(store: ClientStore, database: Database) -> None:
    client = store.add(EVERYTHING)
    changed = store.change(client.client_id, {"ai_base_url": "https://evil.example/v1"})
    assert changed.ai_api_key is None
    assert store.get(client.client_id) == changed
    assert _token(database, client.client_id) is None


def test_a_key_that_does_not_open_costs_no_turn_and_is_told_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    client_id = (
        ClientStore(database, Sealer((Secret("old"),))).add({"name": "Acme", "ai_api_key": KEY}).client_id
    )
    store = ClientStore(database, Sealer((Secret("new"),)))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            client = store.get(client_id)
    assert (client.ai_api_key, client.has_api_key, client.lost_key_last4) == (None, True, "cdef")
    assert caplog.text.count(client_id) == 1
    assert "SECRET_KEY was changed without rotation" in caplog.text
    assert "canary" not in caplog.text


def test_a_lost_key_survives_other_changes_and_comes_back_with_its_secret_key(database: Database) -> None:
    old, new = Sealer((Secret("old"),)), Sealer((Secret("new"),))
    client_id = ClientStore(database, old).add({"name": "Acme", "ai_api_key": KEY}).client_id
    ClientStore(database, new).change(client_id, {"voice": "rex"})
    assert ClientStore(database, old).get(client_id).ai_api_key == Secret(KEY)


def test_a_rotation_reads_the_old_key_and_writes_with_the_new(database: Database) -> None:
    old, new = Secret("old"), Secret("new")
    first = ClientStore(database, Sealer((old,)))
    ids = [first.add({"name": name, "ai_api_key": KEY}).client_id for name in "abc"]
    first.add({"name": "no key"})
    rotating = ClientStore(database, Sealer((new, old)))
    rotating.change(ids[0], {"voice": "rex"})
    assert rotating.get(ids[1]).ai_api_key == Secret(KEY)
    assert rotating.reseal() == 2
    assert rotating.reseal() == 0
    after = ClientStore(database, Sealer((new,)))
    assert [after.get(client_id).ai_api_key for client_id in ids] == [Secret(KEY)] * 3


# Outages


def test_a_locked_or_lost_database_is_unavailable_in_every_call(sqlite_path: Path, sealer: Sealer) -> None:
    open_database(f"sqlite:///{sqlite_path}").close()
    database = Database(f"sqlite:///{sqlite_path}", busy_timeout_s=0.02)
    store = ClientStore(database, sealer)
    client_id = store.add({"name": "Acme"}).client_id
    database.close()
    for path in list(sqlite_path.parent.iterdir()):
        path.write_bytes(b"damaged" * 1000)
    for ask in (
        lambda: store.get(client_id),
        store.all,
        store.allowed_origins,
        lambda: store.add({"name": "x"}),
        lambda: store.change(client_id, {"name": "x"}),
        lambda: store.delete(client_id),
        store.reseal,
    ):
        with pytest.raises(DatabaseUnavailable):
            ask()
    database.close()


def _add_some(url: str, start: int) -> int:
    database = open_database(url)
    store = ClientStore(database, Sealer((Secret("k"),)))
    for i in range(start, start + 10):
        client = store.add({"name": f"n{i}"})
        store.change(client.client_id, {"voice": "rex"})
    database.close()
    return 10


def test_processes_that_write_at_once_lose_nothing(sqlite_path: Path, sealer: Sealer) -> None:
    url = f"sqlite:///{sqlite_path}"
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=spawn) as pool:
        made = sum(pool.map(_add_some, itertools.repeat(url), range(0, 30, 10)))
    database = open_database(url)
    found = ClientStore(database, sealer).all()
    database.close()
    assert made == len(found) == 30
    assert {client.voice for client in found} == {"rex"}


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(database._engine, "before_cursor_execute", note)
    yield asked
    event.remove(database._engine, "before_cursor_execute", note)


def test_a_client_that_nobody_changed_is_not_read_again_where_the_database_can_tell(
    store: ClientStore, database: Database
) -> None:
    client = store.add(EVERYTHING)
    store.get(client.client_id)
    with statements(database) as asked:
        assert store.get(client.client_id) == client
    assert len(asked) == (0 if database.is_sqlite else 1)


def test_a_change_made_elsewhere_is_seen_by_the_next_turn(
    store: ClientStore, database: Database, database_url: str, sealer: Sealer
) -> None:
    client_id = store.add({"name": "x", "voice": "ara"}).client_id
    elsewhere = Database(database_url)
    there = ClientStore(elsewhere, sealer)
    for voice in ("rex", "sal", "rex"):
        assert store.get(client_id).voice != voice
        there.change(client_id, {"voice": voice})
        assert store.get(client_id).voice == voice
    there.delete(client_id)
    with pytest.raises(ClientNotFound):
        store.get(client_id)
    elsewhere.close()


def test_what_is_kept_between_turns_is_bounded(store: ClientStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "KNOWN_AT_MOST", 2)
    names = {store.add({"name": name}).client_id: name for name in ("a", "b", "c")}
    for client_id in [*names, *names]:
        assert store.get(client_id).name == names[client_id]
        assert len(store._known) <= 2
