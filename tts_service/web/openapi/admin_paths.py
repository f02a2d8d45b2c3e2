"""What stands behind ADMIN_TOKEN: the admin API, and the metrics. Pure."""

from __future__ import annotations

from tts_service import errors
from tts_service.clients import listing
from tts_service.web.openapi.answers import Schema, answer, refusals
from tts_service.web.openapi.public_paths import BODY_REFUSALS, json_body
from tts_service.web.openapi.schemas import CLIENT_ID, ref

# NotFound: no ADMIN_TOKEN is set, so there is nothing behind it.
_GUARD = (errors.Unauthorized, errors.RateLimited, errors.NotFound)
_REFUSALS = (*_GUARD, errors.DatabaseUnavailable)
_ONE = (errors.InvalidClientId, errors.ClientNotFound)
_VALUES = (*BODY_REFUSALS, errors.InvalidValue, errors.UrlNotAllowed)

_ETAG: Schema = {
    "description": "Names this state of the client; every change gives another one.",
    "required": True,
    "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
}
_LOCATION: Schema = {"required": True, "schema": {"type": "string", "format": "uri-reference"}}
_IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag that was read: a client that was changed since is left alone, with 412.",
    "schema": {"type": "string"},
}
_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "An ETag: 304 if the client is still the same.",
    "schema": {"type": "string"},
}


def _operation(
    operation_id: str, summary: str, answers: Schema, tag: str = "clients", **more: object
) -> Schema:
    about = {"tags": [tag], "operationId": operation_id, "summary": summary}
    return about | {"security": [{"adminToken": []}]} | more | {"responses": answers}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_LIST = _operation(
    "listClients",
    "Clients in the order of their names, in pages",
    {
        "200": answer("A page.", {"application/json": ref("ClientPage")}),
        **refusals(*_REFUSALS, errors.UnknownField, errors.InvalidValue),
    },
    description="Clients added or deleted between two pages make no other appear twice or not at all.",
    parameters=[
        _query(
            "search",
            "Part of a name in any case, or the beginning of a client_id; no NUL.",
            {"type": "string", "maxLength": listing.MAX_SEARCH, "pattern": r"^[^\x00]*$"},
        ),
        _query(
            "limit",
            "Clients on a page.",
            {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT, "default": listing.DEFAULT_LIMIT},
        ),
        _query("cursor", "The next_cursor of the page before; anything else is refused.", {"type": "string"}),
    ],
)
_CREATE = _operation(
    "createClient",
    "A new client",
    {
        "201": answer("The client.", {"application/json": ref("Client")}, ETag=_ETAG, Location=_LOCATION),
        **refusals(*_REFUSALS, *_VALUES),
    },
    requestBody=json_body("NewClient"),
)
_READ = _operation(
    "readClient",
    "A client, without its key",
    {
        "200": answer("The client.", {"application/json": ref("Client")}, ETag=_ETAG),
        "304": answer("It is still the same.", ETag=_ETAG),
        **refusals(*_REFUSALS, *_ONE),
    },
    parameters=[_IF_NONE_MATCH],
)
_CHANGE = _operation(
    "changeClient",
    "Some fields of a client",
    {
        "200": answer("The client as it is now.", {"application/json": ref("Client")}, ETag=_ETAG),
        **refusals(*_REFUSALS, *_ONE, *_VALUES, errors.EditConflict),
    },
    parameters=[_IF_MATCH],
    requestBody=json_body("ClientChanges"),
)
_DELETE = _operation(
    "deleteClient",
    "A client, its key and what is known of its spending: gone",
    {"204": answer("It is gone."), **refusals(*_REFUSALS, *_ONE, errors.EditConflict)},
    parameters=[_IF_MATCH],
)

_METRICS = _operation(
    "metrics",
    "What Prometheus collects",
    {"200": answer("Counts and times.", {"text/plain": {"type": "string"}}), **refusals(*_GUARD)},
    tag="operators",
)

PATHS: Schema = {
    "/metrics": {"get": _METRICS},
    "/api/clients": {"get": _LIST, "post": _CREATE},
    "/api/clients/{client_id}": {
        "parameters": [{"name": "client_id", "in": "path", "required": True, "schema": CLIENT_ID}],
        "get": _READ,
        "patch": _CHANGE,
        "delete": _DELETE,
    },
}
