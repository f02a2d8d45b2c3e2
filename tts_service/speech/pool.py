"""Sockets kept open between replies, for engines whose sockets may serve several (protocols 3.3).

Opening one costs about half a second (protocols 7.10). None is kept so long that the provider's own limits
end it in the middle of a reply.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable

from tts_service.deadline import Clock, Deadline
from tts_service.errors import SpeechError
from tts_service.speech.connection import Connection

OLDEST_S = 540.0  # the provider's permit lasts 600 s by its guide; a reply still has to fit (protocols 3.3)
IDLE_S = 120.0
KEPT_AT_MOST = 32  # of all; the provider allows 50 at once to one account
CHECK_S = 0.25


class WarmSockets:
    """`place` says which sockets are alike: same voice, same manner, same key."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: list[tuple[Hashable, Connection, float]] = []  # with when it was put; oldest first
        self._is_closed = False

    def take(self, place: Hashable) -> Connection | None:
        """One that is alive, no longer kept here; the most recently used."""
        while (connection := self._pick(place)) is not None:
            try:
                if not connection.meanwhile(Deadline.after(CHECK_S)):
                    return connection
            except SpeechError:
                pass  # whatever it says out of turn, it is no use any more
            connection.close()
        return None

    def put(self, place: Hashable, connection: Connection) -> None:
        now = self._clock()
        with self._lock:
            stale = self._stale(now)
            if self._is_closed or connection.has_ended or now - connection.opened_at > OLDEST_S:
                stale.append(connection)
            else:
                self._kept.append((place, connection, now))
                if len(self._kept) > KEPT_AT_MOST:
                    stale.append(self._kept.pop(0)[1])
        for old in stale:
            old.close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            kept, self._kept = self._kept, []
        for _, connection, _ in kept:
            connection.close()

    def _pick(self, place: Hashable) -> Connection | None:
        now = self._clock()
        with self._lock:
            stale = self._stale(now)
            at = next((i for i in reversed(range(len(self._kept))) if self._kept[i][0] == place), None)
            picked = None if at is None else self._kept.pop(at)[1]
        for old in stale:
            old.close()
        return picked

    def _stale(self, now: float) -> list[Connection]:
        """Takes out what has been here, or alive, too long."""
        stale = [
            connection
            for _, connection, since in self._kept
            if now - since > IDLE_S or now - connection.opened_at > OLDEST_S
        ]
        self._kept = [kept for kept in self._kept if kept[1] not in stale]
        return stale
