"""A real Chromium, and a scripted service on one origin beside a stranger's page on another.

The service here speaks contract.md's `POST /api/chat` from a list of answers that the test writes, as JSON or
as an event stream, and `POST /api/greeting`. It serves the package's own static files, so what is tested is
what is shipped. One browser, one page and one pair of servers serve all tests, in half the time; a
test that changes what cannot be changed back (the clock, scripts that run first) asks for `own_visitor`.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import select
import shutil
import socket
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
from playwright.sync_api import Browser, Page, expect, sync_playwright

STATIC = Path(__file__).parents[2] / "tts_service" / "web" / "static"
EARS = Path(__file__).with_name("page_ears.js").read_text()
VIEWPORT = {"width": 800, "height": 700}
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
expect.set_options(timeout=20_000)


RESET = "reset"  # a step of a stream: the connection breaks, without a proper end

Step = bytes | threading.Event | str
"""Sent; waited for; or RESET."""


@dataclass
class Answer:
    """What the scripted service says to one question, once `released`."""

    status: int
    steps: list[Step]
    headers: dict[str, str] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)
    """Set when the visitor hung up before the end."""


def _reply(
    text: str, duration_s: float | None, audio_error: str | None, truncated: bool = False
) -> dict[str, Any]:
    spoken = {"voice": "ara", "duration_s": duration_s, "truncated": truncated, "cached": False}
    refused = {"code": audio_error, "message": "The voice is silent.", "retryable": False}
    return {
        "conversation_id": "conversation-1",
        "text": text,
        "audio": duration_s and spoken,
        "audio_error": audio_error and refused,
        "timings_ms": {"llm_first_token": 1, "llm": 2, "speech_first_audio": 3, "speech": 4, "total": 5},
    }


class ScriptedService:
    """`url` is the service's origin, `site` the embedding page's; `asked` holds the questions that came."""

    RESET = RESET

    # The events of a stream, to be steps of `stream`.

    def event(self, name: str, **data: Any) -> bytes:
        return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()

    def text(self, delta: str) -> bytes:
        return self.event("text", delta=delta)

    def audio(self, seq: int | None, wav: bytes) -> bytes:
        numbered = {} if seq is None else {"seq": seq}
        return self.event("audio", **numbered, text="", wav=base64.b64encode(wav).decode())

    def done(self, text: str, duration_s: float | None = None, audio_error: str | None = None) -> bytes:
        return self.event("done", **_reply(text, duration_s, audio_error))

    def __init__(self) -> None:
        self._servers = [_Server(self) for _ in range(2)]
        self._threads = [threading.Thread(target=s.serve_forever, args=(0.01,)) for s in self._servers]
        self._gates = []
        self.forget()
        for thread in self._threads:
            thread.start()

    def forget(self) -> None:
        """Lets go of whoever still waits, and begins anew."""
        for gate in self._gates:
            gate.set()
        self._gates: list[threading.Event] = []
        self._answers: list[Answer] = []
        self.asked: list[dict[str, Any]] = []
        self.accepted: list[str] = []
        self.greet({"text": ""})
        self.greetings = 0
        self.pages: dict[str, tuple[str, dict[str, str]]] = {}
        service, site = (server.server_port for server in self._servers)
        self.url = f"http://127.0.0.1:{service}"
        self.site = f"http://localhost:{site}"

    def stop(self) -> None:
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
        body = self.spoken(text, wav, audio_url, audio_error, truncated)
        return self.answer(200, json.dumps(body), held=held)

    def spoken(
        self,
        text: str,
        wav: bytes | None = None,
        audio_url: str | None = None,
        audio_error: str | None = None,
        truncated: bool = False,
    ) -> dict[str, Any]:
        url = audio_url or (wav and "data:audio/wav;base64," + base64.b64encode(wav).decode())
        duration_s = (len(wav) - 44) / 48_000 if wav else 1.0
        return _reply(text, duration_s if url else None, audio_error, truncated) | {"audio_url": url}

    def stream(self, *steps: Step) -> Answer:
        """Queues an event stream."""
        answer = self._made(Answer(200, list(steps), {"Content-Type": "text/event-stream"}))
        self._answers.append(answer)
        return answer

    def gate(self) -> threading.Event:
        """A step that waits until the test sets it."""
        self._gates.append(threading.Event())
        return self._gates[-1]

    def _made(self, answer: Answer, held: bool = False) -> Answer:
        self._gates.append(answer.released)
        if not held:
            answer.released.set()
        return answer

    def greet(self, greeting: dict[str, Any], *, status: int = 200, held: bool = False) -> Answer:
        """What `/api/greeting` says from now on."""
        self.greeting = self._made(Answer(status, [json.dumps(greeting).encode()]), held)
        return self.greeting

    def refuse(self, status: int, code: str, message: str, **headers: str) -> Answer:
        error = {"code": code, "message": message, "request_id": "req-42"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.answer(status, json.dumps({"error": error}), headers=named)

    def answer(
        self, status: int, body: str, *, headers: dict[str, str] | None = None, held: bool = False
    ) -> Answer:
        answer = self._made(Answer(status, [body.encode()], headers or {}), held)
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
    timeout = 1  # Chromium opens spare connections; none may outlive its test

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
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/greeting":
            service.greetings += 1
            answer = service.greeting
        else:
            service.asked.append(question)
            service.accepted.append(self.headers["Accept"])
            answer = service.next_answer()
        with contextlib.suppress(ConnectionError):
            if not self._waits_for(answer.released):
                answer.abandoned.set()
                return
            self._start(answer.status, {"Content-Type": "application/json", **self._cors(), **answer.headers})
            for step in answer.steps:
                if not self._take(step):
                    answer.abandoned.set()
                    return

    def _take(self, step: Step) -> bool:
        """False when the visitor has hung up."""
        if step == RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif isinstance(step, threading.Event):
            return self._waits_for(step)
        else:
            self.wfile.write(step)
        return True

    def _waits_for(self, event: threading.Event) -> bool:
        until = time.monotonic() + 60
        while time.monotonic() < until and not self._left():
            if event.wait(0.01):
                return True
        return False

    def _left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def _cors(self) -> dict[str, str]:
        origin = self.headers["Origin"]
        if origin not in (self.server.service.site, self.server.service.url):
            return {}
        exposed = "X-Request-ID, Retry-After"
        return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": exposed}

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._start(status, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _start(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet: a failing test shows what it needs."""


