"""What a client sounds like, before a visitor hears it: its greeting or one word of it, as its form stands.

Nothing of the form is stored. A key in it goes where it would go if it were.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, g

from tts_service.chat import saying
from tts_service.chat.turn import Composer
from tts_service.clients.client import Client
from tts_service.clients.store import ClientStore
from tts_service.errors import (
    InvalidRequest,
    SpeechAuth,
    SpeechBudget,
    SpeechBusy,
    SpeechError,
    SpeechProtocol,
)
from tts_service.speech.audio import wav
from tts_service.web import problems
from tts_service.web.dashboard import failures, forms
from tts_service.web.dashboard.client_page import UNBORN
from tts_service.web.dashboard.guard import form
from tts_service.web.dashboard.pace import Pace

# What decides how a reply sounds, and with whose key. Not the daily limit: the stored one holds.
_HEARD = (
    "ai_provider",
    "ai_base_url",
    "ai_api_key",
    "speech_engine",
    "voice",
    "speed",
    "language",
    "pronunciations",
    "retry_on_drift",
    "greeting",
)
_EXAMPLES = {
    "de": "Hallo! Wie kann ich Ihnen helfen?",
    "en": "Hello! How can I help you today?",
    "es": "¡Hola! ¿En qué puedo ayudarle?",
    "fr": "Bonjour ! Comment puis-je vous aider ?",
    "it": "Buongiorno! Come posso aiutarla?",
    "nl": "Hallo! Waarmee kan ik u helpen?",
    "pt": "Olá! Como posso ajudar?",
}
A_MINUTE, AT_ONCE = 60, 4
_ADVISES = (SpeechAuth, SpeechProtocol)


def blueprint(store: ClientStore, composer: Composer) -> Blueprint:
    routes = Blueprint("listening", __name__)
    pace = Pace(A_MINUTE, AT_ONCE)

    def heard(stored: Client) -> Response:
        changes = forms.read(_said(form())).approved()
        client = store.revised(stored, {name: changes[name] for name in _HEARD if name in changes})
        with pace.held(g.visit.session):
            return _sound(composer, client, client.greeting if client.greeting.strip() else _example(client))

    @routes.post("/hear")
    def hear_unsaved() -> Response:
        return heard(UNBORN)

    @routes.post("/clients/<client_id>/hear")
    def hear(client_id: str) -> Response:
        return heard(store.get(client_id))

    routes.register_error_handler(SpeechError, _silent)
    routes.register_error_handler(InvalidRequest, _unfit)
    return routes


def _said(fields: Mapping[str, str]) -> Mapping[str, str]:
    """A `phrase` of the pronunciations is said in the greeting's place."""
    rest = {name: value for name, value in fields.items() if name != "phrase"}
    return rest | {"greeting": fields["phrase"]} if "phrase" in fields else rest


def _sound(composer: Composer, client: Client, text: str) -> Response:
    voicing = saying.sample(composer, client, text)
    spoken = voicing.spoken()
    if voicing.error or spoken is None:
        raise voicing.error or SpeechError()
    return Response(wav(spoken.pcm), content_type="audio/wav")


def _unfit(error: InvalidRequest) -> Response:
    return problems.render(forms.plainly(error))


def _silent(error: SpeechError) -> Response:
    """With what to do about it, unless it says that already: here somebody reads it who can."""
    told = (
        error
        if isinstance(error, _ADVISES)
        else type(error)(f"{error.message} {failures.advice(error.code)}")
    )
    if isinstance(error, SpeechBudget):
        return problems.render(told, 429)
    return problems.render(told, 503 if isinstance(error, SpeechBusy) else 502)


def _example(client: Client) -> str:
    return _EXAMPLES.get(client.language.partition("-")[0].lower(), _EXAMPLES["en"])
