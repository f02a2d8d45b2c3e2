"""What operators and their load balancers ask: is the process there, and can it serve?"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from tts_service.database.engine import Database
from tts_service.settings import Settings
from tts_service.shared_memory import SharedMemory
from tts_service.version import __version__


def blueprint(settings: Settings, database: Database, shared: SharedMemory | None = None) -> Blueprint:
    routes = Blueprint("health", __name__)
    health_facts: dict[str, Any] = {
        "status": "ok",
        "version": __version__,
        "production": settings.production,
        "hasXAIKey": settings.xai_api_key is not None,
        "hasOpenAIKey": settings.openai_api_key is not None,
        "hasAdminToken": settings.admin_token is not None,
    }

    @routes.get("/health")
    def health() -> Response:
        """Always cheap: asks nothing of anybody. Which keys are there, never the keys."""
        return jsonify(health_facts)

    @routes.get("/ready")
    def ready() -> Response:
        """Whether the database answers, and Redis where it is configured: `checks` says which does not."""
        checks = {"database": database.answers()}
        if shared is not None:
            checks["redis"] = shared.answers()
        ready = all(checks.values())
        response = jsonify({"status": "ready" if ready else "not_ready", "checks": checks})
        response.status_code = 200 if ready else 503
        return response

    return routes
