from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select

from tests.accounts.conftest import Clock
from tts_service.accounts.account import hashed
from tts_service.accounts.attempts import WINDOW_S, Attempts
from tts_service.accounts.sign_in import FAILURES_OF_ADDRESS, SignIn
from tts_service.accounts.store import AccountStore
from tts_service.database import tables
from tts_service.database.engine import Database
from tts_service.errors import RateLimited, SignInFailed

PASSWORD = "correct horse battery"
HASH = hashed(PASSWORD, "ada")
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def signing_in(database: Database, clock: Clock) -> SignIn:
    with database.writing() as connection:
        values = {"account_id": "1", "name": "ada", "password_hash": HASH, "created_at": 0}
        connection.execute(insert(tables.accounts).values(values))
        connection.execute(
            insert(tables.accounts).values(
                {**values, "account_id": "2", "name": "bob", "password_hash": None}
            )
        )
    return SignIn(AccountStore(database), Attempts(database, clock))


def fail(signing_in: SignIn, name: str = "ada", address: str = HERE) -> None:
    with pytest.raises(SignInFailed):
        signing_in.attempt(name, "wrong", address)


@pytest.mark.parametrize("name", ["nobody", "bob", "\0\ud800"], ids=lambda n: ascii(n)[:9])
def test_nobody_signs_in_without_an_account_and_a_password(signing_in: SignIn, name: str) -> None:
    with pytest.raises(SignInFailed):
        signing_in.attempt(name, PASSWORD, HERE)


def test_the_sixth_failure_locks_this_name_from_this_address_for_a_while(
    signing_in: SignIn, clock: Clock
) -> None:
    for _ in range(5):
        fail(signing_in)
        clock.at += 60
    with pytest.raises(RateLimited) as sixth:
        signing_in.attempt("ada", "wrong", HERE)
    assert sixth.value.retry_after_s == WINDOW_S - 300
    with pytest.raises(RateLimited):
        signing_in.attempt("Ada ", PASSWORD, HERE)
    assert signing_in.attempt("ada", PASSWORD, THERE) == "1", "a stranger locked her out everywhere"
    clock.at += sixth.value.retry_after_s
    assert signing_in.attempt("ada", PASSWORD, HERE) == "1"


def test_a_right_password_forgets_the_failures_before_it(
    signing_in: SignIn, database: Database, clock: Clock
) -> None:
    for _ in range(5):
        Attempts(database, clock).count(f"name ada {HERE}")
    assert signing_in.attempt("ada", PASSWORD, HERE) == "1", "the fifth failure already locked"
    fail(signing_in)


def test_an_address_that_tries_many_names_is_locked_as_a_whole(
    signing_in: SignIn, database: Database, clock: Clock
) -> None:
    attempts = Attempts(database, clock)
    for _ in range(FAILURES_OF_ADDRESS):
        attempts.count(f"address {HERE}")
    with pytest.raises(RateLimited):
        signing_in.attempt("yet another name", "wrong", HERE)
    with pytest.raises(RateLimited):
        signing_in.attempt("ada", PASSWORD, HERE)
    assert signing_in.attempt("ada", PASSWORD, THERE) == "1"


def test_whoever_signs_in_often_is_not_locked(signing_in: SignIn, database: Database) -> None:
    for _ in range(2):
        signing_in.attempt("ada", PASSWORD, HERE)
    with database.reading() as connection:
        (row,) = connection.execute(select(tables.sign_in_failures)).all()
    assert row.failures == 0


def test_attempts_at_once_get_a_number_each(database: Database, clock: Clock) -> None:
    attempts = Attempts(database, clock)
    with ThreadPoolExecutor(8) as pool:
        numbers = [number for number, _ in pool.map(lambda _: attempts.count("a place"), range(24))]
    assert sorted(numbers) == list(range(1, 25))


def test_counts_that_are_over_do_not_pile_up(database: Database, clock: Clock) -> None:
    attempts = Attempts(database, clock)
    for name in "abc":
        attempts.count(name)
    clock.at += WINDOW_S
    assert attempts.count("d") == (1, WINDOW_S)
    with database.reading() as connection:
        assert len(connection.execute(select(tables.sign_in_failures)).all()) == 1


def test_t12_the_time_it_takes_does_not_tell_whether_there_is_such_a_person(signing_in: SignIn) -> None:
    """Of the processor, so that a busy machine does not decide it; without the equal work it is 1 to 50."""

    def cost_s(name: str) -> float:
        began = time.thread_time()
        fail(signing_in, name)
        return time.thread_time() - began

    known, unknown = (min(cost_s(name) for _ in range(3)) for name in ("ada", "nobody"))
    assert 0.6 < known / unknown < 1.7
