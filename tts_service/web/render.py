"""A turn's reply as the bytes of contract.md's JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pybase64

from tts_service.chat.events import Reply, SpokenPiece
from tts_service.speech.audio import Pcm, wav_base64
from tts_service.speech.mp3 import mp3

# The file in base64, in parts.
Encoder = Callable[[Pcm], tuple[bytes, ...]]


def _mp3_base64(pcm: Pcm) -> tuple[bytes, ...]:
    return (pybase64.b64encode(mp3(pcm)),)


FORMATS: dict[str, tuple[bytes, Encoder]] = {
    "wav": (b"audio/wav", wav_base64),
    "mp3": (b"audio/mpeg", _mp3_base64),
}


def reply_json(reply: Reply, audio_format: str = "wav") -> bytes:
    """The whole body. The data URL is put in as bytes: it needs no escaping, and serialising 300 kB of it
    costs 660 us with jsonify (ecosystem 2, "Micro"). They are copied once, when the parts are joined.
    """
    return _joined(_head(reply), _audio_url(reply, audio_format), _tail(reply))


def done_json(reply: Reply) -> bytes:
    """The end of an event stream, whose sound has been sent piece by piece: no audio_url."""
    return _joined(_head(reply), _tail(reply))


def greeting_json(reply: Reply) -> bytes:
    return _joined({"text": reply.text}, _audio_url(reply, "wav"), _about_audio(reply))


def piece_json(piece: SpokenPiece, audio_format: str = "wav") -> bytes:
    """One spoken piece, playable by itself, in a member named for its format."""
    _, encode = FORMATS[audio_format]
    head = {"seq": piece.seq, "text": piece.text}
    return _joined(head, (b'"%b":"' % audio_format.encode(), *encode(piece.pcm), b'"'))


def _joined(*parts: dict[str, object] | tuple[bytes, ...]) -> bytes:
    """One JSON object of several; a tuple holds members already written, in pieces."""
    pieces = [b"{"]
    for part in parts:
        if len(pieces) > 1:
            pieces.append(b",")
        pieces += part if isinstance(part, tuple) else (orjson.dumps(part)[1:-1],)
    pieces.append(b"}")
    return b"".join(pieces)


def _head(reply: Reply) -> dict[str, object]:
    return {"conversation_id": reply.conversation_id, "text": reply.text}


def _tail(reply: Reply) -> dict[str, object]:
    return _about_audio(reply) | {"timings_ms": reply.timings_ms}


def _audio_url(reply: Reply, audio_format: str) -> tuple[bytes, ...]:
    if reply.spoken is None:
        return (b'"audio_url":null',)
    media_type, encode = FORMATS[audio_format]
    return (b'"audio_url":"data:%b;base64,' % media_type, *encode(reply.spoken.pcm), b'"')


def _about_audio(reply: Reply) -> dict[str, object]:
    spoken, error = reply.spoken, reply.audio_error
    return {
        "audio": spoken
        and {
            "voice": spoken.voice,
            "duration_s": round(spoken.pcm.duration_s, 3),
            "truncated": spoken.truncated,
            "cached": spoken.cached,
        },
        "audio_error": error and {"code": error.code, "message": error.message, "retryable": error.retryable},
    }


def server_timing(timings_ms: dict[str, int]) -> str:
    """The value of the Server-Timing header, for the browser's network panel."""
    return ", ".join(f"{name};dur={milliseconds}" for name, milliseconds in timings_ms.items())
