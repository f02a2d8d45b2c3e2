"""The windows of one process: bounded, and exact when many ask at once."""

from __future__ import annotations

import threading

import pytest

from tts_service.web.windows import MemoryWindows


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_rotating_addresses_do_not_fill_the_memory(clock: HandClock) -> None:
    windows = MemoryWindows(clock, max_keys=100)
    for number in range(1_000):
        windows.take(f"address {number}", 30, 60)
    assert len(windows) == 100
    clock.now += 61
    windows.take("one more", 30, 60)
    assert len(windows) == 1


def test_refused_ones_take_no_memory(clock: HandClock) -> None:
    windows = MemoryWindows(clock)
    assert windows.take("never", 0, 60) == 60
    assert len(windows) == 0


def test_a_lower_limit_than_before_waits_until_as_many_are_forgotten(clock: HandClock) -> None:
    windows = MemoryWindows(clock)
    for _ in range(4):
        windows.take("a", 4, 60)
        clock.now += 10
    assert windows.take("a", 2, 60) == 40  # the third of the four, counted 20 s ago
    clock.now += 40
    assert windows.take("a", 2, 60) == 0


def test_waiting_is_told_without_counting(clock: HandClock) -> None:
    windows = MemoryWindows(clock)
    assert [windows.wait("a", 1, 60) for _ in range(3)] == [0, 0, 0]
    assert len(windows) == 0
    windows.take("a", 1, 60)
    clock.now += 20
    assert windows.wait("a", 1, 60) == 40
    clock.now += 40
    assert windows.wait("a", 1, 60) == 0
    windows.take("b", 1, 60)  # and what is empty by now is forgotten like any other
    assert len(windows) == 1


def test_only_what_lies_in_the_asked_time_is_told(clock: HandClock) -> None:
    windows = MemoryWindows(clock)
    for _ in range(3):
        windows.take("a", 9, 60)
        clock.now += 10
    assert (windows.counted("a", 60), windows.counted("a", 25), windows.counted("b", 60)) == (3, 2, 0)


def test_turns_at_the_same_time_do_not_slip_past_the_limit() -> None:
    windows = MemoryWindows()
    waits: list[float] = []
    threads = [
        threading.Thread(target=lambda: waits.extend(windows.take("a", 30, 60) for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.count(0) == 30
