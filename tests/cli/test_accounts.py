from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tts_service.accounts.invitations import Invitations
from tts_service.cli.accounts import accounts
from tts_service.cli.demo import dashboard_link
from tts_service.database.engine import Database
from tts_service.errors import InvalidRequest, InvalidValue, LinkExpired, NotFound

Run = Callable[..., Result]
PASSWORD = "correct horse battery"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("DATABASE_URL", "SECRET_KEY", "ENV", "PUBLIC_URL", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TTS_INSTANCE", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(accounts, arguments, catch_exceptions=False)


def redeem(tmp_path: Path, link: str, name: str = "") -> None:
    database = Database(f"sqlite:///{tmp_path}/tts.db")
    Invitations(database).redeem(link.rpartition("/")[2].strip(), name, PASSWORD)
    database.close()


def test_a_link_makes_an_account_that_is_listed_and_deleted(run: Run, tmp_path: Path) -> None:
    assert "accounts link" in run("list").stderr
    printed = run("link").stdout
    assert printed.startswith("http://127.0.0.1:8000/dashboard/welcome/")
    assert printed.count("\n") == 1
    redeem(tmp_path, printed, "Ada")
    assert run("list").stdout.startswith("ada  since 20")
    run("delete", "Ada", "--yes")
    assert run("list").stdout == ""


def test_a_link_for_somebody_replaces_their_former_one(run: Run, tmp_path: Path) -> None:
    former, link = run("link", "--name", "Ada").stdout, run("link", "--name", "ada").stdout
    with pytest.raises(LinkExpired):
        redeem(tmp_path, former)
    redeem(tmp_path, link)


def test_a_link_leads_to_the_public_address(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8080")
    assert run("link").stdout.startswith("http://127.0.0.1:8080/dashboard/welcome/")
    monkeypatch.setenv("PUBLIC_URL", "https://voice.example")
    assert run("link").stdout.startswith("https://voice.example/dashboard/welcome/")


def test_what_cannot_be_done_is_said(run: Run) -> None:
    with pytest.raises(InvalidValue):
        run("link", "--name", " ")
    with pytest.raises(NotFound):
        run("delete", "nobody", "--yes")
    with pytest.raises(InvalidRequest):
        run("delete", "nobody")


def test_the_demo_shows_a_set_up_link_until_there_is_an_account(run: Run, tmp_path: Path) -> None:
    url = "http://127.0.0.1:8123"
    link = dashboard_link(url)
    assert link.startswith(f"{url}/dashboard/welcome/")
    redeem(tmp_path, link, "Ada")
    assert dashboard_link(url) == f"{url}/dashboard"
