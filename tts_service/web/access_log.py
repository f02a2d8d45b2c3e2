"""One line for each request: what was asked of us and what came of it; no query, no words, no address."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

_log = logging.getLogger("tts_service.access")

_NO_ROUTE = "-"  # the path of a request that met no route is a stranger's text


def install(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_write)


def _begin() -> None:
    g.began_at = time.perf_counter()


def _write(response: Response) -> Response:
    fields = {
        "method": request.method[:16],
        "route": request.url_rule.rule if request.url_rule else _NO_ROUTE,
        "status": response.status_code,
        "ms": round((time.perf_counter() - g.began_at) * 1000),
        "client_id": g.get("client_id"),
    }
    told = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
    _log.info("event=request %s", told, extra={"fields": fields})
    return response
