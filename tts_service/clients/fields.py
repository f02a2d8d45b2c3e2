"""What each field of a client may hold (contract.md, "A client"; faults 5, rows 98 to 103).

Pure, and one table: a field is a sentence of what is expected, a check for values as JSON gives them, and a
reader for the same value typed on a command line. Rules that tie two fields together are in `client.py`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tts_service.clients import base_url, origin
from tts_service.errors import InvalidValue, UnknownField, UrlNotAllowed
from tts_service.secret import Secret

MAX_ORIGINS = 100
MAX_PRONUNCIATIONS = 200  # protocols 3.1: the provider refuses more, and longer ones


class _Unfit(ValueError):
    """A value that a field cannot hold; an argument explains what is wrong better than `expected` does."""


@dataclass(frozen=True)
class _Field:
    expected: str  # ends the sentence "<field> must be ..."
    check: Callable[[object], object]
    read: Callable[[str], object] = str
    nullable: bool = False
    refusal: type[InvalidValue] = InvalidValue


def checked(changes: Mapping[str, object]) -> dict[str, object]:
    """The values as a client keeps them: normalised, origins as a tuple, the key as a Secret.

    Raises UnknownField or InvalidValue for the first field that does not fit; no value is ever repeated.
    """
    return {name: _checked(name, value) for name, value in changes.items()}


def from_text(field: str, text: str) -> object:
    """What `--set FIELD=TEXT` means, before `checked`. Raises UnknownField and InvalidValue.

    Numbers, true, false and null as JSON writes them; lists as JSON or separated by commas.
    """
    rule = _rule(field)
    if rule.nullable and text.strip().lower() in ("null", "none"):
        return None
    try:
        return rule.read(text)
    except (ValueError, RecursionError):
        raise _refusal(field, rule) from None


def _checked(name: str, value: object) -> object:
    rule = _rule(name)
    if value is None and rule.nullable:
        return None
    try:
        return rule.check(value)
    except _Unfit as unfit:
        raise _refusal(name, rule, *unfit.args) from None


def _rule(name: str) -> _Field:
    if name in FIELDS:
        return FIELDS[name]
    # A key pasted into the wrong place would come here as a name: only what looks like one is repeated.
    shown = name if re.fullmatch("[a-z_]{1,40}", name) else None
    raise UnknownField(f"There is no such field to set. The fields are: {', '.join(FIELDS)}.", param=shown)


def _refusal(name: str, rule: _Field, reason: str = "") -> InvalidValue:
    alternative = ", or null" if rule.nullable else ""
    because = f" ({reason})" if reason else ""
    return rule.refusal(f"{name} must be {rule.expected}{alternative}{because}.", param=name)


# Checks. Each gives the value to keep, or raises _Unfit.


def _text(longest: int, *, shortest: int = 0, lines: bool = False) -> Callable[[object], object]:
    """Text that a database and a terminal can hold: no controls, no NUL, no half of a surrogate pair."""
    permitted = "\n\r\t" if lines else ""

    def check(value: object) -> object:
        if not isinstance(value, str):
            raise _Unfit
        kept = value if lines else value.strip()
        if not shortest <= len(kept) <= longest:
            raise _Unfit
        if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in permitted for c in kept):
            raise _Unfit("it holds a control character or half of a surrogate pair")
        return kept

    return check


def _number(low: float, high: float) -> Callable[[object], object]:
    def check(value: object) -> object:
        # `not (a <= x <= b)` also refuses NaN; an integer of any length is compared before it is converted.
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise _Unfit
        return float(value)

    return check


def _whole(low: int, high: int) -> Callable[[object], object]:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _Unfit
        return value

    return check


def _choice(*allowed: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not isinstance(value, str) or value not in allowed:
            raise _Unfit
        return value

    return check


def _boolean(value: object) -> object:
    if not isinstance(value, bool):
        raise _Unfit
    return value


def _matching(pattern: str, keep: Callable[[str], str] = str) -> Callable[[object], object]:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: object) -> object:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise _Unfit
        return keep(value)

    return check


def _key(value: object) -> object:
    text = value.reveal() if isinstance(value, Secret) else value
    # faults 5-99: anything else would be refused by the HTTP library, or split the Authorization header.
    if not isinstance(text, str) or not re.fullmatch("[!-~]{1,512}", text):
        raise _Unfit
    return Secret(text)


def _base_url(value: object) -> object:
    if not isinstance(value, str):
        raise _Unfit
    try:
        return base_url.normalised(value)
    except base_url.NotABaseUrl:
        raise _Unfit from None


def _origins(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) > MAX_ORIGINS:
        raise _Unfit
    kept: dict[str, None] = {}  # keeps the order and drops what stands twice
    for place, entry in enumerate(value, 1):
        if not isinstance(entry, str):
            raise _Unfit(f"entry {place} is not text")
        try:
            kept[origin.allowed(entry)] = None
        except origin.NotAnOrigin as mistake:
            raise _Unfit(f"entry {place}: {mistake}") from None
    if origin.ANY in kept and len(kept) > 1:
        raise _Unfit("* already allows every website, so it stands alone")
    return tuple(kept)


def _pronunciations(value: object) -> object:
    if not isinstance(value, Mapping) or len(value) > MAX_PRONUNCIATIONS:
        raise _Unfit
    phrase, spoken = _text(100, shortest=1), _text(128, shortest=1)
    kept = {str(phrase(key)): str(spoken(said)) for key, said in value.items()}
    # protocols 3.1: with any other character the provider refuses the whole map, and so every reply.
    if any(unicodedata.category(c)[0] not in "LMN" and c not in "' " for key in kept for c in key):
        raise _Unfit("a phrase has only letters, digits, apostrophes and spaces")
    return kept


# Readers. Each gives what JSON would have given, or raises ValueError.


def _literal(text: str) -> object:
    return json.loads(text.strip().lower())


def _json(text: str) -> object:
    return json.loads(text)


def _list(text: str) -> object:
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [part.strip() for part in text.split(",") if part.strip()]


FIELDS: Mapping[str, _Field] = {
    "name": _Field("1 to 100 characters of text without control characters", _text(100, shortest=1)),
    "enabled": _Field("true or false", _boolean, _literal),
    "ai_provider": _Field("one of: xai, openai, compatible", _choice("xai", "openai", "compatible")),
    "ai_base_url": _Field(
        "a URL such as https://llm.example.com/v1, without user name, query and fragment",
        _base_url,
        nullable=True,
        refusal=UrlNotAllowed,
    ),
    "ai_api_key": _Field(
        "1 to 512 printable ASCII characters without spaces or line ends", _key, nullable=True
    ),
    "ai_model": _Field(
        "a model's name of 1 to 200 characters without spaces", _matching("[!-~]{1,200}"), nullable=True
    ),
    "system_prompt": _Field("text of at most 20,000 characters", _text(20_000, lines=True)),
    "speech_provider": _Field("one of: auto, xai, off", _choice("auto", "xai", "off")),
    "speech_engine": _Field("one of: realtime, tts", _choice("realtime", "tts")),
    "voice": _Field(
        "a voice's id such as ara: 1 to 64 letters, digits, - or _",
        _matching("[A-Za-z0-9_-]{1,64}", str.lower),
    ),
    "speed": _Field("a number from 0.7 to 1.5", _number(0.7, 1.5), _literal),
    "language": _Field(
        "auto or a language tag such as en or pt-BR",
        _matching(
            "(?i:auto)|[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", lambda tag: tag if "-" in tag else tag.lower()
        ),
    ),
    "pronunciations": _Field(
        f'a map of at most {MAX_PRONUNCIATIONS} phrases, such as {{"SQL": "sequel"}}; '
        "a phrase has 1 to 100 characters, its respelling 1 to 128",
        _pronunciations,
        _json,
    ),
    "allowed_origins": _Field(
        f"a list of at most {MAX_ORIGINS} exact origins such as https://www.example.com", _origins, _list
    ),
    "greeting": _Field("text of at most 1,000 characters", _text(1_000, lines=True)),
    "daily_limit": _Field("US dollars from 0 to 1,000,000", _number(0, 1_000_000), _literal, nullable=True),
    "retention_days": _Field("a whole number of days from 0 to 3650", _whole(0, 3650), _literal),
    "browser_tokens": _Field("true or false", _boolean, _literal),
    "retry_on_drift": _Field("true or false", _boolean, _literal),
}
