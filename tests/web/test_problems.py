"""Routing and everything generic: rows 50 to 58 of faults.md 5."""

import logging
from typing import Any

import pytest
from flask import Flask, abort

from tts_service.errors import RateLimited, ServiceError
from tts_service.web import access_log, headers, problems, request_id


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE"])
def test_50_a_method_we_do_not_take_is_405_with_the_ones_we_do(service: Any, method: str) -> None:
    answer = service.send(method, "/api/chat")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_51_head_is_served_like_get(service: Any) -> None:
    for path in ("/health", "/ready", "/", "/widget.js"):
        answer = service.send("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/api/chat/", "/API/chat", "/api//chat", "/api/chat;x=1"])
def test_52_no_other_path_leads_to_the_turn(service: Any, path: str) -> None:
    answer = service.send("POST", path, service.question(), {"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("path", ["/api/%63hat", "//api/chat", "/./api/chat", "/x/../api/chat"])
def test_52_a_path_written_otherwise_meets_the_same_policy_or_nothing(service: Any, path: str) -> None:
    sent = {"Content-Type": "application/json", "Origin": "https://evil.example"}
    answer = service.send("POST", path, service.question(), sent)
    assert (answer.status, answer.code) in ((403, "origin_not_allowed"), (404, "not_found"))
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fetc/passwd",
        "/static/../app.py",
        "/static/%2e%2e/chat.py",
        "/static/..\\chat.py",
        "/static/a%00b",
        "/static//etc/passwd",
        "/static/",
        "/%ff%fe",
    ],
)
def test_53_nothing_but_our_static_files_can_be_read(service: Any, path: str) -> None:
    answer = service.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (answer.status, answer.code) == (404, "not_found")


def test_53_an_absolute_target_is_the_same_address(service: Any) -> None:
    answer = service.raw(b"GET http://evil.example/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status in (400, 404)
    assert b"evil" not in answer.body


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9_000 + b"\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 120 + b"\r\n", 431),
        (b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=["54 9 kB header", "54 120 headers", "54 5 kB URI", "bad header", "no HTTP"],
)
def test_what_the_server_refuses_is_refused_in_our_own_form(
    service: Any, request_bytes: bytes, status: int
) -> None:
    answer = service.raw(request_bytes)
    assert (answer.status, answer.code) == (status, "invalid_request")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"aaaa" not in answer.body
    assert b"Bad" not in answer.body.replace(b"Bad Request", b"")


@pytest.mark.parametrize("given", ["a" * 1_000, "<x>", "short", "", "a b c d e f", "[X.AI TTS]"])
def test_55_a_request_id_that_is_not_harmless_is_replaced(service: Any, given: str) -> None:
    answer = service.send("GET", "/health", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] not in ("", given)


def test_55_a_harmless_request_id_is_kept_and_stands_in_the_log(service: Any) -> None:
    given = f"from-the-proxy_{service.port}"
    answer = service.send("GET", "/nothing", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    assert answer.json["error"]["request_id"] == given
    assert given in service.log()


def test_56_the_host_header_reaches_no_answer(service: Any) -> None:
    for path in ("/health", "/nothing", "/widget.js", "/api/chat"):
        answer = service.raw(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        assert b"evil.example" not in answer.body
        assert "evil.example" not in str(answer.headers)


def test_57_an_unknown_path_is_404_in_json(service: Any) -> None:
    answer = service.send("GET", "/nothing/here?x=<script>")
    assert (answer.status, answer.code) == (404, "not_found")
    assert b"script" not in answer.body


@pytest.fixture
def app() -> Flask:
    """An application that fails in as many ways as it has routes."""
    app = Flask(__name__)
    for part in (request_id, access_log, headers, problems):
        part.install(app)

    @app.get("/bug")
    def bug() -> str:
        raise KeyError("the visitor's words")

    @app.get("/limit")
    def limit() -> str:
        raise RateLimited(retry_after_s=7)

    @app.get("/abort/<int:status>")
    def stop(status: int) -> str:
        abort(status)

    return app


def test_58_a_bug_is_500_with_an_id_and_its_place_goes_to_the_log(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        answer = app.test_client().get("/bug")
    assert answer.status_code == 500
    assert answer.get_json()["error"]["code"] == "internal"
    assert answer.get_json()["error"]["request_id"] == answer.headers["X-Request-ID"]
    assert b"visitor" not in answer.data
    assert b"KeyError" not in answer.data
    bug = next(record for record in caplog.records if record.getMessage() == "event=bug")
    assert bug.exc_info
    assert bug.exc_info[0] is KeyError


def test_a_wait_stands_in_retry_after(app: Flask) -> None:
    assert app.test_client().get("/limit").headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (408, "request_timeout"),
        (413, "body_too_large"),
        (415, "unsupported_media_type"),
        (418, "invalid_request"),
        (429, "rate_limited"),
        (500, "internal"),
        (503, "internal"),
    ],
)
def test_every_error_of_the_framework_has_our_form(app: Flask, status: int, code: str) -> None:
    answer = app.test_client().get(f"/abort/{status}")
    assert answer.status_code == (500 if status >= 500 else status)
    assert answer.get_json()["error"]["code"] == code
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_access_line_names_the_route_and_never_the_path(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "tts_service.access"):
        app.test_client().get("/abort/404?zebra=1")
        app.test_client().get("/zebra")
    assert "route=/abort/<int:status> status=404" in caplog.text
    assert "route=- status=404" in caplog.text
    assert "zebra" not in caplog.text


@pytest.mark.parametrize(
    ("accept", "problem"),
    [
        ("application/problem+json", True),
        ("application/json;q=0.5, application/problem+json", True),
        ("application/json, application/problem+json;q=0.5", False),
        ("*/*", False),
        ("application/*", False),
        ("", False),
    ],
)
def test_an_error_is_a_problem_of_rfc_9457_only_for_those_who_name_it(
    app: Flask, accept: str, problem: bool
) -> None:
    answer = app.test_client().get("/limit", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    if not problem:
        assert answer.content_type == "application/json"
        assert answer.get_json()["error"]["code"] == "rate_limited"
        return
    assert answer.content_type == "application/problem+json"
    assert answer.get_json() == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": RateLimited.message,
        "code": "rate_limited",
        "request_id": answer.headers["X-Request-ID"],
    }


def _every(kind: type[ServiceError]) -> list[type[ServiceError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _every(child))]


@pytest.mark.parametrize("kind", _every(ServiceError), ids=lambda kind: kind.__name__)
def test_every_error_can_be_told(app: Flask, kind: type[ServiceError]) -> None:
    with app.test_request_context():
        answer = problems.render(kind())
    assert answer.status_code == kind.status
    assert answer.get_json()["error"]["code"] == kind.code
    assert answer.get_json()["error"]["message"]
