"""What doctor says of the road to the provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tts_service.cli.doctor import doctor
from tts_service.database.engine import Database
from tts_service.sandbox.main import start_in_thread


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with start_in_thread(voice="tone") as base_url:
        yield base_url


@pytest.fixture
def environment(sandbox: str, tmp_path: Path) -> dict[str, str]:
    names = ("DATABASE_URL", "SECRET_KEY", "ENV", "XAI_CHAT_MODEL", "OPENAI_API_KEY")
    return dict.fromkeys(names, "") | {"TTS_INSTANCE": str(tmp_path), "XAI_BASE_URL": sandbox}


def told(environment: dict[str, str], **changes: str) -> tuple[int, str]:
    result = CliRunner().invoke(doctor, env=environment | changes, catch_exceptions=False)
    return result.exit_code, result.stdout


def test_all_is_well_on_a_machine_where_nothing_was_started_yet(environment: dict[str, str]) -> None:
    code, said = told(environment, XAI_API_KEY="xai-sandbox-canary")
    assert "ok     xAI language models: The key is accepted" in said
    assert "ok     xAI voice" in said
    assert "canary" not in said
    assert code == 0, said


def test_a_database_that_was_never_upgraded_is_told_with_the_command_that_mends_it(
    environment: dict[str, str], postgres_url: str
) -> None:
    database = Database(postgres_url)
    database.upgrade()
    database.downgrade()
    database.close()
    code, said = told(environment, DATABASE_URL=postgres_url)
    assert code == 1
    assert "tts-service db upgrade" in said


def test_a_database_that_does_not_answer_is_told_as_such(environment: dict[str, str]) -> None:
    code, said = told(environment, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert code == 1
    assert "wrong  database: it does not answer. Check DATABASE_URL." in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"XAI_API_KEY": "xai-wrong"}, "wrong  xAI language models: The language model's provider refused"),
        ({"XAI_API_KEY": ""}, "wrong  xAI language models: not tried"),
        ({"XAI_API_KEY": "xai-sandbox", "XAI_CHAT_MODEL": "grok-9"}, "does not list grok-9"),
    ],
)
def test_what_is_wrong_is_said(environment: dict[str, str], changes: dict[str, str], says: str) -> None:
    code, said = told(environment, **changes)
    assert code == 1
    assert says in said
    assert "xai-wrong" not in said
