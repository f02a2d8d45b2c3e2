"""Accounts on both databases, with a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass
class Clock:
    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()
