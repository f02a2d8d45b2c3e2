"""CPU per MB of audio: reads `burst` replies, one after the other, and prints microseconds per MB of samples.

`python -m bench.reading count|decode PORT REPLIES`. The service's own figure is `bench.own_reading`'s.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from bench.process import HOST
from bench.reference.floor import Reader
from bench.script import FIXED_BYTES

REALTIME = "/burst/v1/realtime?model=scripted"
ROUNDS = 3
TEXT = "Order 000001 left our shop this morning and will be at your door on Friday evening."


def best_us_per_mb(speak: Callable[[str], object], replies: int) -> float:
    """The best of ROUNDS: noise only ever adds."""
    speak(TEXT)  # the first one warms caches and code
    return min(_us_per_mb(speak, replies) for _ in range(ROUNDS))


def _us_per_mb(speak: Callable[[str], object], replies: int) -> float:
    began = time.process_time()
    for _ in range(replies):
        speak(TEXT)
    return (time.process_time() - began) * 1e6 / (replies * FIXED_BYTES / 1e6)


def main(how: str, port: int, replies: int) -> None:
    reader = Reader(HOST, port, REALTIME)
    print(best_us_per_mb({"count": reader.speak_counted, "decode": reader.speak}[how], replies))
    reader.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
