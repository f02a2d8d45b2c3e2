"""Threads for the two halves of a turn, used again while turns keep coming.

Starting one costs 60 us under gevent as in a plain process, twice a turn; waking one that waits costs 15. One
that has waited in vain for a moment ends, so an idle process has none.
"""

from __future__ import annotations

import contextvars
import functools
import queue
import threading
from collections.abc import Callable

LINGER_S = 0.05

_Work = Callable[[], object]
_Inbox = queue.SimpleQueue[_Work]

_lock = threading.Lock()
_idle: list[_Inbox] = []


def start(work: Callable[[], None]) -> None:
    """Runs `work`, which must not raise, on a thread, in a copy of the caller's context: log lines keep the
    request's id. Raises RuntimeError where the machine gives no more threads.
    """
    run = functools.partial(contextvars.copy_context().run, work)
    with _lock:
        inbox = _idle.pop() if _idle else None
    if inbox is not None:
        inbox.put(run)
        return
    inbox = queue.SimpleQueue()
    inbox.put(run)  # not as an argument: a Thread holds on to those until it ends
    threading.Thread(target=_serve, args=(inbox,), name="turn", daemon=True).start()


def _serve(inbox: _Inbox) -> None:
    work: _Work | None = inbox.get()
    while work is not None:
        work()
        del work  # what it holds is not kept alive by waiting
        with _lock:
            _idle.append(inbox)
        work = _next(inbox)


def _next(inbox: _Inbox) -> _Work | None:
    try:
        return inbox.get(timeout=LINGER_S)
    except queue.Empty:
        with _lock:
            if inbox in _idle:
                _idle.remove(inbox)
                return None
    return inbox.get()  # taken just now, by somebody whose work is on its way
