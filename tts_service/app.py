"""The composition root: settings become parts, parts become the Flask application.

The only module that knows everyone. Configuration comes in as an argument and nothing is read at import.
"""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from tts_service import logs, metrics
from tts_service.accounts import first_run
from tts_service.accounts.invitations import Invitations
from tts_service.assembly import open_composer
from tts_service.chat.turn import Composer
from tts_service.clients.sealing import Sealer
from tts_service.clients.spending import Spending
from tts_service.clients.store import ClientStore
from tts_service.database.engine import Database, open_database
from tts_service.dial import Dialer
from tts_service.settings import Settings, load
from tts_service.shared_memory import SharedMemory, open_shared_memory
from tts_service.upstream import Upstream
from tts_service.usage.ledger import Ledger
from tts_service.usage.turn import Record, Turn
from tts_service.web import (
    access_log,
    admin,
    chat,
    cors,
    greeting,
    headers,
    health,
    pages,
    problems,
    request_id,
)
from tts_service.web import metrics as metrics_endpoint
from tts_service.web.bearer import Bearer
from tts_service.web.dashboard import blueprint as dashboard
from tts_service.web.idempotency import Answers
from tts_service.web.limits import TurnLimits
from tts_service.web.openapi import endpoint as openapi
from tts_service.web.previews import Previews
from tts_service.web.shared_answers import SharedAnswers
from tts_service.web.shared_windows import SharedWindows
from tts_service.web.windows import MemoryWindows

_log = logging.getLogger(__name__)

_SETTLING_S = 10.0  # from the end of both deadlines to the end of a turn, at the very most

_RUNNING = "tts_service"


@dataclass(frozen=True)
class Running:
    """`app.extensions["tts_service"]`: what the process that serves the application has to end."""

    composer: Composer
    opened: ExitStack

    def hush(self) -> None:
        """Stops the voices under way, so that their turns are answered at once, with the text."""
        self.composer.hush()

    def close(self) -> None:
        """Gives back all that was opened. A second call does nothing."""
        self.opened.close()


def create_app(settings: Settings | None = None) -> Flask:
    """The service; `settings` default to the environment's. `close_app` gives back what it opened.

    Raises SettingsError, and DatabaseUnavailable where the database can never work as it is configured.
    """
    settings = settings or load()
    logs.configure(settings.log_json)
    with ExitStack() as opened:
        database = open_database(settings.database_url)
        opened.callback(database.close)
        shared = open_shared_memory(settings.redis_url)
        if shared is not None:
            opened.callback(shared.close)
            if database.is_sqlite:
                _log.warning("Several machines need PostgreSQL: with SQLite each has clients of its own.")
        dialer = Dialer()
        opened.callback(dialer.close)
        upstream = Upstream(dialer)
        opened.callback(upstream.close)
        ledger = Ledger(database)
        opened.callback(ledger.close)  # after the composer, whose last turns it counts
        ledger.start()
        composer = open_composer(settings, dialer, upstream, Spending(database), _recorded_by(ledger), shared)
        opened.callback(composer.close)
        app = _flask(settings, database, composer, ledger, shared)
        if settings.setup_link:
            first_run.announce(Invitations(database), settings.own_url, sys.stdout)
        app.extensions[_RUNNING] = Running(composer, opened.pop_all())
    return app


def close_app(app: Flask) -> None:
    """Ends the turns that still run and closes what `create_app` opened. A second call does nothing."""
    running: Running = app.extensions[_RUNNING]
    running.close()


def _flask(
    settings: Settings,
    database: Database,
    composer: Composer,
    ledger: Ledger,
    shared: SharedMemory | None,
) -> Flask:
    store = ClientStore(
        database,
        Sealer(settings.secret_keys),
        production=settings.production,
        vouches_for_urls=settings.allow_private_model_urls,
    )
    limits, previews = _limits(settings, shared), Previews(settings)
    app = Flask("tts_service.web")
    # `//api/chat` is no other name of `/api/chat`: it is nothing, and does not redirect (faults 5-52).
    app.url_map.merge_slashes = False
    # After-request hooks run last to first: the access line sees the answer as it leaves.
    for part in (request_id, access_log, headers, problems):
        part.install(app)
    cors.install(app, frozenset({chat.PATH, greeting.PATH}), store.allowed_origins)
    app.register_blueprint(chat.blueprint(store, previews, composer, limits, _answers(settings, shared)))
    app.register_blueprint(greeting.blueprint(store, previews, composer, limits))
    app.register_blueprint(health.blueprint(settings, database, shared))
    app.register_blueprint(pages.blueprint(settings, store))
    app.register_blueprint(openapi.blueprint())
    if settings.admin_token is not None:  # without one the paths behind it are 404
        bearer = Bearer(settings.admin_token, MemoryWindows())
        app.register_blueprint(admin.blueprint(store, bearer))
        app.register_blueprint(metrics_endpoint.blueprint(bearer))
    dashboard.install(app, settings, database, store, ledger)
    if settings.trusted_proxies:
        # Only as many hops as the operator vouches for; what stands before them is a stranger's claim (5-39).
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=0, x_host=0)  # type: ignore[method-assign]
    return app


def _recorded_by(ledger: Ledger) -> Record:
    """What is done with every turn that has ended."""

    def record(turn: Turn) -> None:
        ledger.record(turn)
        metrics.spoke(turn.spoken_ms, turn.cached_ms, turn.dollars)
        if turn.is_turn:
            metrics.turned(turn.failure if turn.total_ms is None else None, turn.total_ms)

    return record


def _limits(settings: Settings, shared: SharedMemory | None) -> TurnLimits:
    own = MemoryWindows()
    return TurnLimits(
        SharedWindows(shared, own, settings.processes) if shared else own,
        per_address=settings.rate_limit_ip,
        per_client_address=settings.rate_limit_client_ip,
        per_client=settings.rate_limit_client,
    )


def _answers(settings: Settings, shared: SharedMemory | None) -> Answers:
    if shared is None:
        return Answers()
    return SharedAnswers(shared, settings.chat_deadline_s + settings.speech_deadline_s + _SETTLING_S)
