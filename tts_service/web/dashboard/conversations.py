"""What visitors asked and were answered, for clients that keep it."""

from __future__ import annotations

import time

from flask import Blueprint
from werkzeug.wrappers import Response as Redirect

from tts_service.clients.store import ClientStore
from tts_service.database.engine import Database
from tts_service.usage import exchanges
from tts_service.usage.ledger import Ledger
from tts_service.web.dashboard import shell


def blueprint(store: ClientStore, database: Database, ledger: Ledger) -> Blueprint:
    pages = Blueprint("conversations", __name__, url_prefix="/clients/<client_id>/conversations")

    @pages.get("")
    def show(client_id: str) -> str:
        client = store.get(client_id)
        now_ms = int(time.time() * 1000)
        return shell.render(
            "dashboard/client/conversations.html",
            client=client,
            conversations=exchanges.recent(database, client_id, client.retention_days, now_ms),
            most=exchanges.MAX_SHOWN,
        )

    @pages.post("/delete")
    def delete(client_id: str) -> Redirect:
        store.get(client_id)  # or it is a 404
        ledger.delete_texts(client_id)
        return shell.go(
            "dashboard.conversations.show", "All kept conversations were deleted.", client_id=client_id
        )

    return pages
