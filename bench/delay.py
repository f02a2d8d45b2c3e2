"""A TCP proxy that puts a distance between two programs: 50 ms there and back.

Simulated: 25 ms for every byte in each direction, and for a new connection two round trips before its first
byte leaves, as TCP and TLS 1.3 need them. Not simulated: loss, jitter, bandwidth, slow start, a TLS
handshake's CPU.
"""

from __future__ import annotations

import asyncio
from collections import deque

ONE_WAY_S = 0.025
ROUND_TRIP_S = 2 * ONE_WAY_S
SETUP_S = 2 * ROUND_TRIP_S


class Far(asyncio.Protocol):
    """The end that the travelling program connects to."""

    def __init__(self, host: str, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._to = host, port
        self._there = _Lane(self._loop)
        self._back = _Lane(self._loop)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._back.exit_to(transport)
        self._opened = self._loop.time() + SETUP_S
        self._opening = self._loop.create_task(self._open())

    def data_received(self, data: bytes) -> None:
        self._there.put(data, max(self._loop.time(), self._opened))

    def connection_lost(self, exc: Exception | None) -> None:
        self._there.put(b"", max(self._loop.time(), self._opened))

    async def _open(self) -> None:
        transport, _ = await self._loop.create_connection(lambda: _Near(self._back), *self._to)
        self._there.exit_to(transport)


class _Near(asyncio.Protocol):
    def __init__(self, back: _Lane) -> None:
        self._back = back
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._back.put(data, self._loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._back.put(b"", self._loop.time())


class _Lane:
    """One direction. What was put in first comes out first, ONE_WAY_S after it left; b"" is the end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: deque[bytes] = deque()
        self._exit: asyncio.Transport | None = None
        self._due = 0

    def exit_to(self, transport: asyncio.Transport) -> None:
        self._exit = transport
        self._arrive(0)

    def put(self, data: bytes, leaves_at: float) -> None:
        self._under_way.append(data)
        self._loop.call_at(leaves_at + ONE_WAY_S, self._arrive, 1)

    def _arrive(self, count: int) -> None:
        self._due += count
        while self._exit is not None and self._due:
            self._due -= 1
            data = self._under_way.popleft()
            if data:
                self._exit.write(data)
            else:
                self._exit.close()
