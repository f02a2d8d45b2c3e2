"""For every test: no thread and no socket outlives it. A test's own servers belong in fixtures that stop
them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

SETTLE_S = 2.0


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def _sockets() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # the listing's own descriptor
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """Set up before the function's other fixtures, so it looks after they have been torn down.

    What module- and session-wide fixtures opened before stays in the baseline.
    """
    threads, sockets = _threads(), _sockets()
    yield
    deadline = time.monotonic() + SETTLE_S
    while (_threads() - threads or _sockets() - sockets) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = sorted(thread.name for thread in _threads() - threads)
    assert not left, f"threads left running: {left}"
    assert not _sockets() - sockets, f"sockets left open: {len(_sockets() - sockets)}"
