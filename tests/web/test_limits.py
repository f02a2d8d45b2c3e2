"""Who may have how many turns, whoever keeps the windows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tts_service.errors import RateLimited
from tts_service.web.limits import TurnLimits, network_of
from tts_service.web.windows import MemoryWindows


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
    limits = TurnLimits(MemoryWindows(clock), per_address="3/minute")
    for _ in range(3):
        limits.count("192.0.2.1", "client")
        clock.now += 10
    assert refused(lambda: limits.count("192.0.2.1", "client")).retry_after_s in (30, 31)
    clock.now += 29
    assert refused(lambda: limits.count("192.0.2.1", "client")).retry_after_s in (1, 2)
    clock.now += 2
    limits.count("192.0.2.1", "client")


def test_the_window_moves_instead_of_beginning_anew_each_minute(clock: HandClock) -> None:
    limits = TurnLimits(MemoryWindows(clock), per_address="2/minute")
    limits.count("192.0.2.1", "client")
    clock.now += 59
    limits.count("192.0.2.1", "client")
    clock.now += 2  # the first is forgotten, the second is not
    limits.count("192.0.2.1", "client")
    refused(lambda: limits.count("192.0.2.1", "client"))


def test_a_refused_turn_is_not_counted(clock: HandClock) -> None:
    limits = TurnLimits(MemoryWindows(clock), per_address="1/minute")
    limits.count("192.0.2.1", "client")
    for _ in range(50):
        clock.now += 1
        refused(lambda: limits.count("192.0.2.1", "client"))
    clock.now += 11
    limits.count("192.0.2.1", "client")


def test_one_flooding_address_does_not_use_up_its_client(clock: HandClock) -> None:
    limits = TurnLimits(MemoryWindows(clock), per_address="2/minute", per_client="4/minute")
    for _ in range(2):
        limits.count("192.0.2.1", "client")
    for _ in range(20):
        refused(lambda: limits.count("192.0.2.1", "client"))
    limits.count("192.0.2.2", "client")
    limits.count("192.0.2.3", "client")
    refused(lambda: limits.count("192.0.2.4", "client"))
    limits.count("192.0.2.4", "another client")


def test_an_address_at_one_client_has_a_limit_of_its_own_there(clock: HandClock) -> None:
    limits = TurnLimits(MemoryWindows(clock), per_client_address="2/hour", per_client="9/hour")
    for _ in range(2):
        limits.count("192.0.2.1", "client")
    for _ in range(20):
        refused(lambda: limits.count("192.0.2.1", "client"))
    limits.count("192.0.2.1", "another client")
    for other in range(7):  # the refused ones took nothing from the client
        limits.count(f"198.51.100.{other}", "client")
    refused(lambda: limits.count("192.0.2.99", "client"))


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"per_address": "1/hour"}, "from this internet address"),
        ({"per_client_address": "1/hour"}, "has asked this assistant"),
        ({"per_client": "1/hour"}, "all its visitors together"),
    ],
)
def test_a_refusal_says_which_limit_it_was_and_no_number(limits: dict[str, str], word: str) -> None:
    counted = TurnLimits(MemoryWindows(), **limits)
    counted.count("192.0.2.1", "client")
    error = refused(lambda: counted.count("192.0.2.1", "client"))
    assert word in error.message
    assert not any(character.isdigit() for character in error.message)
    assert (error.code, error.status) == ("rate_limited", 429)
    assert error.retry_after_s in (3599, 3600)


def test_the_empty_string_switches_a_limit_off() -> None:
    limits = TurnLimits(MemoryWindows())
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
