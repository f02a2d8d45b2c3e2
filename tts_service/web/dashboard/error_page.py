"""Errors under /dashboard, for people: the same look as the other pages, with the request's id."""

from __future__ import annotations

from flask import Response, render_template, request

from tts_service.errors import ServiceError
from tts_service.web import request_id

_TITLES = {
    401: "Please sign in",
    403: "That was not accepted",
    404: "There is nothing here",
    405: "That does not work here",
    410: "This link has expired",
    412: "Somebody else was faster",
    429: "Too many attempts",
    503: "Not ready",
}


def is_wanted() -> bool:
    """Whether a person's browser asks for a page of the dashboard."""
    under = request.path == "/dashboard" or request.path.startswith("/dashboard/")
    return under and request.accept_mimetypes["text/html"] > request.accept_mimetypes["application/json"]


def render(error: ServiceError, status: int) -> Response:
    html = render_template(
        "dashboard/error.html",
        title=_TITLES.get(status, "That did not work" if status < 500 else "Something went wrong"),
        message=error.message,
        status=status,
        request_id=request_id.current(),
    )
    return Response(html, status, content_type="text/html; charset=utf-8")
