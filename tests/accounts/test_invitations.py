from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from tests.accounts.conftest import Clock
from tts_service.accounts import first_run
from tts_service.accounts.invitations import VALID_S, Invitations
from tts_service.accounts.sessions import Sessions
from tts_service.accounts.store import AccountStore
from tts_service.database import tables
from tts_service.database.engine import Database
from tts_service.errors import InvalidValue, LinkExpired, NotFound

PASSWORD = "correct horse battery"


@pytest.fixture
def invitations(database: Database, clock: Clock) -> Invitations:
    return Invitations(database, clock)


@pytest.fixture
def people(database: Database) -> AccountStore:
    return AccountStore(database)


def test_a_link_works_once(invitations: Invitations, people: AccountStore) -> None:
    token = invitations.issue()
    assert people.is_empty()
    assert invitations.look_up(token) == invitations.look_up(token), "looking at it used it up"
    account_id = invitations.redeem(token, "Ada", PASSWORD)
    assert [(a.account_id, a.name, a.has_password) for a in people.all()] == [(account_id, "ada", True)]
    for use in (invitations.look_up, lambda token: invitations.redeem(token, "Eve", PASSWORD)):
        with pytest.raises(LinkExpired):
            use(token)


def test_a_link_ends_after_a_day(invitations: Invitations, clock: Clock) -> None:
    token = invitations.issue()
    clock.at += VALID_S
    with pytest.raises(LinkExpired):
        invitations.redeem(token, "Ada", PASSWORD)


def test_a_new_link_replaces_the_former_for_the_same_person_only(invitations: Invitations) -> None:
    anyone, ada, bob = invitations.issue(), invitations.issue("Ada"), invitations.issue("Bob")
    newer = invitations.issue("ADA ")
    for token in (anyone, bob, newer):
        invitations.look_up(token)
    with pytest.raises(LinkExpired):
        invitations.look_up(ada)


def test_of_many_who_use_one_link_at_once_one_has_it(invitations: Invitations, people: AccountStore) -> None:
    token = invitations.issue()

    def use(name: str) -> bool:
        try:
            invitations.redeem(token, name, PASSWORD)
        except LinkExpired:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, ["ada", "bob", "eve", "joe"])) == 1
    assert len(people.all()) == 1


def test_a_refused_password_or_name_leaves_the_link_good(
    invitations: Invitations, people: AccountStore
) -> None:
    invitations.redeem(invitations.issue(), "Ada", PASSWORD)
    token = invitations.issue()
    for name, password in (("Bob", "short"), ("ada", PASSWORD)):
        with pytest.raises(InvalidValue):
            invitations.redeem(token, name, password)
    invitations.redeem(token, "Bob", PASSWORD)
    assert [account.name for account in people.all()] == ["ada", "bob"]


def test_a_link_for_somebody_sets_their_password_and_signs_everybody_else_out(
    invitations: Invitations, people: AccountStore, database: Database
) -> None:
    account_id = invitations.redeem(invitations.issue("Ada"), "somebody else", PASSWORD)
    before = people.password_of("ada")
    sessions = Sessions(database)
    token = sessions.open(account_id)
    assert invitations.redeem(invitations.issue("ada"), "", "another password") == account_id
    assert people.password_of("ada") != before
    assert sessions.find(token) is None


def test_a_deleted_person_is_signed_out_and_their_link_is_void(
    invitations: Invitations, people: AccountStore, database: Database
) -> None:
    account_id = invitations.redeem(invitations.issue("Ada"), "", PASSWORD)
    sessions = Sessions(database)
    token, link = sessions.open(account_id), invitations.issue("Ada")
    people.delete(" ADA")
    assert people.is_empty()
    assert sessions.find(token) is None
    with pytest.raises(LinkExpired):
        invitations.look_up(link)
    with pytest.raises(NotFound):
        people.delete("ada")


def test_whoever_reads_the_table_cannot_use_a_link(database: Database, invitations: Invitations) -> None:
    token = invitations.issue()
    with database.reading() as connection:
        row = connection.execute(select(tables.invitations)).one()
    assert token not in map(str, row)
    with pytest.raises(LinkExpired):
        invitations.look_up(row.token_digest)


def _announced(invitations: Invitations) -> str:
    out = io.StringIO()
    first_run.announce(invitations, "https://voice.example", out)
    return out.getvalue()


def test_the_workers_of_one_start_print_one_link_and_a_restart_replaces_it(
    invitations: Invitations, clock: Clock
) -> None:
    with ThreadPoolExecutor(4) as pool:
        printed = [line for line in pool.map(lambda _: _announced(invitations), range(4)) if line]
    assert len(printed) == 1
    first = printed[0].rpartition("/")[2].strip()
    assert printed[0].endswith(f"https://voice.example/dashboard/welcome/{first}\n")
    clock.at += 60
    second = _announced(invitations).rpartition("/")[2].strip()
    invitations.look_up(second)
    with pytest.raises(LinkExpired):
        invitations.look_up(first)


def test_where_somebody_has_an_account_nothing_is_printed(invitations: Invitations, clock: Clock) -> None:
    invitations.redeem(invitations.issue(), "Ada", PASSWORD)
    clock.at += 60
    assert _announced(invitations) == ""


def test_a_database_that_is_away_does_not_stop_the_start(database: Database) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/nothing")
    assert _announced(Invitations(gone)) == ""
    gone.close()
