"""Preflights: rows 45 to 49 of faults.md 5. What the answers carry is in test_chat.py."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tts_service.errors import DatabaseUnavailable
from tts_service.web import cors

ACME = "https://www.acme.com"
GRANTS = ("Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age")


def preflight(service: Any, origin: str = ACME, method: str = "POST", **more: str) -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    headers |= {f"Access-Control-Request-{name.replace('_', '-')}": value for name, value in more.items()}
    return service.send("OPTIONS", "/api/chat", headers=headers)


@pytest.fixture
def acme_only(start: Callable[..., Any]) -> Any:
    return start(without=("open",))


def test_45_an_allowed_page_is_told_what_it_may_send(service: Any) -> None:
    answer = preflight(service, Headers="content-type, idempotency-key")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == ACME
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert "content-type" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://www.acme.com.evil.io"])
def test_46_a_foreign_page_is_granted_nothing(acme_only: Any, origin: str) -> None:
    answer = preflight(acme_only, origin)
    assert answer.status in (204, 403)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert not any(name in answer.headers for name in GRANTS)


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "X-Evil"),
        ("POST", "content-type, X-Evil"),
        ("POST", "content-type, X-Widget-Preview"),
    ],
)
def test_47_what_we_do_not_take_is_not_granted(service: Any, method: str, headers: str) -> None:
    answer = preflight(service, method=method, Headers=headers)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert not any(name in answer.headers for name in GRANTS)


def test_48_the_private_network_is_never_granted(service: Any) -> None:
    answer = preflight(service, Private_Network="true")
    assert "Access-Control-Allow-Private-Network" not in answer.headers


def test_49_preflights_are_not_counted_as_turns(start: Callable[..., Any]) -> None:
    service = start(RATE_LIMIT_IP="1/minute")
    for _ in range(10):
        assert preflight(service).status == 204
    assert service.ask(Origin=ACME).status == 200


@pytest.mark.parametrize(("cached_s", "expected_reads"), [(600.0, 1), (0.0, 5)])
def test_49_preflights_are_answered_from_memory_also_while_the_database_is_away(
    cached_s: float, expected_reads: int
) -> None:
    reads: list[str] = []

    def read() -> frozenset[str]:
        reads.append("read")
        if len(reads) > 1:
            raise DatabaseUnavailable
        return frozenset({ACME})

    app = Flask(__name__)
    cors.install(app, frozenset({"/api/chat"}), read, cached_s=cached_s)
    headers = {"Origin": ACME, "Access-Control-Request-Method": "POST"}

    def granted() -> str | None:
        return (
            app.test_client().options("/api/chat", headers=headers).headers.get("Access-Control-Allow-Origin")
        )

    assert [granted() for _ in range(5)] == [ACME] * 5
    assert len(reads) == expected_reads, "all but the first of them failed"


def test_a_page_whose_client_is_switched_off_can_read_why(acme_only: Any) -> None:
    answer = acme_only.ask(client="disabled", Origin="https://gone.example")
    assert (answer.status, answer.code) == (403, "client_disabled")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://gone.example"


def test_no_other_path_is_open_to_foreign_pages(service: Any) -> None:
    for path in ("/health", "/ready", "/", "/nothing"):
        answer = service.send("GET", path, headers={"Origin": ACME})
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_answer_names_the_wait_to_the_page_that_must_wait(start: Callable[..., Any]) -> None:
    service = start(RATE_LIMIT_IP="2/minute")
    answers = [service.ask(Origin=ACME) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].code == "rate_limited"
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
    assert answers[2].headers["Access-Control-Allow-Origin"] == ACME
    assert "Retry-After" in answers[2].headers["Access-Control-Expose-Headers"]
