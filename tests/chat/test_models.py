"""The test of a key: what it says to the one who entered it."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from tests.chat.conftest import Serve
from tests.chat.scripted import KEY, Script, answer, route_to, says, silent
from tts_service.addresses import Reach
from tts_service.chat.models import KeyCheck, Models
from tts_service.deadline import Deadline
from tts_service.errors import (
    UpstreamAddress,
    UpstreamAuth,
    UpstreamBadResponse,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from tts_service.secret import Secret
from tts_service.upstream import Upstream


def lists(*ids: object) -> Script:
    return says(answer(200, json.dumps({"object": "list", "data": [{"id": one} for one in ids]}).encode()))


def check(upstream: Upstream, url: str, model: str = "grok-4.3", seconds: float = 5) -> KeyCheck:
    return Models(upstream).check(replace(route_to(url), model=model), Deadline.after(seconds))


def test_a_good_key_says_which_models_it_may_use(upstream: Upstream, serve: Serve) -> None:
    peer = serve(lists("grok-4.7", "grok-4.3", 7, None, "x" * 300))
    found = check(upstream, peer.url)
    assert (found.models, found.has_model) == (("grok-4.7", "grok-4.3"), True)
    assert "accepted" in found.finding
    (request,) = peer.requests
    assert (request.target, request.headers["authorization"]) == ("/v1/models", f"Bearer {KEY}")


def test_a_model_that_is_not_listed_is_said_and_the_key_is_not_blamed(
    upstream: Upstream, serve: Serve
) -> None:
    found = check(upstream, serve(lists("gpt-5.2")).url)
    assert found.has_model is False
    assert found.finding.startswith("The key is accepted, but does not list grok-4.3.")


def test_a_model_at_home_needs_no_key(upstream: Upstream, serve: Serve) -> None:
    peer = serve(lists("llama3"))
    route = replace(route_to(peer.url, key=None), model="llama3")
    assert "without a key" in Models(upstream).check(route, Deadline.after(5)).finding
    assert "authorization" not in peer.requests[0].headers


def test_ollamas_tag_is_part_of_no_name(upstream: Upstream, serve: Serve) -> None:
    assert check(upstream, serve(lists("llama3:latest")).url, "llama3").has_model


def test_a_server_without_a_list_is_not_called_wrong(upstream: Upstream, serve: Serve) -> None:
    found = check(upstream, serve(says(answer(404, b"Not Found"))).url)
    assert (found.models, found.has_model) == (None, None)
    assert "cannot be tested this way" in found.finding


def test_the_sandbox_is_a_provider_like_any_other(upstream: Upstream, fresh: str) -> None:
    route = replace(route_to(fresh), key=Secret("xai-sandbox"), model="grok-4.20-0309-non-reasoning")
    assert Models(upstream).check(route, Deadline.after(5)).has_model
    with pytest.raises(UpstreamAuth):
        Models(upstream).check(replace(route, key=Secret("xai-wrong")), Deadline.after(5))


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (says(answer(401)), UpstreamAuth, "refused the key"),
        (says(answer(400, b"Incorrect API key provided")), UpstreamAuth, "refused the key"),
        (says(answer(429)), UpstreamRateLimited, "limiting"),
        (says(answer(503)), UpstreamUnavailable, "outage"),
        (says(answer(302, b"", "Location: https://example.com/")), UpstreamBadResponse, "OpenAI-compatible"),
        (says(answer(405)), UpstreamBadResponse, "OpenAI-compatible"),
        (says(answer(200, b"<html>Welcome")), UpstreamBadResponse, "OpenAI-compatible"),
        (says(answer(200, b"[]")), UpstreamBadResponse, "OpenAI-compatible"),
        (says(answer(200, b'{"data": {}}')), UpstreamBadResponse, "OpenAI-compatible"),
        (says(answer(200, b" " * 1_100_000)), UpstreamBadResponse, "OpenAI-compatible"),
        (silent, UpstreamTimeout, "in time"),
    ],
)
def test_what_is_wrong_is_said_in_words_a_customer_understands(
    upstream: Upstream, serve: Serve, script: Script, error: type[UpstreamError], message: str
) -> None:
    with pytest.raises(error) as raised:
        check(upstream, serve(script).url, seconds=0.3 if script is silent else 10)
    assert type(raised.value) is error
    assert message in raised.value.message
    assert KEY not in f"{raised.value!r} {raised.value.message}"


def test_a_server_that_is_not_there_is_said_to_be_unreachable(upstream: Upstream) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UpstreamUnreachable):
        check(upstream, f"http://127.0.0.1:{port}/v1")


def test_an_address_inside_is_not_asked_and_the_refusal_says_why(upstream: Upstream, serve: Serve) -> None:
    peer = serve(lists("grok-4.3"))
    route = replace(route_to(peer.url), reach=Reach.PUBLIC)
    with pytest.raises(UpstreamAddress):
        Models(upstream).check(route, Deadline.after(5))
    assert peer.connections == 0
