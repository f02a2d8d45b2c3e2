"""A turn through the front door is in the client's report once the ledger has written: faults aside, also
when it fails, and word for word only where words may be kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tts_service.database.engine import Database
from tts_service.usage import exchanges
from tts_service.usage.report import Usage, read_report


def _today(database: Database, client_id: str) -> Usage:
    # Two days, for a test that runs over midnight.
    return read_report(database, client_id, datetime.now(UTC).date(), 2).total


def _written(database: Database, client_id: str, turns: int) -> Usage:
    until = time.monotonic() + 20
    while _today(database, client_id).turns < turns and time.monotonic() < until:
        time.sleep(0.02)
    return _today(database, client_id)


def test_turns_that_succeed_and_turns_that_fail_are_in_the_report(
    start: Callable[..., Any], database_url: str, database: Database
) -> None:
    service = start(DATABASE_URL=database_url)
    acme = service.clients["acme"]
    assert service.ask().status == 200
    assert service.ask(Accept="text/event-stream").status == 200
    assert service.ask("outage").code == "upstream_unavailable"
    usage = _written(database, acme, 3)
    assert (usage.turns, usage.characters, usage.spoken_turns) == (3, 2 * len(service.model.REPLY), 0)
    assert usage.failures == {"upstream_unavailable": 1}
    assert sum(usage.times.values()) == 2
    assert usage.dollars > 0
    assert _today(database, service.clients["other"]).is_empty


@pytest.mark.parametrize("retention_days", [0, 7])
def test_words_are_kept_only_for_a_client_that_wants_it(
    start: Callable[..., Any], database_url: str, database: Database, retention_days: int
) -> None:
    service = start(DATABASE_URL=database_url)
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE clients SET retention_days = {retention_days}")
    question = json.loads(service.question("Open on Sundays?")) | {"conversation_id": "c1"}
    assert service.post(json.dumps(question).encode()).status == 200
    assert _written(database, service.clients["acme"], 1).turns == 1
    found = exchanges.recent(database, service.clients["acme"], 3650, int(time.time() * 1000))
    kept = [(c.conversation_id, e.question, e.answer) for c in found for e in c.exchanges]
    assert kept == ([("c1", "Open on Sundays?", service.model.REPLY)] if retention_days else [])
