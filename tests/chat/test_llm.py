"""The language model over real sockets: what is sent, what is read, which connections are kept."""

from __future__ import annotations

import gzip
import json
import threading
import time
from typing import Any

import pytest
import requests
import responses

from tests.chat.conftest import Models, Serve
from tests.chat.scripted import (
    AMPLE_S,
    CHUNKED,
    DONE,
    ENDED_BY_CLOSE,
    HI,
    KEY,
    SCANT_S,
    STOP,
    Exchange,
    Script,
    answer,
    ask,
    chunked,
    completion,
    delta,
    in_turn,
    route_to,
    says,
    streamed,
)
from tts_service.addresses import Reach
from tts_service.chat.completions import MAX_REPLY_CHARS, Said
from tts_service.chat.llm import ChatModel, ModelRoute
from tts_service.deadline import Deadline
from tts_service.dial import Lifeline
from tts_service.errors import (
    UpstreamAuth,
    UpstreamBadResponse,
    UpstreamConfig,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)

# What is sent.


def test_the_request_names_model_key_and_conversation_and_asks_for_no_compression(
    model: ChatModel, serve: Serve
) -> None:
    peer = serve(says(streamed("Hello.")))

    assert ask(model, peer.url) == "Hello."

    request = peer.requests[0]
    assert request.target == "/v1/chat/completions"
    assert request.json["messages"] == [{"role": "user", "content": "Hi"}]
    assert request.json["stream"] is True
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("tts-service/")


def test_a_server_that_needs_no_key_is_sent_none(model: ChatModel, serve: Serve) -> None:
    peer = serve(says(streamed("Hello.")))

    ask(model, peer.url, key=None)

    assert "authorization" not in peer.requests[0].headers


def test_proxies_and_netrc_of_the_environment_are_not_asked(
    models: Models, serve: Serve, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, proxy = serve(says(streamed("Hello."))), serve(says(answer(502)))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login thief password stolen\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("ALL_PROXY", proxy.url)

    assert ask(models(), peer.url, key=None) == "Hello."
    assert proxy.connections == 0
    assert "authorization" not in peer.requests[0].headers


def test_a_cookie_of_one_answer_is_never_sent_with_another_request(model: ChatModel, serve: Serve) -> None:
    cookie = b"Set-Cookie: tenant=a; Path=/\r\n"
    peer = serve(says(streamed("Hello.").replace(b"\r\n", b"\r\n" + cookie, 1)))

    for _ in range(3):
        ask(model, peer.url)

    assert not any("cookie" in request.headers for request in peer.requests)


# What is read.


def dripped(raw: bytes) -> Script:
    def script(exchange: Exchange) -> None:
        exchange.drip(raw, every_s=0.0002)

    return script


def zipped(body: bytes) -> bytes:
    return answer(200, gzip.compress(body), "Content-Encoding: gzip")


SSE = delta("Hello ") + delta("you.") + STOP + DONE
GOOD: dict[str, tuple[bytes, bool]] = {
    "chunked": (streamed("Hello ", "you."), True),
    "with a length": (answer(200, SSE), True),
    "with a length, then closed": (answer(200, SSE, "Connection: close"), False),
    "ended by the close": (ENDED_BY_CLOSE + SSE, False),
    "HTTP/1.0": (answer(200, SSE).replace(b"HTTP/1.1", b"HTTP/1.0"), False),
    "chunked, the last chunk never sent": (CHUNKED + chunked(SSE), False),
    "in one piece": (completion("Hello you."), True),
    "in one piece, called a stream": (
        completion("Hello you.").replace(b"application/json", b"text/event-stream"),
        True,
    ),
    "in one piece, after white space": (
        answer(200, b"\n  \n" * 9_000 + b'{"choices":[{"message":{"content":"Hello you."}}]}'),
        True,
    ),
    "a stream, called JSON": (answer(200, SSE, "Content-Type: application/json"), True),
    "zipped although not asked for": (zipped(SSE), True),
    "zipped, in one piece": (zipped(completion("Hello you.").partition(b"\r\n\r\n")[2]), True),
    "continues first": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + streamed("Hello ", "you."), True),
}


