"""`/api/clients`: the admin API, for scripts that hold ADMIN_TOKEN. Keys go in and never out."""

from __future__ import annotations

from collections.abc import Set

import orjson
from flask import Blueprint, Response, g, request

from tts_service.clients.client import Client
from tts_service.clients.listing import Page
from tts_service.clients.store import ClientStore
from tts_service.errors import InvalidRequest
from tts_service.web import body, chat_request, listing_request
from tts_service.web.bearer import Bearer

PATH = "/api/clients"


def blueprint(store: ClientStore, bearer: Bearer) -> Blueprint:
    routes = Blueprint("admin", __name__)

    @routes.before_request
    def admit() -> None:
        bearer.check(request.headers.get("Authorization"), request.remote_addr)

    @routes.get(PATH)
    def index() -> Response:
        wanted = listing_request.read(request.args)
        return _listed(store.page(wanted.search, limit=wanted.limit, cursor=wanted.cursor))

    @routes.post(PATH)
    def create() -> Response:
        client = store.add(_fields())
        response = _shown(client, 201)
        response.headers["Location"] = f"{PATH}/{client.client_id}"
        return response

    @routes.get(f"{PATH}/<client_id>")
    def read(client_id: str) -> Response:
        client = store.get(_checked(client_id))
        if request.if_none_match.contains_weak(client.version):
            return _shown(client, 304)
        return _shown(client)

    @routes.patch(f"{PATH}/<client_id>")
    def change(client_id: str) -> Response:
        return _shown(store.change(_checked(client_id), _fields(), if_match=_if_match()))

    @routes.delete(f"{PATH}/<client_id>")
    def delete(client_id: str) -> Response:
        store.delete(_checked(client_id), if_match=_if_match())
        return Response(status=204)

    return routes


def _checked(client_id: str) -> str:
    g.client_id = chat_request.check_client_id(client_id)  # for the access line: who was changed
    return client_id


def _fields() -> dict[str, object]:
    document = body.read_json(request)
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a JSON object of fields.")
    return document


def _if_match() -> Set[str] | None:
    """The versions of If-Match. A weak or damaged tag is none (RFC 9110, 13.1.1), so it refuses the edit."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    return request.if_match.as_set()


def _shown(client: Client, status: int = 200) -> Response:
    response = Response(
        b"" if status == 304 else orjson.dumps(client.shown()), status, content_type="application/json"
    )
    response.set_etag(client.version)
    return response


def _listed(page: Page) -> Response:
    document = {
        "clients": [client.shown() for client in page.clients],
        "total": page.total,
        "next_cursor": page.next_cursor,
    }
    return Response(orjson.dumps(document), content_type="application/json")
