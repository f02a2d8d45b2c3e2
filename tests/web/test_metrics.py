"""Rows 107 and T22 of faults.md: what operators count, and who may see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

Start = Callable[..., Any]
TOKEN = "an-admin-token-of-the-tests"


def collected(service: Any) -> dict[str, float]:
    answer = service.send("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    rows = re.findall(r"^(tts_[^ ]+) (\S+)$", answer.body.decode(), re.MULTILINE)
    return {name: float(value) for name, value in rows}


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Basic {TOKEN}"])
def test_107_the_public_sees_no_metrics(start: Start, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    assert start(ADMIN_TOKEN=TOKEN).send("GET", "/metrics", headers=headers).status == 401


def test_107_without_a_token_there_are_no_metrics(start: Start) -> None:
    assert start().send("GET", "/metrics").status == 404


def test_turns_are_counted_by_what_came_of_them_and_by_nothing_a_caller_can_make_up(start: Start) -> None:
    service = start(ADMIN_TOKEN=TOKEN)
    before = collected(service)
    assert service.ask().status == 200
    assert service.ask("outage").status == 503
    for number in range(20):
        service.send("GET", f"/no/such/path/{number}", headers={"Origin": f"https://{number}.example"})
    after = collected(service)
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert grown['tts_turns_total{code="ok"}'] == 1
    assert grown['tts_turns_total{code="upstream_unavailable"}'] == 1
    assert grown["tts_reply_seconds_count"] == 1
    assert {name for name in after if ".example" in name or "path" in name} == set()
