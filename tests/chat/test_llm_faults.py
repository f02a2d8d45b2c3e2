"""Every fault of the language model's HTTP: faults 3a row by row, over real sockets."""

from __future__ import annotations

import json
import logging
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.chat.conftest import Serve
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
    closes,
    delta,
    event,
    in_turn,
    route_to,
    says,
    streamed,
)
from tts_service.chat.llm import ChatModel
from tts_service.deadline import Deadline
from tts_service.dial import Lifeline
from tts_service.errors import (
    UpstreamAuth,
    UpstreamBadResponse,
    UpstreamBrokeOff,
    UpstreamConfig,
    UpstreamError,
    UpstreamQuota,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTooLarge,
    UpstreamUnavailable,
    UpstreamUnreachable,
)

# Faults 3a, row by row.


@dataclass(frozen=True)
class Row:
    """`script` answers each request; what must be raised, and how many requests the server may see."""

    script: Script
    error: type[UpstreamError]
    code: str
    status: int
    retryable: bool
    requests: int = 1
    retry_after_s: int | None = None
    seconds: float = AMPLE_S


def unreachable(script: Script, requests_seen: int = 2) -> Row:
    return Row(script, UpstreamUnreachable, "upstream_unreachable", 502, True, requests_seen)


def refused(status: int, body: Any = b"", requests_seen: int = 1) -> Callable[..., Row]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def row(error: type[UpstreamError], code: str, told: int, retryable: bool) -> Row:
        return Row(says(answer(status, raw)), error, code, told, retryable, requests_seen)

    return row


def auth(status: int, body: Any = b"") -> Row:
    return refused(status, body)(UpstreamAuth, "upstream_auth", 502, False)


def rejected(status: int, body: Any = b"") -> Row:
    return refused(status, body)(UpstreamRejected, "upstream_rejected", 502, False)


def quota(status: int, body: Any = b"") -> Row:
    return refused(status, body)(UpstreamQuota, "upstream_quota", 502, False)


def outage(status: int) -> Row:
    return refused(status, b"<h1>Bad gateway</h1>", 2)(UpstreamUnavailable, "upstream_unavailable", 503, True)


def limited(header: str | None, seconds: int, requests_seen: int = 1) -> Row:
    raw = answer(429, b"{}", *([f"Retry-After: {header}"] if header is not None else []))
    return Row(says(raw), UpstreamRateLimited, "upstream_rate_limited", 503, True, requests_seen, seconds)


def broken_off(script: Script) -> Row:
    return Row(script, UpstreamBrokeOff, "upstream_bad_response", 502, retryable=False)


def bad(body: bytes) -> Row:
    return Row(says(answer(200, body)), UpstreamBadResponse, "upstream_bad_response", 502, False)


def bad_script(script: Script) -> Row:
    return Row(script, UpstreamBadResponse, "upstream_bad_response", 502, False)


def too_large(script: Script) -> Row:
    return Row(script, UpstreamTooLarge, "upstream_too_large", 502, False)


def resets(exchange: Exchange) -> None:
    exchange.reset()


def resets_after_a_word(exchange: Exchange) -> None:
    exchange.send(CHUNKED + chunked(delta("Hello ")))
    exchange.pause(0.1)  # RST may overtake what was sent
    exchange.reset()


def closes_after_a_word(exchange: Exchange) -> None:
    exchange.send(CHUNKED + chunked(delta("Hello ")))


def closes_after_a_word_without_length(exchange: Exchange) -> None:
    exchange.send(ENDED_BY_CLOSE + delta("Hello "))


def closes_before_its_length(exchange: Exchange) -> None:
    exchange.send(answer(200, delta("Hello ") + STOP + b" " * 100)[:-100].replace(STOP, b""))


def stops_in_the_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Ty")


