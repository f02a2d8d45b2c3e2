"""What operators and their load balancers ask: is the process there, and can it serve?"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from tts_service.database.engine import Database
from tts_service.settings import Settings
from tts_service.version import __version__


def blueprint(settings: Settings, database: Database) -> Blueprint:
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
        answers = database.answers()
        response = jsonify({"status": "ready" if answers else "not_ready", "checks": {"database": answers}})
        response.status_code = 200 if answers else 503
        return response

    return routes
