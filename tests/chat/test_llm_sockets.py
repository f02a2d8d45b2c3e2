"""The language model below HTTP: names, addresses, TLS, and calls ended from outside."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chat.conftest import Certificates, Models, Serve
from tests.chat.scripted import (
    AMPLE_S,
    HI,
    KEY,
    Exchange,
    Script,
    answer,
    ask,
    closes,
    drips_a_refusal,
    drips_comments,
    drips_headers,
    drips_words,
    in_turn,
    route_to,
    says,
    silent,
    streamed,
)
from tts_service.chat.llm import ChatModel
from tts_service.deadline import Deadline
from tts_service.dial import Address, Lifeline
from tts_service.errors import (
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnreachable,
)

# Faults below HTTP.


def unresolvable(host: str, port: int) -> list[Address]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def nothing_found(host: str, port: int) -> list[Address]:
    return []


@pytest.mark.parametrize("resolve", [unresolvable, nothing_found])
def test_a_name_that_does_not_exist_is_unreachable(models: Models, resolve: Any) -> None:
    with pytest.raises(UpstreamUnreachable):
        ask(models(resolve), "http://model.example/v1")


def test_a_label_no_name_can_have_is_unreachable_or_rejected(models: Models) -> None:
    with pytest.raises((UpstreamUnreachable, UpstreamRejected)):
        ask(models(), f"http://{'x' * 64}.example/v1")


def test_a_server_that_is_not_there_is_unreachable_and_tried_twice(models: Models) -> None:
    looked_up = []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def resolve(host: str, port: int) -> list[Address]:
        looked_up.append(host)
        return [("127.0.0.1", port)]

    with pytest.raises(UpstreamUnreachable):
        ask(models(resolve), f"http://model.example:{port}/v1")
    assert looked_up == ["model.example"] * 2


def test_a_dead_first_address_does_not_hide_a_living_second(models: Models, serve: Serve) -> None:
    peer = serve(says(streamed("Hello.")))

    def resolve(host: str, port: int) -> list[Address]:
        return [("127.0.0.2", port), ("127.0.0.1", port)]

    assert ask(models(resolve), peer.url.replace("127.0.0.1", "model.example")) == "Hello."
    assert peer.requests[0].headers["host"] == f"model.example:{peer.port}"


@pytest.fixture
def hung_resolver() -> Iterator[Callable[[str, int], list[Address]]]:
    release = threading.Event()

    def resolve(host: str, port: int) -> list[Address]:
        release.wait(30)
        return []

    yield resolve
    release.set()


def test_a_resolver_that_hangs_is_a_timeout(models: Models, hung_resolver: Any) -> None:
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout):
        ask(models(hung_resolver), "http://model.example/v1", seconds=0.5)
    assert time.monotonic() - began < 10


@pytest.fixture
def blackhole() -> Iterator[str]:
    """An address where SYN is never answered: a listener whose queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for caller in callers:
            caller.close()


def test_a_server_that_never_answers_syn_is_a_timeout_after_five_seconds_in_all(
    model: ChatModel, blackhole: str
) -> None:
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout) as raised:
        ask(model, blackhole)
    assert 4.5 < time.monotonic() - began < 14, "the reply's time limit is 25 s"
    assert (raised.value.code, raised.value.status) == ("upstream_timeout", 504)


def test_a_server_silent_beyond_the_deadline_is_a_timeout(model: ChatModel, serve: Serve) -> None:
    peer = serve(lambda exchange: exchange.hang())

    began = time.monotonic()
    with pytest.raises(UpstreamTimeout):
        ask(model, peer.url, seconds=0.4)
    assert time.monotonic() - began < 10


# TLS.


def test_https_works_and_keeps_its_connection(
    models: Models, serve: Serve, certificates: Certificates
) -> None:
    peer = serve(says(streamed("Hello.")), certificates.server("good"))
    model = models(tls=certificates.trusting)

    assert [ask(model, peer.url) for _ in range(3)] == ["Hello."] * 3
    assert peer.connections == 1


def test_a_kept_tls_connection_that_dies_is_replaced(
    models: Models, serve: Serve, certificates: Certificates
) -> None:
    peer = serve(
        in_turn(says(streamed("Hello.")), closes, says(streamed("Hello."))), certificates.server("good")
    )
    model = models(tls=certificates.trusting)

    assert [ask(model, peer.url) for _ in range(2)] == ["Hello."] * 2
    assert peer.connections == 2


