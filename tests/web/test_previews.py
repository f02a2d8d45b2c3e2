"""The leave to try a client on the dashboard's page: for that client, from that page, for an hour."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tts_service.secret import Secret
from tts_service.settings import Settings
from tts_service.web.dashboard.csrf import FormTokens
from tts_service.web.previews import HEADER, Previews

KEY, OLD_KEY, OTHER_KEY = (Secret(f"{which}-secret-key-of-the-tests") for which in ("a", "an-old", "another"))
OWN = {"Origin": "https://voice.example"}
HOST = "voice.example"


def previews(*keys: Secret, **settings: Any) -> Previews:
    return Previews(Settings(secret_keys=keys or (KEY,), **settings))


def admits(asked: Previews, token: str, client_id: str = "client", **headers: str) -> bool:
    return asked.admits(client_id, {**OWN, HEADER: token, **headers}, HOST)


def test_a_token_is_good_for_its_client_alone() -> None:
    token = previews().token("client")
    assert admits(previews(), token)
    assert not admits(previews(), token, "another client")
    assert not admits(previews(), previews().token("another client"))


def test_a_token_outlives_a_new_first_key_but_not_the_end_of_its_own() -> None:
    token = previews(OLD_KEY).token("client")
    assert admits(previews(KEY, OLD_KEY), token)
    assert not admits(previews(KEY), token)
    assert admits(previews(KEY), previews(KEY, OLD_KEY).token("client"))


def test_what_was_not_made_for_this_or_was_changed_or_is_old_counts_for_nothing() -> None:
    token = previews().token("client")
    for forged in ("", "client", token[:-1], token.replace(".", "", 1), previews(OTHER_KEY).token("client")):
        assert not admits(previews(), forged)
    assert not admits(previews(), f"client.{FormTokens((KEY,)).make('client')}")
    ended = Previews(Settings(secret_keys=(KEY,)), lasts_s=-1)
    assert not admits(ended, token)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://voice.example.evil.io", "http://voice.example:8000", "null", ""],
)
def test_a_page_of_another_origin_is_not_admitted_with_a_token_either(origin: str) -> None:
    assert not admits(previews(), previews().token("client"), Origin=origin)


def test_behind_a_proxy_public_url_says_which_origin_is_our_own() -> None:
    here = previews(public_url="https://voice.example", production=True)
    headers = OWN | {HEADER: here.token("client")}
    assert here.admits("client", headers, "10.0.0.7:8000")
    assert not previews(production=True).admits("client", headers, "10.0.0.7:8000")


# Through the whole service.


@pytest.fixture(scope="module")
def service(start_once: Callable[..., Any]) -> Any:
    return start_once(without=("open",))


def asks(service: Any, client: str, token: str | None = None, path: str = "/api/chat", **headers: str) -> Any:
    sent = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{service.port}", **headers}
    sent[HEADER] = previews().token(service.clients[client]) if token is None else token
    body = {"client_id": service.clients[client]} | ({"message": "Hi"} if path == "/api/chat" else {})
    return service.send("POST", path, json.dumps(body).encode(), sent)


@pytest.mark.parametrize("path", ["/api/chat", "/api/greeting"])
def test_the_dashboard_may_ask_for_a_client_that_no_website_may_use(service: Any, path: str) -> None:
    assert asks(service, "closed", path=path).status == 200
    assert asks(service, "closed", path=path, token="").status == 403


def test_a_client_that_is_switched_off_stays_so_in_its_preview(service: Any) -> None:
    assert asks(service, "disabled").code == "client_disabled"


def test_whoever_leaves_the_page_open_for_too_long_is_told_what_to_do(service: Any) -> None:
    refusal = asks(service, "closed", token=previews(OTHER_KEY).token(service.clients["closed"]))
    assert (refusal.status, refusal.code) == (403, "origin_not_allowed")
    assert "Load the page again" in refusal.json["error"]["message"]


def test_a_website_on_the_list_needs_no_leave_and_is_not_harmed_by_a_bad_one(service: Any) -> None:
    assert asks(service, "acme", token="old", Origin="https://www.acme.com").status == 200


def test_a_foreign_website_cannot_use_a_token_that_it_came_by(service: Any) -> None:
    refusal = asks(service, "closed", Origin="https://evil.example")
    assert refusal.status == 403
    assert "Access-Control-Allow-Origin" not in refusal.headers


def test_a_preview_is_counted_like_a_visitor(start: Callable[..., Any]) -> None:
    service = start(RATE_LIMIT_IP="1/minute")
    assert [asks(service, "closed").status for _ in range(2)] == [200, 429]
