"""WebSocket frames as a client reads and writes them (RFC 6455). Pure but for the random masks.

websocket-client opens the connection. Reading is ours because its `recv()` has no size limit, checks UTF-8 in
pure Python (39 ms for 5 s of sound) and loses close codes (faults L4, L5, L9); writing, because its
deadline is then kept in the same place.
"""

from __future__ import annotations

import enum
import os
import struct
from typing import NamedTuple

# A frame of sound is 20 to 200 ms, below 15 kB. Room for an odd server; far from the 100 MB of faults 3c-22.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_FRAGMENTS = 1024

_WHOLE_TEXT = 0x81  # final, no reserved bits, opcode text
_FIN, _RSV, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F


class Opcode(enum.IntEnum):
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


_BY_NUMBER = {int(opcode): opcode for opcode in Opcode}


class Message(NamedTuple):
    """A whole message or control frame; `opcode` is never CONTINUATION."""

    opcode: Opcode
    payload: bytes | bytearray


class FrameError(Exception):
    """The peer broke RFC 6455; nothing after this can be trusted."""


class FrameTooLarge(FrameError):
    """Refused by the length in its header, before a byte of it is kept."""


def close_code(payload: bytes | bytearray) -> int:
    """The code of a close frame; 1005 where it carries none (RFC 6455 7.1.5)."""
    if len(payload) < 2:
        return 1005
    return int(struct.unpack_from("!H", payload)[0])


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """One whole message as a client sends it: masked with four random bytes, as 5.3 asks of every client."""
    size, mask = len(payload), os.urandom(4)
    if size < 126:
        head = bytes((_FIN | opcode, _MASKED | size))
    elif size < 65_536:
        head = struct.pack("!BBH", _FIN | opcode, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", _FIN | opcode, _MASKED | 127, size)
    masks = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(masks, "big")  # all at once: 50 times a loop
    return head + mask + masked.to_bytes(size, "big")


class FrameReader:
    """Feed it what the socket gave; it hands out what is complete and keeps the rest."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._opcode: Opcode | None = None  # of the fragmented message under way
        self._fragments: list[bytearray] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Message]:
        """Messages now complete. Raises FrameError."""
        buffer = self._buffer
        buffer += data
        messages: list[Message] = []
        at = self._whole_texts(buffer, messages)
        while (frame := self._frame(buffer, at)) is not None:
            opcode, final, start, at = frame
            message = self._join(opcode, final, buffer[start:at])
            if message is not None:
                messages.append(message)
        if at:
            del buffer[:at]
        return messages

    def _whole_texts(self, buffer: bytearray, messages: list[Message]) -> int:
        """Takes the run of plain text frames at the start, which is nearly all a provider sends: one message
        a frame, below 64 KiB. This loop runs for every 100 ms of sound; anything else is `_frame`'s.
        """
        at, end = 0, len(buffer)
        while self._opcode is None and end - at > 4 and buffer[at] == _WHOLE_TEXT:
            length, start = buffer[at + 1], at + 2
            if length > 125:
                if length != 126:
                    break
                length, start = buffer[at + 2] << 8 | buffer[at + 3], at + 4
            if start + length > end:
                break
            at = start + length
            messages.append(Message(Opcode.TEXT, buffer[start:at]))
        return at

    def _frame(self, buffer: bytearray, at: int) -> tuple[Opcode, bool, int, int] | None:
        """(opcode, final, start, end) of the frame at `at`, or None while it is incomplete."""
        have = len(buffer) - at
        if have < 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        opcode = _BY_NUMBER.get(first & _OPCODE)
        # RSV bits: no extension was negotiated (5.2). Masked: a server must not mask (5.1).
        if opcode is None or first & _RSV or second & _MASKED:
            raise FrameError("reserved bits, opcode or mask")
        length, start = second & _LENGTH, at + 2
        if length >= 126:
            if opcode >= Opcode.CLOSE:
                raise FrameError("a control frame above 125 bytes")
            width = 2 if length == 126 else 8
            if have < 2 + width:
                return None
            length, start = int.from_bytes(buffer[start : start + width], "big"), start + width
            if self._size + length > MAX_MESSAGE_BYTES:
                raise FrameTooLarge
        end = start + length
        return (opcode, bool(first & _FIN), start, end) if end <= len(buffer) else None

    def _join(self, opcode: Opcode, final: bool, payload: bytearray) -> Message | None:
        if opcode >= Opcode.CLOSE:
            if not final:
                raise FrameError("a fragmented control frame")
            return Message(opcode, payload)
        if (opcode is Opcode.CONTINUATION) is (self._opcode is None):
            raise FrameError("a fragment out of order")
        if final and self._opcode is None:
            return Message(opcode, payload)
        return self._gather(opcode, final, payload)

    def _gather(self, opcode: Opcode, final: bool, payload: bytearray) -> Message | None:
        whole = self._opcode or opcode
        self._opcode = whole
        self._fragments.append(payload)
        self._size += len(payload)
        if len(self._fragments) > MAX_FRAGMENTS or self._size > MAX_MESSAGE_BYTES:
            raise FrameTooLarge
        if not final:
            return None
        message = Message(whole, b"".join(self._fragments))
        self._opcode, self._fragments, self._size = None, [], 0
        return message
