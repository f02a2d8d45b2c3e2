from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from tts_service.clients.spending import Spending, utc_today
from tts_service.database.engine import Database, open_database
from tts_service.database.tables import spending as table

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def test_spending_adds_up_for_each_client_alone(database: Database) -> None:
    spending = Spending(database)
    assert spending.today(A) == 0
    for dollars in (0.004, 0.07, 1.5, 0):
        spending.add(A, dollars)
    spending.add(B, 3)
    assert (spending.today(A), spending.today(B)) == (1.574, 3)


@pytest.mark.parametrize(
    ("dollars", "counted"),
    [(0.07, 0.07), (0.004, 0.004), (0.1 + 0.2, 0.3), (0.000_000_2, 0.000_001), (1_000_000, 1_000_000)],
)
def test_a_part_of_a_millionth_is_counted_and_a_floats_error_is_not(
    database: Database, dollars: float, counted: float
) -> None:
    spending = Spending(database)
    spending.add(A, dollars)
    assert spending.today(A) == counted


@pytest.mark.parametrize("dollars", [-0.01, float("nan"), float("inf")])
def test_what_is_no_amount_is_a_bug_of_the_caller(database: Database, dollars: float) -> None:
    spending = Spending(database)
    with pytest.raises(ValueError, match="spending"):
        spending.add(A, dollars)
    assert spending.today(A) == 0


def test_a_new_day_begins_at_nothing_and_the_old_one_stays(database: Database) -> None:
    now = [date(2026, 12, 31)]
    spending = Spending(database, today=lambda: now[0])
    spending.add(A, 2)
    now[0] = date(2027, 1, 1)
    assert spending.today(A) == 0
    spending.add(A, 1)
    assert spending.today(A) == 1
    now[0] = date(2026, 12, 31)
    assert spending.today(A) == 2


def test_the_day_is_that_of_utc() -> None:
    before = datetime.now(UTC).date()
    assert before <= utc_today() <= datetime.now(UTC).date()


def test_threads_that_add_at_once_lose_nothing(database: Database) -> None:
    spending = Spending(database)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: spending.add(A, 0.001), range(400)))
    assert spending.today(A) == 0.4


def test_the_second_of_two_first_turns_of_a_day_is_counted_too(database: Database) -> None:
    spending = Spending(database)
    second = threading.Thread(target=spending.add, args=(A, 0.5))
    row = {"client_id": A, "day": utc_today(), "microdollars": 250_000}
    with database.writing() as connection:
        connection.execute(insert(table), row)
        second.start()
        second.join(0.3)  # time to see no row, and to wait behind the one that is not committed yet
    second.join(30)
    assert spending.today(A) == 0.75


def _add_thirty(url: str) -> None:
    database = open_database(url)
    spending = Spending(database)
    for _ in range(30):
        spending.add(A, 0.01)
    database.close()


def test_processes_that_add_at_once_lose_nothing(sqlite_path: Path) -> None:
    url = f"sqlite:///{sqlite_path}"
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=spawn) as pool:
        list(pool.map(_add_thirty, [url] * 3))
    database = open_database(url)
    assert Spending(database).today(A) == 0.9
    database.close()


def test_spending_outlives_the_process(sqlite_path: Path) -> None:
    url = f"sqlite:///{sqlite_path}"
    first = open_database(url)
    Spending(first).add(A, 0.5)
    first.close()
    second = open_database(url)
    assert Spending(second).today(A) == 0.5
    second.close()
