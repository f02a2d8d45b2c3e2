"""Whose widget a request is for, and whether it may come from where it comes."""

from __future__ import annotations

from flask import g, request

from tts_service.clients.client import Client
from tts_service.clients.store import ClientStore
from tts_service.errors import ClientDisabled, OriginNotAllowed
from tts_service.web import cors, origins


def admit(store: ClientStore, client_id: str) -> Client:
    """The client. Raises ClientNotFound, OriginNotAllowed or ClientDisabled, in this order.

    From here on the answer can be read by pages of this client's own origins, and by no other's.
    """
    client = store.get(client_id)
    g.client_id = client.client_id
    try:
        origins.check(client.allowed_origins, dict(request.headers))
    except OriginNotAllowed:
        cors.grant(None)
        raise
    cors.grant(request.headers.get("Origin"))
    if not client.enabled:
        raise ClientDisabled(param="client_id")
    return client
