"""The headers that every answer carries, whoever made it."""

from __future__ import annotations

from flask import Flask, Response

PAGE_CSP = (
    "default-src 'self'; media-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_NOTHING_CSP = "default-src 'none'; frame-ancestors 'none'"


def install(app: Flask) -> None:
    app.after_request(_stamp)


def _stamp(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    page = response.mimetype == "text/html"
    response.headers["Content-Security-Policy"] = PAGE_CSP if page else _NOTHING_CSP
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
