from collections.abc import Callable
from typing import Any

import pytest

from tts_service.clients.client import Client
from tts_service.web.pages import demo_client

HOME = "http://127.0.0.1:8000"


def client(client_id: str, **fields: Any) -> Client:
    return Client(client_id, **({"name": "Demo", "allowed_origins": (HOME,)} | fields))


@pytest.mark.parametrize(
    "other", [{"name": "Acme"}, {"enabled": False}, {"allowed_origins": ("https://a.example",)}]
)
def test_the_page_shows_only_a_demo_client_that_it_may_use(other: dict[str, Any]) -> None:
    assert demo_client([client("not this", **other)], HOME) is None
    found = demo_client([client("not this", **other), client("this"), client("later")], HOME)
    assert found is not None
    assert found.client_id == "this"


def test_the_home_page_runs_nothing_that_is_not_ours(service: Any) -> None:
    answer = service.send("GET", "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    for rule in (
        "default-src 'self'",
        "media-src 'self' data: blob:",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'none'",
    ):
        assert rule in policy


def test_56_a_forged_host_is_shown_as_text_only(service: Any) -> None:
    answer = service.raw(b'GET / HTTP/1.1\r\nHost: "><script>alert(1)</script>\r\n\r\n')
    assert b"<script>alert" not in answer.body


def test_in_production_the_page_believes_no_host_and_shows_no_client(start: Callable[..., Any]) -> None:
    service = start(ENV="production")
    answer = service.send("GET", "/", headers={"Host": "evil.example"})
    assert answer.status == 200
    assert b"evil.example" not in answer.body
    assert not any(client_id.encode() in answer.body for client_id in service.clients.values())


def test_the_widget_can_be_loaded_by_any_page_and_reloaded_for_nothing(service: Any) -> None:
    answer = service.send("GET", "/widget.js")
    assert answer.status == 200
    assert "javascript" in answer.headers["Content-Type"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "max-age=3600" in answer.headers["Cache-Control"]
    again = service.send("GET", "/widget.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_the_page_s_own_files_are_served(service: Any) -> None:
    for name, kind in (("home.css", "text/css"), ("home.js", "javascript"), ("icon.svg", "image/svg+xml")):
        answer = service.send("GET", f"/static/{name}")
        assert answer.status == 200
        assert kind in answer.headers["Content-Type"]
