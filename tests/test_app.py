"""The application as it is started: settings, gunicorn's configuration, and the end of a process."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tts_service.app import close_app, create_app
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import open_database
from tts_service.errors import DatabaseUnavailable
from tts_service.settings import SettingsError, load

ROOT = Path(__file__).parents[1]
WORKERS = pytest.mark.parametrize("worker", ["gevent", "gthread"])


def environment(folder: Path, **changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return inherited | {"TTS_INSTANCE": str(folder), "PORT": "0"} | changes


class Gunicorn:
    """`gunicorn wsgi:app` in `folder`, or whatever application is named."""

    def __init__(self, log: Path, env: dict[str, str], *arguments: str, cwd: Path = ROOT) -> None:
        self._log = log
        command = [sys.executable, "-m", "gunicorn", *(arguments or ("wsgi:app",))]
        with open(log, "wb") as stderr:
            self.process = subprocess.Popen(command, cwd=cwd, env=env, stdout=stderr, stderr=stderr)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def port(self) -> int:
        """Where it listens, once its worker has booted and answers."""
        port = self._announced_port()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
            caller.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            assert caller.recv(100).startswith(b"HTTP/1.1 404")
        return port

    def _announced_port(self) -> int:
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            if "Listening at: http://127.0.0.1:" in self.log:
                return int(self.log.split("Listening at: http://127.0.0.1:")[1].split()[0])
            time.sleep(0.05)
        raise AssertionError(self.log)


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[Callable[..., Gunicorn]]:
    started: list[Gunicorn] = []

    def start(env: dict[str, str], *arguments: str, cwd: Path = ROOT) -> Gunicorn:
        started.append(Gunicorn(tmp_path / "gunicorn.log", env, *arguments, cwd=cwd))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.terminate()
        server.process.wait(60)


def test_an_application_gives_back_all_it_opened_and_can_be_closed_twice(tmp_path: Path) -> None:
    for _ in range(3):
        app = create_app(load(environment(tmp_path)))
        assert app.test_client().get("/ready").status_code == 200
        close_app(app)
        close_app(app)


def test_settings_that_do_not_fit_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        create_app(load(environment(tmp_path, ENV="production")))


def test_a_database_that_is_none_stops_the_start_and_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "tts.db").write_bytes(b"no database at all" * 1_000)
    with pytest.raises(DatabaseUnavailable):
        create_app(load(environment(tmp_path)))


@pytest.mark.parametrize(
    ("worker", "changes", "told"),
    [
        ("gthread", {"ENV": "production"}, "SECRET_KEY must be set"),
        ("gevent", {"ENV": "production", "SECRET_KEY": "short-value"}, "SECRET_KEY is too short"),
    ],
    ids=["missing", "short"],
)
def test_111_gunicorn_ends_with_78_and_names_the_variable_once_never_its_value(
    gunicorn: Callable[..., Gunicorn], tmp_path: Path, worker: str, changes: dict[str, str], told: str
) -> None:
    server = gunicorn(environment(tmp_path, WORKER_CLASS=worker, **changes))
    assert server.process.wait(60) == 78
    assert server.log.count(told) == 1
    assert server.log.count("Booting worker") == 1
    assert "-value" not in server.log
    assert "Traceback" not in server.log


def test_only_production_listens_to_other_machines(tmp_path: Path) -> None:
    listens: tuple[tuple[dict[str, str], str], ...] = (
        ({"PORT": "5000"}, "127.0.0.1:5000"),
        ({"ENV": "production", "PORT": ""}, "0.0.0.0:8000"),
    )
    told = (
        "import runpy; c = runpy.run_path('gunicorn.conf.py'); print(c['bind'], c['control_socket_disable'])"
    )
    for env, address in listens:
        shown = subprocess.run(
            [sys.executable, "-c", told],
            cwd=ROOT,
            env=environment(tmp_path, **env),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        assert shown == f"{address} True\n"


@pytest.mark.parametrize("shares", [False, True], ids=["alone", "with Redis"])
def test_there_is_one_worker_unless_several_can_remember_together(
    gunicorn: Callable[..., Gunicorn], tmp_path: Path, redis_url: str, shares: bool
) -> None:
    redis = {"REDIS_URL": redis_url} if shares else {}
    server = gunicorn(environment(tmp_path, WEB_CONCURRENCY="2", **redis))
    server.port()
    until = time.monotonic() + 60
    while server.log.count("Booting worker") < 1 + shares and time.monotonic() < until:
        time.sleep(0.05)
    assert server.log.count("Booting worker") == 1 + shares
    assert server.log.count("One worker instead of 2: several need REDIS_URL.") == 1 - shares
    assert server.process.poll() is None
    if shares:
        assert "Several machines need PostgreSQL" in server.log


def test_a_start_on_a_ready_database_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """19 MB of each worker: what changes a schema, and what talks to Redis."""
    env = environment(tmp_path)
    open_database(load(env).database_url).close()
    starts = (
        "import sys; from tts_service.app import close_app, create_app; close_app(create_app()); "
        "print({'alembic', 'mako', 'redis', 'pygments', 'aiohttp'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", starts],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert shown.splitlines()[-1] == "set()"


class SlowModel:
    """Answers after `release`; `asked` is set by the first question."""

    def __init__(self) -> None:
        self.asked, self.release = threading.Event(), threading.Event()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                model.asked.set()
                model.release.wait(40)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                chunk = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()


@pytest.fixture
def slow_model() -> Iterator[SlowModel]:
    model = SlowModel()
    yield model
    model.release.set()
    model.server.shutdown()
    model.thread.join()
    model.server.server_close()


def ask(port: int, client_id: str) -> bytes:
    body = json.dumps({"client_id": client_id, "message": "Hi"})
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/chat", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


@WORKERS
def test_a_turn_under_way_is_answered_before_the_process_ends(
    gunicorn: Callable[..., Gunicorn], slow_model: SlowModel, tmp_path: Path, worker: str
) -> None:
    url = f"http://127.0.0.1:{slow_model.server.server_port}/v1"
    env = environment(tmp_path, WORKER_CLASS=worker, XAI_BASE_URL=url, XAI_API_KEY="xai-key-of-the-tests")
    database = open_database(load(env).database_url)
    client_id = (
        ClientStore(database, Sealer(load(env).secret_keys))
        .add({"name": "Acme", "speech_provider": "off"})
        .client_id
    )
    database.close()
    server = gunicorn(env)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, server.port(), client_id)
        assert slow_model.asked.wait(40)
        server.process.terminate()
        time.sleep(0.5)
        slow_model.release.set()
        assert json.loads(answer.result(60))["text"] == "Hello"
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log


PROBE = """
import threading
from flask import Flask, request
from tts_service.web.connection import Connection

