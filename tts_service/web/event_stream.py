"""A turn as server-sent events, while it happens: `text`, `audio`, then `done` or `error` (contract.md)."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import orjson
import pybase64
from flask import Request, Response

from tts_service.chat.events import Event, Reply, SpokenPiece, TextDelta
from tts_service.errors import ServiceError
from tts_service.speech.audio import wav
from tts_service.web import problems, render

CONTENT_TYPE = "text/event-stream"


def is_wanted(request: Request) -> bool:
    """Only where the caller names it: a browser's `*/*` means the JSON."""
    accepted = request.accept_mimetypes
    return CONTENT_TYPE in accepted.values() and accepted[CONTENT_TYPE] >= accepted["application/json"]


def respond(turn: Generator[Event, None, None]) -> Response:
    """Raises what the turn raises before its first event, so that it keeps its status."""
    first = next(turn)
    response = Response(_frames(first, turn), content_type=CONTENT_TYPE)
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the sound back until the end
    return response


def _frames(first: Event, turn: Generator[Event, None, None]) -> Iterator[bytes]:
    try:
        yield frame(first)
        for event in turn:
            yield frame(event)
    except ServiceError as error:
        yield _frame(b"error", problems.document(error))
    finally:
        turn.close()  # a reader who left closes us: the turn ends with it


def frame(event: Event) -> bytes:
    match event:
        case TextDelta(delta):
            return _frame(b"text", orjson.dumps({"delta": delta}))
        case SpokenPiece(seq, text, pcm):
            head = orjson.dumps({"seq": seq, "text": text})
            sound = pybase64.b64encode(wav(pcm))
            return _frame(b"audio", b"".join((head[:-1], b',"wav":"', sound, b'"}')))
        case Reply():
            return _frame(b"done", render.reply_json(event, with_sound=False))


def _frame(name: bytes, data: bytes) -> bytes:
    return b"".join((b"event: ", name, b"\ndata: ", data, b"\n\n"))
