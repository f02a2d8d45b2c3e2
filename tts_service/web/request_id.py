"""Every request has an id: in its log lines, on its answer, in its error."""

from __future__ import annotations

import re
import secrets

from flask import Flask, Response, request

from tts_service import logs

_ACCEPTABLE = re.compile(r"[A-Za-z0-9_-]{8,64}")


def install(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_stamp)
    app.teardown_request(_end)


def current() -> str:
    return logs.request_id.get()


def new() -> str:
    return secrets.token_hex(8)


def _begin() -> None:
    """A proxy's or caller's own id is kept if it is harmless; anything else is replaced (faults 5-55)."""
    given = request.headers.get("X-Request-ID", "")
    logs.request_id.set(given if _ACCEPTABLE.fullmatch(given) else new())


def _stamp(response: Response) -> Response:
    response.headers["X-Request-ID"] = current()
    return response


def _end(_: BaseException | None) -> None:
    logs.request_id.set("-")
