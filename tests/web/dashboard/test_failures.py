"""Every code that a turn can be counted under is explained to whoever runs the client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tts_service import errors
from tts_service.web.dashboard.failures import explained


def _of_turns(root: type[errors.ServiceError]) -> Iterator[type[errors.ServiceError]]:
    yield root
    for child in root.__subclasses__():
        yield from _of_turns(child)


CODES = sorted(
    {cls.code for root in (errors.UpstreamError, errors.SpeechError) for cls in _of_turns(root)}
    | {"reader_gone", "budget_exhausted", "config_unavailable"}
)


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_a_meaning_and_advice_of_its_own(code: str) -> None:
    (failure,) = explained({code: 2})
    (unknown,) = explained({"made_up": 1})
    assert (failure.code, failure.count) == (code, 2)
    assert failure.meaning.endswith(".")
    assert failure.meaning != unknown.meaning
    assert failure.advice != unknown.advice


def test_a_code_of_another_release_is_still_shown() -> None:
    (failure,) = explained({"made_up": 1})
    assert failure.meaning == "A code of another release."
