"""A key that is printed, logged or raised by mistake shows nothing."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import pytest

from tts_service.secret import Secret

KEY = "xai-canary-0123456789abcdef"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>40}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - as logging formats
        lambda secret: str([secret, {"key": secret}, (secret,)]),
        lambda secret: logging.LogRecord("x", 10, "f", 1, "key=%s", (secret,), None).getMessage(),
        lambda secret: "".join(traceback.format_exception_only(ValueError(secret))),
    ],
)
def test_no_way_of_printing_a_secret_shows_it(show: Callable[[Secret], str]) -> None:
    assert "canary" not in show(Secret(KEY))
    assert "Secret(***)" in show(Secret(KEY))


def test_reveal_is_the_way_out() -> None:
    assert Secret(KEY).reveal() == KEY


@pytest.mark.parametrize(
    ("value", "shown"), [(KEY, "cdef"), ("x" * 8 + "1234", "1234"), ("x" * 7 + "1234", ""), ("", "")]
)
def test_of_a_long_key_people_may_see_the_last_four(value: str, shown: str) -> None:
    assert Secret(value).last4 == shown


def test_secrets_are_equal_by_value_and_to_nothing_else() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(KEY + "x")
    assert Secret(KEY) != KEY
    assert len({Secret(KEY), Secret(KEY), Secret("other")}) == 2


@pytest.mark.parametrize("text", ["", KEY[:-1], KEY + "x", KEY.upper(), "ключ", "\ud800"])
def test_only_the_secret_itself_matches(text: str) -> None:
    assert Secret(KEY).matches(KEY)
    assert not Secret(KEY).matches(text)


def test_a_secret_has_no_dict_that_could_be_dumped() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))


def test_a_digest_tells_keys_apart_and_shows_none() -> None:
    digest = Secret(KEY).digest
    assert digest == Secret(KEY).digest != Secret(KEY + "0").digest
    assert KEY.encode() not in digest
