"""`GET /openapi.json`: every public endpoint, for people, generators and test tools."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response

from tts_service.web.openapi.document import document

PATH = "/openapi.json"


def blueprint() -> Blueprint:
    routes = Blueprint("openapi", __name__)
    written = orjson.dumps(document())

    @routes.get(PATH)
    def openapi() -> Response:
        return Response(written, content_type="application/json")

    return routes
