"""The names and ids of what the realtime server says (protocols 1.5), and its error events."""

from __future__ import annotations

from tts_service.sandbox.realtime.config import Json
from tts_service.sandbox.realtime.items import new_id

_ALIASES = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_ERROR_TYPES = (
    "invalid_request_error",
    "invalid_event",
    "internal_error",
    "timeout",
    "max_duration",
)


def event(kind: str, **fields: object) -> Json:
    """A server event with an id of its own."""
    return {"type": kind, "event_id": new_id("event"), **fields}


def alias(kind: str) -> str:
    """The older name of an event type."""
    return _ALIASES.get(kind, kind)


def error(
    kind: str,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    event_id: object = None,
) -> Json:
    """An error event (protocols 1.7); `event_id` is the client's, when it sent one."""
    details: Json = {"type": kind, "code": code or kind, "message": message, "param": param}
    if isinstance(event_id, str):
        details["event_id"] = event_id
    return event("error", error=details)


def scripted_error(code: str) -> Json:
    """The error a tester asked for by its code."""
    kind = code if code in _ERROR_TYPES else "internal_error"
    return error(kind, f"Asked for: {code}.", code=code)
