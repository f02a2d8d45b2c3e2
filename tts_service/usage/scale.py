"""Times on a logarithmic scale, so that percentiles of any span of days can be added up from counts. Pure.

A bucket is 10 % wide. Its middle is at most 4.9 % from whatever fell into it: sqrt(1.1) = 1.0488.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

_WIDTH = math.log(1.1)


def bucket_of(ms: int) -> int:
    """The bucket of a time; what took no time took a millisecond."""
    return int(math.log(max(ms, 1)) / _WIDTH)


def middle_ms(bucket: int) -> float:
    return math.exp((bucket + 0.5) * _WIDTH)


def percentile_ms(counts: Mapping[int, int], percent: int) -> float | None:
    """The shortest time that `percent` of all were not longer than (the nearest rank); None for no times.

    `counts` says how many fell into each bucket.
    """
    rank = -(-sum(counts.values()) * percent // 100)
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0 < counts[bucket]:
            return middle_ms(bucket)
    return None
