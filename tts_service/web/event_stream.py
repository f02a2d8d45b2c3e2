"""A turn as server-sent events, while it happens: `text`, `audio`, then `done` or `error` (contract.md)."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import orjson
from flask import Request, Response

from tts_service.chat.events import Event, Reply, SpokenPiece, TextDelta
from tts_service.errors import ServiceError
from tts_service.web import problems, render

CONTENT_TYPE = "text/event-stream"


def is_wanted(request: Request) -> bool:
    """Only where the caller names it: a browser's `*/*` means the JSON."""
    accepted = request.accept_mimetypes
    return CONTENT_TYPE in accepted.values() and accepted[CONTENT_TYPE] >= accepted["application/json"]


def respond(turn: Generator[Event, None, None], audio_format: str = "wav") -> Response:
    """Raises what the turn raises before its first event, so that it keeps its status."""
    first = next(turn)
    response = Response(_frames(first, turn, audio_format), content_type=CONTENT_TYPE)
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the sound back until the end
    return response


def _frames(first: Event, turn: Generator[Event, None, None], audio_format: str) -> Iterator[bytes]:
    try:
        yield _of(first, audio_format)
        for event in turn:
            yield _of(event, audio_format)
    except ServiceError as error:
        yield _frame(b"error", problems.document(error))
    finally:
        turn.close()  # a reader who left closes us: the turn ends with it


def _of(event: Event, audio_format: str) -> bytes:
    match event:
        case TextDelta(delta):
            return _frame(b"text", orjson.dumps({"delta": delta}))
        case SpokenPiece():
            return _frame(b"audio", render.piece_json(event, audio_format))
        case Reply():
            return _frame(b"done", render.done_json(event))


def _frame(name: bytes, data: bytes) -> bytes:
    return b"".join((b"event: ", name, b"\ndata: ", data, b"\n\n"))
