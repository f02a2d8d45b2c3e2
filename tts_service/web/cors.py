"""What browsers on other people's websites are told: CORS, for the few paths that are open to them.

A preflight does not say which client it is for, so it is answered from the union of all clients' origins;
the request itself is then held to its own client's list. Errors carry the headers too, or the widget would
see nothing but an opaque failure (faults 5).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flask import Flask, Response, g, request

from tts_service.errors import UnavailableError
from tts_service.web import origins

_log = logging.getLogger(__name__)

ORIGINS_CACHED_S = 5.0
MAX_AGE_S = 600  # faults 5-45
METHODS = "POST"
REQUEST_HEADERS = ("content-type", "idempotency-key", "x-request-id")
EXPOSED_HEADERS = "Server-Timing, X-Request-ID, Retry-After, Idempotent-Replayed"

ReadOrigins = Callable[[], frozenset[str]]


def install(
    app: Flask, paths: frozenset[str], read_origins: ReadOrigins, cached_s: float = ORIGINS_CACHED_S
) -> None:
    """Opens `paths`. `read_origins` gives the union of all clients' origins, asked every `cached_s`."""
    known = _CachedOrigins(read_origins, cached_s)

    def before() -> Response | None:
        if request.path not in paths:
            return None
        origin = request.headers.get("Origin")
        if origin is not None and origins.permits(known(), origin):
            grant(origin)
        return _preflight() if request.method == "OPTIONS" else None

    def after(response: Response) -> Response:
        if request.path in paths:
            response.vary.add("Origin")
            if origin := g.get("cors_origin"):
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        return response

    app.before_request(before)
    app.after_request(after)


def grant(origin: str | None) -> None:
    """Lets the page at `origin` read the answer to this request; None lets no page read it."""
    g.cors_origin = origin


def _preflight() -> Response:
    """204 without a body. What is not granted is left out, which is how a browser hears no.

    Access-Control-Allow-Private-Network is never sent (faults 5-48), and the rate limits do not count this.
    """
    response = Response(status=204)
    response.headers["Allow"] = f"OPTIONS, {METHODS}"
    asked_headers = request.headers.get("Access-Control-Request-Headers", "").lower().split(",")
    granted = request.headers.get("Access-Control-Request-Method") == METHODS and all(
        name.strip() in REQUEST_HEADERS for name in asked_headers if name.strip()
    )
    if not granted:
        grant(None)
    elif g.get("cors_origin"):
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = ", ".join(REQUEST_HEADERS)
        response.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
    response.vary.update(("Access-Control-Request-Method", "Access-Control-Request-Headers"))
    return response


class _CachedOrigins:
    """The union, read again after a few seconds; the last one known when the database does not answer."""

    def __init__(self, read: ReadOrigins, cached_s: float) -> None:
        self._read = read
        self._cached_s = cached_s
        self._known: frozenset[str] = frozenset()
        self._read_again_at = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> frozenset[str]:
        with self._lock:
            if time.monotonic() >= self._read_again_at:
                try:
                    self._known = self._read()
                except UnavailableError as error:
                    _log.warning("event=origins_stale code=%s", error.code)
                self._read_again_at = time.monotonic() + self._cached_s
            return self._known
