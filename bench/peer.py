"""The provider, scripted: chat completions, client secrets, realtime and tts sockets on one port.

Run as a process of its own, `python -m bench.peer`; prints `{"port", "far_port"}` when it listens. What comes
through `far_port` has crossed an ocean (`bench.delay`). Shapes are protocols 1 to 4; what breaks them is
counted at `/stats`.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from functools import partial
from hashlib import sha1

import orjson
import uvloop

from bench.delay import Far
from bench.peer_socket import Realtime, Tts
from bench.script import SCRIPTS, Script

HOST = "127.0.0.1"
_WS_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_serial = itertools.count(1)


class Door(asyncio.Protocol):
    """One connection: HTTP requests one after another, until one of them becomes a WebSocket."""

    def __init__(self, stats: Counter[str]) -> None:
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._socket: Realtime | Tts | None = None
        self._headers: dict[bytes, bytes] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._socket:
            self._socket.stop()

    def data_received(self, data: bytes) -> None:
        if self._socket:
            self._socket.feed(data)
            return
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        self._headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
        }
        length = int(self._headers.get(b"content-length", b"0"))
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        path = first.split(b" ")[1].partition(b"?")[0].decode()
        self._route(path, body)

    def _route(self, path: str, body: bytes) -> None:
        name, _, rest = path.lstrip("/").partition("/v1/")
        script = SCRIPTS.get(name)
        if path == "/stats":
            self._answer(b"200 OK", orjson.dumps(self._stats))
        elif script is None:
            self._refuse(b"404 Not Found", "not-found")
        elif not self._headers.get(b"authorization", b"").startswith(b"Bearer "):
            self._refuse(b"401 Unauthorized", "unauthenticated:no-credentials")
        elif rest == "chat/completions":
            self._chat(script, orjson.loads(body))
        elif rest == "realtime/client_secrets":
            self._stats["secrets"] += 1
            secret = f"xai-realtime-client-secret-{next(_serial):08}"
            self._answer(b"200 OK", orjson.dumps({"value": secret, "expires_at": int(time.time()) + 600}))
        elif rest in ("realtime", "tts"):
            kind = Realtime if rest == "realtime" else Tts
            self._later(script.handshake_s, lambda: self._upgrade(kind, script))
        else:
            self._refuse(b"404 Not Found", "not-found")

    def _upgrade(self, kind: type[Realtime] | type[Tts], script: Script) -> None:
        self._stats["sockets"] += 1
        accept = b64encode(sha1(self._headers[b"sec-websocket-key"] + _WS_GUID).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._socket = kind(self._transport, script, self._stats)
        if self._buffer:
            self._socket.feed(bytes(self._buffer))

    def _chat(self, script: Script, asked: dict[str, object]) -> None:
        self._stats["chats"] += 1
        words = script.reply.format(next(_serial)).split(" ")
        words[1:] = [" " + word for word in words[1:]]
        writing_s = len(words) / script.words_per_s if script.words_per_s else 0.0
        if not asked.get("stream"):
            whole = _completion("".join(words))
            self._later(script.first_token_s + writing_s, lambda: self._answer(b"200 OK", whole))
            return
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        events = [_chunk({"role": "assistant", "content": words[0]})]
        events += [_chunk({"content": word}) for word in words[1:]]
        last = _chunk({}, "stop") + _http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        if script.words_per_s is None:
            all_of_it = b"".join(events) + last
            self._later(script.first_token_s, lambda: self._transport.write(all_of_it))
            return
        for at, event in enumerate([*events, last]):
            wait_s = script.first_token_s + at / script.words_per_s
            self._later(wait_s, partial(self._transport.write, event))

    def _later(self, wait_s: float, act: Callable[[], None]) -> None:
        if wait_s:
            self._loop.call_later(wait_s, act)
        else:
            act()

    def _answer(self, status: bytes, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(body), body)
        )

    def _refuse(self, status: bytes, code: str) -> None:
        self._stats["refused"] += 1
        self._answer(status, orjson.dumps({"code": code, "error": "The benchmark's peer refuses this."}))


def _completion(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    return orjson.dumps(
        {
            "id": "c",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": "scripted",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50},
        }
    )


def _chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    event = orjson.dumps(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }
    )
    return _http_chunk(b"data: %b\n\n" % event)


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stats: Counter[str] = Counter()
    near = await loop.create_server(lambda: Door(stats), HOST, 0, backlog=2048)
    port = near.sockets[0].getsockname()[1]
    far = await loop.create_server(lambda: Far(HOST, port), HOST, 0)
    print(orjson.dumps({"port": port, "far_port": far.sockets[0].getsockname()[1]}).decode(), flush=True)
    await stop.wait()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
