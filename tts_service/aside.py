"""Owns one thread of the system beside gevent's greenlets, for what computes long without waiting.

A password's hash takes 60 ms on an idle core, in which a gevent worker would do nothing else: ten people who
sign in at once stopped every voice for 4.2 s. OpenSSL's scrypt gives up the interpreter's lock meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from gevent.monkey import is_module_patched
from gevent.threadpool import ThreadPool

_AT_ONCE = 1  # each hash has 32 MiB and a core to itself; who comes meanwhile waits

_Result = TypeVar("_Result")


def run(work: Callable[[], _Result]) -> _Result:
    """What `work` returns or raises. Without gevent it runs right here, where other threads go on anyway."""
    if not is_module_patched("threading"):
        return work()
    result: _Result = _pool().apply(work)
    return result


@cache
def _pool() -> ThreadPool:
    """Made when first needed: after a fork, by the worker that uses it. Not gevent's own one, in which names
    are looked up."""
    return ThreadPool(_AT_ONCE)
