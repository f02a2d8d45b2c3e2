"""One budget handed down: steps take what is left of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tts_service.deadline import Deadline


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_remains_shrinks_to_nothing_and_never_below() -> None:
    clock = Clock()
    deadline = Deadline.after(10, clock)
    assert (deadline.remaining_s, deadline.expired) == (10, False)
    clock.now += 9.5
    assert (deadline.remaining_s, deadline.expired) == (0.5, False)
    clock.now += 0.5
    assert (deadline.remaining_s, deadline.expired) == (0, True)
    clock.now += 100
    assert (deadline.remaining_s, deadline.expired) == (0, True)


@pytest.mark.parametrize(("step_s", "left_s"), [(3, 3), (10, 10), (60, 10)])
def test_a_step_can_only_shorten_the_budget(step_s: float, left_s: float) -> None:
    clock = Clock()
    assert Deadline.after(10, clock).within(step_s).remaining_s == left_s


def test_a_step_shares_the_clock_of_its_budget() -> None:
    clock = Clock()
    step = Deadline.after(10, clock).within(3)
    clock.now += 3
    assert step.expired


def test_the_clock_is_the_one_that_nobody_can_set(monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = Deadline.after(10)
    monkeypatch.setattr("time.time", lambda: 0.0)  # the wall clock jumps, as NTP may have it (faults T27)
    assert 9 < deadline.remaining_s <= 10
