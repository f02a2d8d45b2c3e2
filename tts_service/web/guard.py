"""Whose widget a request is for, and whether it may come from where it comes."""

from __future__ import annotations

from flask import g, request

from tts_service.clients.client import Client
from tts_service.clients.store import ClientStore
from tts_service.errors import ClientDisabled, OriginNotAllowed
from tts_service.web import cors, origins, previews
from tts_service.web.previews import Previews

_PREVIEW_OVER = "This preview has ended: it lasts an hour. Load the page again."


def admit(store: ClientStore, leave: Previews, client_id: str) -> Client:
    """The client. Raises ClientNotFound, OriginNotAllowed or ClientDisabled, in this order.

    From here on the answer can be read by pages of this client's own origins, and by no other's.
    """
    client = store.get(client_id)
    g.client_id = client.client_id
    try:
        _check_origin(client, leave)
    except OriginNotAllowed:
        cors.grant(None)
        raise
    cors.grant(request.headers.get("Origin"))
    if not client.enabled:
        raise ClientDisabled(param="client_id")
    return client


def _check_origin(client: Client, leave: Previews) -> None:
    """A preview is admitted whatever the client's list says; one whose leave has ended is told so."""
    headers = dict(request.headers)
    if leave.admits(client.client_id, headers, request.host):
        return
    try:
        origins.check(client.allowed_origins, headers)
    except OriginNotAllowed as refusal:
        if previews.HEADER in headers:
            raise OriginNotAllowed(_PREVIEW_OVER) from refusal
        raise
