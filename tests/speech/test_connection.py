"""The seam to websocket-client: where to connect, and each of its errors as one of ours."""

from __future__ import annotations

import inspect
import socket

import pytest
import websocket
from websocket import _exceptions, _handshake, _http

from tts_service.errors import (
    SpeechAuth,
    SpeechClosed,
    SpeechError,
    SpeechProtocol,
    SpeechRateLimited,
    SpeechTimeout,
    SpeechUnavailable,
)
from tts_service.speech.connection import Endpoint, _mapped
from tts_service.speech.wire import WireOverflow

# websocket-client's classes, and what each is for the handshake. One that it adds has to be added here.
LIBRARY = {
    websocket.WebSocketException: SpeechProtocol,
    websocket.WebSocketProtocolException: SpeechProtocol,
    websocket.WebSocketPayloadException: SpeechProtocol,
    websocket.WebSocketConnectionClosedException: SpeechClosed,
    websocket.WebSocketTimeoutException: SpeechTimeout,
    websocket.WebSocketProxyException: SpeechProtocol,
    websocket.WebSocketBadStatusException: SpeechProtocol,
    websocket.WebSocketAddressException: SpeechProtocol,
}
SOCKETS = {
    TimeoutError: SpeechTimeout,
    WireOverflow: SpeechTimeout,
    ConnectionResetError: SpeechClosed,
    BrokenPipeError: SpeechClosed,
    OSError: SpeechClosed,
}


def test_every_exception_class_of_websocket_client_is_in_the_table() -> None:
    exported = vars(_exceptions).values()
    classes = {it for it in exported if inspect.isclass(it) and issubclass(it, BaseException)}
    assert classes == set(LIBRARY)


@pytest.mark.parametrize(
    ("theirs", "ours"), [*LIBRARY.items(), *SOCKETS.items()], ids=lambda case: case.__name__
)
def test_an_exception_of_the_handshake_becomes_one_of_ours_without_its_text(
    theirs: type[Exception], ours: type[SpeechError]
) -> None:
    canary = "xai-canary-0123456789abcdef"
    bad_status = theirs is websocket.WebSocketBadStatusException
    error = theirs(canary, 418) if bad_status else theirs(canary)
    with pytest.raises(SpeechError) as raised, _mapped():
        raise error
    assert type(raised.value) is ours
    assert raised.value.stage == "handshake"
    assert canary not in str(raised.value) + raised.value.message
    assert raised.value.__suppress_context__, "a traceback would print the provider's text"


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        (400, SpeechAuth),
        (401, SpeechAuth),
        (402, SpeechAuth),
        (403, SpeechAuth),
        (429, SpeechRateLimited),
        (503, SpeechRateLimited),
        (500, SpeechUnavailable),
        (502, SpeechUnavailable),
        (504, SpeechUnavailable),
        (200, SpeechProtocol),
        (404, SpeechProtocol),
        (426, SpeechProtocol),
        (None, SpeechProtocol),
    ],
)
def test_a_refusal_is_told_by_its_status(status: int | None, ours: type[SpeechError]) -> None:
    with pytest.raises(SpeechError) as raised, _mapped():
        raise websocket.WebSocketBadStatusException("refused", status)
    assert type(raised.value) is ours
    assert raised.value.http_status == (status or 0)


def test_others_who_use_websocket_client_in_this_process_read_their_handshakes_as_ever() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert _http.recv_line(ours) == b"HTTP/1.1 101 Switching Protocols\r\n"


def test_the_cookie_jar_of_websocket_client_is_out_of_use() -> None:
    _handshake.CookieJar.add("tenant=acme; Domain=api.x.ai")
    assert _handshake.CookieJar.get("api.x.ai") == ""


@pytest.mark.parametrize(
    ("base_url", "url", "host", "port", "tls"),
    [
        ("https://api.x.ai/v1", "wss://api.x.ai/v1/realtime?model=m", "api.x.ai", 443, True),
        ("http://127.0.0.1:9009/v1", "ws://127.0.0.1:9009/v1/realtime?model=m", "127.0.0.1", 9009, False),
        ("http://[::1]:8080", "ws://[::1]:8080/realtime?model=m", "::1", 8080, False),
        (
            "https://voice.test:8443/x/v1",
            "wss://voice.test:8443/x/v1/realtime?model=m",
            "voice.test",
            8443,
            True,
        ),
    ],
)
def test_the_socket_stands_beside_the_chat_under_the_base_url(
    base_url: str, url: str, host: str, port: int, tls: bool
) -> None:
    assert Endpoint.at(base_url, "/realtime", {"model": "m"}) == Endpoint(url, host, port, tls)


def test_a_model_with_odd_characters_stays_one_query_value() -> None:
    assert Endpoint.at("https://api.x.ai/v1", "/realtime", {"model": "a b&c=d"}).url.endswith(
        "?model=a+b%26c%3Dd"
    )
