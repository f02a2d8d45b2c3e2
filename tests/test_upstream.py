"""HTTP to the providers: one JSON document by one deadline, and connections that stay within their reach."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chat.scripted import (
    CHUNKED,
    ENDED_BY_CLOSE,
    Exchange,
    Script,
    ScriptedPeer,
    answer,
    chunked,
    drips_a_refusal,
    drips_headers,
    says,
    silent,
)
from tests.clients.urls import NOBODY, OPERATORS
from tts_service.addresses import Reach
from tts_service.clients.base_url import NotABaseUrl, normalised
from tts_service.deadline import Deadline
from tts_service.dial import Address, Dialer
from tts_service.errors import (
    UpstreamAddress,
    UpstreamAuth,
    UpstreamBadResponse,
    UpstreamConfig,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTooLarge,
    UpstreamUnreachable,
)
from tts_service.secret import Secret
from tts_service.upstream import MAX_JSON_BYTES, Upstream

KEY = Secret("xai-canary-0123456789abcdef")
Serve = Callable[[Script], ScriptedPeer]
Resolving = Callable[[Callable[[str, int], list[Address]]], Upstream]


@pytest.fixture
def resolving() -> Iterator[Resolving]:
    """Makes an upstream whose names are looked up as given."""
    opened: list[tuple[Upstream, Dialer]] = []

    def make(resolve: Callable[[str, int], list[Address]]) -> Upstream:
        dialer = Dialer(resolve)
        opened.append((Upstream(dialer), dialer))
        return opened[-1][0]

    yield make
    for upstream, dialer in opened:
        upstream.close()
        dialer.close()


def get(
    upstream: Upstream, url: str, *, key: Secret | None = KEY, reach: Reach = Reach.ANYWHERE, s: float = 5
) -> Any:
    return upstream.get_json(url, key, reach, Deadline.after(s))


def gives(value: object) -> Script:
    return says(answer(200, json.dumps(value).encode()))


def test_json_is_asked_for_with_the_key_and_the_connection_is_kept(upstream: Upstream, serve: Serve) -> None:
    peer = serve(gives({"voices": []}))
    assert [get(upstream, f"{peer.url}/tts/voices") for _ in range(2)] == [{"voices": []}] * 2
    assert [request.target for request in peer.requests] == ["/v1/tts/voices"] * 2
    assert peer.requests[0].headers["authorization"] == f"Bearer {KEY.reveal()}"
    assert "cookie" not in peer.requests[1].headers
    assert peer.connections == 1


def test_without_a_key_none_is_sent(upstream: Upstream, serve: Serve) -> None:
    peer = serve(gives([]))
    get(upstream, peer.url, key=None)
    assert "authorization" not in peer.requests[0].headers


def endless(exchange: Exchange) -> None:
    exchange.send(CHUNKED)
    while True:
        exchange.send(chunked(b" " * 65_536))


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (says(answer(200, b"<html>")), UpstreamBadResponse),
        (says(answer(200)), UpstreamBadResponse),
        (says(answer(200, b"[" * 100_000)), UpstreamBadResponse),
        (says(answer(401)), UpstreamAuth),
        (says(answer(404)), UpstreamConfig),
        (says(f"HTTP/1.1 200 OK\r\nContent-Length: {MAX_JSON_BYTES + 1}\r\n\r\n".encode()), UpstreamTooLarge),
        (endless, UpstreamTooLarge),
    ],
    ids=["HTML", "nothing", "deep", "401", "404", "announced too large", "endless"],
)
def test_what_is_no_json_is_an_error_of_ours(
    upstream: Upstream, serve: Serve, script: Script, error: type[UpstreamError]
) -> None:
    with pytest.raises(error):
        get(upstream, serve(script).url)


def drips_a_body(exchange: Exchange) -> None:
    exchange.send(ENDED_BY_CLOSE)
    exchange.drip(b" " * 1_000)


@pytest.mark.parametrize("script", [silent, drips_headers, drips_a_refusal, drips_a_body])
def test_the_deadline_ends_a_server_that_drips(upstream: Upstream, serve: Serve, script: Script) -> None:
    peer = serve(script)
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout):
        get(upstream, peer.url, s=0.3)
    assert time.monotonic() - began < 8, "each drips for longer than this"
    while peer.open and time.monotonic() - began < 12:
        time.sleep(0.01)
    assert peer.open == 0, "the call goes on behind our back"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_this_machine_is_not_followed(upstream: Upstream, serve: Serve, status: int) -> None:
    inside = serve(gives({}))
    outside = serve(says(answer(status, b"", f"Location: {inside.url}")))
    with pytest.raises(UpstreamRejected):
        get(upstream, outside.url)
    assert (inside.connections, outside.connections) == (0, 1)


def test_proxies_of_the_environment_are_not_asked(
    upstream: Upstream, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, peer = serve(gives({})), serve(gives({"from": "peer"}))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert get(upstream, peer.url) == {"from": "peer"}
    assert proxy.connections == 0


# How far a call may lead (faults 2 row 7).


def hosts(urls: tuple[str, ...]) -> list[str]:
    """As they stand in a URL that can be read at all."""
    found = []
    for url in urls:
        try:
            found.append(normalised(url).split("/")[2].removesuffix(":11434"))
        except NotABaseUrl:
            continue
    return [host for host in found if ":" not in host or host.endswith("]")]


def test_no_spelling_of_this_machine_is_connected_to(upstream: Upstream, serve: Serve) -> None:
    """The machine's own resolver reads them, 127.1 and all. Names that it would have to ask a name server for
    are left out: where no server answers, that takes longer than a test may.
    """
    peer = serve(gives({}))
    asked_for = ("example", "internal")
    tried = [
        host
        for host in hosts(OPERATORS)
        if host[0] in "0127l[" and not any(name in host for name in asked_for)
    ]
    assert len(tried) > 20
    for host in tried:
        with pytest.raises((UpstreamAddress, UpstreamUnreachable, UpstreamRejected)):
            get(upstream, f"http://{host}:{peer.port}/v1", reach=Reach.PUBLIC)
    assert peer.connections == 0


def test_a_metadata_service_is_refused_even_to_an_operator_and_whatever_it_is_called(
    upstream: Upstream, resolving: Resolving
) -> None:
    numbers = ("10", "16", "192.0.0", "28", "0xa", "02", "[")
    tried = [host for host in hosts(NOBODY) if host.startswith(numbers)]
    assert len(tried) > 12
    for host in tried:
        with pytest.raises(UpstreamAddress):
            get(upstream, f"http://{host}/v1", reach=Reach.VOUCHED)
    renamed = resolving(lambda host, port: [("169.254.169.254", port)])
    with pytest.raises(UpstreamAddress):
        get(renamed, "http://llm.example.com/v1", reach=Reach.VOUCHED)


def test_the_refusal_says_what_to_do_and_is_of_the_closed_list(resolving: Resolving, serve: Serve) -> None:
    inside = resolving(lambda host, port: [("10.0.0.7", port)])
    with pytest.raises(UpstreamAddress) as raised:
        get(inside, "https://llm.example.com/v1", reach=Reach.PUBLIC)
    assert (raised.value.code, raised.value.status, raised.value.retryable) == ("upstream_config", 502, False)
    assert "tts-service clients set" in raised.value.message
    assert "10.0.0.7" not in raised.value.message


# An address of IPv6: where this machine has none, nothing leaves it.
SOMEWHERE_PUBLIC = "2606:4700:4700::1111"


@pytest.mark.parametrize("inside", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_is_rebound_after_its_first_look_up_gains_nothing(
    resolving: Resolving, serve: Serve, inside: str
) -> None:
    peer = serve(gives({}))
    answers = iter([[SOMEWHERE_PUBLIC], [inside]])
    looked_up: list[str] = []

    def rebinds(host: str, port: int) -> list[Address]:
        looked_up.append(host)
        return [(address, port) for address in next(answers)]

    upstream, url = resolving(rebinds), f"http://rebind.example:{peer.port}/v1"
    with pytest.raises((UpstreamUnreachable, UpstreamTimeout)):
        get(upstream, url, reach=Reach.PUBLIC, s=2)
    assert len(looked_up) == 1, "a second look-up could be answered otherwise"
    with pytest.raises(UpstreamAddress):
        get(upstream, url, reach=Reach.PUBLIC)
    assert peer.connections == 0


def test_a_name_with_a_public_and_a_private_address_is_not_connected_to_at_all(
    resolving: Resolving, serve: Serve
) -> None:
    peer = serve(gives({}))
    both = resolving(lambda host, port: [(SOMEWHERE_PUBLIC, port)] * 9 + [("127.0.0.1", port)])
    with pytest.raises(UpstreamAddress):
        get(both, f"http://both.example:{peer.port}/v1", reach=Reach.PUBLIC)
    assert peer.connections == 0


def test_a_kept_connection_to_a_private_address_is_not_lent_to_a_stranger(
    resolving: Resolving, serve: Serve
) -> None:
    peer = serve(gives({}))
    upstream = resolving(lambda host, port: [("127.0.0.1", port)])
    url = f"http://llm.example:{peer.port}/v1"
    get(upstream, url, reach=Reach.VOUCHED)
    get(upstream, url, reach=Reach.ANYWHERE)
    with pytest.raises(UpstreamAddress):
        get(upstream, url, reach=Reach.PUBLIC)
    assert len(peer.requests) == 2


def test_a_hung_resolver_ends_at_the_deadline(resolving: Resolving) -> None:
    release = threading.Event()

    def slow(host: str, port: int) -> list[Address]:
        release.wait(20)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    began = time.monotonic()
    with pytest.raises(UpstreamTimeout):
        get(resolving(slow), "http://hung.example/v1", s=0.2)
    assert time.monotonic() - began < 10
    release.set()


def test_a_kept_connection_that_the_server_has_closed_meanwhile_is_not_used_again(
    upstream: Upstream, serve: Serve
) -> None:
    def closes_later(exchange: Exchange) -> bool:
        exchange.send(answer(200, b"[]"))
        exchange.pause(0.1)  # it was kept, as nothing in the answer speaks against it
        return False

    peer = serve(closes_later)
    for _ in range(2):
        assert get(upstream, peer.url) == []
        time.sleep(0.4)
    assert peer.connections == 2
