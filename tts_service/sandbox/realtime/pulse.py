"""The clocks of a session: the JSON ping, the idle limit and the longest life (protocols 1.2, 1.7)."""

from __future__ import annotations

import asyncio
import time

from tts_service.sandbox.faults import Switches
from tts_service.sandbox.realtime.events import error, event
from tts_service.sandbox.wire import Wire

_PING_EVERY_S = 15.0
_IDLE_LIMIT_S = 15 * 60.0
_LONGEST_S = 120 * 60.0


class Pulse:
    """Pings the caller, and ends sessions that are idle or old."""

    def __init__(self, wire: Wire, switches: Switches) -> None:
        self._wire = wire
        self._switches = switches
        self._last_heard = time.monotonic()

    def heard(self) -> None:
        """The session is not idle."""
        self._last_heard = time.monotonic()

    async def ping(self) -> None:
        """One JSON ping."""
        await self._wire.send(event("ping", timestamp=int(time.time() * 1000)))

    async def beat_forever(self) -> None:
        """A ping every 15 s, or as often as the tester wants."""
        every_s = self._switches.number("ping_every_s", _PING_EVERY_S)
        await asyncio.sleep(every_s)
        await self.beat(every_s)

    async def beat(self, every_s: float) -> None:
        """A ping now and every so often."""
        while True:
            await self.ping()
            await asyncio.sleep(every_s)

    async def limits(self) -> None:
        """Ends the session with an error event, then a close, when its time is up."""
        began = time.monotonic()
        idle_s = self._switches.number("timeout_s", _IDLE_LIMIT_S)
        whole_s = self._switches.number("max_duration_s", _LONGEST_S)
        while True:
            idle_left = self._last_heard + idle_s - time.monotonic()
            whole_left = began + whole_s - time.monotonic()
            if min(idle_left, whole_left) <= 0:
                break
            await asyncio.sleep(min(idle_left, whole_left))
        kind = "max_duration" if whole_left <= 0 else "timeout"
        await self._wire.send(error(kind, f"The session has reached its limit: {kind}."))
        await self._wire.close(int(self._switches.number("close_code", 1000)), kind)
