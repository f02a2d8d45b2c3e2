"""A real Chromium, and a scripted service on one origin beside a stranger's page on another.

The service here speaks contract.md's `POST /api/chat` from a list of answers that the test writes. It serves
the package's own static files, so what is tested is what is shipped.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import shutil
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

STATIC = Path(__file__).parents[2] / "tts_service" / "web" / "static"
EARS = Path(__file__).with_name("page_ears.js").read_text()
CLIENT_ID = "0f6d2c1e-8a54-4c1b-9d0e-2b7f3a6c5d41"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    # The strict rule of phones: sound only after the visitor's own tap or key press.
    "--autoplay-policy=document-user-activation-required",
]


@dataclass
class Answer:
    """What the scripted service says to one question, once `released`."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)


class ScriptedService:
    """`url` is the service's origin, `site` the embedding page's; `asked` holds the questions that came."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.pages: dict[str, tuple[str, dict[str, str]]] = {}
        self._answers: list[Answer] = []
        self._servers = [_Server(self) for _ in range(2)]
        self._threads = [threading.Thread(target=s.serve_forever, args=(0.01,)) for s in self._servers]
        service, site = (server.server_port for server in self._servers)
        self.url = f"http://127.0.0.1:{service}"
        self.site = f"http://localhost:{site}"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        for answer in self._answers:
            answer.released.set()
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()

    def reply(
        self,
        text: str,
        *,
        wav: bytes | None = None,
        audio_url: str | None = None,
        audio_error: str | None = None,
        held: bool = False,
        truncated: bool = False,
    ) -> Answer:
        """Queues a 200. The last queued answer is given again and again."""
        url = audio_url or (wav and "data:audio/wav;base64," + base64.b64encode(wav).decode())
        body = {
            "conversation_id": "conversation-1",
            "text": text,
            "audio_url": url,
            "audio": url and {"voice": "ara", "duration_s": 1.0, "truncated": truncated, "cached": False},
            "audio_error": audio_error
            and {"code": audio_error, "message": "The voice is silent.", "retryable": False},
            "timings_ms": {"llm_first_token": 1, "llm": 2, "speech_first_audio": 3, "speech": 4, "total": 5},
        }
        return self.answer(200, json.dumps(body), held=held)

    def refuse(self, status: int, code: str, message: str, **headers: str) -> Answer:
        error = {"code": code, "message": message, "request_id": "req-42"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.answer(status, json.dumps({"error": error}), headers=named)

    def answer(
        self, status: int, body: str, *, headers: dict[str, str] | None = None, held: bool = False
    ) -> Answer:
        answer = Answer(status, body.encode(), headers or {})
        if not held:
            answer.released.set()
        self._answers.append(answer)
        return answer

    def next_answer(self) -> Answer:
        return self._answers[min(len(self.asked), len(self._answers)) - 1]

    def embed(self, attributes: str = "", *, html: str = "", csp: str | None = None, lang: str = "en") -> str:
        """The address of a stranger's page that carries the script tag."""
        tag = f'<script async src="{self.url}/widget.js" data-client="{CLIENT_ID}" {attributes}></script>'
        page = (
            f'<!doctype html><html lang="{lang}"><meta name="viewport" content="width=device-width">'
            f"<title>A stranger's page</title><body><h1>Shop</h1>{html}{tag}</body></html>"
        )
        self.pages["/page.html"] = (page, {"Content-Security-Policy": csp} if csp else {})
        return f"{self.site}/page.html"


class _Server(ThreadingHTTPServer):
    """One origin; both origins serve everything, so that a test chooses by the address alone."""

    def __init__(self, service: ScriptedService) -> None:
        self.service = service
        super().__init__(("127.0.0.1", 0), _Endpoint)


class _Endpoint(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5  # Chromium opens spare connections; none may outlive the test's server

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        page, headers = self.server.service.pages.get(path, ("", {}))
        file = STATIC / path.rsplit("/", 1)[-1]
        if page:
            self._send(200, page.encode(), {"Content-Type": TYPES[".html"], **headers})
        elif file.is_file():
            self._send(200, file.read_bytes(), {"Content-Type": TYPES[file.suffix]})
        else:
            self._send(404, b"", {})

    def do_OPTIONS(self) -> None:
        self._send(204, b"", {"Access-Control-Allow-Headers": "content-type", **self._cors()})

    def do_POST(self) -> None:
        service = self.server.service
        service.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = service.next_answer()
        answer.released.wait(20)
        headers = {"Content-Type": "application/json", **self._cors(), **answer.headers}
        with contextlib.suppress(ConnectionError):  # the visitor stopped waiting
            self._send(answer.status, answer.body, headers)

    def _cors(self) -> dict[str, str]:
        origin = self.headers["Origin"]
        if origin not in (self.server.service.site, self.server.service.url):
            return {}
        exposed = "X-Request-ID, Retry-After"
        return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": exposed}

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet: a failing test shows what it needs."""


@pytest.fixture
def scripted_service() -> Iterator[ScriptedService]:
    service = ScriptedService()
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def tone() -> Callable[[float], bytes]:
    """A WAV as the service makes them: PCM 16-bit mono at 24 kHz, here a 440 Hz tone of so many seconds."""

    def make(duration_s: float) -> bytes:
        samples = [
            int(12_000 * math.sin(n * 440 * math.tau / 24_000)) for n in range(int(24_000 * duration_s))
        ]
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(24_000)
            out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        reason = "Chromium is not installed: the widget is not tested (apt-get install chromium)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser, scripted_service: ScriptedService) -> Iterator[Callable[..., Page]]:
    """Makes pages in a profile of their own; takes the options of Playwright's new_context."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> Page:
        context = chromium.new_context(**options)
        context.set_default_timeout(5_000)
        context.add_init_script(EARS)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def chromium_page(new_page: Callable[..., Page]) -> Iterator[Page]:
    """A page at 1280 by 800 that fails its test when a script on it throws."""
    page = new_page(viewport={"width": 1280, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []


class Visitor:
    """Somebody in front of the widget: does what a person does, and waits for what a person notices."""

    def __init__(self, page: Page, service: ScriptedService) -> None:
        self.page = page
        self.service = service
        self.widget = page.locator("tts-widget")
        self.log = self.widget.get_by_role("log")
        self.input = self.widget.get_by_role("textbox")

    def visits(self, attributes: str = "", **embed: Any) -> None:
        self.page.goto(self.service.embed(attributes, **embed))
        self.hears("ready")

    def opens(self) -> None:
        self.widget.get_by_role("button", name="Open chat").click()

    def asks(self, question: str) -> None:
        self.input.fill(question)
        self.input.press("Enter")

    def presses(self, name: str) -> None:
        self.widget.get_by_role("button", name=name).last.click()

    def events(self, name: str) -> list[dict[str, Any]]:
        return [detail for heard, detail in self.page.evaluate("heard") if heard == name]

    def hears(self, name: str, times: int = 1) -> dict[str, Any]:
        """The event's detail once it has come `times` times."""
        self.until(lambda: len(self.events(name)) >= times, f"{name} x{times}")
        return self.events(name)[times - 1]

    def until(self, condition: Callable[[], bool], what: str = "the condition", limit_s: float = 6) -> None:
        # Asked from here: wait_for_function evaluates strings in the page, which a strict CSP forbids.
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; heard: {self.page.evaluate('heard')}"
            self.page.wait_for_timeout(20)


@pytest.fixture
def visitor(chromium_page: Page, scripted_service: ScriptedService) -> Visitor:
    return Visitor(chromium_page, scripted_service)
