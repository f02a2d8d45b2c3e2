"""The service as contract.md has it, scripted, on one origin; a stranger's page on another.

`POST /api/chat` answers from a list that the test writes, as JSON or as an event stream; so does
`POST /api/greeting`. The package's own static files are served, so what is tested is what is shipped.
"""

from __future__ import annotations

import base64
import contextlib
import json
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CLIENT_ID = "0f6d2c1e-8a54-4c1b-9d0e-2b7f3a6c5d41"
STATIC = Path(__file__).parents[2] / "tts_service" / "web" / "static"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}

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
