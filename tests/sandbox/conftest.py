"""A running sandbox, and a client for it that shares no code with it."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket

from tts_service.sandbox.main import start_in_thread

KEY = "xai-sandbox"
TIMEOUT_S = 10


class Talk:
    """One WebSocket conversation with the sandbox."""

    def __init__(self, ws: websocket.WebSocket) -> None:
        self.ws = ws

    def send(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.ws.send(json.dumps(event))

    def receive(self) -> Any:
        """The next event, bytes for a binary frame, or the close code as an int."""
        opcode, data = self.ws.recv_data()
        if opcode == websocket.ABNF.OPCODE_TEXT:
            return json.loads(data)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")
        return data

    def until(self, *kinds: str) -> list[Any]:
        """Everything up to the first event of one of those types; a close ends it too."""
        heard = []
        while True:
            event = self.receive()
            heard.append(event)
            if isinstance(event, int) or (isinstance(event, dict) and event.get("type") in kinds):
                return heard

    def opened(self, **session: Any) -> Any:
        """Through the opening and one session.update; returns the session confirmed."""
        self.until("ping")
        self.send({"type": "session.update", "session": session})
        return self.until("session.updated", "error")[-1].get("session")

    def force(self, text: str, **fields: Any) -> None:
        part = {"type": "output_text", "text": text}
        item = {"type": "force_message", "role": "assistant", "content": [part], **fields}
        self.send({"type": "conversation.item.create", "item": item})

    def ask(self, text: str, **response: Any) -> None:
        item = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        }
        self.send(
            {"type": "conversation.item.create", "item": item},
            {"type": "response.create", "response": response},
        )

    def say(self, text: str = "Hello there, dear visitor.") -> list[Any]:
        """A force_message and everything up to its response.done (or an error, or a close)."""
        self.force(text)
        return self.until("response.done", "error")


class Peer:
    """A client of the whole sandbox."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.root = base_url.removesuffix("/v1")
        self.http = requests.Session()
        self.http.trust_env = False

    def call(self, method: str, path: str, *, key: str | None = KEY, **rest: Any) -> Any:
        headers = rest.pop("headers", {})
        if key is not None:
            headers = {"Authorization": f"Bearer {key}", **headers}
        rest.setdefault("timeout", TIMEOUT_S)
        url = (self.base_url if not path.startswith("/sandbox") else self.root) + path
        return self.http.request(method, url, headers=headers, **rest)

    def chat(self, *said: str, key: str = KEY, model: str = "grok-4.3", **fields: Any) -> Any:
        roles = ["user" if n % 2 == 0 else "assistant" for n in range(len(said))]
        messages = [{"role": r, "content": t} for r, t in zip(roles, said, strict=True)]
        body = {"model": model, "messages": messages, **fields}
        return self.call("POST", "/chat/completions", key=key, json=body)

    @contextlib.contextmanager
    def connect(self, path: str = "/realtime", *, key: str | None = KEY, **rest: Any) -> Iterator[Talk]:
        rest.setdefault("timeout", TIMEOUT_S)
        ws = websocket.WebSocket(skip_utf8_validation=True)
        ws.settimeout(rest["timeout"])
        header = rest.pop("header", [])
        if key is not None:
            header = [f"Authorization: Bearer {key}", *header]
        try:
            ws.connect(self.base_url.replace("http", "ws", 1) + path, header=header, **rest)
            yield Talk(ws)
        finally:
            with contextlib.suppress(OSError, websocket.WebSocketException):
                ws.send_close()
            ws.shutdown()

    def refused(self, path: str = "/realtime", **rest: Any) -> tuple[int, Any, Any]:
        """Status, JSON body and headers of a handshake that is refused."""
        try:
            with self.connect(path, **rest):
                pass
        except websocket.WebSocketBadStatusException as refusal:
            return refusal.status_code, json.loads(refusal.resp_body), refusal.resp_headers
        pytest.fail(f"{path} was not refused")

    def raw(
        self, request: bytes, *, wait_s: float = TIMEOUT_S, enough: str = r"101 .*\r\n\r\n"
    ) -> tuple[bytes, str]:
        """Sends bytes; returns what came back and how it ended: whole, eof, reset or open. What looks like
        `enough` is not waited beyond: it is open then."""
        address = urllib.parse.urlsplit(self.base_url)
        answer, deadline = b"", time.monotonic() + wait_s
        with socket.create_connection((address.hostname, address.port), wait_s) as sock:
            sock.sendall(request)
            try:
                while part := sock.recv(65_536):
                    answer += part
                    head, blank, body = answer.partition(b"\r\n\r\n")
                    sized = re.search(rb"Content-Length: (\d+)", head)
                    if blank and sized and len(body) == int(sized[1]):
                        return answer, "whole"
                    if re.match(rb"HTTP/1.1 " + enough.encode(), answer, re.DOTALL):
                        return answer, "open"
                    # A timeout is per read: only a deadline ends a drip (faults L1).
                    sock.settimeout(max(0.001, deadline - time.monotonic()))
            except TimeoutError:
                return answer, "open"
            except ConnectionResetError:
                return answer, "reset"
        return answer, "eof"

    def calls(self, surface: str) -> list[Any]:
        shown = self.call("GET", "/sandbox/calls").json()["calls"]
        return [call for call in shown if call["surface"] == surface]


def audio_of(events: list[Any], kind: str = "response.output_audio.delta") -> bytes:
    return b"".join(
        base64.b64decode(event["delta"], validate=True)
        for event in events
        if isinstance(event, dict) and event.get("type") == kind
    )


@pytest.fixture(scope="session")
def _base_url() -> Iterator[str]:
    with start_in_thread() as base_url:
        yield base_url


@pytest.fixture
def peer(_base_url: str) -> Iterator[Peer]:
    """A client of a sandbox that answers at once; the sandbox lives as long as the tests do."""
    client = Peer(_base_url)
    yield client
    client.http.close()


@pytest.fixture
def audio() -> Any:
    """The sound of the deltas in a list of events."""
    return audio_of


@pytest.fixture
def peer_of() -> Iterator[Any]:
    """Makes clients of sandboxes a test starts itself."""
    made: list[Peer] = []

    def make(base_url: str) -> Peer:
        made.append(Peer(base_url))
        return made[-1]

    yield make
    for client in made:
        client.http.close()
