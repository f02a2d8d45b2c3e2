"""`tts-service doctor`: is everything in place, and if not, what to do. Buys nothing."""

from __future__ import annotations

from collections.abc import Callable

import click

from tts_service import assembly, settings
from tts_service.chat.models import Models
from tts_service.clients.client import Client
from tts_service.database.engine import open_database
from tts_service.deadline import Deadline
from tts_service.dial import Dialer
from tts_service.errors import ServiceError
from tts_service.settings import Settings
from tts_service.speech.speaking import probe
from tts_service.speech.voice import Voice
from tts_service.upstream import Upstream

TIMEOUT_S = 10.0

Check = Callable[[Settings], str]


class _Wrong(Exception):
    """What is wrong and what to do."""


@click.command()
def doctor() -> None:
    """Check settings, database, keys and the road to the provider. Spends nothing."""
    now = settings.load()
    wrong = 0
    for name, check in CHECKS.items():
        try:
            click.echo(f"ok     {name}: {check(now)}")
        except (_Wrong, ServiceError) as error:
            wrong += 1
            click.echo(f"wrong  {name}: {error.message if isinstance(error, ServiceError) else error}")
    if wrong:
        raise click.exceptions.Exit(1)


def _database(now: Settings) -> str:
    database = open_database(now.database_url)  # which makes an SQLite file, as the service would
    answers = database.answers()
    database.close()
    if not answers:
        raise _Wrong("it does not answer. Check DATABASE_URL.")
    return "answers, schema up to date"


def _secret_key(now: Settings) -> str:
    return f"{len(now.secret_keys)} in use; the first one writes"


def _xai_key(now: Settings) -> str:
    if now.xai_api_key is None:
        raise _Wrong("XAI_API_KEY is not set: only clients with a key of their own will speak.")
    return "set"


def _xai_chat(now: Settings) -> str:
    if now.xai_api_key is None:
        raise _Wrong("not tried, there is no key.")
    route = assembly.providers(now).model_for(Client(client_id="", name=""))
    dialer = Dialer()
    upstream = Upstream(dialer)
    try:
        found = Models(upstream).check(route, Deadline.after(TIMEOUT_S))
    finally:
        upstream.close()
        dialer.close()
    if not found.has_model:
        raise _Wrong(f"{found.finding} Check XAI_BASE_URL and XAI_CHAT_MODEL.")
    return found.finding


def _xai_voice(now: Settings) -> str:
    if now.xai_api_key is None:
        raise _Wrong("not tried, there is no key.")
    dialer = Dialer()
    engines = assembly.open_engines(now, dialer)
    try:
        took_ms = probe(engines["realtime"], Voice("ara"), now.xai_api_key, Deadline.after(TIMEOUT_S))
    finally:
        for each in engines.values():
            each.close()
        dialer.close()
    return f"a session opened in {took_ms} ms"


CHECKS: dict[str, Check] = {
    "database": _database,
    "secret key": _secret_key,
    "xAI key": _xai_key,
    "xAI language models": _xai_chat,
    "xAI voice": _xai_voice,
}
