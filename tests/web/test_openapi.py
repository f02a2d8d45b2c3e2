"""The OpenAPI document: it covers every public route, and the service does what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tts_service import errors
from tts_service.app import close_app, create_app
from tts_service.clients.client import Client
from tts_service.clients.fields import FIELDS
from tts_service.settings import load
from tts_service.web.openapi.document import document

TOKEN = "admin-canary-token=with=signs/9876543210"
# Pages for people and the files they load are no API.
NOT_IN_THE_DOCUMENT = re.compile(r"/dashboard(/.*)?|/static/.*")
AUTOMATIC = {"HEAD", "OPTIONS"}


@pytest.fixture
def routes(tmp_path: Path) -> Iterator[set[tuple[str, str]]]:
    """Every method and path that the service routes, as OpenAPI writes them."""
    env = {
        "TTS_INSTANCE": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/tts.db",
        "ADMIN_TOKEN": TOKEN,
    }
    app = create_app(load(env))
    yield {
        (method, re.sub(r"<(?:[^<>:]*:)?([^<>:]*)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - AUTOMATIC
        if not NOT_IN_THE_DOCUMENT.fullmatch(rule.rule)
    }
    close_app(app)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    paths: Any = document()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            if method != "parameters":
                yield method.upper(), path, operation


def test_every_public_route_is_in_the_document_and_nothing_else(routes: set[tuple[str, str]]) -> None:
    assert {(method, path) for method, path, _ in operations()} == routes


def test_the_admin_api_and_the_metrics_ask_for_the_token_and_nothing_else_does() -> None:
    guarded = {path for _, path, operation in operations() if "security" in operation}
    assert guarded == {"/metrics", "/api/clients", "/api/clients/{client_id}"}


def test_the_document_is_served_to_everybody_as_it_is_written(start: Callable[..., Any]) -> None:
    answer = start().send("GET", "/openapi.json")
    assert (answer.status, answer.json) == (200, document())
    assert answer.headers["Content-Type"] == "application/json"


def test_a_client_s_fields_are_those_of_the_checks_and_a_key_is_only_written() -> None:
    components: Any = document()["components"]
    schemas = components["schemas"]
    assert (
        set(schemas["NewClient"]["properties"]) == set(schemas["ClientChanges"]["properties"]) == set(FIELDS)
    )
    assert set(schemas["Client"]["properties"]) == set(Client("", "").shown())
    assert schemas["NewClient"]["properties"]["ai_api_key"]["writeOnly"] is True


def test_every_error_a_caller_can_meet_has_its_code_in_the_document() -> None:
    told = set(re.findall(r"`([a-z_]+)`: ", str(document())))
    left_out = {
        "internal",  # of any request: told once, in the introduction
        "method_not_allowed",
        "reader_gone",  # nobody is left to read it
        "csrf_rejected",  # of the dashboard's pages, as the two below
        "sign_in_failed",
        "link_expired",
    }
    kinds = [errors.RequestError, errors.UpstreamError, errors.UnavailableError]
    codes = {kind.code for root in kinds for kind in root.__subclasses__()}
    assert codes - told == left_out - {"internal"}


def check_shape(name: str, value: object) -> None:
    shape = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    jsonschema_rs.validator_for(shape).validate(value)


@pytest.mark.parametrize(
    ("path", "more", "shape"),
    [("/api/chat", {"message": "Hi"}, "ChatReply"), ("/api/greeting", {}, "Greeting")],
)
def test_a_reply_has_the_shape_of_the_document(
    start: Callable[..., Any], path: str, more: dict[str, str], shape: str
) -> None:
    service = start()
    asked = json.dumps({"client_id": service.clients["open"]} | more).encode()
    answer = service.send("POST", path, asked, {"Content-Type": "application/json"})
    assert answer.status == 200
    check_shape(shape, answer.json)


def test_the_events_of_a_stream_have_the_shapes_of_the_document(start: Callable[..., Any]) -> None:
    answer = start().ask(client="open", Accept="text/event-stream")
    events = re.findall(r"event: (.*)\ndata: (.*)\n\n", answer.body.decode())
    assert {name for name, _ in events} == {"text", "done"}
    for name, data in events:
        check_shape(f"{name.capitalize()}Event", json.loads(data))


def test_schemathesis_finds_nothing_wrong(start: Callable[..., Any], tmp_path: Path) -> None:
    service = start(ADMIN_TOKEN=TOKEN)
    # From a file: an endpoint that schemathesis reads the document from is left out of what it tests.
    served = tmp_path / "openapi.json"
    served.write_bytes(service.send("GET", "/openapi.json").body)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
            *("run", str(served), "--url", f"http://127.0.0.1:{service.port}"),
            *("--header", f"Authorization: Bearer {TOKEN}", "--no-color", "--no-shrink"),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"Tested: {len(list(operations()))}" in run.stdout
    assert "canary" not in run.stdout
