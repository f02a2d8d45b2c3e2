"""(c) The floor: what reading the provider's sound costs when nothing else is done.

`count` reads the socket into one buffer and counts bytes. `decode` also takes the frames apart, reads the
JSON and the base64 and joins the samples, with no check at all. Neither could be a product.
"""

from __future__ import annotations

import os
import socket
import struct
from base64 import b64encode
from collections.abc import Iterator

import orjson
import pybase64

_BUFFER_BYTES = 1 << 18
TIMEOUT_S = 10


class Reader:
    """A session at ws://host:port/path, without TLS; nothing is checked."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's own time limit: Python's would cost a poll() before each recv().
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", TIMEOUT_S, 0))
        self._buffer = bytearray(_BUFFER_BYTES)
        key = b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Authorization: Bearer xai-benchmark\r\n\r\n".encode()
        )
        self._until(b'"type":"ping"')
        self._send({"type": "session.update", "session": {"voice": "ara", "turn_detection": None}})
        self._until(b'"type":"session.updated"')

    def close(self) -> None:
        self._socket.close()

    def speak_counted(self, text: str) -> int:
        """How many bytes came."""
        self._send(_force_message(text))
        buffer, count, tail = memoryview(self._buffer), 0, b""
        while b'"type":"response.done"' not in tail:
            size = self._received(buffer)
            count += size
            tail = bytes(buffer[max(0, size - 300) : size])
        return count

    def speak(self, text: str) -> bytes:
        """The samples."""
        self._send(_force_message(text))
        sound = []
        for payload in self._payloads():
            event = orjson.loads(payload)
            if event["type"] == "response.output_audio.delta":
                sound.append(pybase64.b64decode(event["delta"], validate=True))
            elif event["type"] == "response.done":
                break
        return b"".join(sound)

    def _payloads(self) -> Iterator[memoryview]:
        """Text frames; the peer's are never fragmented or masked."""
        buffer, view = self._buffer, memoryview(self._buffer)
        at = have = 0
        while True:
            end = _frame_end(buffer, at, have)
            if end is None:
                buffer[: have - at] = view[at:have]
                at, have = 0, have - at
                have += self._received(view[have:])
                continue
            start, stop = end
            yield view[start:stop]
            at = stop

    def _received(self, buffer: memoryview) -> int:
        size = self._socket.recv_into(buffer)
        if not size:
            raise ConnectionError("the peer closed the socket")
        return size

    def _send(self, event: dict[str, object]) -> None:
        payload = orjson.dumps(event)
        head = (
            bytes([0x81, 0x80 | len(payload)])
            if len(payload) < 126
            else b"\x81\xfe%b" % (len(payload).to_bytes(2, "big"))
        )
        self._socket.sendall(head + bytes(4) + payload)  # a mask of zeros

    def _until(self, mark: bytes) -> bytes:
        heard = b""
        while mark not in heard:
            data = self._socket.recv(_BUFFER_BYTES)
            if not data:
                raise ConnectionError("the peer closed the socket")
            heard += data
        return heard


def _frame_end(buffer: bytearray, at: int, have: int) -> tuple[int, int] | None:
    """(start, end) of the payload at `at`."""
    if have - at < 10:
        return None
    size, start = buffer[at + 1], at + 2
    if size == 126:
        size, start = int.from_bytes(buffer[start : start + 2], "big"), start + 2
    elif size == 127:
        size, start = int.from_bytes(buffer[start : start + 8], "big"), start + 8
    return (start, start + size) if start + size <= have else None


def _force_message(text: str) -> dict[str, object]:
    item = {
        "type": "force_message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }
    return {"type": "conversation.item.create", "item": item}
