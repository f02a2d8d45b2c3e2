"""The dashboard put together: its pages behind the guard, and the door in front of it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, g, make_response, redirect, url_for

from tts_service.accounts.attempts import Attempts
from tts_service.accounts.invitations import Invitations
from tts_service.accounts.sessions import Sessions
from tts_service.accounts.sign_in import SignIn
from tts_service.accounts.store import AccountStore
from tts_service.clients.store import ClientStore
from tts_service.database.engine import Database
from tts_service.settings import Settings
from tts_service.usage.ledger import Ledger
from tts_service.web.dashboard import clients, conversations, door, usage
from tts_service.web.dashboard.cookie import SessionCookie
from tts_service.web.dashboard.guard import Guard


def install(app: Flask, settings: Settings, database: Database, store: ClientStore, ledger: Ledger) -> None:
    sessions, cookie = Sessions(database), SessionCookie(settings.production)
    signing_in = SignIn(AccountStore(database), Attempts(database))
    guard = Guard(sessions, cookie, settings)
    behind = _pages(sessions, cookie)
    guard.stand_before(behind)
    # A further page is a blueprint of its own, registered here: the guard stands before all of them.
    behind.register_blueprint(clients.blueprint(settings, store, database))
    behind.register_blueprint(usage.blueprint(store, database))
    behind.register_blueprint(conversations.blueprint(store, database, ledger))
    app.register_blueprint(door.blueprint(guard, signing_in, Invitations(database), sessions, cookie))
    app.register_blueprint(behind)


def _pages(sessions: Sessions, cookie: SessionCookie) -> Blueprint:
    pages = Blueprint("dashboard", __name__, url_prefix="/dashboard")

    @pages.get("")
    def home() -> Any:
        return redirect(url_for("dashboard.clients.index"))

    pages.add_url_rule("/", "home_with_slash", home)

    @pages.post("/sign-out")
    def sign_out() -> Response:
        sessions.close(g.visit.session)
        response = make_response(redirect(url_for("door.sign_in"), 303))
        cookie.clear(response)
        # For whoever goes back in a shared browser: nothing of the dashboard is kept.
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    return pages
