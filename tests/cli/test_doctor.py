"""`tts-service doctor`, against the sandbox: what a newcomer reads before anything else is set up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tts_service.cli import main
from tts_service.database.engine import Database
from tts_service.sandbox.main import start_in_thread

KEY = "xai-sandbox-canary"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with start_in_thread(voice="tone") as base_url:
        yield base_url


@pytest.fixture(autouse=True)
def _nothing_set_up(sandbox: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "SECRET_KEY", "ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TTS_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.setenv("XAI_BASE_URL", sandbox)
    monkeypatch.setenv("XAI_API_KEY", KEY)


def doctor() -> Result:
    return CliRunner().invoke(main, ["doctor"], catch_exceptions=False)


def test_all_is_well_on_a_machine_where_nothing_was_started_yet() -> None:
    told = doctor()
    assert told.exit_code == 0, told.output
    assert len(told.stdout.splitlines()) == told.stdout.count("ok ") == 5
    assert "canary" not in told.output


def test_a_database_that_was_never_upgraded_is_told_with_the_command_that_mends_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    database = Database(postgres_url)
    database.upgrade()
    database.downgrade()
    database.close()
    told = doctor()
    assert told.exit_code == 1
    assert "tts-service db upgrade" in told.stdout


def test_a_database_that_does_not_answer_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    told = doctor()
    assert told.exit_code == 1
    assert "wrong  database: it does not answer. Check DATABASE_URL." in told.stdout


def test_a_refused_key_is_told_for_both_roads_and_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XAI_API_KEY", "canary-of-nobody")
    told = doctor()
    assert told.exit_code == 1
    assert told.stdout.count("refuse") == 2
    assert "canary" not in told.output
