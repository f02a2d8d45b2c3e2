"""Who has the floor: replies wait in line and are performed one after the other."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Awaitable, Callable

from tts_service.sandbox.realtime.reply import Job


class Floor:
    """First in, first out. `run` performs jobs until the session ends."""

    def __init__(self, perform: Callable[[Job], Awaitable[None]]) -> None:
        self._perform = perform
        self._waiting: collections.deque[Job] = collections.deque()
        self._news = asyncio.Event()
        self.active: Job | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being said or waits to be."""
        return self.active is not None or bool(self._waiting)

    def queue(self, job: Job) -> None:
        """Says it when everything before it has been said."""
        self._waiting.append(job)
        self._news.set()

    def cancel(self) -> bool:
        """Cuts off what is being said, or about to be; False when there is nothing."""
        job = self.active or (self._waiting[0] if self._waiting else None)
        if job is None:
            return False
        job.cancelled.set()
        return True

    async def run(self) -> None:
        """Never returns."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                self.active = self._waiting.popleft()
                await self._perform(self.active)
                self.active = None
