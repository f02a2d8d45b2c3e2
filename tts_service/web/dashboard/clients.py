"""The clients' pages: the list, and one client's settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, g, make_response, request

from tts_service.clients.client import Client
from tts_service.clients.spending import utc_today
from tts_service.clients.store import ClientStore
from tts_service.database.engine import Database
from tts_service.errors import EditConflict, InvalidRequest
from tts_service.settings import Settings
from tts_service.usage.report import read_overview
from tts_service.web import problems
from tts_service.web.dashboard import client_page, forms, shell
from tts_service.web.dashboard.client_page import ClientPage
from tts_service.web.dashboard.guard import form

_USED_DAYS = 7  # what the list says of a client's use


def blueprint(settings: Settings, store: ClientStore, database: Database) -> Blueprint:
    pages = Blueprint("clients", __name__, url_prefix="/clients")
    page = ClientPage(settings)

    @pages.get("")
    def index() -> str:
        search = request.args.get("search", "").strip()
        found = store.page(search, cursor=request.args.get("cursor", ""))
        return shell.render(
            "dashboard/clients.html",
            page=found,
            search=search,
            providers=client_page.PROVIDERS,
            used=read_overview(database, utc_today() - timedelta(days=_USED_DAYS - 1)),
        )

    @pages.get("/new")
    def new() -> str:
        return page.show_new()

    @pages.post("/new")
    def add() -> Any:
        g.draft = forms.read(form())
        client = store.add(g.draft.approved())
        return shell.go("dashboard.clients.edit", _welcome(client), client_id=client.client_id)

    @pages.get("/<client_id>")
    def edit(client_id: str) -> str:
        return page.show(store.get(client_id))

    @pages.post("/<client_id>")
    def save(client_id: str) -> Any:
        g.client = before = store.get(client_id)
        g.draft = forms.read(form())
        client = store.change(client_id, g.draft.approved(), if_match={form().get("version", "")})
        return shell.go("dashboard.clients.edit", _told(before, client), client_id=client_id)

    _add_switches(pages, store)
    _add_refusals(pages, store, page)
    return pages


def _add_switches(pages: Blueprint, store: ClientStore) -> None:
    @pages.post("/<client_id>/switch")
    def switch(client_id: str) -> Any:
        client = store.change(client_id, {"enabled": form().get("enabled") == "yes"})
        told = "on" if client.enabled else "off: its widget answers nobody"
        return shell.go("dashboard.clients.edit", f"Switched {told}.", client_id=client_id)

    @pages.get("/<client_id>/delete")
    def confirm_delete(client_id: str) -> str:
        return shell.render("dashboard/client/delete.html", client=store.get(client_id))

    @pages.post("/<client_id>/delete")
    def delete(client_id: str) -> Any:
        client = store.get(client_id)
        store.delete(client_id)
        return shell.go("dashboard.clients.index", f"“{client.name}” is deleted.")


def _add_refusals(pages: Blueprint, store: ClientStore, page: ClientPage) -> None:
    """A change that was refused is shown again as it was typed."""

    @pages.errorhandler(InvalidRequest)
    def unfit(error: InvalidRequest) -> Response:
        if "draft" not in g:
            return problems.render(error)
        return make_response(page.show_again(g.get("client", client_page.UNBORN), g.draft, error), 422)

    @pages.errorhandler(EditConflict)
    def conflict(error: EditConflict) -> Response:
        client = store.get(g.client.client_id)
        return make_response(page.show_conflict(client, g.draft, form().get("seen", "")), error.status)


def _welcome(client: Client) -> str:
    return f"“{client.name}” is there. Try it on this page, or paste the line below into the website."


def _told(before: Client, after: Client) -> str:
    lost = before.has_api_key and not after.has_api_key and not form().get("remove_key")
    return (
        "Saved. The stored key was removed, because it belonged to the former provider or base URL."
        if lost
        else "Saved."
    )
