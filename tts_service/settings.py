"""The environment, read once, as one frozen object.

Every name is in contract.md, "Settings", but for the few marked "ours". A value that does not fit is named
with all its fellows in one `SettingsError`, so that an operator mends them in one go; a value is never
repeated in the message, since it may be a key in the wrong place.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from limits import parse as parse_rate

from tts_service.secret import Secret

SECRET_KEY_CHARS = 16  # at least


class SettingsError(Exception):
    """What the operator has to change; one line a problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Settings:
    xai_api_key: Secret | None = None
    xai_base_url: str = "https://api.x.ai/v1"
    # protocols 4.3: of the models served in late 2026 the one with the lowest latency.
    xai_chat_model: str = "grok-4.20-0309-non-reasoning"
    xai_voice_model: str = "grok-voice-think-fast-2.0"
    openai_api_key: Secret | None = None
    openai_base_url: str = "https://api.openai.com/v1"
    openai_chat_model: str = "gpt-4.1-mini"  # ours: for openai clients that name none
    database_url: str = field(default="", repr=False)  # both may hold a password
    redis_url: str | None = field(default=None, repr=False)
    processes: int = 1  # ours: INSTANCES times WEB_CONCURRENCY; how many share a limit while Redis is away
    secret_keys: tuple[Secret, ...] = ()
    admin_token: Secret | None = None
    chat_deadline_s: float = 25.0
    speech_deadline_s: float = 30.0
    max_speech_s: float = 120.0
    max_concurrent_speech: int = 512  # ours: measured, ARCHITECTURE.md "Limits"
    speech_cache_mb: float = 8.0  # ours: of spoken pieces in this process's memory; 0 keeps none
    production: bool = False
    rate_limit_ip: str = "30/minute"
    rate_limit_client: str = "600/minute"
    rate_limit_client_ip: str = "300/hour"  # ours: one address at one client
    trusted_proxies: int = 0  # ours: how many proxies in front of us append to X-Forwarded-For
    voice_proxy_port: int = 3001
    log_json: bool = False
    public_url: str | None = None  # ours: where browsers reach this service, for links and embed snippets
    port: int = 8000  # as gunicorn.conf.py reads it: for the links of those who set no PUBLIC_URL
    demo_website: str | None = None  # ours: of `tts-service demo`, the website to try a snippet on
    setup_link: bool = True  # ours: whether a service without accounts prints a link to make the first
    allow_private_model_urls: bool = False  # ours: for dashboard and admin API, a model at home
    # Ours: prices in US dollars, for the daily limit. protocols 1.7 and 4.3; they move, so they are settings.
    price_speech_minute: float = 0.08
    price_speech_item: float = 0.004
    price_tts_million_chars: float = 15.0
    price_chat_million_in: float = 1.25
    price_chat_million_out: float = 2.50
    instance: Path = Path("instance")

    @property
    def own_url(self) -> str:
        """Where people reach this service: PUBLIC_URL, or else this machine."""
        return self.public_url or f"http://127.0.0.1:{self.port}"


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from `env` (default: the process's environment).

    Makes the instance folder and its SECRET_KEY where none is given. Raises SettingsError.
    """
    reading = _Reading(os.environ if env is None else env)
    production = reading.choice("ENV", ("development", "production")) == "production"
    instance = Path(reading.text("TTS_INSTANCE", "instance")).absolute()
    default = Settings()
    # Where it is off, addresses say nothing, and the limit for one address at one client is off as well.
    per_address = reading.rate("RATE_LIMIT_IP", default.rate_limit_ip)
    settings = Settings(
        xai_api_key=reading.secret("XAI_API_KEY"),
        xai_base_url=reading.url("XAI_BASE_URL", default.xai_base_url),
        xai_chat_model=reading.text("XAI_CHAT_MODEL", default.xai_chat_model),
        xai_voice_model=reading.text("XAI_VOICE_MODEL", default.xai_voice_model),
        openai_api_key=reading.secret("OPENAI_API_KEY"),
        openai_base_url=reading.url("OPENAI_BASE_URL", default.openai_base_url),
        openai_chat_model=reading.text("OPENAI_CHAT_MODEL", default.openai_chat_model),
        database_url=reading.text("DATABASE_URL", f"sqlite:///{instance / 'tts.db'}"),
        redis_url=reading.text("REDIS_URL", "") or None,
        processes=reading.processes(),
        secret_keys=reading.keys("SECRET_KEY", production),
        admin_token=reading.secret("ADMIN_TOKEN"),
        chat_deadline_s=reading.number("CHAT_DEADLINE_S", 25, 1, 300),
        speech_deadline_s=reading.number("SPEECH_DEADLINE_S", 30, 1, 300),
        max_speech_s=reading.number("MAX_SPEECH_S", 120, 1, 900),
        max_concurrent_speech=int(reading.number("MAX_CONCURRENT_SPEECH", 512, 1, 100_000)),
        speech_cache_mb=reading.number("SPEECH_CACHE_MB", 8, 0, 4096),
        production=production,
        rate_limit_ip=per_address,
        rate_limit_client=reading.rate("RATE_LIMIT_CLIENT", default.rate_limit_client),
        rate_limit_client_ip=reading.rate(
            "RATE_LIMIT_CLIENT_IP", default.rate_limit_client_ip if per_address else ""
        ),
        trusted_proxies=int(reading.number("TRUSTED_PROXIES", 0, 0, 10)),
        voice_proxy_port=int(reading.number("XAI_VOICE_PROXY_PORT", 3001, 1, 65535)),
        public_url=reading.url("PUBLIC_URL", "") or None,
        port=int(reading.number("PORT", 8000, 0, 65535)),
        demo_website=None if production else reading.url("DEMO_WEBSITE", "") or None,
        setup_link=reading.choice("SETUP_LINK", ("yes", "no")) == "yes",
        allow_private_model_urls=reading.choice("ALLOW_PRIVATE_MODEL_URLS", ("no", "yes")) == "yes",
        log_json=reading.choice("LOG_FORMAT", ("text", "json")) == "json",
        price_speech_minute=reading.number("PRICE_SPEECH_MINUTE", 0.08, 0, 1000),
        price_speech_item=reading.number("PRICE_SPEECH_ITEM", 0.004, 0, 1000),
        price_tts_million_chars=reading.number("PRICE_TTS_MILLION_CHARS", 15, 0, 100_000),
        price_chat_million_in=reading.number("PRICE_CHAT_MILLION_IN", 1.25, 0, 100_000),
        price_chat_million_out=reading.number("PRICE_CHAT_MILLION_OUT", 2.50, 0, 100_000),
        instance=instance,
    )
    if reading.problems:
        raise SettingsError(reading.problems)
    if settings.secret_keys:
        return settings
    try:
        return replace(settings, secret_keys=(instance_key(instance),))
    except OSError as error:
        raise SettingsError(
            [f"TTS_INSTANCE must be a folder that this user may write to ({error.strerror})."]
        ) from error


def instance_key(instance: Path) -> Secret:
    """The SECRET_KEY kept in the instance folder, made on the first start; only its owner may read it.

    Raises SettingsError, OSError.
    """
    path = instance / "secret_key"
    instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        # Written whole under another name first: a second process never reads half a key.
        draft = instance / f"secret_key.{secrets.token_hex(4)}"
        with open(draft, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    text = path.read_text().strip()
    if len(text) < SECRET_KEY_CHARS:
        raise SettingsError(
            ["secret_key in the instance folder is damaged. Delete it, and give the clients their keys anew."]
        )
    return Secret(text)


class _Reading:
    """Reads variables by type and keeps every problem it meets."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._env.get(name, "").strip() or default

    def secret(self, name: str) -> Secret | None:
        value = self._env.get(name, "").strip()
        if not value:
            return None
        if not (value.isascii() and value.isprintable()) or " " in value:
            self.problems.append(f"{name} holds characters that no key has; copy it again.")
            return None
        return Secret(value)

    def keys(self, name: str, required: bool) -> tuple[Secret, ...]:
        values = [part.strip() for part in self._env.get(name, "").split(",") if part.strip()]
        if required and not values:
            self.problems.append(
                f"{name} must be set when ENV=production. "
                'Make one: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if required and any(len(value) < SECRET_KEY_CHARS for value in values):
            self.problems.append(
                f"{name} is too short to protect anything: at least {SECRET_KEY_CHARS} characters."
            )
        return tuple(Secret(value) for value in values)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self._env.get(name, "").strip()
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:  # also refuses NaN
            self.problems.append(f"{name} must be a number from {low:g} to {high:g}.")
            return default
        return number

    def processes(self) -> int:
        """INSTANCES says on how many machines the service runs: unsaid, one, or with Redis at least two."""
        redis = bool(self.text("REDIS_URL", ""))
        instances = int(self.number("INSTANCES", 2 if redis else 1, 1, 1000))
        if self.text("INSTANCES", "") and instances > 1:
            if not redis:
                self.problems.append("INSTANCES above 1 needs REDIS_URL: limits are counted there together.")
            if self.text("DATABASE_URL", "sqlite").startswith("sqlite"):
                self.problems.append(
                    "INSTANCES above 1 needs a DATABASE_URL of PostgreSQL: SQLite is a file."
                )
        return instances * int(self.number("WEB_CONCURRENCY", 1, 1, 1000))

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self._env.get(name, "").strip().lower() or allowed[0]
        if value not in allowed:
            self.problems.append(f"{name} must be one of: {', '.join(allowed)}.")
            return allowed[0]
        return value

    def url(self, name: str, default: str) -> str:
        value = self.text(name, default).rstrip("/")
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            fits = False
        if not fits or parts.username is not None or parts.query or parts.fragment:
            self.problems.append(
                f"{name} must look like https://api.example.com/v1, with no user and no query."
            )
            return default
        return value

    def rate(self, name: str, default: str) -> str:
        """A limit such as 30/minute; set but empty switches it off, so absence and emptiness differ."""
        value = self._env.get(name, default).strip()
        if not value:
            return ""
        try:
            parse_rate(value)
        except ValueError:
            self.problems.append(f'{name} must look like 30/minute, or be "" for no limit.')
            return default
        return value
