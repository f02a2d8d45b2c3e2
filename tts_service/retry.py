"""How many second attempts the whole process may make. Pure.

A retry mends a lost packet and doubles an outage. So attempts earn retries: one in twenty-five, with ten
saved up at most. Under a full outage a thousand turns cost at most 1,050 calls (faults T28). Unlike a circuit
breaker it never refuses a first attempt, so the first request after a fault has cleared succeeds.
"""

from __future__ import annotations

import random
import threading

EARNED_PER_ATTEMPT = 0.04
SAVED_AT_MOST = 10.0

# A second attempt needs this much of the deadline left to be worth its money (faults T28).
WORTH_S = 8.0


class RetryBudget:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._saved = SAVED_AT_MOST

    def attempted(self) -> None:
        """A first attempt was made."""
        with self._lock:
            self._saved = min(SAVED_AT_MOST, self._saved + EARNED_PER_ATTEMPT)

    def take(self) -> bool:
        """True if a second attempt may be made; it is then spent."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            return True


def pause_s() -> float:
    """How long to wait before the second attempt: jittered, so that many turns do not retry at once."""
    return random.uniform(0.1, 0.3)  # noqa: S311 - spreads load, guards nothing
