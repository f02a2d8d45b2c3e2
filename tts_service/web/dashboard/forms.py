"""A client's form: HTML values become the changes that `clients.fields` checks, and a client becomes HTML
values. Pure.

What fits is decided there and not here; here each field's mistake is found, so that all are told at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tts_service.clients import fields
from tts_service.clients.client import Client
from tts_service.errors import InvalidRequest, InvalidValue, UnknownField
from tts_service.web.dashboard import origin_lines

LABELS: Mapping[str, str] = {
    "name": "Name",
    "allowed_origins": "Allowed origins",
    "speech_provider": "Speech",
    "speech_engine": "Engine",
    "voice": "Voice",
    "speed": "Speed",
    "language": "Language",
    "pronunciations": "Pronunciations",
    "retry_on_drift": "Speak again what came out differently",
    "system_prompt": "Instructions",
    "greeting": "Greeting",
    "ai_provider": "Provider",
    "ai_base_url": "Base URL",
    "ai_model": "Model",
    "ai_api_key": "API key",
    "daily_limit": "Daily limit",
    "retention_days": "Keep conversations",
    "browser_tokens": "Tokens for browsers",
}
"""In the order of the page; the names are the fields of contract.md."""

_BOXES = ("browser_tokens", "retry_on_drift")
_EMPTY_IS_NONE = ("ai_base_url", "ai_model", "daily_limit")
_NUMBERS = ("speed", "daily_limit", "retention_days")
_BESIDE = ("csrf_token", "version", "seen", "remove_key", "voice_other")


@dataclass(frozen=True)
class Fault:
    message: str
    lines: tuple[str, ...] = ()  # for fields of many lines: which line, and what is wrong with it


@dataclass(frozen=True)
class Draft:
    """What somebody typed: `values` to show again, never with the key, and what it means."""

    values: Mapping[str, str]
    changes: Mapping[str, object]
    faults: Mapping[str, Fault] = field(default_factory=dict)

    def approved(self) -> Mapping[str, object]:
        """The changes. Raises InvalidValue for the first field that does not fit."""
        if self.faults:
            name, first = next(iter(self.faults.items()))
            message = " ".join((f"{LABELS[name]}: {first.message}", *first.lines))
            raise InvalidValue(message, param=name)
        return self.changes


@dataclass(frozen=True)
class Merge:
    """A form that met somebody else's change: their values where only they made one, else the typed ones."""

    values: Mapping[str, str]
    theirs: tuple[str, ...]  # fields that were taken over
    clashes: Mapping[str, str]  # fields that both changed, with what is stored now


def values_of(client: Client) -> dict[str, str]:
    """What the form shows of a client. Boxes that are not ticked are empty."""
    shown = client.shown()
    values = {name: _text(shown[name]) for name in LABELS if name != "ai_api_key"}
    values["pronunciations"] = "\n".join(f"{key} = {said}" for key, said in client.pronunciations.items())
    values["allowed_origins"] = "\n".join(client.allowed_origins)
    return values


def read(form: Mapping[str, str]) -> Draft:
    """Raises UnknownField for a name that no field of the page has (faults 5-97)."""
    for name in form:
        if name not in LABELS and name not in _BESIDE:
            raise UnknownField("The form has a field that a client does not have.")
    if form.get("voice_other", "").strip():  # typed, beside the voices to choose from
        form = {**form, "voice": form["voice_other"]}
    values = {name: form.get(name, "") for name in LABELS if name != "ai_api_key"}
    changes: dict[str, object] = {}
    faults: dict[str, Fault] = {}
    for name in LABELS:
        if name in form or name in _BOXES:
            _take(name, form.get(name, ""), changes, faults)
    _tie_key(form, changes)
    _tie_url(form, changes, faults)
    return Draft(values, changes, faults)


def seen(values: Mapping[str, str]) -> str:
    """What a form showed when it was opened, as a word a field: enough to tell later what has changed."""
    return " ".join(f"{name}:{_mark(values[name])}" for name in LABELS if name in values)


def merge(typed: Mapping[str, str], seen_then: str, now: Mapping[str, str]) -> Merge:
    """What to show to somebody whose client was changed while they typed."""
    marks = dict(word.partition(":")[::2] for word in seen_then.split())
    changed = [name for name in now if _mark(now[name]) != marks.get(name)]
    theirs = tuple(name for name in changed if _mark(typed[name]) == marks.get(name))
    clashes = {name: now[name] for name in changed if name not in theirs and typed[name] != now[name]}
    return Merge({**typed, **{name: now[name] for name in theirs}}, theirs, clashes)


