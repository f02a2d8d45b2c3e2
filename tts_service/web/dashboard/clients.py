"""The clients' pages: the list, and one client's settings."""

from __future__ import annotations

from flask import Blueprint

from tts_service.clients.store import ClientStore
from tts_service.settings import Settings
from tts_service.web.dashboard import shell


def blueprint(settings: Settings, store: ClientStore) -> Blueprint:
    pages = Blueprint("clients", __name__, url_prefix="/clients")

    @pages.get("")
    def index() -> str:
        return shell.render("dashboard/clients.html", clients=store.all())

    return pages
