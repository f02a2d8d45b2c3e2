from __future__ import annotations

import json
import os
import pty
import select
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.clients.urls import NOBODY
from tts_service.cli import main
from tts_service.cli.clients import clients
from tts_service.errors import ClientNotFound, InvalidRequest, ServiceError, UnknownField, UrlNotAllowed
from tts_service.settings import SettingsError

KEY = "xai-canary-0123456789abcdef"
Run = Callable[..., Result]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance folder of its own, in an environment that says nothing else."""
    for name in ("DATABASE_URL", "SECRET_KEY", "ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TTS_INSTANCE", str(tmp_path / "instance"))
    return tmp_path / "instance"


@pytest.fixture
def run(instance: Path) -> Run:
    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(clients, arguments, input=stdin, catch_exceptions=False)

    return run


def _listed(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("list", "--json").stdout)
    return found


def test_add_prints_the_client_id_and_nothing_else_to_stdout(run: Run) -> None:
    result = run("add", "--name", "Acme")
    assert result.stdout == f"{uuid.UUID(result.stdout.strip())}\n"
    assert "No web page may call" in result.stderr


def test_every_field_of_the_contract_can_be_set_and_is_listed(run: Run) -> None:
    given = {
        "enabled": "false",
        "ai_provider": "compatible",
        "ai_base_url": "https://llm.example.com/v1",
        "ai_api_key": KEY,
        "ai_model": "small",
        "system_prompt": "Be kind = short.\nReally.",
        "speech_provider": "xai",
        "speech_engine": "tts",
        "voice": "Rex",
        "speed": "1.1",
        "language": "en",
        "pronunciations": '{"SQL": "sequel"}',
        "greeting": "Hello",
        "daily_limit": "2.5",
        "retention_days": "7",
        "browser_tokens": "true",
        "retry_on_drift": "true",
    }
    arguments = [part for field, value in given.items() for part in ("--set", f"{field}={value}")]
    client_id = run(
        "add", "--name", "Acme", *arguments, "--origin", "https://a.com", "--origin", "HTTPS://B.com:443"
    ).stdout.strip()
    assert _listed(run) == [
        {
            "client_id": client_id,
            "name": "Acme",
            "enabled": False,
            "ai_provider": "compatible",
            "ai_base_url": "https://llm.example.com/v1",
            "ai_model": "small",
            "system_prompt": "Be kind = short.\nReally.",
            "speech_provider": "xai",
            "speech_engine": "tts",
            "voice": "rex",
            "speed": 1.1,
            "language": "en",
            "pronunciations": {"SQL": "sequel"},
            "allowed_origins": ["https://a.com", "https://b.com"],
            "greeting": "Hello",
            "daily_limit": 2.5,
            "retention_days": 7,
            "browser_tokens": True,
            "retry_on_drift": True,
            "has_api_key": True,
            "key_last4": "cdef",
        }
    ]


def test_set_changes_what_it_names_and_origins_replace_the_list(run: Run) -> None:
    client_id = run("add", "--name", "Acme", "--origin", "https://a.com").stdout.strip()
    result = run("set", client_id, "--set", "voice=leo", "--set", "name=Beta", "--origin", "https://b.com")
    assert result.stdout == ""
    (client,) = _listed(run)
    assert (client["name"], client["voice"], client["allowed_origins"]) == ("Beta", "leo", ["https://b.com"])


def test_the_table_is_aligned_also_with_wide_letters_and_shows_no_key(run: Run) -> None:
    run("add", "--name", "株式会社", "--set", f"ai_api_key={KEY}")
    run("add", "--name", "Acme", "--origin", "https://a.com")
    heading, acme, wide = run("list").stdout.splitlines()
    assert heading.index("ENABLED") == acme.index("yes") == wide.index("yes") + 4
    assert "***cdef" in wide
    assert "canary" not in wide


def test_an_empty_list_is_empty_on_stdout_and_says_what_to_do(run: Run) -> None:
    result = run("list")
    assert result.stdout == ""
    assert "clients add" in result.stderr
    assert _listed(run) == []


def test_a_key_can_come_from_stdin_and_is_never_shown(run: Run, instance: Path) -> None:
    added = run("add", "--name", "Acme", "--set", "ai_api_key=-", stdin=KEY + "\n")
    assert "history" not in added.stderr
    listed = run("list", "--json")
    assert json.loads(listed.stdout)[0]["key_last4"] == "cdef"
    assert "canary" not in added.output + listed.output + run("list").output
    assert not [path for path in instance.iterdir() if b"xai-canary" in path.read_bytes()]


def test_a_key_on_the_command_line_is_taken_with_a_word_about_the_history(run: Run) -> None:
    result = run("add", "--name", "Acme", "--set", f"ai_api_key={KEY}")
    assert "history" in result.stderr
    assert "canary" not in result.output


def test_a_removed_key_is_told_when_its_host_changes(run: Run) -> None:
    client_id = run("add", "--name", "Acme", "--set", f"ai_api_key={KEY}").stdout.strip()
    result = run("set", client_id, "--set", "ai_provider=openai")
    assert "key was removed" in result.stderr
    assert _listed(run)[0]["has_api_key"] is False


def test_an_unreadable_key_is_shown_as_such(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "the first one")
    run("add", "--name", "Acme", "--set", f"ai_api_key={KEY}")
    monkeypatch.setenv("SECRET_KEY", "another one")
    assert "unreadable" in run("list").stdout


def test_every_website_is_allowed_only_with_a_warning(run: Run) -> None:
    assert "every website" in run("add", "--name", "Acme", "--origin", "*").stderr


@pytest.mark.parametrize(
    ("arguments", "refusal", "says"),
    [
        (["--set", "voice"], InvalidRequest, "FIELD=VALUE"),
        (["--set", "tenant=x"], UnknownField, "allowed_origins"),
        (["--set", "client_id=x"], UnknownField, "no such field"),
        (["--set", "speed=9"], InvalidRequest, "0.7 to 1.5"),
        (["--set", "speed=fast"], InvalidRequest, "0.7 to 1.5"),
        (["--set", "voice=ara", "--set", "voice=rex"], InvalidRequest, "twice"),
        (["--set", "name=Other"], InvalidRequest, "twice"),
        (["--set", "ai_api_key=-"], InvalidRequest, "nothing came"),
        (["--origin", "https://a.com/"], InvalidRequest, "slash"),
        (["--origin", "https://a.com", "--set", "allowed_origins=*"], InvalidRequest, "not both"),
        (["--set", "ai_provider=compatible"], InvalidRequest, "ai_base_url is required"),
        (["--set", f"xai_key_{KEY}=x"], UnknownField, "no such field"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_added(
    run: Run, arguments: list[str], refusal: type[ServiceError], says: str
) -> None:
    with pytest.raises(refusal) as raised:
        run("add", "--name", "Acme", *arguments)
    assert says in raised.value.message
    assert "canary" not in raised.value.message
    assert _listed(run) == []


@pytest.mark.parametrize("arguments", [["set", "--set", "voice=ara"], ["delete", "--yes"]])
@pytest.mark.parametrize("client_id", ["nobody", "00000000-0000-4000-8000-000000000000", "\udcff"])
def test_a_client_that_is_not_there_is_told(run: Run, arguments: list[str], client_id: str) -> None:
    with pytest.raises(ClientNotFound):
        run(arguments[0], client_id, *arguments[1:])


def test_set_without_anything_to_set_is_told(run: Run) -> None:
    client_id = run("add", "--name", "Acme").stdout.strip()
    with pytest.raises(InvalidRequest) as raised:
        run("set", client_id)
    assert "Nothing to change" in raised.value.message


def test_delete_without_a_person_or_yes_is_refused(run: Run) -> None:
    client_id = run("add", "--name", "Acme").stdout.strip()
    with pytest.raises(InvalidRequest) as raised:
        run("delete", client_id, stdin="y\n")
    assert "--yes" in raised.value.message
    assert len(_listed(run)) == 1
    assert run("delete", client_id, "--yes").exit_code == 0
    assert _listed(run) == []


def test_plain_http_origins_are_refused_in_production(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "production")
    monkeypatch.setenv("SECRET_KEY", "long enough for production")
    with pytest.raises(InvalidRequest):
        run("add", "--name", "Acme", "--origin", "http://a.com")


def test_a_wrong_setting_is_left_to_the_root_to_tell(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    with pytest.raises(SettingsError):
        run("list")


# At a terminal


def _at_a_terminal(arguments: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """The exit code and all that was shown, when a person gives each answer after its question."""
    terminal, theirs = pty.openpty()
    program = [sys.executable, "-c", "from tts_service.cli.clients import clients; clients()", *arguments]
    process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        shown = ""
        for question, answer in answers:
            shown += _shown(terminal, until=question)
            os.write(terminal, answer.encode() + b"\n")
        shown += _shown(terminal, until=None)
        return process.wait(60), shown
    finally:
        process.kill()
        process.wait(60)
        os.close(terminal)


def _shown(terminal: int, until: str | None) -> str:
    shown, end = "", time.monotonic() + 60
    while (until is None or until not in shown) and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # Linux says EIO when the program has closed its side
                return shown
            if not piece:
                return shown
            shown += piece.decode()
    return shown


@pytest.mark.parametrize(("answer", "left"), [("n", 1), ("y", 0)])
def test_delete_asks_at_a_terminal(run: Run, answer: str, left: int) -> None:
    client_id = run("add", "--name", "Acme").stdout.strip()
    code, shown = _at_a_terminal(["delete", client_id], [("[y/N]", answer)])
    assert "Acme" in shown
    assert (code == 0, len(_listed(run))) == (left == 0, left)


def test_a_key_typed_at_a_terminal_is_not_echoed(run: Run) -> None:
    code, shown = _at_a_terminal(["add", "--name", "Acme", "--set", "ai_api_key=-"], [("ai_api_key:", KEY)])
    assert code == 0
    assert "canary" not in shown
    assert _listed(run)[0]["key_last4"] == "cdef"


# As people run it


def _tts_service(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "tts-service"
    return subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, timeout=180, check=False
    )


def test_the_round_trip_of_a_client_on_the_real_command_line(instance: Path) -> None:
    added = _tts_service("clients", "add", "--name", "Acme", "--set", "ai_api_key=-", stdin=KEY)
    assert added.returncode == 0, added.stderr
    client_id = added.stdout.strip()
    assert _whole_program("clients", "set", client_id, "--set", "voice=sal").exit_code == 0
    listed = _whole_program("clients", "list", "--json")
    (client,) = json.loads(listed.stdout)
    assert (client["client_id"], client["voice"], client["has_api_key"]) == (client_id, "sal", True)
    assert "canary" not in listed.output
    refused = _tts_service("clients", "delete", client_id)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert _whole_program("clients", "delete", client_id, "--yes").exit_code == 0
    assert json.loads(_whole_program("clients", "list", "--json").stdout) == []
    with sqlite3.connect(instance / "tts.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def _whole_program(*arguments: str) -> Result:
    """All but the process: `main` with its errors and exit codes, in two seconds less."""
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["clients", "add", "--name", "Acme", "--set", "speed=9"], {}),
        (["clients", "set", "nobody", "--set", "voice=ara"], {}),
        (["clients", "list"], {"DATABASE_URL": "nonsense"}),
        (["clients", "list"], {"ENV": "production"}),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(
    instance: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = _whole_program(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434/v1", "http://ollama:11434/v1"])
def test_whoever_has_a_shell_can_set_a_model_at_home(run: Run, url: str) -> None:
    run("add", "--name", "Home", "--set", "ai_provider=compatible", "--set", f"ai_base_url={url}")
    assert [client["ai_base_url"] for client in _listed(run)] == [url]


def test_not_even_a_shell_can_set_a_metadata_service(run: Run) -> None:
    client_id = run("add", "--name", "Acme").stdout.strip()
    for url in NOBODY:
        with pytest.raises(UrlNotAllowed):
            run("set", client_id, "--set", "ai_provider=compatible", "--set", f"ai_base_url={url}")
    assert _listed(run)[0]["ai_base_url"] is None