def plainly(error: InvalidRequest) -> InvalidRequest:
    """The same for people: with the label of its field on the page, where it names one."""
    label = LABELS.get(error.param or "")
    if label is None or not error.message.startswith(f"{error.param} "):
        return error
    return type(error)(f"{label}: {_plain(error)}", param=error.param)


def fault(error: InvalidRequest) -> Fault:
    """What `clients` has against the fields together, for the field that it names."""
    return Fault(_plain(error))


def _take(name: str, text: str, changes: dict[str, object], faults: dict[str, Fault]) -> None:
    if name == "ai_api_key" and not text.strip():
        return  # the stored one stays
    lines = _LINES[name](text) if name in _LINES else ()
    if lines:
        faults[name] = Fault("Some lines do not fit.", tuple(lines))
        return
    try:
        changes |= fields.checked({name: _value(name, text)})
    except InvalidValue as error:
        faults[name] = Fault(_plain(error))


def _value(name: str, text: str) -> object:
    """As JSON would have it. Raises InvalidValue."""
    if name in _BOXES:
        return bool(text)
    if name in _EMPTY_IS_NONE and not text.strip():
        return None
    if name in _NUMBERS:
        return fields.from_text(name, text)
    if name == "allowed_origins":
        return [line for _, line in _numbered(text)]
    if name == "pronunciations":
        return dict(_pair(line) for _, line in _numbered(text))
    return text.strip() if name in ("ai_api_key", "ai_base_url", "ai_model", "voice", "language") else text


def _tie_key(form: Mapping[str, str], changes: dict[str, object]) -> None:
    if form.get("remove_key") and "ai_api_key" not in changes:
        changes["ai_api_key"] = None


def _tie_url(form: Mapping[str, str], changes: dict[str, object], faults: dict[str, Fault]) -> None:
    """A URL that stands in the form of another provider's client is not meant."""
    if "ai_provider" not in form:
        return
    if form["ai_provider"] != "compatible":
        faults.pop("ai_base_url", None)
        changes["ai_base_url"] = None
    elif not form.get("ai_base_url", "").strip():
        faults["ai_base_url"] = Fault("A compatible provider needs one: the URL before /chat/completions.")


def _origin_faults(text: str) -> Iterable[str]:
    for line in origin_lines.read(text):
        if line.mistake:
            meant = f" Did you mean {line.meant}?" if line.meant else ""
            yield f"Line {line.number}: {line.mistake}.{meant}"


def _pronunciation_faults(text: str) -> Iterable[str]:
    known: set[str] = set()
    for number, line in _numbered(text):
        phrase, said = _pair(line)
        if not phrase or not said:
            yield f"Line {number}: write it as phrase = respelling."
        elif phrase in known:
            yield f"Line {number}: this phrase stands there twice."
        elif not is_fit("pronunciations", {phrase: said}):
            yield (
                f"Line {number}: a phrase has letters, digits, apostrophes and spaces, at most 100; "
                "its respelling at most 128 characters."
            )
        known.add(phrase)


_LINES: Mapping[str, Callable[[str], tuple[str, ...]]] = {
    "allowed_origins": lambda text: tuple(_origin_faults(text)),
    "pronunciations": lambda text: tuple(_pronunciation_faults(text)),
}


def is_fit(name: str, value: object) -> bool:
    """Whether a client's field can hold it."""
    try:
        fields.checked({name: value})
    except InvalidValue:
        return False
    return True


def _numbered(text: str) -> list[tuple[int, str]]:
    """Lines that are not empty, by their number in the field."""
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _pair(line: str) -> tuple[str, str]:
    phrase, _, said = line.partition("=")
    return phrase.strip(), said.strip()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    if isinstance(value, float):
        return f"{value:.10g}"
    return "" if value is None else str(value)


def _mark(value: str) -> str:
    return hashlib.blake2b(value.encode(errors="replace"), digest_size=6).hexdigest()


def _plain(error: InvalidRequest) -> str:
    """The message without the words of the API."""
    return error.message.replace(f"{error.param} must ", "It must ", 1).replace(", or null", ", or empty")
