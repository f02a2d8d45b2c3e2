"""Rows 43 of faults.md 5 and T1: a client's `daily_limit` over HTTP. Text first, then nothing; never more."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tts_service.clients.sealing import Sealer
from tts_service.clients.spending import Spending
from tts_service.clients.store import ClientStore
from tts_service.database.engine import open_database
from tts_service.secret import Secret

Start = Callable[..., Any]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/tts.db"


def a_client(url: str, spent: float, **fields: object) -> str:
    """Of a client that has spent so many dollars today."""
    database = open_database(url)
    store = ClientStore(database, Sealer((Secret("a-secret-key-of-the-tests"),)))
    client_id = store.add({"name": "Limited", "allowed_origins": ["*"]} | fields).client_id
    Spending(database).add(client_id, spent)
    database.close()
    return client_id


def test_43_at_the_limit_the_reply_is_text_and_says_why_it_has_no_voice(start: Start, url: str) -> None:
    service = start(clients={"limited": a_client(url, 1.0, daily_limit=1.0, greeting="Hello!")})
    answer = service.ask(client="limited")
    assert (answer.status, answer.json["text"], answer.json["audio_url"]) == (200, "Hello there.", None)
    assert answer.json["audio_error"]["code"] == "speech_budget"
    greeting = service.send(
        "POST",
        "/api/greeting",
        service.question(client="limited").replace(b', "message": "Hi"', b""),
        {"Content-Type": "application/json"},
    )
    assert greeting.json["audio_error"]["code"] == "speech_budget"


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_43_at_one_and_a_quarter_nothing_is_asked_until_utc_midnight(
    start: Start, url: str, accept: str
) -> None:
    service = start(clients={"limited": a_client(url, 1.25, daily_limit=1.0)})
    asked = len(service.model.asked)
    answer = service.ask(client="limited", Accept=accept)
    assert (answer.status, answer.code) == (429, "budget_exhausted")
    now = datetime.datetime.now(datetime.UTC)
    midnight = (now + datetime.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert int(answer.headers["Retry-After"]) == pytest.approx((midnight - now).total_seconds(), abs=3)
    assert len(service.model.asked) == asked


def test_the_limit_survives_a_restart(start: Start, url: str) -> None:
    client = {"limited": a_client(url, 0, daily_limit=1.0, speech_provider="off")}
    prices = {"PRICE_CHAT_MILLION_IN": "0", "PRICE_CHAT_MILLION_OUT": "100000"}  # 0.30 a reply
    first = start(clients=client, **prices)
    statuses = [first.ask(client="limited").status for _ in range(4)]
    second = start(clients=client, **prices)
    statuses += [second.ask(client="limited").status for _ in range(3)]
    assert statuses == [200] * 5 + [429] * 2


def test_spending_that_cannot_be_read_refuses_the_turn(start: Start, url: str, tmp_path: Path) -> None:
    limited, free = a_client(url, 0, daily_limit=1.0), a_client(url, 0, speech_provider="off")
    service = start(clients={"limited": limited, "free": free})
    with sqlite3.connect(tmp_path / "tts.db") as broken:
        broken.execute("ALTER TABLE spending RENAME TO lost")
    broken.close()
    asked = len(service.model.asked)
    answer = service.ask(client="limited")
    assert (answer.status, answer.code) == (503, "config_unavailable")
    assert len(service.model.asked) == asked
    assert service.ask(client="free").status == 200
