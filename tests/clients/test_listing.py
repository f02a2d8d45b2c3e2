"""Searching and paging, on both databases."""

from __future__ import annotations

import pytest

from tts_service.clients.client import Client
from tts_service.clients.listing import cursor_after
from tts_service.clients.store import ClientStore
from tts_service.errors import InvalidValue

NAMES = [
    "acme",
    "Bakery",
    "Müller & Söhne",
    "100% Wool",
    "100 Wools",
    "back\\slash",
    "under_score",
    "株式会社",
]


@pytest.fixture
def full(store: ClientStore) -> ClientStore:
    for name in NAMES:
        store.add({"name": name})
    return store


def names(clients: list[Client]) -> list[str]:
    return [client.name for client in clients]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ACME", ["acme"]),
        ("K", ["back\\slash", "Bakery"]),
        ("MÜLLER", ["Müller & Söhne"]),
        ("söhne", ["Müller & Söhne"]),
        ("0%", ["100% Wool"]),
        ("_", ["under_score"]),
        ("k\\s", ["back\\slash"]),
        ("式会", ["株式会社"]),
        ("' OR 1=1--", []),
    ],
)
def test_a_search_finds_parts_of_names_in_any_case_and_nothing_by_wildcard(
    full: ClientStore, search: str, found: list[str]
) -> None:
    page = full.page(search)
    assert (names(page.clients), page.total, page.next_cursor) == (found, len(found), None)


def test_a_search_finds_the_beginning_of_a_client_id(full: ClientStore) -> None:
    client = full.all()[3]
    for search in (client.client_id, client.client_id.upper(), client.client_id[:13]):
        assert full.page(search).clients == [client]
    assert full.page(client.client_id[1:]).clients == []


@pytest.mark.parametrize("search", ["\0", "a\0", "\ud800", "x" * 101])
def test_a_search_that_no_database_takes_is_refused(store: ClientStore, search: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        store.page(search)
    assert raised.value.param == "search"


def test_pages_bring_every_client_once_in_the_order_of_names(full: ClientStore) -> None:
    pages, cursor = [], ""
    for _ in range(3):
        pages.append(page := full.page(limit=3, cursor=cursor))
        cursor = page.next_cursor or ""
    assert [len(page.clients) for page in pages] == [3, 3, 2]
    assert [page.total for page in pages] == [len(NAMES)] * 3
    assert pages[-1].next_cursor is None
    seen = [name for page in pages for name in names(page.clients)]
    assert seen == sorted(NAMES, key=str.lower) == names(full.page().clients)


def test_clients_of_one_name_are_not_lost_between_pages(store: ClientStore) -> None:
    ids = {store.add({"name": name}).client_id for name in ("Same", "same") * 3}
    first = store.page(limit=4)
    assert first.next_cursor
    rest = store.page(limit=4, cursor=first.next_cursor)
    assert {client.client_id for client in first.clients + rest.clients} == ids


def test_clients_that_come_and_go_between_pages_shift_no_other(full: ClientStore) -> None:
    first = full.page(limit=4)
    assert first.next_cursor
    full.add({"name": "000 in front"})
    for client in first.clients:
        full.delete(client.client_id)
    rest = full.page(limit=50, cursor=first.next_cursor)
    assert names(first.clients + rest.clients) == sorted(NAMES, key=str.lower)


@pytest.mark.parametrize(
    "cursor", ["x", "é", "=", "a" * 10_000, "////", cursor_after(Client("not-an-id", "a")), "AA" * 30]
)
def test_a_cursor_that_no_page_gave_is_refused(store: ClientStore, cursor: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        store.page(cursor=cursor)
    assert raised.value.param == "cursor"


def test_a_cursor_holds_any_name(store: ClientStore) -> None:
    for name in ("a b", "é" * 100, "株", "'\"\\%"):
        store.page(cursor=cursor_after(Client("00000000-0000-4000-8000-000000000000", name)))
