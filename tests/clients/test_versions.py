"""Lost updates: a client's version, and what changes only while it is still the one that was read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tts_service.clients.client import Client
from tts_service.clients.store import ClientStore
from tts_service.errors import ClientNotFound, EditConflict, ServiceError

KEY = "xai-canary-0123456789abcdef"


def test_a_client_has_one_version_until_it_changes(store: ClientStore) -> None:
    client = store.add({"name": "Acme", "speed": 1, "pronunciations": {"SQL": "sequel", "a": "b"}})
    assert client.version
    assert store.get(client.client_id).version == client.version
    assert store.page().clients[0].version == client.version
    changed = store.change(client.client_id, {"daily_limit": 2})
    assert changed.version != client.version
    assert store.get(client.client_id).version == changed.version


def test_a_key_replaced_by_one_with_the_same_end_is_another_version(store: ClientStore) -> None:
    client = store.add({"name": "Acme", "ai_api_key": "first-" + KEY})
    changed = store.change(client.client_id, {"ai_api_key": "second-" + KEY})
    assert changed.key_last4 == client.key_last4
    assert changed.version != client.version


def test_a_version_says_nothing_of_the_key(store: ClientStore) -> None:
    a, b = (store.add({"name": "Acme", "ai_api_key": KEY}) for _ in range(2))
    assert a.version != b.version
    assert "version" not in a.shown()


def test_an_edit_of_what_somebody_else_changed_is_refused_and_changes_nothing(store: ClientStore) -> None:
    read = store.add({"name": "Acme"})
    theirs = store.change(read.client_id, {"voice": "rex"}, if_match={read.version})
    with pytest.raises(EditConflict):
        store.change(read.client_id, {"voice": "eve"}, if_match={read.version})
    with pytest.raises(EditConflict):
        store.change(read.client_id, {"voice": "eve"}, if_match=frozenset())
    with pytest.raises(EditConflict):
        store.delete(read.client_id, if_match={read.version})
    assert store.get(read.client_id) == theirs
    store.delete(read.client_id, if_match={read.version, theirs.version})
    with pytest.raises(ClientNotFound):
        store.change(read.client_id, {"voice": "eve"}, if_match={theirs.version})


def _at_once(calls: list[Callable[[], Any]]) -> list[str]:
    """What came of each call, all made at the same moment: `done` or the error's code."""
    gate = threading.Barrier(len(calls))
    outcomes: list[str] = []

    def run(call: Callable[[], Any]) -> None:
        gate.wait(10)
        try:
            call()
        except ServiceError as error:
            outcomes.append(error.code)
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(outcomes)


def test_of_edits_at_once_exactly_one_wins(store: ClientStore) -> None:
    client = store.add({"name": "Acme"})
    for round in ("abcd", "efgh", "ijkl", "mnop"):
        if_match = {store.get(client.client_id).version}

        def rename(name: str, if_match: set[str] = if_match) -> Client:
            return store.change(client.client_id, {"name": name}, if_match=if_match)

        assert _at_once([partial(rename, name) for name in round]) == ["done", *["edit_conflict"] * 3]


def test_an_edit_and_a_deletion_at_once_do_not_both_happen(store: ClientStore) -> None:
    client = store.add({"name": "Acme"})
    if_match = {client.version}
    outcomes = _at_once(
        [
            lambda: store.change(client.client_id, {"name": "x"}, if_match=if_match),
            lambda: store.delete(client.client_id, if_match=if_match),
        ]
    )
    assert outcomes in (["client_not_found", "done"], ["done", "edit_conflict"])
