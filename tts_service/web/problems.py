"""Every error as contract.md's one JSON shape, also those that Flask and Werkzeug raise.

A browser that asks for a page of the dashboard gets a page.
"""

from __future__ import annotations

import logging

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from tts_service import errors
from tts_service.web import request_id
from tts_service.web.dashboard import error_page

_log = logging.getLogger(__name__)

_PROBLEM = "application/problem+json"
_BY_STATUS: dict[int, type[errors.RequestError]] = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    408: errors.RequestTimeout,
    413: errors.BodyTooLarge,
    415: errors.UnsupportedMediaType,
    429: errors.RateLimited,
}


def install(app: Flask) -> None:
    app.register_error_handler(errors.ServiceError, _known)
    app.register_error_handler(HTTPException, _from_werkzeug)
    app.register_error_handler(Exception, _unknown)


def render(error: errors.ServiceError, status: int | None = None) -> Response:
    """The answer that tells `error`; `status` where the class has a wider one than the case at hand."""
    status = status or error.status
    if error_page.is_wanted():
        response = error_page.render(error, status)
    elif _wants_problem():
        response = Response(_problem(error, status), status, content_type=_PROBLEM)
    else:
        response = Response(document(error), status, content_type="application/json")
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def document(error: errors.ServiceError) -> bytes:
    """The JSON that tells `error`."""
    about = {"code": error.code, "message": error.message}
    return orjson.dumps({"error": about | _place(error)})


def _wants_problem() -> bool:
    """Only where the caller names it: `*/*` means the service's own form."""
    accepted = request.accept_mimetypes
    return _PROBLEM in accepted.values() and accepted[_PROBLEM] >= accepted["application/json"]


def _problem(error: errors.ServiceError, status: int) -> bytes:
    """RFC 9457. The type about:blank says that the status tells the kind; our code tells it closer."""
    about = {"type": "about:blank", "title": HTTP_STATUS_CODES.get(status, "Error"), "status": status}
    return orjson.dumps(about | {"detail": error.message, "code": error.code} | _place(error))


def _place(error: errors.ServiceError) -> dict[str, str]:
    param = {} if error.param is None else {"param": error.param}
    return param | {"request_id": request_id.current()}


def _known(error: errors.ServiceError) -> Response:
    if error.status >= 500:
        _log.warning("event=error code=%s status=%d", error.code, error.status)
    return render(error)


def _from_werkzeug(error: HTTPException) -> Response:
    status = error.code or 500
    if status >= 500:
        return _unknown(error)
    kind = _BY_STATUS.get(status, errors.InvalidRequest)
    response = render(kind(), status)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):  # Allow, Retry-After and the like
            response.headers[name] = value
    return response


def _unknown(error: Exception) -> Response:
    """A bug: the caller learns the request id, the log where it happened (faults 5-58)."""
    _log.error("event=bug", exc_info=error)
    return render(errors.ServiceError())
