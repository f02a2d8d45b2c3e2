from __future__ import annotations

import pytest

from tts_service.accounts import account, token
from tts_service.errors import InvalidValue


@pytest.mark.parametrize("typed", ["Ada Lovelace", "  ada   LOVELACE ", "\uff21da Lovelace", "ADA\tlovelace"])
def test_a_person_has_one_name_however_it_is_typed(typed: str) -> None:
    assert account.checked_name(typed) == "ada lovelace"


@pytest.mark.parametrize(
    "typed", ["", " \n", "a" * 101, "a\0b", "a\x1b[2J", "\u202eada", "\ud800"], ids=ascii
)
def test_a_name_that_nobody_could_read_or_type_is_refused(typed: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        account.checked_name(typed)
    assert refused.value.param == "name"


@pytest.mark.parametrize("password", ["", "123456789", "x" * 201, "ada@example.com", "ADA@example.com "])
def test_a_password_too_short_too_long_or_like_the_name_is_refused(password: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        account.hashed(password, "ada@example.com")
    assert refused.value.param == "password"
    assert password not in refused.value.message or not password


def test_a_password_is_known_again_from_another_keyboard_and_kept_as_scrypt() -> None:
    kept = account.hashed("Fußgänger-Übergang", "ada")
    assert kept.startswith("scrypt:32768:8:1$")
    assert account.matches("Fußga\u0308nger-U\u0308bergang", kept)
    assert not account.matches("fußgänger-übergang", kept)


@pytest.mark.parametrize("password", ["", "x" * 1_000_000, "\ud800", "\0"], ids=ascii)
def test_no_password_is_right_where_none_is_kept(password: str) -> None:
    assert not account.matches(password, None)


def test_tokens_are_never_the_same_and_are_not_kept_as_they_are() -> None:
    tokens = {token.new() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(one) == 43 and token.digest(one) != one for one in tokens)
    assert token.digest("\ud800")
