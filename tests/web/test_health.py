from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from tests.redis_faults import Relay
from tts_service.database.engine import Database
from tts_service.settings import Settings
from tts_service.web import health


def test_health_says_which_keys_are_there_and_never_the_keys(service: Any) -> None:
    answer = service.send("GET", "/health?x=<script>")
    assert answer.status == 200
    assert answer.json["status"] == "ok"
    assert answer.json["hasXAIKey"] is True
    assert answer.json["hasOpenAIKey"] is False
    assert answer.json["production"] is False
    assert b"canary" not in answer.body
    assert b"script" not in answer.body


def test_a_service_whose_database_answers_is_ready(service: Any) -> None:
    answer = service.send("GET", "/ready")
    assert (answer.status, answer.json["checks"]) == (200, {"database": True})


def test_a_service_whose_database_is_lost_is_alive_but_not_ready(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/such/folder/tts.db")
    app = Flask(__name__)
    app.register_blueprint(health.blueprint(Settings(), database))
    try:
        assert app.test_client().get("/health").status_code == 200
        ready = app.test_client().get("/ready")
    finally:
        database.close()
    assert ready.status_code == 503
    assert ready.get_json() == {"status": "not_ready", "checks": {"database": False}}


def test_a_service_whose_redis_is_lost_says_so_and_serves(start: Callable[..., Any], redis_url: str) -> None:
    relay = Relay(redis_url)
    service = start(REDIS_URL=relay.url)
    assert service.send("GET", "/ready").json == {
        "status": "ready",
        "checks": {"database": True, "redis": True},
    }
    relay.cut()
    lost = service.send("GET", "/ready")
    assert (lost.status, lost.json["checks"]) == (503, {"database": True, "redis": False})
    assert service.send("GET", "/health").status == 200
    assert service.ask().status == 200
    relay.close()
