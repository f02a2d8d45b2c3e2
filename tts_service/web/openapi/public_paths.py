"""The endpoints that need no token. Pure."""

from __future__ import annotations

from tts_service import errors
from tts_service.web import idempotency
from tts_service.web.openapi.answers import Schema, answer, every, refusals
from tts_service.web.openapi.schemas import ref

# What reading a JSON body may end with.
BODY_REFUSALS = (
    errors.InvalidJson,
    errors.JsonTooDeep,
    errors.DuplicateKey,
    errors.InvalidRequest,
    errors.UnknownField,
    errors.RequestTimeout,
    errors.BodyTooLarge,
    errors.UnsupportedMediaType,
    errors.UnsupportedEncoding,
)
_CLIENT_REFUSALS = (
    errors.InvalidClientId,
    errors.OriginNotAllowed,
    errors.ClientDisabled,
    errors.ClientNotFound,
    errors.RateLimited,
    errors.BudgetExhausted,
    errors.DatabaseUnavailable,
)
_SERVER_TIMING: Schema = {"schema": {"type": "string"}}
_ETAG: Schema = {"required": True, "schema": {"type": "string"}}


def json_body(schema: str) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": ref(schema)}}}


_EVENTS = """Where Accept names text/event-stream, the same turn as it happens: any number of `text`
(TextEvent) and `audio` (AudioEvent), then `done` (DoneEvent), or `error` with an error's JSON."""

_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "For ten minutes a retry with the same key and body gets the first answer, for nothing. "
    "Spaces around it do not count. Without effect on an event stream.",
    "schema": {"type": "string", "pattern": f"^{idempotency.KEY}$"},
}

_CHAT: Schema = {
    "tags": ["widget"],
    "operationId": "chat",
    "summary": "A question in; the reply, and its voice, out",
    "description": "Browsers are answered for the origins that the client allows, and for no others.",
    "parameters": [_IDEMPOTENCY_KEY],
    "requestBody": json_body("ChatRequest"),
    "responses": {
        "200": answer(
            f"The reply. {_EVENTS}",
            {"application/json": ref("ChatReply"), "text/event-stream": {"type": "string"}},
            Server_Timing=_SERVER_TIMING,
            Idempotent_Replayed={"schema": {"const": "true"}},
        ),
        **refusals(
            *BODY_REFUSALS,
            *_CLIENT_REFUSALS,
            errors.EmptyMessage,
            errors.MessageTooLong,
            errors.InvalidCharacters,
            errors.IdempotencyInFlight,
            errors.IdempotencyMismatch,
            *(kind for kind in every(errors.UpstreamError) if kind is not errors.UpstreamError),
        ),
    },
}

_GREETING: Schema = {
    "tags": ["widget"],
    "operationId": "greeting",
    "summary": "What a client's widget says when it is opened",
    "requestBody": json_body("GreetingRequest"),
    "responses": {
        "200": answer("The greeting; its text may be empty.", {"application/json": ref("Greeting")}),
        **refusals(*BODY_REFUSALS, *_CLIENT_REFUSALS),
    },
}


def _page(operation_id: str, summary: str, answers: Schema, tag: str = "operators") -> Schema:
    return {"get": {"tags": [tag], "operationId": operation_id, "summary": summary, "responses": answers}}


PATHS: Schema = {
    "/api/chat": {"post": _CHAT},
    "/api/greeting": {"post": _GREETING},
    "/health": _page(
        "health",
        "Is the process there? Which keys are present, never the keys",
        {"200": answer("It is.", {"application/json": ref("Health")})},
    ),
    "/ready": _page(
        "ready",
        "Can it serve?",
        {
            "200": answer("It can.", {"application/json": ref("Readiness")}),
            "503": answer("Not now.", {"application/json": ref("Readiness")}),
        },
    ),
    "/widget.js": _page(
        "widget",
        "The widget's script",
        {
            "200": answer("JavaScript.", {"text/javascript": {"type": "string"}}, ETag=_ETAG),
            "304": answer("The script with the ETag of If-None-Match is still the same.", ETag=_ETAG),
        },
        "widget",
    ),
    "/": _page(
        "home",
        "A page for newcomers",
        {
            "200": answer("HTML.", {"text/html": {"type": "string"}}),
            **refusals(errors.DatabaseUnavailable),
        },
    ),
    "/openapi.json": _page(
        "openapi", "This document", {"200": answer("OpenAPI 3.1.", {"application/json": {"type": "object"}})}
    ),
}
