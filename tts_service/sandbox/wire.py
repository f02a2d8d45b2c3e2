"""One WebSocket of ours: owns the aiohttp socket, and breaks it in the ways a tester asks for."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import struct
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import WSMsgType, hdrs, web

from tts_service.sandbox import door, keys
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.refusals import RefusalError

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LARGEST_MESSAGE = 16 * 1_048_576
_DROPPED = 1006
_CLOSE_TIMEOUT_S = 2
TEXT, BINARY, CONTINUATION, CLOSE, PING = 0x1, 0x2, 0x0, 0x8, 0x9


class OverError(Exception):
    """This conversation has ended; there is nobody left to send to."""


class Wire:
    """The server's end of one WebSocket. Every send raises OverError once it is closed."""

    def __init__(self, request: web.Request, visit: Visit) -> None:
        self._request = request
        self._visit = visit
        self._audio_frames = 0
        self._closing = False
        self._left = asyncio.Event()
        offered = [one for one in door.offered_protocols(request) if one.startswith(keys.PROTOCOL_PREFIX)]
        self._ws = web.WebSocketResponse(
            # The closing handshake is ours: aiohttp's close() drops the connection at once when
            # another task is reading, and the peer's close frame then meets a broken pipe.
            autoclose=False,
            compress=False,
            max_msg_size=_LARGEST_MESSAGE,
            protocols=offered,
        )

    @property
    def response(self) -> web.WebSocketResponse:
        """What the endpoint returns to aiohttp at the end."""
        return self._ws

    async def open(self) -> None:
        """Sends the 101, or the broken one asked for; raises RefusalError before it."""
        if not self._ws.can_prepare(self._request):
            raise RefusalError(
                426,
                "Expected a WebSocket upgrade: GET with `Upgrade: websocket`.",
                headers={hdrs.UPGRADE: "websocket"},
            )
        broken = self._visit.switches.text("handshake")
        if broken is not None:
            await self._broken_handshake(broken)
        await self._ws.prepare(self._request)
        self._visit.call.status = 101

    async def mute(self) -> None:
        """The faults `mute` and `ws_pings`: holds the line without a word until the peer leaves."""
        if self._visit.switches.on("ws_pings"):
            await asyncio.gather(self._pings(), self.unheard())
        if self._visit.switches.on("mute"):
            await self.unheard()

    async def unheard(self) -> None:
        """Reads and forgets until the peer leaves."""
        while True:
            await self.receive()

    async def receive(self) -> str | bytes:
        """The next message. Raises OverError when the peer has left."""
        message = await self._ws.receive()
        while self._closing and message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            message = await self._ws.receive()
        if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
            return message.data  # type: ignore[no-any-return]
        self._left.set()
        if self._closing:
            # `close` waits for the peer's close frame, and ends the conversation.
            await asyncio.Event().wait()
        self._visit.call.end(f"by the caller, {self._ws.close_code or _DROPPED}")
        raise OverError

    async def send(self, event: dict[str, Any]) -> None:
        """One JSON event as a text frame."""
        await self._send_text(orjson.dumps(event))

    async def send_audio(self, event: dict[str, Any] | bytes) -> None:
        """One piece of audio, as a JSON event or as a binary frame; counts them for the faults."""
        self._audio_frames += 1
        payload = event if isinstance(event, bytes) else orjson.dumps(event)
        switches = self._visit.switches
        opcode = BINARY if isinstance(event, bytes) else TEXT
        if switches.on("cut_frame") and self._audio_frames == 2:
            whole = frame(opcode, payload)
            await self._write(whole[: len(whole) // 2])
            await self.close(_DROPPED)
        if switches.on("drip_frame") and self._audio_frames == 1:
            for one in frame(opcode, payload):
                await self._write(bytes((one,)))
                await door.pause(door.DRIP_S)
        elif isinstance(event, bytes):
            await self._send_bytes(event)
        else:
            await self._send_text(payload)
        if switches.on("close_after_audio") and self._audio_frames == 3:
            await self.close(int(switches.number("close_after_audio", 1000)))

    def base64_of(self, audio: bytes) -> object:
        """The audio as a delta carries it; the first one damaged when a tester asks for it."""
        good = _b64(audio)
        kind = self._visit.switches.text("bad_base64")
        if kind is None or self._audio_frames:
            return good
        return {
            "alphabet": "*" + good[1:],
            "padding": good[: len(good) // 4 * 4 - 5],
            "urlsafe": "-_-_" + good[4:],
            "whitespace": good[:8] + "\n " + good[8:],
            "number": 12_345,
            "empty": "",
        }[kind]

    async def send_junk(self) -> None:
        """What the tester wants before the audio: frames that are wrong or nobody asked for."""
        switches = self._visit.switches
        for n in range(int(switches.number("bad_json", 0))):
            await self._send_text((b"{", b"[1]", b'"x"', b'{"no":"type"}')[n % 4])
        for _ in range(int(switches.number("binary_frame", 0))):
            await self._send_bytes(b"\x00\x01" * 100)
        if switches.on("huge_frame"):
            await self._huge(int(switches.number("huge_frame", 0)))
        kind = switches.text("bad_frame")
        if kind is not None:
            for part in _bad_frames(kind):
                await self._write(part)

    async def stop_reading(self) -> None:
        """The peer's bytes pile up from here on; ends when the tester's socket does."""
        transport = self._request.transport
        if transport is not None:
            transport.pause_reading()
        while transport is not None and not transport.is_closing():
            await self._pings(times=1)
        raise OverError

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes with that code, 1006 by resetting the connection. Always raises OverError."""
        self._visit.call.end(f"by the sandbox, {code}")
        self._closing = True
        if code == _DROPPED:
            # What was written before must arrive: a reset throws away what is still queued.
            await self._flushed()
            door.abort(self._request)
        else:
            await self._write(frame(CLOSE, struct.pack("!H", code) + reason.encode()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), _CLOSE_TIMEOUT_S)
        raise OverError

    async def finish(self) -> None:
        """Ends the connection: answers the peer's close frame unless it answered ours."""
        transport = self._request.transport
        if self._closing and transport is not None:
            transport.close()
        elif not self._ws.closed:
            code = self._ws.close_code
            await self._ws.close(code=1000 if code in (None, _DROPPED) else code)

    async def _may_send(self) -> None:
        """After our close frame nothing more may follow (RFC 6455, 5.5.1): waits for the end."""
        if self._closing:
            await asyncio.Event().wait()

    async def _send_text(self, payload: bytes) -> None:
        await self._may_send()
        try:
            await self._ws.send_frame(payload, WSMsgType.TEXT)
        except (ConnectionError, RuntimeError) as error:
            raise OverError from error

    async def _send_bytes(self, payload: bytes) -> None:
        await self._may_send()
        try:
            await self._ws.send_bytes(payload)
        except (ConnectionError, RuntimeError) as error:
            raise OverError from error

    async def _write(self, data: bytes) -> None:
        try:
            await door.write_raw(self._request, data)
        except ConnectionError as error:
            raise OverError from error

    async def _flushed(self, at_most: int = 0) -> None:
        transport = self._request.transport
        while (
            transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() > at_most
        ):
            await door.pause(0.005)

    async def _pings(self, times: int = 10**9) -> None:
        for _ in range(times):
            await door.pause(0.1)
            await self._write(frame(PING, b""))

    async def _huge(self, size: int) -> None:
        chunk = b"x" * 262_144
        await self._write(header(TEXT, size))
        for start in range(0, size, len(chunk)):
            await self._write(chunk[: size - start])
            await self._flushed(1_048_576)

    async def _broken_handshake(self, kind: str) -> None:
        key = self._request.headers.get(hdrs.SEC_WEBSOCKET_KEY, "")
        digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
        accept = "bm90IHRoZSByaWdodCBhY2NlcHQ=" if kind == "bad_accept" else _b64(digest)
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n"
        )
        if kind == "extension":
            head += "Sec-WebSocket-Extensions: x-nobody-offered-this\r\n"
        await door.write_raw(self._request, head.encode())
        while kind == "endless_headers":
            await door.write_raw(self._request, b"X-More: " + b"m" * 1_000 + b"\r\n")
            await door.pause(0.01)
        await door.write_raw(self._request, b"\r\n")
        await asyncio.Event().wait()


def frame(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
    """An unmasked frame, as servers send them."""
    return header(opcode, len(payload), fin=fin, rsv=rsv) + payload


def header(opcode: int, size: int, *, fin: bool = True, rsv: int = 0, masked: bool = False) -> bytes:
    """The header of a frame of `size` bytes (RFC 6455, 5.2)."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask = 0x80 if masked else 0
    if size < 126:
        return struct.pack("!BB", first, mask | size)
    if size < 65_536:
        return struct.pack("!BBH", first, mask | 126, size)
    return struct.pack("!BBQ", first, mask | 127, size)


def _bad_frames(kind: str) -> Iterator[bytes]:
    ping = b'{"type":"ping","timestamp":1}'
    if kind == "masked":
        yield header(TEXT, len(ping), masked=True) + bytes(4) + ping
    elif kind == "rsv":
        yield frame(TEXT, ping, rsv=0b100)
    elif kind == "utf8":
        yield frame(TEXT, b'{"type":"\xff\xfe"}')
    elif kind == "continuation":
        yield frame(CONTINUATION, ping)
    elif kind == "length":
        yield struct.pack("!BBQ", 0x81, 127, 2**63 + 1) + b"{"
    else:
        yield frame(TEXT, b'{"type":"ping","padding":"', fin=False)
        yield from (frame(CONTINUATION, b"x", fin=False) for _ in range(10_000))
        yield frame(CONTINUATION, b'"}')


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
