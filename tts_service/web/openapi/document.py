"""The whole document (OpenAPI 3.1). Pure."""

from __future__ import annotations

from tts_service.version import __version__
from tts_service.web.openapi import admin_paths, public_paths, schemas

_ABOUT = """The voice layer for a website's chat widget: a question in, the reply as text and as sound out.

Every error is `{"error": {"code", "message", "param"?, "request_id"}}`; where Accept names
`application/problem+json`, it is RFC 9457's problem with the same `code`. Codes are a closed list, given with
each answer below. Beyond what is listed, any request may be answered 405 `method_not_allowed`, 500
`internal`, or, where it is no proper HTTP, 400, 414 or 431 `invalid_request`.

JSON is read strictly: UTF-8, no duplicate keys, no unknown fields, at most 16 levels and 65,536 bytes."""


def document() -> dict[str, object]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tts-service",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [
            {"name": "widget", "description": "What the widget on a website calls."},
            {"name": "clients", "description": "The admin API; it is there when ADMIN_TOKEN is set."},
            {"name": "operators", "description": "Is it there, can it serve, what can it do?"},
        ],
        "paths": public_paths.PATHS | admin_paths.PATHS,
        "components": {
            "schemas": schemas.SCHEMAS,
            "securitySchemes": {
                "adminToken": {"type": "http", "scheme": "bearer", "description": "The setting ADMIN_TOKEN."}
            },
        },
    }