@pytest.fixture(scope="session")
def _servers() -> Iterator[ScriptedService]:
    service = ScriptedService()
    yield service
    service.stop()


@pytest.fixture
def scripted_service(_servers: ScriptedService) -> Iterator[ScriptedService]:
    _servers.forget()
    yield _servers
    _servers.forget()


@pytest.fixture(scope="session")
def tone() -> Callable[[float], bytes]:
    """A WAV as the service makes them: PCM 16-bit mono at 24 kHz, here a 440 Hz tone of so many seconds."""

    cycles = [int(12_000 * math.sin(n * 440 * math.tau / 24_000)) for n in range(600)]  # 11 of them
    pattern = struct.pack("<600h", *cycles)

    def make(duration_s: float) -> bytes:
        size = 2 * int(24_000 * duration_s)
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(24_000)
            out.writeframes((pattern * (size // len(pattern) + 1))[:size])
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


def new_page(browser: Browser) -> Page:
    context = browser.new_context(viewport=VIEWPORT)
    context.set_default_timeout(40_000)
    context.add_init_script(EARS)
    return context.new_page()


@pytest.fixture(scope="session")
def _page(chromium: Browser) -> Page:
    return new_page(chromium)


@contextlib.contextmanager
def _without_errors(page: Page) -> Iterator[Page]:
    """Fails the test when a script on the page throws."""
    errors: list[str] = []
    note = lambda error: errors.append(str(error))  # noqa: E731
    page.on("pageerror", note)
    yield page
    page.remove_listener("pageerror", note)
    assert errors == []


@pytest.fixture
def shared_page(_page: Page, scripted_service: ScriptedService) -> Iterator[Page]:
    """A page that remembers nothing of the tests before."""
    devtools = _page.context.new_cdp_session(_page)
    with _without_errors(_page):
        yield _page
        _page.goto("about:blank")
    for origin in (scripted_service.url, scripted_service.site):
        devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    devtools.detach()
    _page.context.clear_permissions()
    _page.set_viewport_size(VIEWPORT)
    _page.emulate_media(color_scheme="light", reduced_motion="no-preference")


@pytest.fixture
def own_page(chromium: Browser, scripted_service: ScriptedService) -> Iterator[Page]:
    """A page in a profile of its own."""
    page = new_page(chromium)
    with _without_errors(page):
        yield page
    page.context.close()


class Visitor:
    """Somebody in front of the widget: does what a person does, and waits for what a person notices."""

    def __init__(self, page: Page, service: ScriptedService) -> None:
        self.page = page
        self.service = service
        self.client_id = CLIENT_ID
        self.widget = page.locator("tts-widget")
        self.log = self.widget.get_by_role("log")
        self.input = self.widget.get_by_role("textbox")

    def visits(self, attributes: str = "", **embed: Any) -> None:
        self.page.goto(self.service.embed(attributes, **embed))
        self.hears("ready")

    def is_blocked(self, on_ready: str) -> None:
        """Visits a page that does this by itself, before any tap or key: browsers allow no sound then.

        Until the widget says so the page is not asked: what Playwright evaluates counts as a tap, and so
        does, for the same site's next page, a tap on the page before.
        """
        listen = "document.addEventListener('tts-widget:{}', () => {{ {} }})".format
        blocked = listen("audio-blocked", "console.log(`blocked`)")
        html = f"<script>{listen('ready', on_ready)}; {blocked}</script>"
        self.page.goto("about:blank")
        with self.page.expect_console_message(lambda said: said.text == "blocked"):
            self.page.goto(self.service.embed(html=html))

    def opens(self) -> None:
        # A key counts as a tap, and takes a fifth of a click's time: Playwright waits for no animation.
        self.widget.get_by_role("button", name="Open chat").press("Enter")

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

    def reads(self, text: str) -> None:
        """In the panel. Looks more often than `expect` does, which waits 0.1 s, then 0.25 s, 0.5 s, 1 s."""
        self.until(lambda: text in (self.log.text_content() or ""), text)

    def until(self, condition: Callable[[], bool], what: str = "the condition", limit_s: float = 20) -> None:
        # Asked from here: wait_for_function evaluates strings in the page, which a strict CSP forbids.
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; heard: {self.page.evaluate('heard')}"
            self.page.wait_for_timeout(8)


@pytest.fixture
def visitor(shared_page: Page, scripted_service: ScriptedService) -> Visitor:
    return Visitor(shared_page, scripted_service)


@pytest.fixture
def own_visitor(own_page: Page, scripted_service: ScriptedService) -> Visitor:
    return Visitor(own_page, scripted_service)
