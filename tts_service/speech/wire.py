"""The socket of one speech conversation: every read and write is held to its deadline and its byte budget.

It stands under websocket-client in place of a plain socket, whose timeouts begin anew with each byte and
which knows no size limit (faults L1, L4, L6).
"""

from __future__ import annotations

import socket
import ssl

from tts_service.deadline import Deadline

READ_BYTES = 65_536


class WireOverflow(Exception):
    """The peer sent more than the budget."""


class Wire:
    """`deadline` may be moved between steps. The budget counts every byte received, handshake included."""

    def __init__(self, sock: socket.socket, deadline: Deadline, budget_bytes: int) -> None:
        self.sock = sock
        self.deadline = deadline
        self.budget_bytes = budget_bytes
        self._ahead, self._at = b"", 0

    def read(self) -> bytes:
        """What has come, at least one byte; b"" at the end. Raises OSError (TimeoutError), WireOverflow."""
        if self._at < len(self._ahead):
            return self._rest()
        remaining_s = self.deadline.remaining_s
        if not remaining_s:  # else a flood, of which there is always more to read, would stretch it
            raise TimeoutError
        self.sock.settimeout(remaining_s)
        return self._received()

    def read_waiting(self) -> bytes | None:
        """What has come already, without waiting: None if nothing, b"" at the end. Raises as `read` does."""
        ahead = self._rest()
        if ahead:
            return ahead
        if self.deadline.expired:
            raise TimeoutError
        self.sock.settimeout(0.0)
        try:
            return self._received()
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def _received(self) -> bytes:
        data = self.sock.recv(READ_BYTES)
        self.budget_bytes -= len(data)
        if self.budget_bytes < 0:
            raise WireOverflow
        return data

    def _rest(self) -> bytes:
        rest = self._ahead[self._at :]
        self._ahead, self._at = b"", 0
        return rest

    def write(self, data: bytes) -> None:
        """All of it; what needs no waiting also at the deadline. Raises OSError (TimeoutError)."""
        while data:
            self.sock.settimeout(max(self.deadline.remaining_s, 0.001))
            data = data[self.sock.send(data) :]
            if data and self.deadline.expired:
                raise TimeoutError

    def line(self) -> bytes:
        """Up to and with the next line feed. Raises as `read` does; EOFError at the end."""
        while (end := self._ahead.find(b"\n", self._at)) < 0:
            rest = self._rest()
            more = self.read()
            if not more:
                raise EOFError
            self._ahead = rest + more
        start, self._at = self._at, end + 1
        return self._ahead[start : self._at]

    # What websocket-client asks of a socket for the handshake.

    def recv(self, count: int) -> bytes:
        if self._at >= len(self._ahead):
            self._ahead, self._at = self.read(), 0
        data = self._ahead[self._at : self._at + count]
        self._at += len(data)
        return data

    def send(self, data: bytes) -> int:
        self.write(data)
        return len(data)

    def gettimeout(self) -> float:
        """Only compared with 0, which would mean a socket that does not wait; `read` keeps the deadline."""
        return 1.0

    def settimeout(self, timeout_s: float | None) -> None:
        """Nothing: the deadline decides."""

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()
