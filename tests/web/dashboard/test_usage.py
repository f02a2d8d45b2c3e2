"""What was counted and kept, as the people who run the service see it; from a turn over HTTP to the page."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tts_service.errors import BudgetExhausted
from tts_service.usage.ledger import Ledger
from tts_service.usage.turn import Exchange, Turn

NOBODY = "00000000-0000-4000-8000-00000000000a"


def page_of(client: Any, name: str = "usage") -> str:
    return f"/dashboard/clients/{client.client_id}/{name}"


def write(office: Any, *turns: Turn) -> None:
    ledger = Ledger(office.database)
    for turn in turns:
        ledger.record(turn)
    ledger.close()


def eventually(person: Any, path: str, text: str) -> str:
    until = time.monotonic() + 20
    while text not in person.opens(path).text and time.monotonic() < until:
        time.sleep(0.05)
    shown: str = person.page.text
    assert text in shown
    return shown


def test_a_turn_asked_over_http_appears_by_itself_with_what_came_of_it(office: Any, ada: Any) -> None:
    # Nothing may be spent: a refusal is as good a turn as any, and needs no provider.
    client = office.store.add({"name": "Acme", "daily_limit": 0, "allowed_origins": ["*"]})
    body = json.dumps({"client_id": client.client_id, "message": "Hi"})
    assert office.visitor().send("POST", "/api/chat", body, Content_Type="application/json").status == 429
    # Questions are read first: whoever sees them sees what was written with them.
    shown = eventually(ada, page_of(client), "<dt>Questions</dt><dd>1</dd>")
    assert "budget_exhausted" in shown
    assert "<dt>Failures</dt><dd>1</dd>" in shown
    assert BudgetExhausted.message.replace("'", "&#39;") in shown


def test_the_page_of_an_unused_client_says_so_and_shows_no_pictures(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Brand new"})
    shown = ada.opens(page_of(client)).text
    assert "No questions yet in this span." in shown
    assert 'role="img"' not in shown


def test_the_span_is_chosen_by_a_link_and_sums_follow_it(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme"})
    write(office, *(Turn(client.client_id, time.time() - days * 86_400) for days in (0, 6, 8, 29, 40)))
    for span, turns in (("", 4), ("?days=7", 2), ("?days=30", 4), ("?days=90", 5)):
        shown = ada.opens(page_of(client) + span).text
        assert f"<dt>Questions</dt><dd>{turns}</dd>" in shown, span


def test_the_list_says_how_much_each_client_was_used_in_the_last_seven_days(office: Any, ada: Any) -> None:
    busy, quiet = office.store.add({"name": "Busy"}), office.store.add({"name": "Quiet"})
    turns = [Turn(busy.client_id, time.time() - days * 86_400, dollars=1.5) for days in (0, 1, 6, 8)]
    write(office, *turns)
    shown = ada.opens("/dashboard/clients").text
    assert f'{page_of(busy)}?days=7">3</a>' in shown
    assert f'{page_of(quiet)}?days=7">0</a>' in shown
    assert ">$4.50<" in shown


@pytest.mark.parametrize("days", ["0", "31", "-7", "7.0", "all", "", "9" * 5000])
def test_other_spans_are_refused(office: Any, ada: Any, days: str) -> None:
    client = office.store.add({"name": "Acme"})
    for name in ("usage", "usage.csv"):
        assert ada.opens(f"{page_of(client, name)}?days={days[:2000]}").status == 400


def test_the_csv_is_a_file_with_a_row_for_each_day(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "=cmd"})
    write(office, Turn(client.client_id, time.time(), dollars=0.25))
    page = ada.opens(page_of(client, "usage.csv") + "?days=7")
    lines = page.text.splitlines()
    assert page.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert page.headers["Content-Disposition"].startswith(f'attachment; filename="usage-{client.client_id}-')
    assert (len(lines), lines[0].split(",")[0]) == (8, "day")
    assert lines[-1].endswith(",0.250000")
    assert "'=cmd" in lines[-1]


def test_conversations_are_shown_where_they_are_kept_and_nothing_said_is_markup(
    office: Any, ada: Any
) -> None:
    client = office.store.add({"name": "<b>Acme</b>", "retention_days": 7})
    now = time.time()
    said = Exchange(
        "c1", "<script>alert(1)</script>", "[x](javascript:alert(1)) <img src=x>", "speech_timeout"
    )
    write(office, Turn(client.client_id, now, exchange=said))
    shown = ada.opens(page_of(client, "conversations")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "&lt;img src=x&gt;" in shown
    assert "<script" not in shown
    assert "<b>Acme" not in shown
    assert 'href="javascript' not in shown
    assert "speech_timeout" in shown
    assert "Kept for 7 days" in shown


def test_a_client_that_keeps_nothing_explains_how_it_could(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme"})
    shown = ada.opens(page_of(client, "conversations")).text
    assert "Nothing is kept" in shown
    assert "#retention_days" in shown
    assert "conversations/delete" not in shown


def test_all_that_is_kept_can_be_deleted_and_the_figures_stay(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme", "retention_days": 7})
    write(office, Turn(client.client_id, time.time(), exchange=Exchange("c1", "canary", "Yes.")))
    path = page_of(client, "conversations")
    assert "canary" in ada.opens(path).text
    assert ada.submits(path, f"{path}/delete").location == path
    shown = ada.follows().text
    assert "canary" not in shown
    assert "All kept conversations were deleted." in shown
    assert "<dt>Questions</dt><dd>1</dd>" in ada.opens(page_of(client)).text


@pytest.mark.parametrize("client_id", [NOBODY, "nonsense", "%00"])
def test_pages_of_a_client_that_is_not_there_are_not_there(ada: Any, client_id: str) -> None:
    for name in ("usage", "usage.csv", "conversations"):
        assert ada.opens(f"/dashboard/clients/{client_id}/{name}").status == 404
