"""Kinds of values, each a check and the JSON Schema that tells it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


class Unfit(ValueError):
    """A value that a field cannot hold; an argument explains what is wrong better than `expected` does."""


@dataclass(frozen=True)
class Kind:
    """A check, which gives the value to keep or raises Unfit, beside what JSON Schema can say of it.

    The schema refuses nothing that the check lets through. Where the check is stricter, `expected` says it.
    """

    check: Callable[[object], object]
    schema: Mapping[str, object]


# Unicode's categories Cc, Zl and Zp, as ranges that every dialect of regular expressions knows.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_CONTROLS_IN_LINES = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029"
_BLANKS = r" \xa0\u1680\u2000-\u200a\u202f\u205f\u3000"  # what str.strip takes away, beside the controls


def text(longest: int) -> Kind:
    """Lines of text that a database and a terminal can hold: no NUL, no escapes."""
    return Kind(
        lambda value: _written(value, longest, _CONTROLS_IN_LINES),
        {"type": "string", "maxLength": longest, "pattern": f"^[^{_CONTROLS_IN_LINES}]*$"},
    )


def words(longest: int) -> Kind:
    """One line with something to read in it; blanks around it are taken away."""

    def check(value: object) -> object:
        kept = _written(value, longest, _CONTROLS).strip()
        if not kept:
            raise Unfit
        return kept

    inside = f"[^{_CONTROLS}]*"
    pattern = f"^{inside}[^{_CONTROLS}{_BLANKS}]{inside}$"
    return Kind(check, {"type": "string", "minLength": 1, "maxLength": longest, "pattern": pattern})


def _written(value: object, longest: int, controls: str) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise Unfit
    if re.search(f"[{controls}\ud800-\udfff]", value):
        raise Unfit("it holds a control character or half of a surrogate pair")
    return value


def number(low: float, high: float) -> Kind:
    def check(value: object) -> object:
        # `not (a <= x <= b)` also refuses NaN; an integer of any length is compared before it is converted.
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise Unfit
        return float(value)

    return Kind(check, {"type": "number", "minimum": low, "maximum": high})


def whole(low: int, high: int) -> Kind:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Unfit
        return value

    return Kind(check, {"type": "integer", "minimum": low, "maximum": high})


def choice(*allowed: str) -> Kind:
    def check(value: object) -> object:
        if not isinstance(value, str) or value not in allowed:
            raise Unfit
        return value

    return Kind(check, {"type": "string", "enum": list(allowed)})


def boolean() -> Kind:
    def check(value: object) -> object:
        if not isinstance(value, bool):
            raise Unfit
        return value

    return Kind(check, {"type": "boolean"})


def matching(pattern: str, keep: Callable[[str], object] = str) -> Kind:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: object) -> object:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise Unfit
        return keep(value)

    return Kind(check, {"type": "string", "pattern": f"^(?:{pattern})$"})
