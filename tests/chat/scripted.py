"""Peers that do what a test scripts, byte by byte, and the bytes of a chat answer."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tts_service.addresses import Reach
from tts_service.chat.completions import Said
from tts_service.chat.llm import ChatModel, ModelRoute
from tts_service.deadline import Deadline
from tts_service.dial import Lifeline
from tts_service.secret import Secret

KEY = "xai-canary-0123456789abcdef"


class Gone(Exception):
    """The caller has left, or the test is over."""


@dataclass(frozen=True)
class Request:
    """One request as it came: header names in lower case; `connection` counts from 0."""

    connection: int
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Exchange:
    """One request and the socket it came on. Each method raises Gone when there is nobody left to answer."""

    def __init__(self, sock: socket.socket, request: Request, over: threading.Event) -> None:
        self.sock, self.request, self._over = sock, request, over

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def pause(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise Gone

    def drip(self, data: bytes, every_s: float = 0.05) -> None:
        for byte in data:
            self.send(bytes((byte,)))
            self.pause(every_s)

    def hang(self) -> None:
        """Says nothing more until the caller hangs up."""
        try:
            while self.sock.recv(65_536):
                pass
        except OSError:
            pass
        raise Gone

    def reset(self) -> None:
        """RST: the caller reads ECONNRESET where FIN would have been an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise Gone


# Answers one request; True keeps the connection open for the next.
Script = Callable[[Exchange], bool | None]


class ScriptedPeer:
    """A server on a port of its own. `requests` is what it was asked, `connections` how often it was
    dialled, `open` how many connections it holds now.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script, self._tls = script, tls
        self.requests: list[Request] = []
        self.connections = 0
        self.open = 0
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="peer")
        self._accepting.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._converse, args=(sock, self.connections), name="peer")
            with self._lock:
                self.connections += 1
                self.open += 1
                self._sockets.append(sock)
                self._threads.append(thread)
            thread.start()

    def _converse(self, sock: socket.socket, number: int) -> None:
        try:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._sockets.append(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep: bool | None = True
            while keep and (request := read_request(sock, number)):
                with self._lock:
                    self.requests.append(request)
                keep = self.script(Exchange(sock, request, self._over))
        except (Gone, OSError):
            pass
        finally:
            sock.close()
            with self._lock:
                self.open -= 1


def read_request(sock: socket.socket, number: int = 0) -> Request | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            return None
        head += byte
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b""
    while len(body) < int(headers.get("content-length", 0)):
        body += sock.recv(65_536)
    return Request(number, first.split(" ")[1], headers, body)


def answer(status: int, body: bytes = b"", *headers: str, reason: str = "Scripted") -> bytes:
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDED_BY_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(text: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


STOP = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
DONE = b"data: [DONE]\n\n"


def streamed(*words: str) -> bytes:
    """A whole answer, streamed, on a connection that stays open."""
    parts = [*map(delta, words), STOP, DONE]
    return CHUNKED + b"".join(map(chunked, parts)) + chunked(b"")


def completion(text: str) -> bytes:
    body = {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
    return answer(200, json.dumps(body).encode(), "Content-Type: application/json")


def says(raw: bytes, keep: bool = True) -> Script:
    """Answers every request with these bytes."""

    def script(exchange: Exchange) -> bool:
        exchange.send(raw)
        return keep

    return script


def in_turn(*scripts: Script) -> Script:
    """The first script for the first request, and so on; the last one for all that follow."""
    order = itertools.chain(scripts[:-1], itertools.repeat(scripts[-1]))
    lock = threading.Lock()

    def script(exchange: Exchange) -> bool | None:
        with lock:
            mine = next(order)
        return mine(exchange)

    return script


def silent(exchange: Exchange) -> None:
    exchange.hang()


def closes(exchange: Exchange) -> None:
    pass


def drips_headers(exchange: Exchange) -> None:
    exchange.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"s" * 10_000)


def drips_comments(exchange: Exchange) -> None:
    exchange.send(ENDED_BY_CLOSE)
    exchange.drip(b": keep-alive\n\n" * 1_000)


def drips_words(exchange: Exchange) -> None:
    exchange.send(CHUNKED)
    while True:
        exchange.send(chunked(delta("more ")))
        exchange.pause(0.05)


def drips_a_refusal(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 401 No\r\nContent-Length: 10000\r\n\r\n")
    exchange.drip(b"x" * 10_000)


def route_to(url: str, key: str | None = KEY) -> ModelRoute:
    return ModelRoute(url, Secret(key) if key else None, "grok-4.3", "xai", Reach.ANYWHERE)


HI = [Said("user", "Hi")]
AMPLE_S = 25.0  # a second attempt fits
SCANT_S = 7.5  # it does not: below the 8 s of faults T28


def ask(
    model: ChatModel,
    url: str,
    *,
    seconds: float = AMPLE_S,
    lifeline: Lifeline | None = None,
    key: str | None = KEY,
) -> str:
    return "".join(model.ask(route_to(url, key), HI, Deadline.after(seconds), lifeline or Lifeline()))