def half_a_gigabyte(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n")
    while True:
        exchange.send(b'{"choices": [' + b" " * 65_536)


def half_a_gigabyte_announced(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n" + delta("Hello "))
    exchange.hang()


def endless(piece: bytes) -> Script:
    def script(exchange: Exchange) -> None:
        exchange.send(CHUNKED)
        while True:
            exchange.send(chunked(piece))

    return script


def bomb(start: bytes, filler: bytes) -> Script:
    """64 MB in 64 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = packer.compress(start) + b"".join(packer.compress(filler * 1_048_576) for _ in range(64))
    return says(
        answer(200, body + packer.flush(), "Content-Encoding: gzip", "Content-Type: application/json")
    )


def redirect(status: int, location: str = "http://127.0.0.1:1/v1/chat/completions") -> Row:
    return Row(
        says(answer(status, b"", f"Location: {location}")), UpstreamRejected, "upstream_rejected", 502, False
    )


def endless_redirect(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        exchange.send(chunked(b"x" * 65_536))


TOO_FAST = {"code": "resource-exhausted", "error": "Too many requests for team t and model m."}
NO_CREDIT = {"code": "resource-exhausted", "error": "Your team has used all available credits."}
WRONG_KEY = {"code": "invalid-argument", "error": "Incorrect API key provided: xa***en."}
NO_QUOTA = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
FINISHED = {"index": 0, "finish_reason": "stop"}

ROWS: dict[str, Row] = {
    "reset before the first byte": unreachable(resets),
    "closed before the first byte": unreachable(closes),
    "closed inside the headers": bad_script(stops_in_the_headers),
    "400 with a wrong xAI key": auth(400, WRONG_KEY),
    "401": auth(401, {"error": {"code": "invalid_api_key"}}),
    "403": auth(403),
    "400": rejected(400, {"code": "invalid-argument", "error": "temperature must be at most 2"}),
    "422": rejected(422),
    "404 model": refused(404)(UpstreamConfig, "upstream_config", 502, False),
    "402": quota(402),
    "429 without quota": quota(429, NO_QUOTA),
    "429 without credit": quota(429, NO_CREDIT),
    "429": limited(None, 5),
    "429 in words": Row(
        says(answer(429, json.dumps(TOO_FAST).encode())),
        UpstreamRateLimited,
        "upstream_rate_limited",
        503,
        True,
        1,
        5,
    ),
    "429, Retry-After 2": limited("2", 2, 2),
    "429, Retry-After 3600": limited("3600", 60),
    "429, Retry-After a date": limited("Wed, 21 Oct 2415 07:28:00 GMT", 60),
    "429, Retry-After -1": limited("-1", 1, 2),
    "429, Retry-After 1e9": limited("1e9", 5),
    "429, Retry-After garbage": limited("soon\x80", 5),
    **{f"{status}": outage(status) for status in (500, 502, 503, 504, 529)},
    "503, Retry-After 1": Row(
        says(answer(503, b"", "Retry-After: 1")), UpstreamUnavailable, "upstream_unavailable", 503, True, 2, 1
    ),
    "503, Retry-After 30": Row(
        says(answer(503, b"", "Retry-After: 30")),
        UpstreamUnavailable,
        "upstream_unavailable",
        503,
        True,
        1,
        30,
    ),
    "503 with too little time left": Row(
        says(answer(503)), UpstreamUnavailable, "upstream_unavailable", 503, True, 1, None, SCANT_S
    ),
    "reset with too little time left": Row(
        resets, UpstreamUnreachable, "upstream_unreachable", 502, True, 1, None, SCANT_S
    ),
    "200 with HTML": bad(b"<!doctype html><title>Welcome to nginx!</title>\n"),
    "200, empty": bad(b""),
    "200, white space": bad(b" \n " * 100),
    "200, truncated JSON": bad(b'{"choices": [{"message": {"content": "Hel'),
    "200, truncated stream": broken_off(says(answer(200, delta("Hello ")))),
    "200, not JSON in a stream": bad(b"data: Hello\n\n"),
    "200, wrong schema": bad(b'{"output": "Hello"}'),
    "200, an array": bad(b"[]"),
    "200, choices []": bad(b'{"choices": []}'),
    "200, choices [] in a stream": bad(event({"choices": []}) + DONE),
    "200, content null": bad(json.dumps({"choices": [FINISHED | {"message": {"content": None}}]}).encode()),
    "200, tool call only": bad(
        json.dumps(
            {"choices": [{"message": {"content": None, "tool_calls": [{}]}, "finish_reason": "tool_calls"}]}
        ).encode()
    ),
    "200, tool call only in a stream": bad(
        event({"choices": [FINISHED | {"delta": {"tool_calls": [{"index": 0}]}}]}) + DONE
    ),
    "200, thoughts only": bad(
        event({"choices": [FINISHED | {"delta": {"reasoning_content": "Hm."}}]}) + DONE
    ),
    "200, reset after a word": broken_off(resets_after_a_word),
    "200, closed after a word": broken_off(closes_after_a_word),
    "200, closed after a word, without length": broken_off(closes_after_a_word_without_length),
    "200, closed before its length": broken_off(closes_before_its_length),
    "200, an encoding that is none": Row(
        says(answer(200, b"not gzip", "Content-Encoding: gzip")),
        UpstreamBrokeOff,
        "upstream_bad_response",
        502,
        False,
    ),
    "200, an error in the stream": Row(
        says(answer(200, delta("Hello ") + event({"code": "internal", "error": "Stopped."}))),
        UpstreamUnavailable,
        "upstream_unavailable",
        503,
        True,
    ),
    "200, 2 MB of JSON": too_large(says(answer(200, b'{"choices": [' + b" " * 2_000_000 + b"]}"))),
    "200, 500 MB of JSON": too_large(half_a_gigabyte),
    "200, 500 MB announced": too_large(half_a_gigabyte_announced),
    "200, endless white space": too_large(endless(b" \n" * 30_000)),
    "200, endless line": too_large(endless(b"x" * 60_000)),
    "200, endless comments": too_large(endless(b": keep-alive\n\n" * 4_000)),
    "200, endless thoughts": too_large(
        endless(event({"choices": [{"delta": {"reasoning_content": "x" * 60_000}}]}))
    ),
    "200, endless JSON": too_large(endless(b'{"choices": [' + b"{}, " * 10_000)),
    "200, gzip bomb of spaces": too_large(bomb(b"", b" ")),
    "200, gzip bomb in JSON": too_large(bomb(b'{"choices": "', b"x")),
    "200, gzip bomb in a stream": too_large(bomb(b"data: ", b"x")),
    **{f"{status} to another server": redirect(status) for status in (301, 302, 303, 307, 308)},
    "302 to nonsense": redirect(302, "http://[::1"),
    "302 with an endless body": Row(endless_redirect, UpstreamRejected, "upstream_rejected", 502, False),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_fault_of_the_model_has_its_code_and_its_number_of_attempts(
    model: ChatModel, serve: Serve, row: Row
) -> None:
    peer = serve(row.script)

    with pytest.raises(UpstreamError) as raised:
        ask(model, peer.url, seconds=row.seconds)

    error = raised.value
    assert type(error) is row.error
    assert (error.code, error.status, error.retryable) == (row.code, row.status, row.retryable)
    assert error.retry_after_s == row.retry_after_s
    assert len(peer.requests) == row.requests


def test_a_second_attempt_that_succeeds_is_a_reply(model: ChatModel, serve: Serve) -> None:
    for first in (answer(500), answer(429, b"{}", "Retry-After: 1")):
        peer = serve(in_turn(says(first), says(streamed("Hello."))))

        assert ask(model, peer.url) == "Hello."
        assert len(peer.requests) == 2


def test_a_reply_that_broke_off_after_a_word_is_not_asked_for_again(model: ChatModel, serve: Serve) -> None:
    peer = serve(in_turn(closes_after_a_word, says(streamed("Hello again."))))
    parts = model.ask(route_to(peer.url), HI, Deadline.after(AMPLE_S), Lifeline())

    assert next(parts) == "Hello "
    with pytest.raises(UpstreamBrokeOff):
        next(parts)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "body", ["gzip bomb of spaces", "gzip bomb in JSON", "200 MB refused", "endless redirect"]
)
def test_a_hostile_body_costs_little_memory(model: ChatModel, serve: Serve, body: str) -> None:
    def refuses_endlessly(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 401 No\r\nContent-Length: 200000000\r\n\r\n")
        while True:
            exchange.send(b"x" * 65_536)

    peer = serve(
        {
            "gzip bomb of spaces": bomb(b"", b" "),
            "gzip bomb in JSON": bomb(b'{"choices": "', b"x"),
            "200 MB refused": refuses_endlessly,
            "endless redirect": endless_redirect,
        }[body]
    )
    tracemalloc.start()
    try:
        with pytest.raises(UpstreamError):
            ask(model, peer.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * 1024 * 1024


def test_a_redirect_is_not_followed_and_its_target_sees_no_connection(model: ChatModel, serve: Serve) -> None:
    target = serve(says(streamed("Give me the key.")))
    peer = serve(says(answer(302, b"", f"Location: {target.url}/chat/completions")))

    with pytest.raises(UpstreamRejected):
        ask(model, peer.url)

    assert target.connections == 0


@pytest.mark.parametrize(
    "row", ["400 with a wrong xAI key", "429 without credit", "200 with HTML", "302 to nonsense"]
)
def test_what_an_error_holds_is_ours_never_the_servers_words_its_address_or_the_key(
    model: ChatModel, serve: Serve, row: str
) -> None:
    peer = serve(ROWS[row].script)

    with pytest.raises(UpstreamError) as raised:
        ask(model, peer.url)

    error: BaseException | None = raised.value
    texts = [raised.value.message]
    while error is not None:
        texts.append(f"{error!r} {error}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told = " ".join(texts)
    assert KEY not in told
    assert str(peer.port) not in told
    assert not any(word in told for word in ("xa***en", "credits", "nginx", "[::1"))


def test_a_server_that_plays_the_key_back_in_broken_headers_gets_it_into_no_log(
    model: ChatModel, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    peer = serve(
        says(f"HTTP/1.1 200 OK\r\n{KEY} {KEY}\r\n\r\n".encode() + delta("Hello.") + STOP, keep=False)
    )

    with caplog.at_level(logging.INFO):
        ask(model, peer.url)

    assert KEY not in caplog.text


# Many.

OUTAGE_TURNS = 1_000


def test_a_full_outage_costs_the_provider_at_most_1050_requests_for_1000_turns(
    model: ChatModel, serve: Serve
) -> None:
    peer = serve(says(answer(503)))

    def turns() -> None:
        for _ in range(OUTAGE_TURNS // 20):
            with pytest.raises(UpstreamUnavailable):
                ask(model, peer.url)

    threads = [threading.Thread(target=turns) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert OUTAGE_TURNS < len(peer.requests) <= OUTAGE_TURNS * 1.05
