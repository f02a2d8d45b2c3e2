"""A turn's reply as the bytes of contract.md's JSON. Pure."""

from __future__ import annotations

import orjson

from tts_service.chat.events import Reply
from tts_service.errors import SpeechError
from tts_service.speech.audio import data_url


def reply_json(reply: Reply, with_sound: bool = True) -> bytes:
    """The whole body; without `audio_url` for the end of an event stream. The data URL is put in as bytes: it
    needs no escaping, and serialising 300 kB of it costs 660 us with jsonify against 12 us for this
    (ecosystem 2, "Micro").
    """
    spoken = reply.spoken
    head = orjson.dumps({"conversation_id": reply.conversation_id, "text": reply.text})
    tail = orjson.dumps(
        {
            "audio": {
                "voice": spoken.voice,
                "duration_s": round(spoken.pcm.duration_s, 3),
                "truncated": spoken.truncated,
                "cached": spoken.cached,
            }
            if spoken
            else None,
            "audio_error": _audio_error(reply.audio_error),
            "timings_ms": reply.timings_ms,
        }
    )
    if not with_sound:
        return b"".join((head[:-1], b",", tail[1:]))
    sound = b'"' + data_url(spoken.pcm) + b'"' if spoken else b"null"
    return b"".join((head[:-1], b',"audio_url":', sound, b",", tail[1:]))


def server_timing(timings_ms: dict[str, int]) -> str:
    """The value of the Server-Timing header, for the browser's network panel."""
    return ", ".join(f"{name};dur={milliseconds}" for name, milliseconds in timings_ms.items())


def _audio_error(error: SpeechError | None) -> dict[str, object] | None:
    if error is None:
        return None
    return {"code": error.code, "message": error.message, "retryable": error.retryable}
