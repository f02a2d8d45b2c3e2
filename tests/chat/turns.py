"""Turns with a scripted voice behind them, and what tests ask of them."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import time
import uuid
from collections.abc import Callable
from typing import Any

import requests

from tests.chat.scripted import (
    Exchange,
    Gone,
    Script,
)
from tts_service.chat.events import Reply, fold
from tts_service.chat.turn import Composer, Question
from tts_service.clients.client import Client
from tts_service.secret import Secret


class Talk:
    """The server's end of one realtime conversation."""

    def __init__(self, exchange: Exchange, heard: list[dict[str, Any]]) -> None:
        self.exchange, self._heard, self._buffer = exchange, heard, b""
        accept = hashlib.sha1(exchange.request.headers["sec-websocket-key"].encode() + _RFC6455).digest()
        exchange.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(accept) + b"\r\n\r\n"
        )

    def send(self, kind: str, **fields: Any) -> None:
        payload = json.dumps({"type": kind, **fields}).encode()
        length = bytes((len(payload),)) if len(payload) < 126 else b"\x7e" + struct.pack("!H", len(payload))
        self.exchange.send(b"\x81" + length + payload)

    def until(self, kind: str) -> dict[str, Any]:
        """The next event of that type from the service; Gone when it closes first."""
        while True:
            event = self._event()
            self._heard.append(event)
            if event["type"] == kind:
                return event

    def opens(self) -> None:
        self.until("session.update")
        form = {"type": "audio/pcm", "rate": 24_000}
        self.send("session.updated", session={"audio": {"output": {"format": form}}})

    def speaks(self, *deltas: bytes, finish: bool = True) -> None:
        self.send("response.created", response={"id": "r1"})
        for delta in deltas:
            encoded = base64.b64encode(delta).decode()
            self.send("response.output_audio.delta", response_id="r1", delta=encoded)
        if finish:
            self.send("response.output_audio.done", response_id="r1")
            self.send("response.done", response={"id": "r1", "status": "completed"})

    def _event(self) -> dict[str, Any]:
        first, second = self._take(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        mask = self._take(4)
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self._take(size)))
        if first & 0x0F != 1:
            raise Gone
        return dict(json.loads(payload))

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self.exchange.sock.recv(65_536)
            if not data:
                raise Gone
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


_RFC6455 = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SECOND = struct.pack("<h", 1000) * 24_000


def provider(chat: Script, voice: Callable[[Talk], None], heard: list[dict[str, Any]]) -> Script:
    """Chat and voice behind one address; `heard` collects what the voice was sent."""

    def script(exchange: Exchange) -> bool | None:
        if not exchange.request.target.startswith("/v1/realtime"):
            return chat(exchange)
        voice(Talk(exchange, heard))
        exchange.hang()
        return None

    return script


def speaks_a_second(talk: Talk) -> None:
    talk.opens()
    talk.until("conversation.item.create")
    talk.speaks(SECOND)


def silent_voice(talk: Talk) -> None:
    talk.opens()
    talk.until("conversation.item.create")


# Turns.

SAID = "Hello there, dear visitor."


def a_client(key: str | None = None, **fields: Any) -> Client:
    own = Secret(key) if key else None
    return Client(str(uuid.uuid4()), "Acme", ai_api_key=own, **fields)


def turn(composer: Composer, client: Client, message: str = f"Say: {SAID}", **rest: Any) -> Reply:
    return fold(composer.compose(Question(client, message, **rest)))


def code(reply: Reply) -> str | None:
    return reply.audio_error.code if reply.audio_error else None


def calls(sandbox: str, surface: str) -> list[Any]:
    """What the sandbox was asked on that surface since it was last told to forget."""
    shown = requests.get(sandbox.replace("/v1", "/sandbox/calls"), timeout=60).json()["calls"]
    return [call for call in shown if call["surface"] == surface]


def eventually(true: Callable[[], bool], seconds: float = 8.0) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()
