"""`GET /metrics`: what Prometheus collects. Behind ADMIN_TOKEN, for it tells how a business goes (5-107)."""

from __future__ import annotations

import os

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tts_service.web.bearer import Bearer

PATH = "/metrics"


def blueprint(bearer: Bearer) -> Blueprint:
    routes = Blueprint("metrics", __name__)

    @routes.get(PATH)
    def metrics() -> Response:
        bearer.check(request.headers.get("Authorization"), request.remote_addr)
        return Response(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)

    return routes


def _registry() -> CollectorRegistry:
    """This process's, or that of all workers together."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together
