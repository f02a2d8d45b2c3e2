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

from tts_service.clients import base_url, kinds, origin
from tts_service.clients.kinds import Kind, Unfit
from tts_service.errors import InvalidValue, UnknownField, UrlNotAllowed
from tts_service.secret import Secret

MAX_ORIGINS = 100
MAX_URL = 500
MAX_PRONUNCIATIONS = 200  # protocols 3.1: the provider refuses more, and longer ones


@dataclass(frozen=True)
class _Field:
    expected: str  # ends the sentence "<field> must be ..."
    kind: Kind
    read: Callable[[str], object] = str
    nullable: bool = False
    refusal: type[InvalidValue] = InvalidValue

    @property
    def schema(self) -> dict[str, object]:
        """The field's JSON Schema, for the OpenAPI document."""
        schema = {**self.kind.schema, "description": f"{self.expected[0].upper()}{self.expected[1:]}."}
        return schema | {"type": [schema["type"], "null"]} if self.nullable else schema


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
        return rule.kind.check(value)
    except Unfit as unfit:
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


# What only one field is made of.


_KEY_TEXT = kinds.matching("[!-~]{1,512}", Secret)


def _key(value: object) -> object:
    # faults 5-99: anything else would be refused by the HTTP library, or split the Authorization header.
    return _KEY_TEXT.check(value.reveal() if isinstance(value, Secret) else value)


def _base_url(text: str) -> object:
    try:
        return base_url.normalised(text)
    except base_url.NotABaseUrl:
        raise Unfit from None


def _origins(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) > MAX_ORIGINS:
        raise Unfit
    kept: dict[str, None] = {}  # keeps the order and drops what stands twice
    for place, entry in enumerate(value, 1):
        if not isinstance(entry, str):
            raise Unfit(f"entry {place} is not text")
        try:
            kept[origin.allowed(entry)] = None
        except origin.NotAnOrigin as mistake:
            raise Unfit(f"entry {place}: {mistake}") from None
    if origin.ANY in kept and len(kept) > 1:
        raise Unfit("* already allows every website, so it stands alone")
    return tuple(kept)


# protocols 3.1: with any other character the provider refuses the whole map, and so every reply.
_SPOKEN_CHARACTERS = r"[\p{L}\p{M}\p{N}' ]"
_PHRASE, _RESPELLING = kinds.words(100), kinds.words(128)


def _pronunciations(value: object) -> object:
    if not isinstance(value, Mapping) or len(value) > MAX_PRONUNCIATIONS:
        raise Unfit
    kept = {str(_PHRASE.check(key)): str(_RESPELLING.check(said)) for key, said in value.items()}
    if any(unicodedata.category(c)[0] not in "LMN" and c not in "' " for key in value for c in key):
        raise Unfit("a phrase has only letters, digits, apostrophes and spaces")
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


_KEY = Kind(_key, {**_KEY_TEXT.schema, "writeOnly": True})
_BASE_URL_TEXT = kinds.matching(r"[Hh][Tt][Tt][Pp][Ss]?://[!$-;=A-\[\]-~]+", _base_url)
_BASE_URL = Kind(_BASE_URL_TEXT.check, {**_BASE_URL_TEXT.schema, "maxLength": base_url.MAX_CHARS})
_ORIGINS = Kind(
    _origins,
    {
        "type": "array",
        "maxItems": MAX_ORIGINS,
        "items": {"type": "string", "pattern": f"^(?:{re.escape(origin.ANY)}|{origin.PATTERN})$"},
    },
)
_PRONUNCIATIONS = Kind(
    _pronunciations,
    {
        "type": "object",
        "maxProperties": MAX_PRONUNCIATIONS,
        "propertyNames": {"minLength": 1, "maxLength": 100, "pattern": f"^{_SPOKEN_CHARACTERS}+$"},
        "additionalProperties": _RESPELLING.schema,
    },
)

FIELDS: Mapping[str, _Field] = {
    "name": _Field("1 to 100 characters of text without control characters", kinds.words(100)),
    "enabled": _Field("true or false", kinds.boolean(), _literal),
    "ai_provider": _Field("one of: xai, openai, compatible", kinds.choice("xai", "openai", "compatible")),
    "ai_base_url": _Field(
        "a URL such as https://llm.example.com/v1, without user name, query and fragment",
        _BASE_URL,
        nullable=True,
        refusal=UrlNotAllowed,
    ),
    "ai_api_key": _Field(
        "1 to 512 printable ASCII characters without spaces or line ends", _KEY, nullable=True
    ),
    "ai_model": _Field(
        "a model's name of 1 to 200 characters without spaces", kinds.matching("[!-~]{1,200}"), nullable=True
    ),
    "system_prompt": _Field("text of at most 20,000 characters", kinds.text(20_000)),
    "speech_provider": _Field("one of: auto, xai, off", kinds.choice("auto", "xai", "off")),
    "speech_engine": _Field("one of: realtime, tts", kinds.choice("realtime", "tts")),
    "voice": _Field(
        "a voice's id such as ara: 1 to 64 letters, digits, - or _",
        kinds.matching("[A-Za-z0-9_-]{1,64}", str.lower),
    ),
    "speed": _Field("a number from 0.7 to 1.5", kinds.number(0.7, 1.5), _literal),
    "language": _Field(
        "auto or a language tag such as en or pt-BR",
        kinds.matching(
            "[Aa][Uu][Tt][Oo]|[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}",
            lambda tag: tag if "-" in tag else tag.lower(),
        ),
    ),
    "pronunciations": _Field(
        f'a map of at most {MAX_PRONUNCIATIONS} phrases, such as {{"SQL": "sequel"}}; '
        "a phrase has 1 to 100 characters, its respelling 1 to 128",
        _PRONUNCIATIONS,
        _json,
    ),
    "allowed_origins": _Field(
        f"a list of at most {MAX_ORIGINS} exact origins such as https://www.example.com", _ORIGINS, _list
    ),
    "greeting": _Field("text of at most 1,000 characters", kinds.text(1_000)),
    "daily_limit": _Field(
        "US dollars from 0 to 1,000,000", kinds.number(0, 1_000_000), _literal, nullable=True
    ),
    "retention_days": _Field("a whole number of days from 0 to 3650", kinds.whole(0, 3650), _literal),
    "browser_tokens": _Field("true or false", kinds.boolean(), _literal),
    "retry_on_drift": _Field("true or false", kinds.boolean(), _literal),
}
