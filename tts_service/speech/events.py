"""The provider's realtime vocabulary: builders for what we say, `parse` for what we hear. Pure.

Shapes are protocols 1.3 to 1.8. Of the events heard, only those that change what is spoken become values; any
other type is None and ignored, since the provider adds types without notice (protocols 7.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from tts_service.speech import sound_apart

# What we say.


def session_update(
    voice: str, rate_hz: int, speed: float = 1.0, pronunciations: Mapping[str, str] | None = None
) -> bytes:
    """Voice and turn_detection stand at the top level: nested ones have no effect (protocols 1.3)."""
    output: dict[str, Any] = {"format": {"type": "audio/pcm", "rate": rate_hz}}
    if speed != 1.0:
        output["speed"] = speed
    session: dict[str, Any] = {"voice": voice, "turn_detection": None, "audio": {"output": output}}
    if pronunciations:
        session["replace"] = dict(pronunciations)
    return orjson.dumps({"type": "session.update", "session": session})


def force_message(text: str) -> bytes:
    """Speak exactly these words. No response.create may follow: it would be answered too (protocols 1.8)."""
    item = {
        "type": "force_message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }
    return orjson.dumps({"type": "conversation.item.create", "item": item})


# What we hear.


class Malformed(Exception):
    """Not an event: not JSON, not an object, or without a type."""


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    """The format now in force; None where the server does not say."""

    codec: str | None
    rate_hz: int | None
    channels: int | None


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    response_id: str | None


class AudioDelta(NamedTuple):
    """All three are whatever stood there, since one comes for every 100 ms of sound: checking is the
    listener's.
    """

    response_id: object
    event_id: object
    delta: object


class TranscriptDelta(NamedTuple):
    response_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class AudioDone:
    response_id: str | None


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """`status`: completed, cancelled, incomplete or failed; None where the server does not say."""

    response_id: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Fault:
    """An `error` event. `kind` is one word of FAULT_KINDS, never the provider's text."""

    kind: str


Heard = SessionUpdated | ResponseCreated | AudioDelta | TranscriptDelta | AudioDone | ResponseDone | Fault

FAULT_KINDS = ("rate_limit", "quota", "policy", "session", "item", "internal", "other")


def parse(payload: bytes | bytearray) -> Heard | None:
    """The event in one text frame, or None for a type that is none of ours. Raises Malformed."""
    try:
        event = sound_apart.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed from error
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str):
        raise Malformed
    read = _READERS.get(kind)
    return read(event) if read else None


def named(value: object) -> str | None:
    """An id as it should be, or None."""
    return value if isinstance(value, str) and value else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int | None:
    """None where nothing is said; 0, which no format has, where what is said is no whole number."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _session_updated(event: dict[str, Any]) -> SessionUpdated:
    output = _dict(_dict(_dict(event.get("session")).get("audio")).get("output"))
    form = _dict(output.get("format"))
    return SessionUpdated(named(form.get("type")), _whole(form.get("rate")), _whole(form.get("channels")))


def _response_created(event: dict[str, Any]) -> ResponseCreated:
    return ResponseCreated(named(_dict(event.get("response")).get("id")))


def _audio_delta(event: dict[str, Any]) -> AudioDelta:
    return AudioDelta(event.get("response_id"), event.get("event_id"), event.get("delta"))


def _transcript_delta(event: dict[str, Any]) -> TranscriptDelta:
    return TranscriptDelta(named(event.get("response_id")), named(event.get("delta")) or "")


def _audio_done(event: dict[str, Any]) -> AudioDone:
    return AudioDone(named(event.get("response_id")))


def _response_done(event: dict[str, Any]) -> ResponseDone:
    response = _dict(event.get("response"))
    return ResponseDone(named(response.get("id")), named(response.get("status")))


def _response_cancelled(event: dict[str, Any]) -> ResponseDone:
    response_id = named(event.get("response_id")) or named(_dict(event.get("response")).get("id"))
    return ResponseDone(response_id, "cancelled")


def _fault(event: dict[str, Any]) -> Fault:
    # Nested by the schema, flat by one description (protocols 1.7): both are read.
    body = _dict(event.get("error")) or event
    words = f"{body.get('type', '')} {body.get('code', '')}".lower()
    return Fault(next((kind for mark, kind in _FAULT_MARKS if mark in words), "other"))


_FAULT_MARKS = (
    ("rate_limit", "rate_limit"),
    ("resource-exhausted", "rate_limit"),
    ("quota", "quota"),
    ("policy", "policy"),
    ("moderation", "policy"),
    ("permission", "policy"),
    ("session", "session"),
    ("max_duration", "session"),
    ("timeout", "session"),
    ("item", "item"),
    ("invalid", "item"),
    ("internal", "internal"),
)

_READERS: dict[str, Callable[[dict[str, Any]], Heard]] = {
    "session.updated": _session_updated,
    "response.created": _response_created,
    "response.output_audio.delta": _audio_delta,
    "response.audio.delta": _audio_delta,
    "response.output_audio_transcript.delta": _transcript_delta,
    "response.audio_transcript.delta": _transcript_delta,
    "response.output_audio.done": _audio_done,
    "response.audio.done": _audio_done,
    "response.done": _response_done,
    "response.cancelled": _response_cancelled,
    "error": _fault,
}
