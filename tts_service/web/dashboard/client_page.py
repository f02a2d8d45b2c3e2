"""One client's settings as a page: as they are stored, as somebody typed them, or both in conflict."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from flask import Response, g, make_response, request, url_for

from tts_service.chat.budget import REFUSED_AT
from tts_service.chat.trial import Trial
from tts_service.chat.turn import Composer
from tts_service.clients.client import Client
from tts_service.deadline import Deadline
from tts_service.errors import InvalidRequest
from tts_service.settings import Settings
from tts_service.speech.roster import Roster
from tts_service.web import problems
from tts_service.web.dashboard import error_page, forms, origin_lines, shell
from tts_service.web.dashboard.forms import Draft
from tts_service.web.dashboard.guard import form
from tts_service.web.previews import Previews

UNBORN = Client(client_id="", name="")
PROVIDERS = {"xai": "xAI", "openai": "OpenAI", "compatible": "Compatible"}
ROSTER_S = 3.0  # longer than this, nobody waits for a page because the provider is slow


class ClientPage:
    def __init__(self, settings: Settings, composer: Composer, roster: Roster) -> None:
        self._settings, self._composer, self._roster = settings, composer, roster
        self._previews = Previews(settings)
        self._costs = {engine: composer.prices.per_minute(engine) for engine in composer.engines}

    def show_new(self) -> str:
        """In a demo the website to try it on is there already: it can be taken out again."""
        website = self._settings.demo_website or ""
        return self._render(UNBORN, {**forms.values_of(UNBORN), "allowed_origins": website})

    def show(self, client: Client) -> str:
        return self._render(client, forms.values_of(client))

    def refuse(self, error: InvalidRequest) -> Response:
        """The answer to a form (`g.draft`, of `g.client` where it is stored) that does not fit."""
        if "draft" not in g or not error_page.is_wanted():
            return problems.render(forms.plainly(error))
        return make_response(self.show_again(g.get("client", UNBORN), g.draft, error), 422)

    def show_again(self, client: Client, draft: Draft, error: InvalidRequest) -> str:
        """With what was typed, and every fault at its field; `error` is what the fields have together."""
        faults = dict(draft.faults)
        if not faults:
            faults[_field_of(error)] = forms.fault(error)
        return self._render(client, draft.values, faults=faults, kept=form())

    def show_conflict(self, client: Client, draft: Draft, seen: str) -> str:
        merge = forms.merge(draft.values, seen, forms.values_of(client))
        return self._render(client, merge.values, conflict=merge, clashes=merge.clashes)

    def show_tried(self, client: Client, draft: Draft, trial: Trial) -> str:
        """As it was typed, not stored, with what the test of the key found."""
        return self._render(client, draft.values, trial=trial, kept=form())

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
            **self._day(client),
            **self._voices(client, values["voice"]),
            "origin_warnings": origin_lines.warnings(origin_lines.read(values["allowed_origins"])),
            "urls": _urls(client),
            "snippet": self._snippet(client),
            "preview_token": self._previews.token(client.client_id),
            "demo_website": self._settings.demo_website,
        }
        absent: dict[str, Any] = {"faults": {}, "clashes": {}, "trial": None}
        return shell.render(f"dashboard/client/{template}.html", **ChainMap(more, given, absent))

    def _voices(self, client: Client, chosen: str) -> dict[str, Any]:
        """`voices` to choose from, and `voice_other`: what was typed where that cannot be a voice."""
        key = self._composer.providers.find_speech_key(client)
        listed = self._roster.voices(key, Deadline.after(ROSTER_S))
        is_voice = bool(chosen) and forms.is_fit("voice", chosen)
        return {
            "voices": listed.including(chosen.lower()) if is_voice else listed.rows,
            "voices_problem": listed.problem,
            "voice_other": "" if is_voice else chosen,
        }

    def _day(self, client: Client) -> dict[str, Any]:
        """What counts today against the stored limit, and what that means: None without a limit."""
        limit, spent = client.daily_limit, self._composer.budget.spent(client)
        if limit is None or spent is None:
            return {"spent": None, "used_up": None}
        if spent >= REFUSED_AT * limit:
            return {"spent": spent, "used_up": "it answers nobody"}
        return {"spent": spent, "used_up": "it answers in writing only" if spent >= limit else None}

    def _snippet(self, client: Client) -> str:
        # Without PUBLIC_URL, the address that this reader's own browser used; a proxy may have ended its TLS.
        scheme = "https" if self._settings.production else request.scheme
        own = self._settings.public_url or f"{scheme}://{request.host}"
        return f'<script async src="{own}/widget.js" data-client="{client.client_id}"></script>'


def _urls(client: Client) -> dict[str, str]:
    """Of what can be tried before the form is saved."""
    unborn = client is UNBORN
    whose: dict[str, Any] = {} if unborn else {"client_id": client.client_id}
    return {
        "hear": url_for(f"dashboard.listening.{'hear_unsaved' if unborn else 'hear'}", **whose),
        "test_key": url_for(f"dashboard.checks.{'test_unsaved_key' if unborn else 'test_key'}", **whose),
        "check_origins": url_for("dashboard.checks.check_origins"),
    }


def _field_of(error: InvalidRequest) -> str:
    return error.param if error.param is not None and error.param in forms.LABELS else "name"
