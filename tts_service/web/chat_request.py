"""What a caller of `POST /api/chat` may say: a JSON object turned into checked values. Pure.

The rules are contract.md, "POST /api/chat", and rows 3 to 36 of faults.md 5.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from tts_service.errors import (
    EmptyMessage,
    InvalidCharacters,
    InvalidClientId,
    InvalidRequest,
    MessageTooLong,
    UnknownField,
)
from tts_service.speech import mp3

MAX_MESSAGE = 4_000  # code points

_FIELDS = ("client_id", "message", "conversation_id", "audio_format")
# One spelling a client: uuid.UUID() takes braces, urn:, upper case and other alphabets' digits, and every
# further spelling would be another key of the limits and caches (faults L20).
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NIL_UUID = "00000000-0000-0000-0000-000000000000"
CONVERSATION_ID = "[A-Za-z0-9_.:-]{1,64}"
AUDIO_FORMATS = ("wav", "mp3")
_NUL_OR_SURROGATE = re.compile("[\0\ud800-\udfff]")
# Letters and symbols by category that draw nothing: Hangul fillers, the empty Braille pattern.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_INVISIBLE_CATEGORIES = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))


@dataclass(frozen=True)
class ChatRequest:
    client_id: str
    message: str
    conversation_id: str | None = None
    audio_format: str = "wav"


def read(document: object) -> ChatRequest:
    """Checks a parsed body. Raises the RequestError that the first fault deserves."""
    fields = _object(document, _FIELDS)
    return ChatRequest(
        client_id=_client_id(fields),
        message=_message(fields),
        conversation_id=_conversation_id(fields),
        audio_format=_audio_format(fields),
    )


def read_client_id(document: object) -> str:
    """Checks the body of an endpoint that takes a client_id and nothing else."""
    return _client_id(_object(document, ("client_id",)))


def check_client_id(value: str) -> str:
    """Raises InvalidClientId for every spelling but the one the service gives out."""
    if not re.fullmatch(UUID, value) or value == _NIL_UUID:
        raise InvalidClientId(param="client_id")
    return value


def _object(document: object, allowed: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a JSON object.")
    for name in document:
        if name not in allowed:
            raise UnknownField(f"The body may hold {', '.join(allowed)}, and nothing else.")
    return document


def _client_id(document: dict[str, object]) -> str:
    value = document.get("client_id")
    if not isinstance(value, str) or not value:
        raise InvalidRequest("client_id is required and must be a string.", param="client_id")
    return check_client_id(value)


def _message(document: dict[str, object]) -> str:
    value = document.get("message")
    if not isinstance(value, str):
        raise InvalidRequest("message is required and must be a string.", param="message")
    if _NUL_OR_SURROGATE.search(value):
        raise InvalidCharacters(param="message")
    if not any(_visible(character) for character in value):
        raise EmptyMessage(param="message")
    if len(value) > MAX_MESSAGE:
        raise MessageTooLong(param="message")
    return value


def _visible(character: str) -> bool:
    return character not in _BLANK and unicodedata.category(character) not in _INVISIBLE_CATEGORIES


def _conversation_id(document: dict[str, object]) -> str | None:
    value = document.get("conversation_id")
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(CONVERSATION_ID, value):
        raise InvalidRequest(
            "conversation_id must be 1 to 64 characters of A-Z, a-z, 0-9 and _ . : -", param="conversation_id"
        )
    return value


def _audio_format(document: dict[str, object]) -> str:
    value = document.get("audio_format", "wav")
    if value not in AUDIO_FORMATS:
        raise InvalidRequest("audio_format must be wav or mp3.", param="audio_format")
    if value == "mp3":
        mp3.check_available()
    return str(value)
