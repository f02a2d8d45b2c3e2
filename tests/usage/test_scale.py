"""Percentiles from counts: how far off they may be."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.usage.scale import bucket_of, middle_ms, percentile_ms

TIMES_MS = st.integers(1, 10_000_000)


@given(TIMES_MS)
def test_a_time_is_at_most_five_percent_from_the_middle_of_its_bucket(ms: int) -> None:
    assert abs(middle_ms(bucket_of(ms)) - ms) <= 0.05 * ms


@given(st.lists(TIMES_MS, min_size=1, max_size=300), st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_a_percentile_is_at_most_five_percent_off_however_the_times_lie(
    times: list[int], percent: int
) -> None:
    nearest_rank = sorted(times)[-(-len(times) * percent // 100) - 1]
    found = percentile_ms(Counter(map(bucket_of, times)), percent)
    assert found is not None
    assert abs(found - nearest_rank) <= 0.05 * nearest_rank


def test_no_times_have_no_percentile() -> None:
    assert percentile_ms({}, 50) is None
    assert percentile_ms({3: 0}, 95) is None


def test_a_reply_that_took_no_time_is_counted_with_the_fastest() -> None:
    assert bucket_of(0) == bucket_of(1) == 0


def test_a_single_slow_reply_shows_in_p95_of_ten_and_not_in_p50() -> None:
    times = Counter(map(bucket_of, [1_000] * 9 + [20_000]))
    p50, p95 = percentile_ms(times, 50), percentile_ms(times, 95)
    assert p50 is not None
    assert p95 is not None
    assert p50 == pytest.approx(1_000, rel=0.05)
    assert p95 == pytest.approx(20_000, rel=0.05)
