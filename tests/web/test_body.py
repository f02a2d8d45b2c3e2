"""Bodies as bytes on a socket: sizes, chunks, odd framing and slowness (faults 5, rows 14 to 17 and 22)."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

ReadAnswer = Callable[[socket.socket], Any]
HEAD = "POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def chunked(body: bytes, size: int = 1_000) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def plain(body: bytes, head: str = HEAD) -> bytes:
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_14_a_chunked_body_is_read_like_any_other(service: Any) -> None:
    request = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode()
    assert service.raw(request + chunked(service.question())).status == 200
    assert service.raw(request + chunked(service.question().ljust(65_536))).status == 200


@pytest.mark.parametrize("size", [65_537, 131_072, 900_000])
def test_14_a_chunked_body_that_is_too_large_is_413(service: Any, size: int) -> None:
    request = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode()
    answer = service.raw(request + chunked(service.question().ljust(size), 8_000))
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_14_a_caller_still_sending_too_much_is_heard_out_and_told(
    service: Any, read_answer: ReadAnswer
) -> None:
    with service.connect() as sock:
        sock.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(30):
            sock.sendall(b"7530\r\n" + b" " * 30_000 + b"\r\n")
            time.sleep(0.01)
        sock.sendall(b"0\r\n\r\n")
        answer = read_answer(sock)
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_15_a_caller_still_sending_what_cannot_be_read_is_told(service: Any, read_answer: ReadAnswer) -> None:
    with service.connect() as sock:
        sock.sendall(f"{HEAD}Content-Length: +2\r\n\r\n".encode())
        for _ in range(10):
            sock.sendall(b" " * 5_000)
            time.sleep(0.05)
        assert read_answer(sock).status == 400


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ("Content-Length: 99000000000\r\n", (413,)),
        ("Content-Length: -1\r\n", (400,)),
        ("Content-Length: +2\r\n", (400,)),
        ("Content-Length: 2\r\nContent-Length: 3\r\n", (400,)),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", (400,)),
        ("Transfer-Encoding: xchunked\r\n", (400, 501)),
    ],
    ids=lambda value: f"15 {value}",
)
def test_a_length_that_is_none_is_refused_in_our_own_form(
    service: Any, headers: str, statuses: tuple[int, ...]
) -> None:
    answer = service.raw(f"{HEAD}{headers}\r\n{{}}".encode())
    assert answer.status in statuses
    assert answer.code in ("body_too_large", "invalid_request")
    assert answer.headers["X-Request-ID"] == answer.json["error"]["request_id"]


@pytest.mark.parametrize("tail", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}xx0\r\n\r\n"], ids=["size", "end"])
def test_a_broken_chunk_is_the_caller_s_fault(service: Any, tail: bytes) -> None:
    answer = service.raw(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + tail)
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_16_a_body_that_drips_is_given_up(services: dict[str, Any], read_answer: ReadAnswer) -> None:
    with ThreadPoolExecutor() as pool:  # together, since it takes 10 s
        for answer, took_s in pool.map(lambda service: drip(service, read_answer), services.values()):
            assert (answer.status, answer.code) == (408, "request_timeout")
            assert 9 < took_s < 25


def drip(service: Any, read_answer: ReadAnswer) -> tuple[Any, float]:
    """Sends two bytes of a body a second until there is an answer, and says how long that took."""
    began = time.monotonic()
    with service.connect() as sock:
        sock.sendall(f"{HEAD}Content-Length: 1000\r\n\r\n{{".encode())
        sock.settimeout(0.5)
        while time.monotonic() - began < 40:
            try:
                if sock.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                sock.sendall(b" ")
        sock.settimeout(20)
        return read_answer(sock), time.monotonic() - began


def test_16_dripping_callers_hold_nobody_up(service: Any) -> None:
    held = [service.connect() for _ in range(20)]
    try:
        for sock in held:
            sock.sendall(f"{HEAD}Content-Length: 1000\r\n\r\n{{".encode())
        began = time.monotonic()
        assert service.send("GET", "/health").status == 200
        assert time.monotonic() - began < 6, "it waits for their time limit"
    finally:
        for sock in held:
            sock.close()


def test_a_body_that_ends_early_is_no_question(service: Any, read_answer: ReadAnswer) -> None:
    with service.connect() as sock:
        sock.sendall(f"{HEAD}Content-Length: 1000\r\n\r\n".encode() + service.question())
        sock.shutdown(socket.SHUT_WR)
        assert read_answer(sock).status == 400


def test_22_http_1_0_is_served(service: Any) -> None:
    assert service.raw(plain(service.question(), HEAD.replace("1.1", "1.0"))).status == 200


def test_22_who_expects_100_continue_gets_it(service: Any, read_answer: ReadAnswer) -> None:
    body = service.question()
    with service.connect() as sock:
        sock.sendall(f"{HEAD}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert sock.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_answer(sock).status == 200


def test_22_twenty_pipelined_requests_get_twenty_answers(service: Any) -> None:
    last = plain(service.question(), HEAD + "Connection: close\r\n")
    received = b""
    with service.connect() as sock:
        sock.sendall(plain(service.question()) * 19 + last)
        while piece := sock.recv(65_536):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK") == 20


def test_a_connection_is_kept_after_a_refused_body(service: Any, read_answer: ReadAnswer) -> None:
    with service.connect() as sock:
        sock.sendall(plain(b"{"))
        assert read_answer(sock).status == 400
        sock.sendall(plain(service.question()))
        assert read_answer(sock).status == 200
