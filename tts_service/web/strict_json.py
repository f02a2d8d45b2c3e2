"""JSON of the edge, read strictly. Pure.

RFC 8259 leaves much open that `json.loads` lets in (faults L18): encodings other than UTF-8, NaN, keys that
stand twice, numbers without end. Two programs that read one body differently are a hole, so all of it is
refused here.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tts_service.errors import DuplicateKey, InvalidJson, JsonTooDeep

MAX_DEPTH = 16  # faults 4, "JSON depth"
MAX_INTEGER_DIGITS = 18  # every such number fits 64 bits

# A string is one token, so that brackets inside it do not count. The possessive forms and the optional end
# keep the scan linear on strings that never close: a plain `"..."` would be quadratic on `"\"\"\"\"...`.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def parse(body: bytes) -> object:
    """The value that `body` holds. Raises InvalidJson, JsonTooDeep or DuplicateKey."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidJson from None
    if text.startswith("\ufeff"):
        raise InvalidJson("The body begins with a byte order mark. Send plain UTF-8.")
    _check_depth(text)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJson(
            f"The body is not valid JSON (line {error.lineno}, column {error.colno})."
        ) from None


def _check_depth(text: str) -> None:
    """Before parsing, since the parser recurses: 30,000 `[` would end in a RecursionError (faults 5-4)."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JsonTooDeep
        elif first in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise DuplicateKey
    return members


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise InvalidJson(f"A number in the JSON has more than {MAX_INTEGER_DIGITS} digits.")
    if digits == "-0":
        raise InvalidJson("A number in the JSON is -0.")
    return int(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    if math.isinf(number) or (number == 0 and digits.startswith("-")):
        raise InvalidJson("A number in the JSON is too large, or is -0.")
    return number


def _constant(name: str) -> float:
    raise InvalidJson(f"{name} is not JSON.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)
