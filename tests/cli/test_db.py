from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tts_service.cli.clients import clients
from tts_service.cli.db import db
from tts_service.errors import InvalidRequest

Run = Callable[..., Result]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TTS_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.setenv("SECRET_KEY", "old")
    return tmp_path / "instance"


@pytest.fixture
def run(instance: Path) -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(db, arguments, catch_exceptions=False)

    return run


def _clients(*arguments: str) -> Result:
    return CliRunner().invoke(clients, arguments, catch_exceptions=False)


def test_the_schema_goes_up_and_down_and_up(run: Run, instance: Path) -> None:
    behind = run("current")
    assert behind.stdout == "none\n"
    assert "db upgrade" in behind.stderr
    assert run("upgrade").stdout == "The schema is at revision 0004.\n"
    current = run("current")
    assert (current.stdout, current.stderr) == ("0004\n", "")
    for revision in ("0003", "0002", "0001", "none", "none"):
        assert run("downgrade", "--yes").stdout == f"The schema is at revision {revision}.\n"
    assert run("upgrade").stdout == "The schema is at revision 0004.\n"


def test_downgrade_without_a_person_or_yes_takes_nothing_back(run: Run) -> None:
    run("upgrade")
    with pytest.raises(InvalidRequest):
        run("downgrade")
    assert run("current").stdout == "0004\n"


def test_upgrade_ends_a_rotation_so_that_the_old_secret_key_can_go(
    run: Run, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _clients("add", "--name", "Acme", "--set", "ai_api_key=xai-0123456789abcdef")
    monkeypatch.setenv("SECRET_KEY", "new,old")
    assert "sealed again with the first SECRET_KEY: 1" in run("upgrade").stdout
    assert "sealed again" not in run("upgrade").stdout
    monkeypatch.setenv("SECRET_KEY", "new")
    assert "***cdef" in _clients("list").stdout


def test_a_service_command_needs_no_upgrade_on_sqlite(run: Run, instance: Path) -> None:
    _clients("list")
    connection = sqlite3.connect(instance / "tts.db")
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0004",)]
    connection.close()
