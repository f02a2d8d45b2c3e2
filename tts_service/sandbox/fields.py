"""Checks of a JSON body, field by field; a refusal names the field and what was expected."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from tts_service.sandbox.refusals import RefusalError

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Field:
    """A check and its description: "expected <expected>"."""

    expected: str
    accepts: Callable[[Any], bool]
    required: bool = False


def whole(low: int, high: int) -> Field:
    """An integer within bounds, both included."""
    return Field(
        f"an integer from {low:,} to {high:,}",
        lambda value: type(value) is int and low <= value <= high,
    )


def decimal(low: float, high: float) -> Field:
    """A number within bounds, both included."""
    return Field(
        f"a number from {low:g} to {high:g}",
        lambda value: type(value) in (int, float) and low <= value <= high,
    )


def one_of(*choices: object) -> Field:
    """One of a few values."""
    listed = ", ".join(str(one) for one in choices)
    return Field(
        f"one of {listed}",
        lambda value: any(value == one and type(value) is type(one) for one in choices),
    )


def text(expected: str = "a string", *, required: bool = False) -> Field:
    """Any string."""
    return Field(expected, lambda value: isinstance(value, str), required)


def flag() -> Field:
    """true or false."""
    return Field("true or false", lambda value: isinstance(value, bool))


def array() -> Field:
    """Any array."""
    return Field("an array", lambda value: isinstance(value, list))


def mapping() -> Field:
    """Any object."""
    return Field("an object", lambda value: isinstance(value, dict))


def parse_object(content_type: str, raw: bytes) -> Json:
    """The JSON object of a request body: 415 without the type or the body, 400 for anything else."""
    if content_type != "application/json" or not raw:
        raise RefusalError(
            415,
            "Expected request with `Content-Type: application/json` and a JSON body; "
            f"got {content_type!r} and {len(raw)} bytes.",
        )
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"Failed to parse the request body as JSON: {error}.") from error
    if not isinstance(body, dict):
        raise RefusalError(400, f"Expected a JSON object, got {_kind(body)}.")
    return body


def check(body: Json, known: Mapping[str, Field], *, within: str = "", bad_status: int = 422) -> None:
    """Refuses an unknown field with 400, a missing one and a bad value with `bad_status`.

    null counts as absent. `within` is the prefix of the field's name, as in `messages[0].`.
    """
    for name, value in body.items():
        field = known.get(name)
        if field is None:
            raise RefusalError(
                400,
                f"Unknown field `{within}{name}`. Expected: {', '.join(known)}.",
                param=within + name,
                openai_code="unknown_parameter",
            )
        if value is not None and not field.accepts(value):
            raise RefusalError(
                bad_status,
                f"Invalid `{within}{name}`: expected {field.expected}, got {_shown(value)}.",
                param=within + name,
                openai_code="invalid_value",
            )
    for name, field in known.items():
        if field.required and body.get(name) is None:
            raise RefusalError(
                bad_status,
                f"Missing field `{within}{name}`: expected {field.expected}.",
                param=within + name,
                openai_code="missing_required_parameter",
            )


def _shown(value: object) -> str:
    return str(value) if isinstance(value, int | float) else _kind(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    if isinstance(value, str) and len(value) <= 40:
        return repr(value)
    return names.get(type(value), "a number")
