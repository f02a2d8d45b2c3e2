import threading
from collections.abc import Callable

import pytest

from tts_service.errors import RateLimited
from tts_service.web.limits import MemoryWindows, TurnLimits, network_of


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def refused(count: Callable[[], None]) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        count()
    return caught.value


def test_the_turn_after_the_last_allowed_one_is_told_when_to_come_back(clock: HandClock) -> None:
    limits = TurnLimits("3/minute", "", MemoryWindows(clock))
    for _ in range(3):
        limits.count("192.0.2.1", "client")
        clock.now += 10
    assert refused(lambda: limits.count("192.0.2.1", "client")).retry_after_s in (30, 31)
    clock.now += 29
    assert refused(lambda: limits.count("192.0.2.1", "client")).retry_after_s in (1, 2)
    clock.now += 2
    limits.count("192.0.2.1", "client")


def test_the_window_moves_instead_of_beginning_anew_each_minute(clock: HandClock) -> None:
    limits = TurnLimits("2/minute", "", MemoryWindows(clock))
    limits.count("192.0.2.1", "client")
    clock.now += 59
    limits.count("192.0.2.1", "client")
    clock.now += 2  # the first is forgotten, the second is not
    limits.count("192.0.2.1", "client")
    refused(lambda: limits.count("192.0.2.1", "client"))


def test_a_refused_turn_is_not_counted(clock: HandClock) -> None:
    limits = TurnLimits("1/minute", "", MemoryWindows(clock))
    limits.count("192.0.2.1", "client")
    for _ in range(50):
        clock.now += 1
        refused(lambda: limits.count("192.0.2.1", "client"))
    clock.now += 11
    limits.count("192.0.2.1", "client")


def test_one_flooding_address_does_not_use_up_its_client(clock: HandClock) -> None:
    limits = TurnLimits("2/minute", "4/minute", MemoryWindows(clock))
    for _ in range(2):
        limits.count("192.0.2.1", "client")
    for _ in range(20):
        refused(lambda: limits.count("192.0.2.1", "client"))
    limits.count("192.0.2.2", "client")
    limits.count("192.0.2.3", "client")
    refused(lambda: limits.count("192.0.2.4", "client"))
    limits.count("192.0.2.4", "another client")


def test_the_empty_string_switches_a_limit_off() -> None:
    limits = TurnLimits("", "", MemoryWindows())
    for _ in range(1_000):
        limits.count("192.0.2.1", "client")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", None, True),
        ("/run/socket", "not an address", True),
    ],
)
def test_an_ipv6_network_of_64_bits_is_one_caller(one: str, other: str | None, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_rotating_addresses_do_not_fill_the_memory(clock: HandClock) -> None:
    windows = MemoryWindows(clock, max_keys=100)
    for number in range(1_000):
        windows.acquire_entry(f"address {number}", 30, 60)
    assert len(windows) == 100
    clock.now += 61
    windows.acquire_entry("one more", 30, 60)
    assert len(windows) == 1


def test_turns_at_the_same_time_do_not_slip_past_the_limit() -> None:
    windows = MemoryWindows()
    passed: list[bool] = []
    threads = [
        threading.Thread(target=lambda: passed.extend(windows.acquire_entry("a", 30, 60) for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 30
