"""The request's body: its type, its size, and the time it may take (faults 5, rows 11 to 16)."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import parse_qsl

from flask import Request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

from tts_service.deadline import Deadline
from tts_service.errors import (
    BodyTooLarge,
    InvalidJson,
    InvalidRequest,
    RequestTimeout,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from tts_service.web import strict_json
from tts_service.web.alarms import Alarms
from tts_service.web.connection import Connection

MAX_BODY = 65_536  # bytes
# A client's 20,000 characters of prompt and its pronunciations, where each byte may become three in a form.
MAX_FORM = 512 * 1024
MAX_FORM_FIELDS = 200
BODY_TIMEOUT_S = 10.0  # faults T16
# A body a little too large is read to its end before it is refused: closing a socket that holds unread bytes
# resets the connection, and the caller would never see the 413.
_MAX_DISCARDED = 1 << 20

_alarms = Alarms()


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_json(request: Request) -> object:
    """The parsed body. Raises the RequestError that its type, size, pace or content deserves."""
    _check_type(request, "application/json")
    return strict_json.parse(_read(request, MAX_BODY))


def read_form(request: Request) -> dict[str, str]:
    """The fields of an HTML form, each once; line ends as browsers send them become one.

    Raises the RequestError that its type, size, pace or content deserves.
    """
    _check_type(request, "application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            _read(request, MAX_FORM).decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FORM_FIELDS,
        )
    except ValueError:
        raise InvalidRequest("The form is not encoded as browsers do it, in UTF-8.") from None
    form = {name: value.replace("\r\n", "\n") for name, value in pairs}
    if len(form) < len(pairs):
        raise InvalidRequest("A field stands twice in the form.")
    return form


def _check_type(request: Request, wanted: str) -> None:
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedEncoding
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != wanted or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(f"Send the body as Content-Type: {wanted}, in UTF-8.")


def _read(request: Request, limit: int) -> bytes:
    """At most `limit` bytes, whether Content-Length announces them or chunks bring them (faults L22).

    The server's own reads have a time limit for each piece at most, so a byte a second would hold it for
    hours. At the deadline the socket's reading side is shut, which ends a read under gevent and in a thread
    alike. That protects the worker; a proxy in front still has to protect the slow header before it (T16).
    """
    length = request.content_length
    if length is not None and length > _MAX_DISCARDED:
        raise BodyTooLarge
    deadline = Deadline.after(BODY_TIMEOUT_S)
    alarm = _alarms.set(BODY_TIMEOUT_S, Connection(request.environ).stop_reading)
    try:
        body = request.stream.read(limit + 1)
        if len(body) > limit:
            _discard(request.stream)
            raise BodyTooLarge(f"The body may have at most {limit:,} bytes.")
    except (ParseException, ClientDisconnected, OSError):
        if deadline.expired:
            raise RequestTimeout from None
        raise InvalidRequest("The body is not framed as HTTP/1.1 asks for, or ended too soon.") from None
    finally:
        _alarms.cancel(alarm)
    if deadline.expired:
        raise RequestTimeout
    if length is not None and len(body) < length:
        raise InvalidJson("The body ended before its Content-Length.")
    return body


def _discard(stream: _Stream) -> None:
    discarded = 0
    while discarded < _MAX_DISCARDED and (piece := stream.read(MAX_BODY)):
        discarded += len(piece)
