"""Calls that are made unless they are cancelled in time; for limits that are hardly ever reached.

A `threading.Timer` for each would start a thread with every request, 0.1 ms of CPU; here one thread looks
after all, and goes when there has been nothing to look after for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOOK_S = 0.2  # how late a call may come
LINGER_LOOKS = 2


class Alarms:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: dict[object, tuple[float, Callable[[], object]]] = {}
        self._is_watched = False

    def set(self, after_s: float, call: Callable[[], object]) -> object:
        """`call`, which must not wait, is made in about `after_s`. What is returned cancels it."""
        token = object()
        with self._lock:
            self._set[token] = (time.monotonic() + after_s, call)
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, name="alarms", daemon=True).start()
        return token

    def cancel(self, token: object) -> None:
        with self._lock:
            self._set.pop(token, None)

    def _watch(self) -> None:
        quiet = 0
        while quiet < LINGER_LOOKS:
            time.sleep(LOOK_S)
            with self._lock:
                quiet = 0 if self._set else quiet + 1
                if quiet == LINGER_LOOKS:
                    self._is_watched = False
                now = time.monotonic()
                due = [token for token, (at, _) in self._set.items() if at <= now]
                calls = [self._set.pop(token)[1] for token in due]
            for call in calls:
                call()
