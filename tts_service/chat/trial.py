"""A client's key, tried before a visitor tries it: which key that is, what it opens, and whether it speaks.

Buys nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from tts_service.chat.llm import ModelRoute
from tts_service.chat.models import KeyCheck, Models
from tts_service.chat.route import Providers
from tts_service.chat.turn import Composer, voice_of
from tts_service.clients.client import Client
from tts_service.deadline import Deadline
from tts_service.errors import SpeechError, UpstreamAuth, UpstreamError
from tts_service.speech.speaking import probe

TIMEOUT_S = 8.0  # for the list of models, and again for the voice

_WANTS_ONE = "The server wants a key, and none was sent. Type the key of its owner."
_NOT_SENT = "The stored key was not sent: it belongs to the stored provider and base URL. Type the new key."
_LOST = "The stored key can no longer be opened, because SECRET_KEY was changed. Type it again."


class Verdict(StrEnum):
    GOOD = "good"
    DOUBTFUL = "doubtful"  # the key works, but something in the form may not
    BAD = "bad"


@dataclass(frozen=True)
class Trial:
    """`findings` are sentences for the one who asked; `models` what the provider lists, in its order."""

    verdict: Verdict
    findings: tuple[str, ...]
    models: tuple[str, ...] = ()


def try_key(models: Models, composer: Composer, stored: Client, client: Client) -> Trial:
    """`client` is `stored` as the form has it, which decides what key there is and where it may go."""
    which = _which(composer.providers, stored, client)
    try:
        route = _route(composer.providers, client)
        found = models.check(route, Deadline.after(TIMEOUT_S))
    except UpstreamError as error:
        return Trial(Verdict.BAD, (*which, _refusal(error, client)))
    lines = (*which, found.finding)
    if client.ai_provider != "xai":
        return Trial(_verdict(found), lines, found.models or ())
    return _with_voice(composer, client, found, lines)


def _with_voice(composer: Composer, client: Client, found: KeyCheck, lines: tuple[str, ...]) -> Trial:
    models = found.models or ()
    try:
        key = composer.providers.speech_key_for(client)
        engine = composer.engines[client.speech_engine]
        took_ms = probe(engine, voice_of(client), key, Deadline.after(TIMEOUT_S))
    except SpeechError as error:
        return Trial(Verdict.DOUBTFUL, (*lines, f"It does not speak: {error.message}"), models)
    return Trial(_verdict(found), (*lines, f"It may speak, too: the voice opened in {took_ms} ms."), models)


def _which(providers: Providers, stored: Client, client: Client) -> tuple[str, ...]:
    """Which key is tried, and why it is not the stored one where somebody may think so."""
    lost = (_NOT_SENT,) if stored.has_api_key and not client.has_api_key else ()
    if client.lost_key_last4 is not None:
        lost = (_LOST,)
    if client.ai_api_key is not None:
        is_stored = client.ai_api_key == stored.ai_api_key
        end = client.key_last4 and f", which ends with …{client.key_last4}"
        return (f"Tried: the stored key{end}." if is_stored else "Tried: the key that is typed here.",)
    if client.ai_provider == "compatible":
        return (*lost, "Tried: without a key.")
    own = providers.openai if client.ai_provider == "openai" else providers.xai
    return (*lost, f"Tried: the service's own key ({own.variable}).") if own.key else lost


def _route(providers: Providers, client: Client) -> ModelRoute:
    """Also of a client whose model is still to be chosen from the list. Raises UpstreamAuth."""
    if client.ai_provider == "compatible" and not client.ai_model:
        return replace(providers.model_for(replace(client, ai_model="unchosen")), model="")
    return providers.model_for(client)


def _refusal(error: UpstreamError, client: Client) -> str:
    keyless = client.ai_provider == "compatible" and client.ai_api_key is None
    return _WANTS_ONE if keyless and isinstance(error, UpstreamAuth) else error.message


def _verdict(found: KeyCheck) -> Verdict:
    return Verdict.GOOD if found.has_model else Verdict.DOUBTFUL
