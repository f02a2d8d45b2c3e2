"""The environment as one frozen object; every problem told at once, no value repeated."""

from __future__ import annotations

import dataclasses
import re
import stat
import threading
from pathlib import Path

import pytest

from tts_service import settings as settings_module
from tts_service.secret import Secret
from tts_service.settings import Settings, SettingsError, instance_key, load

CANARY = "xai-canary-0123456789abcdef"
LONG = "a-secret-of-enough-length"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"TTS_INSTANCE": str(tmp_path / "instance")}


def problems(env: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(env)
    assert str(raised.value) == "\n".join(raised.value.problems)
    return raised.value.problems


def test_the_defaults_are_those_of_the_contract(env: dict[str, str]) -> None:
    now = load(env)
    assert (now.xai_api_key, now.openai_api_key, now.admin_token, now.redis_url) == (None,) * 4
    assert now.xai_base_url == "https://api.x.ai/v1"
    assert now.openai_base_url == "https://api.openai.com/v1"
    assert now.xai_voice_model == "grok-voice-think-fast-2.0"
    assert now.xai_chat_model != "grok-3-fast", "a retired model"
    assert (now.chat_deadline_s, now.speech_deadline_s, now.max_speech_s) == (25, 30, 120)
    assert (now.rate_limit_ip, now.rate_limit_client) == ("30/minute", "600/minute")
    assert (now.voice_proxy_port, now.production, now.log_json) == (3001, False, False)
    assert now.database_url == f"sqlite:///{env['TTS_INSTANCE']}/tts.db"
    assert now.processes == 1
    assert now.trusted_proxies == 0, "a stranger's X-Forwarded-For would be believed"


def test_the_demos_website_is_nothing_to_production(env: dict[str, str]) -> None:
    env |= {"DEMO_WEBSITE": "http://127.0.0.1:8080/", "SECRET_KEY": LONG}
    assert load(env).demo_website == "http://127.0.0.1:8080"
    assert load(env | {"ENV": "production"}).demo_website is None


def test_every_variable_is_read(env: dict[str, str]) -> None:
    now = load(
        env
        | {
            "XAI_API_KEY": CANARY,
            "XAI_BASE_URL": "http://127.0.0.1:9009/v1/",
            "XAI_CHAT_MODEL": "chat-model",
            "XAI_VOICE_MODEL": "voice-model",
            "OPENAI_API_KEY": "sk-openai",
            "OPENAI_BASE_URL": "https://openai.test/v1",
            "DATABASE_URL": "postgresql://db/tts",
            "REDIS_URL": "redis://cache:6379/0",
            "SECRET_KEY": f"{LONG}-1, {LONG}-2",
            "ADMIN_TOKEN": "admin-token",
            "CHAT_DEADLINE_S": "10",
            "SPEECH_DEADLINE_S": "12.5",
            "MAX_SPEECH_S": "60",
            "ENV": "Production",
            "RATE_LIMIT_IP": "5/second",
            "RATE_LIMIT_CLIENT": "",
            "XAI_VOICE_PROXY_PORT": "3002",
            "LOG_FORMAT": "json",
        }
    )
    assert now.xai_api_key == Secret(CANARY)
    assert now.xai_base_url == "http://127.0.0.1:9009/v1", "the slash at the end would double"
    assert (now.xai_chat_model, now.xai_voice_model) == ("chat-model", "voice-model")
    assert (now.openai_api_key, now.openai_base_url) == (Secret("sk-openai"), "https://openai.test/v1")
    assert (now.database_url, now.redis_url) == ("postgresql://db/tts", "redis://cache:6379/0")
    assert now.secret_keys == (Secret(f"{LONG}-1"), Secret(f"{LONG}-2"))
    assert now.admin_token == Secret("admin-token")
    assert (now.chat_deadline_s, now.speech_deadline_s, now.max_speech_s) == (10, 12.5, 60)
    assert now.production
    assert (now.rate_limit_ip, now.rate_limit_client) == ("5/second", "")
    assert now.voice_proxy_port == 3002
    assert now.log_json


BAD = {
    "XAI_API_KEY": "xai canary",
    "OPENAI_API_KEY": "sk-canary\x00",
    "ADMIN_TOKEN": "canäry",
    "XAI_BASE_URL": "ftp://canary",
    "OPENAI_BASE_URL": "https://user:canary@openai.test/v1",
    "CHAT_DEADLINE_S": "canary",
    "SPEECH_DEADLINE_S": "nan",
    "MAX_SPEECH_S": "-1",
    "ENV": "canary",
    "RATE_LIMIT_IP": "canary",
    "RATE_LIMIT_CLIENT": "many/minute",
    "RATE_LIMIT_CLIENT_IP": "canary",
    "INSTANCES": "0",
    "WEB_CONCURRENCY": "canary",
    "XAI_VOICE_PROXY_PORT": "65536",
    "LOG_FORMAT": "canary",
}


def test_all_problems_are_told_at_once_each_by_its_name_and_without_its_value(env: dict[str, str]) -> None:
    told = problems(env | BAD)
    assert len(told) == len(BAD)
    assert {line.split()[0] for line in told} == set(BAD)
    assert "canary" not in "".join(told).lower().replace("xai_", "")


@pytest.mark.parametrize("name", BAD)
def test_one_bad_value_is_one_problem(name: str, env: dict[str, str]) -> None:
    [line] = problems(env | {name: BAD[name]})
    assert line.startswith(name)


@pytest.mark.parametrize(
    "url",
    [
        "api.x.ai/v1",
        "https://",
        "https://api.x.ai/v1?key=canary",
        "https://api.x.ai/v1#x",
        "https://api.x.ai:99999/v1",
        "https://[::1",
        "https://user@api.x.ai",
        "file:///etc/passwd",
    ],
)
def test_a_base_url_that_cannot_be_called_is_refused(url: str, env: dict[str, str]) -> None:
    assert len(problems(env | {"XAI_BASE_URL": url})) == 1


@pytest.mark.parametrize("value", ["inf", "-inf", "1e999", "0", "301", "1O"])
def test_a_number_out_of_its_range_is_refused(value: str, env: dict[str, str]) -> None:
    assert len(problems(env | {"SPEECH_DEADLINE_S": value})) == 1


def test_blank_is_unset(env: dict[str, str]) -> None:
    blank = dict.fromkeys(
        ("XAI_API_KEY", "XAI_BASE_URL", "REDIS_URL", "ADMIN_TOKEN", "CHAT_DEADLINE_S", "ENV"), " "
    )
    assert dataclasses.replace(load(env | blank), secret_keys=()) == dataclasses.replace(
        load(env), secret_keys=()
    )


def test_the_empty_string_switches_a_rate_limit_off(env: dict[str, str]) -> None:
    assert load(env | {"RATE_LIMIT_IP": ""}).rate_limit_ip == ""


def test_without_a_limit_for_addresses_there_is_none_for_an_address_at_a_client(env: dict[str, str]) -> None:
    assert load(env).rate_limit_client_ip == "300/hour"
    assert load(env | {"RATE_LIMIT_IP": ""}).rate_limit_client_ip == ""
    both = {"RATE_LIMIT_IP": "", "RATE_LIMIT_CLIENT_IP": "5/hour"}
    assert load(env | both).rate_limit_client_ip == "5/hour"


REDIS, POSTGRES = {"REDIS_URL": "redis://cache:6379/0"}, {"DATABASE_URL": "postgresql://db/tts"}


@pytest.mark.parametrize(
    ("given", "processes"),
    [
        ({}, 1),
        (REDIS, 2),
        (REDIS | {"INSTANCES": "1"}, 1),
        (REDIS | {"INSTANCES": "1", "WEB_CONCURRENCY": "4"}, 4),
        (REDIS | POSTGRES | {"INSTANCES": "3", "WEB_CONCURRENCY": "2"}, 6),
    ],
)
def test_a_limit_is_divided_among_all_processes(
    given: dict[str, str], processes: int, env: dict[str, str]
) -> None:
    assert load(env | given).processes == processes


@pytest.mark.parametrize(
    ("given", "told"),
    [(POSTGRES, ["REDIS_URL"]), (REDIS, ["PostgreSQL"]), ({}, ["REDIS_URL", "PostgreSQL"])],
)
def test_several_machines_need_a_redis_and_a_database_server(
    given: dict[str, str], told: list[str], env: dict[str, str]
) -> None:
    lines = problems(env | given | {"INSTANCES": "2"})
    assert len(lines) == len(told)
    assert all(word in line for word, line in zip(told, lines, strict=True))


@pytest.mark.parametrize("value", [None, "", " , ", "short", f"{LONG},short"])
def test_production_needs_a_secret_key_of_some_length(value: str | None, env: dict[str, str]) -> None:
    given = {} if value is None else {"SECRET_KEY": value}
    [line] = problems(env | {"ENV": "production"} | given)
    assert line.startswith("SECRET_KEY")
    assert not Path(env["TTS_INSTANCE"]).exists(), "a start that is refused leaves nothing behind"


def test_settings_printed_by_mistake_show_no_key(env: dict[str, str]) -> None:
    now = load(
        env | {"XAI_API_KEY": CANARY, "OPENAI_API_KEY": CANARY, "ADMIN_TOKEN": CANARY, "SECRET_KEY": CANARY}
    )
    assert "canary" not in f"{now} {now!r} {dataclasses.asdict(now)}"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().production = True  # type: ignore[misc]


def test_the_secret_key_is_made_once_kept_and_readable_by_its_owner_alone(env: dict[str, str]) -> None:
    first, second = load(env), load(env)
    assert first.secret_keys == second.secret_keys
    assert len(first.secret_keys[0].reveal()) >= 32
    folder = Path(env["TTS_INSTANCE"])
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [file.name for file in folder.iterdir()] == ["secret_key"]


def test_processes_that_start_together_agree_on_the_secret_key(tmp_path: Path) -> None:
    found: list[Secret] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        found.append(instance_key(tmp_path / "instance"))

    starts = [threading.Thread(target=start) for _ in range(8)]
    for each in starts:
        each.start()
    for each in starts:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_an_empty_key_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    with pytest.raises(SettingsError, match="secret_key"):
        load({"TTS_INSTANCE": str(tmp_path)})


def test_an_instance_folder_that_cannot_be_made_is_a_problem_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "TTS_INSTANCE" in problems({"TTS_INSTANCE": str(tmp_path / "file" / "instance")})[0]


def test_no_password_of_a_database_is_in_what_settings_look_like() -> None:
    settings = Settings(database_url="postgresql://me:canary@host/db", redis_url="redis://:canary@host")
    assert "canary" not in repr(settings)


def test_every_variable_that_is_read_is_documented() -> None:
    source = Path(settings_module.__file__).read_text()
    read = set(re.findall(r'reading\.\w+\(\s*"([A-Z_]+)"', source))
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    assert len(read) > 30
    assert [name for name in sorted(read) if f"`{name}`" not in page] == []
