from __future__ import annotations

import uuid

import pytest
from sqlalchemy import insert, select

from tests.accounts.conftest import Clock
from tts_service.accounts.sessions import IDLE_S, LONGEST_S, Sessions
from tts_service.database import tables
from tts_service.database.engine import Database


@pytest.fixture
def sessions(database: Database, clock: Clock) -> Sessions:
    return Sessions(database, clock)


@pytest.fixture
def ada(database: Database) -> str:
    account_id = str(uuid.uuid4())
    with database.writing() as connection:
        values = {"account_id": account_id, "name": "ada", "password_hash": None, "created_at": 0}
        connection.execute(insert(tables.accounts).values(values))
    return account_id


def test_a_session_ends_after_twelve_idle_hours(sessions: Sessions, ada: str, clock: Clock) -> None:
    token = sessions.open(ada)
    for _ in range(3):
        clock.at += IDLE_S - 1
        found = sessions.find(token)
        assert found
        assert (found.account_id, found.name) == (ada, "ada")
    clock.at += IDLE_S
    assert sessions.find(token) is None


def test_a_session_ends_after_seven_days_however_busy(sessions: Sessions, ada: str, clock: Clock) -> None:
    token, began = sessions.open(ada), clock.at
    while clock.at < began + LONGEST_S - IDLE_S:
        clock.at += IDLE_S - 1
        assert sessions.find(token)
    clock.at = began + LONGEST_S
    assert sessions.find(token) is None


def test_signing_in_again_ends_the_former_session_and_only_that(sessions: Sessions, ada: str) -> None:
    first, elsewhere = sessions.open(ada), sessions.open(ada)
    second = sessions.open(ada, first)
    assert sessions.find(first) is None
    assert sessions.find(second)
    assert sessions.find(elsewhere)


def test_whoever_reads_the_table_cannot_sign_in_with_it(
    database: Database, sessions: Sessions, ada: str
) -> None:
    token = sessions.open(ada)
    with database.reading() as connection:
        row = connection.execute(select(tables.sessions)).one()
    assert token not in map(str, row)
    assert sessions.find(row.token_digest) is None


@pytest.mark.parametrize(
    "token", ["", "nothing", "x" * 100_000, "\0", "\ud800", "'--"], ids=lambda t: ascii(t)[:9]
)
def test_what_is_no_token_finds_nobody(sessions: Sessions, ada: str, token: str) -> None:
    sessions.open(ada)
    assert sessions.find(token) is None


def test_sessions_that_are_over_do_not_pile_up(
    database: Database, sessions: Sessions, ada: str, clock: Clock
) -> None:
    for _ in range(3):
        sessions.open(ada)
    clock.at += IDLE_S
    sessions.open(ada)
    with database.reading() as connection:
        assert len(connection.execute(select(tables.sessions)).all()) == 1


def test_a_notice_waits_for_the_next_page_and_can_be_taken_back(sessions: Sessions, ada: str) -> None:
    token = sessions.open(ada)
    session = sessions.find(token)
    assert session
    sessions.tell(session, "Saved." + "x" * 1_000)
    found = sessions.find(token)
    assert found
    assert found.notice
    assert len(found.notice) == 300
    sessions.tell(session, None)
    assert sessions.find(token) == session
