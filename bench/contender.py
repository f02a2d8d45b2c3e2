"""Who is measured, and how each is started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.process import HOST, child, free_port

START_S = 30.0
KEY = "xai-benchmark"
SYSTEM_PROMPT = "You answer visitors of a small shop's website, in two or three sentences."
VOICE, MODEL = "ara", "grok-4.20-0309-non-reasoning"


@dataclass(frozen=True)
class Contender:
    """`command` may hold {port}. `engine` is the speech_engine of the client it speaks for."""

    key: str
    name: str
    command: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    engine: str = "realtime"
    is_ours: bool = True


_GUNICORN = (sys.executable, "-m", "gunicorn", "wsgi:app")


def _uvicorn(app: str) -> tuple[str, ...]:
    options = ("--host", HOST, "--port", "{port}", "--log-level", "warning", "--no-access-log")
    return (sys.executable, "-m", "uvicorn", f"bench.reference.{app}:app", *options)


CONTENDERS = (
    Contender("ours", "**tts-service** (gunicorn, gevent)", _GUNICORN),
    Contender("gthread", "tts-service, WORKER_CLASS=gthread", _GUNICORN, {"WORKER_CLASS": "gthread"}),
    Contender("tts", "tts-service, speech_engine tts", _GUNICORN, engine="tts"),
    Contender("a", "(a) FastAPI, httpx, websockets", _uvicorn("obvious"), is_ours=False),
    Contender("b", "(b) FastAPI, aiohttp, tuned", _uvicorn("asynchronous"), is_ours=False),
)
BY_KEY = {contender.key: contender for contender in CONTENDERS}


@dataclass(frozen=True)
class Running:
    contender: Contender
    port: int
    pid: int
    client_id: str
    log: Path


@contextlib.contextmanager
def started(contender: Contender, base_url: str, core: int, folder: Path) -> Iterator[Running]:
    """Yields at once; `wait_until_ready` before asking anything."""
    folder.mkdir(parents=True)
    port, log = free_port(), folder / "log"
    env = {"XAI_BASE_URL": base_url, "XAI_API_KEY": KEY, **contender.env}
    env |= _our_settings(folder, port) if contender.is_ours else {}
    client_id = _our_client(env, contender.engine) if contender.is_ours else _reference_client(folder)
    env["REFERENCE_DATABASE"] = str(folder / "reference.db")
    command = [part.format(port=port) for part in contender.command]
    with child(command, core=core, log=log, env=env) as process:
        yield Running(contender, port, process.pid, client_id, log)


def wait_until_ready(running: Running) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{running.port}/health", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise SystemExit(f"bench: {running.contender.key} did not start:\n{tail(running.log)}")


def tail(log: Path) -> str:
    """The last of what a process complained of."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _our_settings(folder: Path, port: int) -> dict[str, str]:
    return {
        "PORT": str(port),
        "TTS_INSTANCE": str(folder / "instance"),
        "DATABASE_URL": f"sqlite:///{folder / 'service.db'}",
        "RATE_LIMIT_IP": "",
        "RATE_LIMIT_CLIENT": "",
        "ENV": "development",
    }


def _our_client(env: dict[str, str], engine: str) -> str:
    """Made as an operator makes one; the id stands on a line of its own."""
    fields = (
        f"system_prompt={SYSTEM_PROMPT}",
        "ai_provider=xai",
        f"ai_model={MODEL}",
        f"voice={VOICE}",
        f"speech_engine={engine}",
    )
    sets = [part for field_ in fields for part in ("--set", field_)]
    command = [sys.executable, "-m", "tts_service.cli", "clients", "add", "--name", "Benchmark", *sets]
    made = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    found = re.search(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", made.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(f"bench: `tts-service clients add` failed:\n{made.stdout}{made.stderr}")
    return found[0]


def _reference_client(folder: Path) -> str:
    client_id = "b5c1f1f0-6a55-4a3e-9d0c-000000000001"
    with contextlib.closing(sqlite3.connect(folder / "reference.db")) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE clients (client_id PRIMARY KEY, system_prompt, voice, ai_model)")
        row = (client_id, SYSTEM_PROMPT, VOICE, MODEL)
        database.execute("INSERT INTO clients VALUES (?, ?, ?, ?)", row)
    return client_id


def asked(running: Running, number: int) -> bytes:
    """The body of a turn."""
    conversation_id = f"visit-{number}"
    message = "Where is my order?"
    return json.dumps(
        {"client_id": running.client_id, "message": message, "conversation_id": conversation_id}
    ).encode()
