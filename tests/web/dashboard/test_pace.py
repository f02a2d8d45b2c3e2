"""What one session may set in motion at once, and in a minute."""

from __future__ import annotations

import pytest

from tts_service.accounts.sessions import Session
from tts_service.errors import RateLimited
from tts_service.web.dashboard.pace import Pace

ADA, EVE = (Session(name, name, name, None) for name in ("ada", "eve"))


def test_only_so_many_run_at_once_and_each_session_has_its_own() -> None:
    pace = Pace(a_minute=10, at_once=1)
    with pace.held(ADA), pace.held(EVE):
        with pytest.raises(RateLimited) as refused, pace.held(ADA):
            pass
        assert refused.value.retry_after_s == 2
    with pace.held(ADA):
        pass


def test_one_that_fails_gives_its_place_back() -> None:
    pace = Pace(a_minute=10, at_once=1)
    with pytest.raises(ZeroDivisionError), pace.held(ADA):
        raise ZeroDivisionError
    with pace.held(ADA):
        pass


def test_a_minute_is_a_moving_one() -> None:
    now = [0.0]
    pace = Pace(a_minute=2, at_once=1, clock=lambda: now[0])
    for at in (0.0, 20.0):
        now[0] = at
        with pace.held(ADA):
            pass
    now[0] = 59.5
    with pytest.raises(RateLimited) as refused, pace.held(ADA):
        pass
    assert refused.value.retry_after_s == 1
    now[0] = 60.0
    with pace.held(ADA):
        pass