app = Flask(__name__)
seen, told = [], threading.Event()

@app.get("/whence")
def whence():
    return {"scheme": request.scheme, "root": request.root_path, "path": request.path}

@app.get("/wait")
def wait():
    connection = Connection(request.environ)
    seen.append(connection.reader_gone())
    told.wait(30)
    told.clear()
    seen.append(connection.reader_gone())
    return "done"

@app.get("/look")
def look():
    told.set()
    return "looking"

@app.get("/seen")
def what_was_seen():
    return {"gone": seen}
"""


@WORKERS
def test_17_the_server_shows_whether_its_caller_has_hung_up(
    gunicorn: Callable[..., Gunicorn], tmp_path: Path, worker: str
) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    env = environment(tmp_path, WORKER_CLASS=worker)
    server = gunicorn(env, "-c", str(ROOT / "gunicorn.conf.py"), "probe:app", cwd=tmp_path)
    port = server.port()

    def get(path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return bytes(answer.read())

    def seen(count: int) -> list[bool]:
        until = time.monotonic() + 60
        while len(gone := json.loads(get("/seen"))["gone"]) < count and time.monotonic() < until:
            time.sleep(0.02)
        return list(gone)

    for number, hangs_up in enumerate((True, False)):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
            caller.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            assert seen(2 * number + 1)[-1] is False
            if hangs_up:
                caller.close()
            get("/look")
            assert seen(2 * number + 2)[-1] is hangs_up


def test_no_caller_is_believed_about_the_scheme_or_the_path(
    gunicorn: Callable[..., Gunicorn], tmp_path: Path
) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    server = gunicorn(environment(tmp_path), "-c", str(ROOT / "gunicorn.conf.py"), "probe:app", cwd=tmp_path)
    claims = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Ssl": "on",
        "SCRIPT_NAME": "/whence",
        "PATH_INFO": "/x",
    }
    url = f"http://127.0.0.1:{server.port()}/whence"
    with urllib.request.urlopen(urllib.request.Request(url, headers=claims), timeout=60) as answer:
        assert json.loads(answer.read()) == {"scheme": "http", "root": "", "path": "/whence"}
