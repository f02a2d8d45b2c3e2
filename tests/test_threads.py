"""Threads used again: what one piece of work leaves behind must not reach the next."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
import weakref

from tts_service import threads

_who = contextvars.ContextVar("who", default="nobody")


def ran(work: object = threading.get_ident) -> object:
    answer: queue.SimpleQueue[object] = queue.SimpleQueue()
    threads.start(lambda: answer.put(work()))  # type: ignore[operator]
    return answer.get(timeout=20)


def test_work_that_follows_soon_runs_on_the_same_thread() -> None:
    first = ran()
    time.sleep(0.05)  # the thread needs a moment to say that it is idle
    assert ran() == first


def test_work_sees_its_own_callers_context_and_not_the_last_ones() -> None:
    token = _who.set("ada")
    try:
        assert ran(_who.get) == "ada"
    finally:
        _who.reset(token)
    time.sleep(0.05)
    assert ran(_who.get) == "nobody"


def test_works_at_the_same_time_have_threads_of_their_own() -> None:
    together = threading.Barrier(8)
    done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def work() -> None:
        together.wait(20)  # broken, and so not done, if two of them shared a thread
        done.put(threading.get_ident())

    for _ in range(8):
        threads.start(work)
    assert len({done.get(timeout=20) for _ in range(8)}) == 8


def test_a_thread_with_nothing_to_do_ends() -> None:
    before = threading.active_count()
    ran()
    until = time.monotonic() + threads.LINGER_S + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.02)
    assert threading.active_count() <= before


class Held:
    """Something that work holds on to, such as a minute of sound."""


def test_a_thread_keeps_nothing_of_the_work_it_began_with() -> None:
    held = Held()
    kept = weakref.ref(held)

    def work(holding: Held = held) -> int:
        return threading.get_ident()

    first = ran(work)
    del held, work
    time.sleep(0.02)  # the thread needs a moment to say that it is idle
    # Seen from later work on the same thread: one that has ended keeps nothing anyway.
    assert ran(lambda: (threading.get_ident(), kept())) == (first, None)