@pytest.mark.parametrize(("raw", "keep"), GOOD.values(), ids=GOOD)
def test_the_words_are_read_however_the_server_frames_them(
    model: ChatModel, serve: Serve, raw: bytes, keep: bool
) -> None:
    peer = serve(says(raw, keep))

    began = time.monotonic()
    assert ask(model, peer.url) == "Hello you."
    assert time.monotonic() - began < 10, "it waited for more after the reply was whole"


@pytest.mark.parametrize(("raw", "keep"), GOOD.values(), ids=GOOD)
def test_the_words_are_read_byte_by_byte_too(model: ChatModel, serve: Serve, raw: bytes, keep: bool) -> None:
    if len(raw) > 2_000:
        raw = raw[:300] + raw[-300:]
        raw = raw.replace(raw.split(b"\r\n")[1], b"X-Cut: 1").replace(b"HTTP/1.1", b"HTTP/1.0")
    peer = serve(dripped(raw))

    assert ask(model, peer.url) == "Hello you."


def test_words_are_handed_on_as_they_come(model: ChatModel, serve: Serve) -> None:
    go_on = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(CHUNKED + chunked(delta("Hello ")))
        go_on.wait(5)
        exchange.send(chunked(delta("you.")) + chunked(STOP + DONE) + chunked(b""))

    peer = serve(script)
    parts = model.ask(route_to(peer.url), HI, Deadline.after(AMPLE_S), Lifeline())

    assert next(parts) == "Hello "
    go_on.set()
    assert list(parts) == ["you."]


def test_a_reply_of_200_kb_is_cut_and_stripped_and_is_still_a_reply(model: ChatModel, serve: Serve) -> None:
    peer = serve(says(streamed(*["e\u0301\x00\u202e\ud800" * 50] * 4_000)))

    text = ask(model, peer.url)

    assert MAX_REPLY_CHARS - 3 < len(text) <= MAX_REPLY_CHARS
    assert set(text) == {"e", "\u0301", "\u202e"}


@pytest.mark.parametrize("blank", ["", " \n\t ", "\x00\x07", "\n" * 30_000])
def test_a_reply_without_visible_words_is_no_reply(model: ChatModel, serve: Serve, blank: str) -> None:
    peer = serve(says(streamed(blank)))

    with pytest.raises(UpstreamBadResponse, match="upstream_bad_response"):
        ask(model, peer.url)


# Connections.


@pytest.mark.parametrize(
    "raw",
    [
        streamed("Hello."),
        completion("Hello."),
        answer(200, delta("Hello.") + STOP + DONE),
        zipped(delta("Hello.") + DONE),
    ],
    ids=["chunked", "JSON", "with a length", "zipped"],
)
def test_a_connection_is_kept_for_the_next_turn(model: ChatModel, serve: Serve, raw: bytes) -> None:
    peer = serve(says(raw))

    for _ in range(5):
        assert ask(model, peer.url) == "Hello."

    assert peer.connections == 1


def test_a_refused_turn_does_not_cost_the_connection(model: ChatModel, serve: Serve) -> None:
    peer = serve(in_turn(says(answer(401, b"{}")), says(streamed("Hello."))))

    with pytest.raises(UpstreamAuth):
        ask(model, peer.url)
    assert ask(model, peer.url) == "Hello."
    assert peer.connections == 1


