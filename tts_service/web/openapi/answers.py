"""Answers as the document tells them; refusals are read from the error classes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tts_service.errors import ServiceError, Unauthorized

Schema = dict[str, object]

_REQUEST_ID: Schema = {
    "description": "Of this request, also in the service's log.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
}
_RETRY_AFTER: Schema = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}
_AUTHENTICATE: Schema = {"required": True, "schema": {"type": "string", "const": "Bearer"}}


def every(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from every(child)


def answer(description: str, content: Mapping[str, object] | None = None, **headers: Schema) -> Schema:
    """`content`: media type -> schema. Header names are written with _ for -."""
    told = {name.replace("_", "-"): header for name, header in headers.items()}
    document: Schema = {"description": description, "headers": {"X-Request-ID": _REQUEST_ID, **told}}
    if content is not None:
        document["content"] = {media: {"schema": schema} for media, schema in content.items()}
    return document


def refusals(*kinds: type[ServiceError]) -> Schema:
    """Status -> the answer with the codes it may have."""
    by_status: dict[int, list[type[ServiceError]]] = defaultdict(list)
    for kind in kinds:
        if kind not in by_status[kind.status]:
            by_status[kind.status].append(kind)
    return {str(status): _refusal(kinds) for status, kinds in sorted(by_status.items())}


def _refusal(kinds: list[type[ServiceError]]) -> Schema:
    codes = sorted({kind.code for kind in kinds})
    told = "\n".join(f"- `{kind.code}`: {kind.message}" for kind in kinds)
    headers = {"Retry_After": _RETRY_AFTER}
    if Unauthorized in kinds:
        headers["WWW_Authenticate"] = _AUTHENTICATE
    content = {"application/json": _error(codes), "application/problem+json": _problem(codes)}
    return answer(told, content, **headers)


def _error(codes: list[str]) -> Schema:
    error: Schema = {
        "type": "object",
        "properties": _members(codes) | {"message": {"type": "string"}},
        "required": ["code", "message", "request_id"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"error": error},
        "required": ["error"],
        "additionalProperties": False,
    }


def _problem(codes: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": _members(codes)
        | {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "additionalProperties": False,
    }


def _members(codes: list[str]) -> Schema:
    return {
        "code": {"type": "string", "enum": codes},
        "param": {"type": "string", "description": "The field or header that is wrong."},
        "request_id": {"type": "string"},
    }
