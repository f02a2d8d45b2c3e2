"""The service over real HTTP, with a scripted language model behind it and text-only clients before it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from tts_service.app import close_app, create_app
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import open_database
from tts_service.settings import load
from tts_service.web.body import _alarms

ROOT = Path(__file__).parents[2]
CANARY = "xai-canary-0123456789abcdef"
TOKEN = "admin-canary-token=with=signs/9876543210"
ACME = "https://www.acme.com"


class ScriptedModel:
    """An OpenAI-style chat server. What a message says decides what happens: `hold` waits for `release`,
    `outage` answers 503, anything else gets `REPLY` in two deltas."""

    REPLY = "Hello there."

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: list[list[str]] = []  # the whole conversation of each question
        self.release = threading.Event()
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.asked.append(body["messages"][-1]["content"])
                model.told.append([message["content"] for message in body["messages"]])
                self.close_connection = True
                if "outage" in model.asked[-1]:
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if "hold" in model.asked[-1]:
                    model.release.wait(40)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                for delta in ("Hello", " there."):
                    chunk = {"choices": [{"index": 0, "delta": {"content": delta}}]}
                    self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
                self.wfile.write(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # callers hang up in tests
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The error's code, None for an answer that is no error."""
        return self.json["error"]["code"] if "error" in self.json else None


@dataclass
class Service:
    """A running service and what a test needs to talk to it."""

    port: int
    model: ScriptedModel
    clients: dict[str, str] = field(default_factory=dict)  # what the client is like -> client_id
    log: Callable[[], str] = lambda: ""
    folder: Path = Path()  # of its log and its database

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def post(self, body: bytes, **headers: str) -> Answer:
        sent = {"Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", "/api/chat", body, sent)

    def ask(
        self, message: object = "Hi", client: str = "acme", conversation: str | None = None, **headers: str
    ) -> Answer:
        return self.post(self.question(message, client, conversation), **headers)

    def question(
        self, message: object = "Hi", client: str = "acme", conversation: str | None = None
    ) -> bytes:
        asked = {"client_id": self.clients[client], "message": message}
        return json.dumps(asked | ({"conversation_id": conversation} if conversation else {})).encode()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def raw(self, request: bytes) -> Answer:
        """The answer to exactly these bytes."""
        with self.connect() as sock:
            sock.sendall(request)
            return answer_on(sock)


def answer_on(sock: socket.socket) -> Answer:
    response = http.client.HTTPResponse(sock)
    response.begin()
    try:
        return Answer(response.status, response.headers, response.read())
    finally:
        response.close()


CLIENTS: dict[str, dict[str, object]] = {
    "acme": {"allowed_origins": [ACME, "http://localhost:3000"]},
    "closed": {"allowed_origins": []},
    "open": {"allowed_origins": ["*"]},
    "other": {"allowed_origins": ["https://other.example"]},
    "disabled": {"allowed_origins": [ACME, "https://gone.example"], "enabled": False},
}


def add_clients(env: dict[str, str], without: tuple[str, ...] = ()) -> dict[str, str]:
    settings = load(env)
    database = open_database(settings.database_url)
    try:
        store = ClientStore(database, Sealer(settings.secret_keys))
        return {
            name: store.add({"name": name, "speech_provider": "off"} | changes).client_id
            for name, changes in CLIENTS.items()
            if name not in without
        }
    finally:
        database.close()


def environment(folder: Path, model: ScriptedModel, **changes: str) -> dict[str, str]:
    env = {
        "XAI_API_KEY": CANARY,
        "XAI_BASE_URL": model.url,
        "TTS_INSTANCE": str(folder),
        "DATABASE_URL": f"sqlite:///{folder}/tts.db",
        "SECRET_KEY": "a-secret-key-of-the-tests",
        "RATE_LIMIT_IP": "",
        "RATE_LIMIT_CLIENT": "",
        "LOG_FORMAT": "json",
    }
    return env | changes


@contextmanager
def gunicorn(folder: Path, env: dict[str, str]) -> Iterator[tuple[int, Path]]:
    """`gunicorn wsgi:app` as a user starts it. Gives its port and the file of its log."""
    log = folder / "gunicorn.log"
    base = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH")}
    with open(log, "wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "wsgi:app"],
            cwd=ROOT,
            env=base | {"PORT": "0"} | env,
            stdout=stderr,
            stderr=stderr,
        )
        try:
            yield _port(process, log), log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if match := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(match[1])
        time.sleep(0.05)
    raise AssertionError(f"gunicorn did not start:\n{log.read_text()}")


@pytest.fixture(scope="session", autouse=True)
def _alarms_run() -> Iterator[None]:
    """The thread that watches time limits lingers after the last one. Kept busy, it is there before each
    test, and none has to wait for its end."""
    kept = _alarms.set(3600, lambda: None)
    yield
    _alarms.cancel(kept)


@pytest.fixture(scope="session")
def model() -> Iterator[ScriptedModel]:
    model = ScriptedModel()
    yield model
    model.close()


@pytest.fixture(scope="session")
def services(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """The service under gunicorn with either kind of worker; no limits on turns."""
    with ExitStack() as running:
        started = {}
        for worker in ("gevent", "gthread"):
            folder = tmp_path_factory.mktemp(worker)
            env = environment(folder, model, WORKER_CLASS=worker, ADMIN_TOKEN=TOKEN)
            clients = add_clients(env)
            port, log = running.enter_context(gunicorn(folder, env))
            started[worker] = Service(port, model, clients, log.read_text, folder)
        for service in started.values():
            assert service.send("GET", "/health").status == 200  # the worker has booted
        yield started


@pytest.fixture(params=["gevent", "gthread"])
def service(request: pytest.FixtureRequest, services: dict[str, Service]) -> Service:
    return services[request.param]


@contextmanager
def started(
    folder: Path,
    model: ScriptedModel,
    without: tuple[str, ...],
    clients: dict[str, str] | None = None,
    **changes: str,
) -> Iterator[Service]:
    """A service inside the test's own process."""
    env = environment(folder, model, **changes)
    clients = add_clients(env, without) if clients is None else clients
    with ExitStack() as running:
        app = create_app(load(env))
        running.callback(close_app, app)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        running.callback(server.server_close)
        running.callback(thread.join)
        running.callback(server.shutdown)
        yield Service(server.server_port, model, clients)


@pytest.fixture
def start(model: ScriptedModel, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service inside the test's own process: `start(RATE_LIMIT_IP="2/minute")`; on a database that
    has its `clients` already where they are given."""
    with ExitStack() as running:

        def start(
            without: tuple[str, ...] = (), clients: dict[str, str] | None = None, **changes: str
        ) -> Service:
            return running.enter_context(started(tmp_path, model, without, clients, **changes))

        yield start


@pytest.fixture(scope="module")
def start_once(
    model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Service]]:
    """As `start`, for a service that a file's tests share."""
    with ExitStack() as running:

        def start(without: tuple[str, ...] = (), **changes: str) -> Service:
            folder = tmp_path_factory.mktemp("service")
            return running.enter_context(started(folder, model, without, **changes))

        yield start


@pytest.fixture(scope="session")
def read_answer() -> Callable[[socket.socket], Answer]:
    return answer_on
