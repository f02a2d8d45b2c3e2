"""One client's settings as a page: as they are stored, as somebody typed them, or both in conflict."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from flask import request

from tts_service.clients.client import Client
from tts_service.errors import InvalidRequest
from tts_service.settings import Settings
from tts_service.web.dashboard import forms, shell
from tts_service.web.dashboard.forms import Draft
from tts_service.web.dashboard.guard import form
from tts_service.web.previews import Previews

UNBORN = Client(client_id="", name="")
PROVIDERS = {"xai": "xAI", "openai": "OpenAI", "compatible": "Compatible"}
# contract.md, "A client". The live list comes from the provider.
CLASSIC_VOICES = (
    ("ara", "Ara, warm"),
    ("rex", "Rex, confident"),
    ("sal", "Sal, balanced"),
    ("eve", "Eve, upbeat"),
    ("leo", "Leo, authoritative"),
)
# 150 words a minute, of six characters with their space.
_CHARACTERS_A_MINUTE = 900


class ClientPage:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._previews = Previews(settings)
        a_minute = settings.price_tts_million_chars * _CHARACTERS_A_MINUTE / 1_000_000
        self._costs = {
            "realtime": f"${settings.price_speech_minute:.3g} a minute of sound, "
            f"and ${settings.price_speech_item:.3g} for each piece that is spoken",
            "tts": f"About ${a_minute:.2g} a minute of sound",
        }

    def show_new(self) -> str:
        """In a demo the website to try it on is there already: it can be taken out again."""
        website = self._settings.demo_website or ""
        return self._render(UNBORN, {**forms.values_of(UNBORN), "allowed_origins": website})

    def show(self, client: Client) -> str:
        return self._render(client, forms.values_of(client))

    def show_again(self, client: Client, draft: Draft, error: InvalidRequest) -> str:
        """With what was typed, and every fault at its field; `error` is what the fields have together."""
        faults = dict(draft.faults)
        if not faults:
            faults[_field_of(error)] = forms.fault(error)
        return self._render(client, draft.values, faults=faults, kept=form())

    def show_conflict(self, client: Client, draft: Draft, seen: str) -> str:
        merge = forms.merge(draft.values, seen, forms.values_of(client))
        return self._render(client, merge.values, conflict=merge, clashes=merge.clashes)

    def _render(self, client: Client, values: Mapping[str, str], **more: Any) -> str:
        """`client` is what is stored, `values` what stands in the form."""
        template = "new" if client is UNBORN else "edit"
        kept: Mapping[str, str] = more.pop("kept", {})
        given = {
            "client": client,
            "values": values,
            "labels": forms.LABELS,
            # After a fault, the form still knows what it was opened with.
            "version": kept.get("version", client.version),
            "seen": kept.get("seen", forms.seen(forms.values_of(client))),
            "key_was_typed": bool(kept.get("ai_api_key")),
            "costs": self._costs,
            "voices": CLASSIC_VOICES,
            "snippet": self._snippet(client),
            "preview_token": self._previews.token(client.client_id),
            "demo_website": self._settings.demo_website,
        }
        return shell.render(
            f"dashboard/client/{template}.html", **ChainMap(more, given, {"faults": {}, "clashes": {}})
        )

    def _snippet(self, client: Client) -> str:
        # Without PUBLIC_URL, the address that this reader's own browser used; a proxy may have ended its TLS.
        scheme = "https" if self._settings.production else request.scheme
        own = self._settings.public_url or f"{scheme}://{request.host}"
        return f'<script async src="{own}/widget.js" data-client="{client.client_id}"></script>'


def _field_of(error: InvalidRequest) -> str:
    return error.param if error.param is not None and error.param in forms.LABELS else "name"
