"""Second attempts for a lost packet, none for an outage (faults T28)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tts_service.retry import WORTH_S, RetryBudget, pause_s


def attempt(budget: RetryBudget) -> int:
    """Provider calls of one piece of work that fails each time."""
    budget.attempted()
    return 1 + budget.take()


def test_under_an_outage_a_thousand_attempts_cost_at_most_1050_calls() -> None:
    budget = RetryBudget()
    assert 1_000 < sum(attempt(budget) for _ in range(1_000)) <= 1_050


def test_threads_cannot_take_more_than_there_is() -> None:
    budget = RetryBudget()
    with ThreadPoolExecutor(16) as threads:
        calls = sum(threads.map(lambda _: attempt(budget), range(1_000)))
    assert calls <= 1_050


def test_a_long_calm_saves_no_more_than_ten_retries() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.attempted()
    assert sum(budget.take() for _ in range(100)) == 10


def test_once_attempts_go_well_again_retries_are_earned_again() -> None:
    budget = RetryBudget()
    while budget.take():
        pass
    for _ in range(26):
        budget.attempted()
    assert budget.take()
    assert not budget.take()


def test_the_pause_before_a_second_attempt_is_short_and_differs() -> None:
    pauses = {pause_s() for _ in range(200)}
    assert len(pauses) > 100
    assert all(0.1 <= pause <= 0.3 for pause in pauses)


def test_a_second_attempt_needs_eight_seconds_to_be_worth_its_money() -> None:
    assert WORTH_S == 8.0
