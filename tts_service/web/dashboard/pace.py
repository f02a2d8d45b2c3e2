"""How much one signed-in session may set in motion at providers: a few at once, and so many a minute.

Counted in this process: several processes let through a little more, which costs nobody much.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tts_service.accounts.sessions import Session
from tts_service.errors import RateLimited
from tts_service.web.windows import MemoryWindows

_WINDOW_S = 60.0


class Pace:
    """One for each kind of thing."""

    def __init__(self, a_minute: int, at_once: int) -> None:
        self._a_minute, self._at_once = a_minute, at_once
        self._windows = MemoryWindows()
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    @contextmanager
    def held(self, session: Session) -> Iterator[None]:
        """While it runs. Raises RateLimited."""
        self._begin(session.digest)
        try:
            yield
        finally:
            with self._lock:
                self._running[session.digest] -= 1
                self._running += Counter()  # drops what is down to nothing

    def _begin(self, who: str) -> None:
        with self._lock:
            if self._running[who] >= self._at_once:
                raise RateLimited(
                    "That is running already. Wait until one of them has finished.", retry_after_s=2
                )
            wait_s = self._windows.take(who, self._a_minute, _WINDOW_S)
            if wait_s > 0:
                seconds = math.ceil(wait_s)
                raise RateLimited(
                    f"At most {self._a_minute} of these a minute. Try again in {seconds} seconds.",
                    retry_after_s=seconds,
                )
            self._running[who] += 1
