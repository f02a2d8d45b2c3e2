"""Signing in: the use case. Says nothing, by word or by time, about which names there are (faults 5-95)."""

from __future__ import annotations

import functools

from tts_service import aside
from tts_service.accounts.account import matches, normal_name
from tts_service.accounts.attempts import Attempts
from tts_service.accounts.store import AccountStore
from tts_service.errors import RateLimited, SignInFailed

# In a quarter of an hour. An address may be a whole company behind one router, so it has more.
FAILURES_OF_NAME, FAILURES_OF_ADDRESS = 5, 30


class SignIn:
    def __init__(self, accounts: AccountStore, attempts: Attempts) -> None:
        self._accounts = accounts
        self._attempts = attempts

    def attempt(self, name: str, password: str, address: str) -> str:
        """The account_id. Raises SignInFailed; RateLimited from the sixth failure for this name from this
        address on, also for a right password that comes after it; and DatabaseUnavailable."""
        everyone, person = f"address {address}", f"name {normal_name(name)} {address}"
        number, wait_s = self._attempts.count(everyone)
        if number > FAILURES_OF_ADDRESS:
            raise _too_many(wait_s)
        number, wait_s = self._attempts.count(person)
        if number > FAILURES_OF_NAME + 1:
            raise _too_many(wait_s)
        account_id, kept = self._accounts.password_of(normal_name(name)) or ("", None)
        if not aside.run(functools.partial(matches, password, kept)):
            raise SignInFailed if number <= FAILURES_OF_NAME else _too_many(wait_s)
        self._attempts.forget(person)
        self._attempts.take_back(everyone)
        return account_id


def _too_many(wait_s: int) -> RateLimited:
    return RateLimited("Too many attempts to sign in. Wait, then try again.", retry_after_s=max(1, wait_s))
