"""The whole road: a stranger's page in Chromium, the service under gunicorn, the sandbox behind it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import open_database
from tts_service.settings import load

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Running:
    url: str
    allowed: str
    """The client that the stranger's page may use."""
    refused: str
    """A client of somebody else's."""


@pytest.fixture(scope="module")
def running(_servers, tmp_path_factory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    # Half the sandbox's pace: slow enough to see text before sound, quick enough for a test.
    sandbox = ["tts_service.cli", "sandbox", "--port", "0", "--pace", "0.5"]
    with program(folder, sandbox, {}, r"sandbox: (\S+)") as sandbox_url:
        env = {
            "XAI_API_KEY": "xai-sandbox",
            "XAI_BASE_URL": sandbox_url,
            "TTS_INSTANCE": str(folder),
            "DATABASE_URL": f"sqlite:///{folder}/tts.db",
            "SECRET_KEY": "a-secret-key-of-the-tests",
            "RATE_LIMIT_IP": "",
            "PORT": "0",
        }
        allowed, refused = clients(env, _servers.site)
        with program(folder, ["gunicorn", "wsgi:app"], env, r"Listening at: (\S+)") as url:
            yield Running(url, allowed, refused)


def clients(env: dict[str, str], origin: str) -> tuple[str, str]:
    settings = load(env)
    database = open_database(settings.database_url)
    try:
        store = ClientStore(database, Sealer(settings.secret_keys))
        allowed = store.add({"name": "Allowed", "allowed_origins": [origin]})
        refused = store.add({"name": "Refused", "allowed_origins": ["https://somebody.example"]})
    finally:
        database.close()
    return allowed.client_id, refused.client_id


@contextmanager
def program(folder: Path, module: list[str], env: dict[str, str], says: str) -> Iterator[str]:
    """`python -m MODULE...` as a user starts it. Gives what it says of its address once it listens."""
    log = folder / f"{module[0]}.log"
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with open(log, "wb") as output:
        command = [sys.executable, "-m", *module]
        process = subprocess.Popen(command, cwd=ROOT, env=base | env, stdout=output, stderr=output)
    try:
        yield said(process, log, says)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(80)


def said(process: subprocess.Popen[bytes], log: Path, pattern: str) -> str:
    until = time.monotonic() + 80
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"it did not start:\n{log.read_text()}")


def visit(visitor, running: Running, client_id: str, origin: str) -> None:
    """A page of `origin` with the real service's script tag."""
    tag = f'<script async src="{running.url}/widget.js" data-client="{client_id}"></script>'
    page = f"<!doctype html><title>A stranger's page</title><body>{tag}</body>"
    visitor.service.pages["/page.html"] = (page, {})
    if origin == running.url:  # the service has no such page, so the browser is given it on the road
        visitor.page.route("**/page.html", lambda road: road.fulfill(body=page, content_type="text/html"))
    visitor.page.goto(f"{origin}/page.html")
    visitor.hears("ready")
    visitor.opens()


def test_a_question_is_answered_in_writing_then_aloud_and_remembered(own_visitor, running):
    visitor = own_visitor  # whose connections end with it, so that the service can
    visit(visitor, running, running.allowed, visitor.service.site)
    visitor.page.evaluate(
        """() => {
          window.textFirst = null;
          document.addEventListener("tts-widget:audio-start", () => {
            const { shadowRoot } = document.querySelector("tts-widget");
            textFirst ??= [...shadowRoot.querySelectorAll(".assistant .body")].at(-1).textContent;
          });
        }"""
    )
    visitor.asks("My name is Ada.")
    visitor.reads("Nice to meet you, Ada! What can I do for you?")
    assert visitor.hears("audio-start")["source"] == "service"
    visitor.until(lambda: visitor.page.evaluate("loudness()") > 0.05, "sound")
    assert visitor.page.evaluate("textFirst").startswith("Nice to meet you")
    visitor.asks("What is my name?")
    visitor.reads("Your name is Ada. I remembered!")
    visitor.hears("audio-start", times=2)
    assert visitor.hears("audio-end", times=2) == {"source": "service", "completed": True}
    assert visitor.events("fallback") == visitor.events("error") == []


def test_the_services_own_page_is_told_in_its_words_that_it_may_not_use_a_client(own_visitor, running):
    visitor = own_visitor
    visit(visitor, running, running.refused, running.url)
    visitor.asks("hello")
    error = visitor.hears("error")
    assert (error["status"], error["code"]) == (403, "origin_not_allowed")
    frame = visitor.log.locator(".problem")
    expect(frame).to_contain_text(error["message"])
    expect(frame).to_contain_text(error["request_id"])


def test_a_strangers_page_that_may_not_use_a_client_learns_nothing_but_its_developer_does(
    own_visitor, running
):
    """The service lets no other site read its refusal, so the widget can only guess, in the console."""
    visitor = own_visitor
    warnings = []
    visitor.page.on("console", lambda entry: warnings.append(entry.text))
    visit(visitor, running, running.refused, visitor.service.site)
    visitor.asks("hello")
    assert visitor.hears("error")["code"] == "unreachable"
    hint = f"is {visitor.service.site} among the client's allowed_origins?"
    assert any(hint in text for text in warnings)
