"""What can be known of a form before it is saved: whether its key works, and what its origins mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Blueprint, Response, g

from tts_service.chat.models import Models
from tts_service.chat.trial import Trial, try_key
from tts_service.chat.turn import Composer
from tts_service.clients.client import Client
from tts_service.clients.store import ClientStore
from tts_service.errors import InvalidRequest
from tts_service.settings import Settings
from tts_service.web.dashboard import error_page, forms, origin_lines
from tts_service.web.dashboard.client_page import UNBORN, ClientPage
from tts_service.web.dashboard.forms import Draft
from tts_service.web.dashboard.guard import form
from tts_service.web.dashboard.pace import Pace

# What decides which key goes where. The rest of the form may be unfinished.
_TRIED = ("ai_provider", "ai_base_url", "ai_model", "ai_api_key", "speech_engine")
TRIALS_A_MINUTE = 10


def blueprint(
    settings: Settings, store: ClientStore, composer: Composer, models: Models, page: ClientPage
) -> Blueprint:
    routes = Blueprint("checks", __name__)
    pace = Pace(TRIALS_A_MINUTE, at_once=2)

    def tried(stored: Client) -> Any:
        g.client, g.draft = stored, _of_the_key(forms.read(form()))
        client = store.revised(stored, g.draft.approved())
        with pace.held(g.visit.session):
            trial = try_key(models, composer, stored, client)
        return page.show_tried(stored, g.draft, trial) if error_page.is_wanted() else _json(told(trial))

    @routes.post("/test-key")
    def test_unsaved_key() -> Any:
        return tried(UNBORN)

    @routes.post("/clients/<client_id>/test-key")
    def test_key(client_id: str) -> Any:
        return tried(store.get(client_id))

    @routes.post("/check-origins")
    def check_origins() -> Response:
        lines = origin_lines.read(form().get("allowed_origins", ""), settings.production)
        return _json({"lines": lines, "warnings": origin_lines.warnings(lines)})

    routes.register_error_handler(InvalidRequest, page.refuse)
    return routes


def told(trial: Trial) -> Mapping[str, object]:
    return {"verdict": trial.verdict, "findings": trial.findings, "models": trial.models}


def _of_the_key(draft: Draft) -> Draft:
    """With all that was typed, and only the changes and faults that matter to the key."""
    changes = {name: draft.changes[name] for name in _TRIED if name in draft.changes}
    return Draft(draft.values, changes, {name: draft.faults[name] for name in _TRIED if name in draft.faults})


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), content_type="application/json")