def test_turns_at_once_have_connections_of_their_own_and_their_own_words(
    model: ChatModel, serve: Serve
) -> None:
    def script(exchange: Exchange) -> bool:
        exchange.pause(0.05)
        exchange.send(streamed(exchange.request.json["messages"][0]["content"]))
        return True

    peer = serve(script)
    heard: dict[int, list[str]] = {}

    def turns(number: int) -> None:
        said = [Said("user", f"I am {number}.")]
        heard[number] = [
            "".join(model.ask(route_to(peer.url), said, Deadline.after(AMPLE_S), Lifeline()))
            for _ in range(5)
        ]

    threads = [threading.Thread(target=turns, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert heard == {n: [f"I am {n}."] * 5 for n in range(8)}
    assert peer.connections <= 8


def test_a_kept_connection_the_server_has_closed_meanwhile_costs_no_turn(
    model: ChatModel, serve: Serve
) -> None:
    closed = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(streamed("Hello."))
        exchange.sock.close()
        closed.set()

    peer = serve(script)
    for _ in range(3):
        assert ask(model, peer.url) == "Hello."
        assert closed.wait(8)
        closed.clear()

    assert (peer.connections, len(peer.requests)) == (3, 3)


def test_a_kept_connection_that_dies_under_the_next_request_is_replaced_once(
    model: ChatModel, serve: Serve
) -> None:
    def dies(exchange: Exchange) -> None:
        exchange.reset()

    peer = serve(in_turn(says(streamed("Hello.")), dies, says(streamed("Hello again."))))

    assert ask(model, peer.url) == "Hello."
    assert ask(model, peer.url) == "Hello again."
    assert [request.connection for request in peer.requests] == [0, 0, 1]


def test_after_a_fault_has_cleared_the_next_turn_succeeds(model: ChatModel, serve: Serve) -> None:
    peer = serve(in_turn(says(answer(503)), says(answer(503)), says(streamed("Hello."))))

    with pytest.raises(UpstreamUnavailable):
        ask(model, peer.url)
    assert ask(model, peer.url) == "Hello."


# Beneath the owner's choice of a test library.

URL = "https://api.x.ai/v1"


@responses.activate
def test_a_streamed_answer_scripted_with_responses_is_read(model: ChatModel) -> None:
    body = delta("Hello ") + delta("you.") + STOP + DONE
    call = responses.post(f"{URL}/chat/completions", body=body, content_type="text/event-stream")

    assert ask(model, URL) == "Hello you."
    assert call.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(call.calls[0].request.body)["model"] == "grok-4.3"


@responses.activate
def test_an_answer_in_one_piece_scripted_with_responses_is_read(model: ChatModel) -> None:
    responses.post(f"{URL}/chat/completions", json={"choices": [{"message": {"content": "Hello you."}}]})

    assert ask(model, URL) == "Hello you."


@responses.activate
@pytest.mark.parametrize(
    ("scripted", "error", "calls"),
    [
        (
            {"status": 401, "json": {"code": "unauthenticated:no-credentials", "error": "No."}},
            UpstreamAuth,
            1,
        ),
        ({"status": 404, "json": {"code": "not-found", "error": "No."}}, UpstreamConfig, 1),
        ({"status": 302, "headers": {"Location": "https://evil.example"}}, UpstreamRejected, 1),
        ({"status": 503}, UpstreamUnavailable, 2),
        ({"status": 200, "body": "<html>"}, UpstreamBadResponse, 1),
        ({"body": requests.ConnectionError("refused")}, UpstreamUnreachable, 2),
        ({"body": requests.Timeout("slow")}, UpstreamTimeout, 1),
    ],
)
def test_a_fault_scripted_with_responses_has_its_code(
    model: ChatModel, scripted: dict[str, Any], error: type[UpstreamError], calls: int
) -> None:
    responses.post(f"{URL}/chat/completions", **scripted)

    with pytest.raises(error):
        ask(model, URL)
    assert len(responses.calls) == calls


@responses.activate
def test_a_second_attempt_scripted_with_responses_succeeds(model: ChatModel) -> None:
    responses.post(f"{URL}/chat/completions", status=500)
    responses.post(f"{URL}/chat/completions", body=delta("Hello.") + STOP)

    assert ask(model, URL) == "Hello."


@pytest.mark.parametrize(
    "url", ["http://", "http://exa mple", "ftp://model.example", "nonsense", "http://[::1"]
)
def test_an_address_that_is_none_is_an_upstream_error_and_no_crash(model: ChatModel, url: str) -> None:
    route = ModelRoute(url, None, "m", "compatible", Reach.ANYWHERE)
    with pytest.raises(UpstreamError):
        list(model.ask(route, HI, Deadline.after(SCANT_S), Lifeline()))