@pytest.mark.parametrize("kind", ["expired", "wrong-name", "self-signed"])
def test_a_server_without_a_valid_certificate_is_not_talked_to(
    models: Models, serve: Serve, certificates: Certificates, kind: str
) -> None:
    peer = serve(says(streamed("Hello.")), certificates.server(kind))

    with pytest.raises(UpstreamTls) as raised:
        ask(models(tls=certificates.trusting), peer.url)

    error = raised.value
    assert (error.code, error.status, error.retryable) == ("upstream_tls", 502, False)
    assert (peer.connections, peer.requests) == (1, [])


def test_a_certificate_nobody_vouches_for_is_refused_by_the_default_context(
    models: Models, serve: Serve, certificates: Certificates
) -> None:
    peer = serve(says(streamed("Hello.")), certificates.server("good"))

    with pytest.raises(UpstreamTls):
        ask(models(), peer.url)


ALERT_PROTOCOL_VERSION = b"\x15\x03\x00\x00\x02\x02\x46"


@pytest.mark.parametrize(
    "hello", [ALERT_PROTOCOL_VERSION, b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["SSLv3 only", "plain HTTP"]
)
def test_a_server_that_speaks_no_modern_tls_is_not_talked_to_in_the_clear(
    models: Models, hello: bytes
) -> None:
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answers() -> None:
            sock, _ = listener.accept()
            with sock:
                heard.append(sock.recv(65_536))
                sock.sendall(hello)
                with contextlib.suppress(ConnectionError):
                    heard.append(sock.recv(65_536))

        server = threading.Thread(target=answers)
        server.start()
        with pytest.raises(UpstreamTls):
            ask(models(), f"https://127.0.0.1:{listener.getsockname()[1]}/v1")
        server.join()

    assert not any(KEY.encode() in data for data in heard)


# Ended from outside.


def told_to_wait(exchange: Exchange) -> bool:
    exchange.send(answer(503, b"", "Retry-After: 15"))
    return True


@pytest.mark.parametrize(
    "script", [silent, drips_headers, drips_comments, drips_words, drips_a_refusal, told_to_wait]
)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_cutting_the_lifeline_ends_the_call_and_its_socket_at_once(
    models: Models, serve: Serve, certificates: Certificates, script: Script, tls: bool
) -> None:
    peer = serve(script, certificates.server("good") if tls else None)
    model, lifeline = models(tls=certificates.trusting), Lifeline()
    timer = threading.Timer(0.2, lifeline.cut)
    timer.start()

    began = time.monotonic()
    with pytest.raises(UpstreamError):
        ask(model, peer.url, lifeline=lifeline)
    took = time.monotonic() - began

    timer.join()
    assert took < 8  # told_to_wait would be 15
    until = time.monotonic() + 8
    while peer.open and time.monotonic() < until and script is not told_to_wait:
        time.sleep(0.01)
    assert peer.open == 0 or script is told_to_wait
    assert len(peer.requests) == 1, "a call that was ended is not made again"
    assert peer.connections == 1


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_cutting_the_lifeline_ends_a_call_on_a_kept_connection_too(
    models: Models, serve: Serve, certificates: Certificates, lifeline: Lifeline, tls: bool
) -> None:
    script = in_turn(says(streamed("Hello.")), silent)
    peer = serve(script, certificates.server("good") if tls else None)
    model = models(tls=certificates.trusting)
    ask(model, peer.url)
    timer = threading.Timer(0.2, lifeline.cut)
    timer.start()

    began = time.monotonic()
    with pytest.raises(UpstreamError):
        ask(model, peer.url, lifeline=lifeline)

    timer.join()
    assert time.monotonic() - began < 10
    assert peer.connections == 1


def test_a_call_already_cut_asks_nobody(model: ChatModel, serve: Serve, lifeline: Lifeline) -> None:
    peer = serve(says(streamed("Hello.")))
    lifeline.cut()

    with pytest.raises(UpstreamError):
        ask(model, peer.url, lifeline=lifeline)

    assert peer.requests == []


def test_cutting_a_finished_call_leaves_the_kept_connection_alone(
    model: ChatModel, serve: Serve, lifeline: Lifeline
) -> None:
    peer = serve(says(streamed("Hello.")))

    ask(model, peer.url, lifeline=lifeline)
    lifeline.cut()

    assert ask(model, peer.url) == "Hello."
    assert peer.connections == 1


def test_a_reader_who_stops_in_the_middle_closes_the_socket(model: ChatModel, serve: Serve) -> None:
    peer = serve(drips_words)
    parts = model.ask(route_to(peer.url), HI, Deadline.after(AMPLE_S), Lifeline())

    next(parts)
    parts.close()  # type: ignore[attr-defined]

    until = time.monotonic() + 8
    while peer.open and time.monotonic() < until:
        time.sleep(0.01)
    assert peer.open == 0
