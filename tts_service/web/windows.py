"""Moving windows in the memory of one process.

`limits.storage.MemoryStorage` would do, but it keeps every address for ever, starts a thread for most hits
and trusts the wall clock (faults T18, T27).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from tts_service.deadline import Clock

_MAX_KEYS = 20_000  # about 20 MB at 30 entries each; beyond it the longest unused is forgotten


@dataclass
class _Window:
    seconds: float
    times: deque[float] = field(default_factory=deque)  # oldest first


class MemoryWindows:
    def __init__(self, clock: Clock = time.monotonic, max_keys: int = _MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._windows: OrderedDict[str, _Window] = OrderedDict()  # least recently counted first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, key: str, limit: int, window_s: float) -> float:
        """0.0 when counted, else the seconds until there is room (web/limits.py, `Windows`)."""
        now = self._clock()
        with self._lock:
            window = self._windows.get(key) or _Window(window_s)
            if (wait_s := _wait_s(window, limit, now)) == 0:
                window.times.append(now)
                self._windows[key] = window
                self._windows.move_to_end(key)
                self._forget(now)
            return wait_s

    def wait(self, key: str, limit: int, window_s: float) -> float:
        """What `take` would give, without counting."""
        with self._lock:
            return _wait_s(self._windows.get(key) or _Window(window_s), limit, self._clock())

    def counted(self, key: str, window_s: float) -> int:
        """How many were counted for `key` in the last `window_s` seconds."""
        since = self._clock() - window_s
        with self._lock:
            window = self._windows.get(key)
            return sum(at > since for at in window.times) if window else 0

    def _forget(self, now: float) -> None:
        while self._windows:
            oldest = next(iter(self._windows.values()))
            is_over = not oldest.times or oldest.times[-1] + oldest.seconds <= now
            if len(self._windows) <= self._max_keys and not is_over:
                return
            self._windows.popitem(last=False)


def _wait_s(window: _Window, limit: int, now: float) -> float:
    times = window.times
    while times and times[0] <= now - window.seconds:
        times.popleft()
    if len(times) < limit:
        return 0.0
    return (times[-limit] if limit else now) + window.seconds - now
