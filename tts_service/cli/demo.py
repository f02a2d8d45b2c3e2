"""`tts-service demo`: the sandbox, the service and a demo client, for whoever has just cloned this. `make
run`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click
import requests

from tts_service import settings
from tts_service.accounts import first_run
from tts_service.accounts.invitations import Invitations
from tts_service.accounts.store import AccountStore
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import open_database
from tts_service.errors import UnavailableError

HOST = "127.0.0.1"
SERVICE_PORT, SANDBOX_PORT, WEBSITE_PORT = 8000, 9009, 8080
SANDBOX_KEY = "xai-sandbox"
CLIENT_NAME = "Demo"
START_S = 90.0  # a first start compiles everything; on a busy small machine that took 40
STOP_S = 10.0
KEEP_ALIVE_S = 1  # the idle connections of an open page hold up the end for as long

BANNER = """
  Open       {url}/
  Dashboard  {dashboard}
  Website    {website}/try.html (another origin, to paste a client's snippet on)

  Or ask from a terminal:
  curl -s {url}/api/chat -H 'Content-Type: application/json' -d '{question}'

  The voice and the language model are {provider}. Ctrl-C ends everything.
"""


class _End:
    """Whether Ctrl-C or SIGTERM has asked for it.

    Looked at, not raised: an exception out of a signal's handler is lost where the interpreter happens to be
    in a finalizer, and then everything runs on.
    """

    is_asked = False

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.is_asked = True


@click.command()
@click.option("--live", is_flag=True, help="Use xAI with your XAI_API_KEY, not the sandbox. Costs money.")
@click.option("--port", default=SERVICE_PORT, show_default=True, help="The service's port.")
def demo(live: bool, port: int) -> None:
    """Start all there is, with no account, and print a page to open."""
    if not Path("wsgi.py").exists():
        raise click.ClickException("Start this in the project's folder, where wsgi.py is.")
    if live and not os.environ.get("XAI_API_KEY"):
        raise click.ClickException("--live needs XAI_API_KEY in the environment.")
    service_port = _free_port(port, "the service")
    environment = dict(os.environ)
    end = _End()
    end.listen()
    with contextlib.ExitStack() as running:
        if not live:
            environment |= _started_sandbox(running, environment, end)
        url = f"http://{HOST}:{service_port}"
        client_id = _demo_client([url, f"http://localhost:{service_port}"])
        dashboard = dashboard_link(url)
        website = _started_website(running, environment)
        service = _started_service(running, environment | {"DEMO_WEBSITE": website}, url, end)
        provider = "xAI's, with your key" if live else "the sandbox's: no account, no key, no cost"
        question = json.dumps({"client_id": client_id, "message": "What are your opening hours?"})
        click.echo(
            BANNER.format(url=url, question=question, dashboard=dashboard, website=website, provider=provider)
        )
        _wait_for_the_end(service, end)


def _free_port(wanted: int, whose: str) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
            click.echo(f"Port {wanted} is taken; {whose} uses {probe.getsockname()[1]}.", err=True)
        return int(probe.getsockname()[1])


def _started_sandbox(running: contextlib.ExitStack, environment: dict[str, str], end: _End) -> dict[str, str]:
    """What the service needs to know of it. It answers on its port before the service is started."""
    port = _free_port(SANDBOX_PORT, "the sandbox")
    command = [sys.executable, "-m", "tts_service.cli", "sandbox", "--port", str(port)]
    child = running.enter_context(_child(command, environment))
    _wait_until_healthy(f"http://{HOST}:{port}", child, end)
    return {"XAI_BASE_URL": f"http://{HOST}:{port}/v1", "XAI_API_KEY": SANDBOX_KEY}


def _started_website(running: contextlib.ExitStack, environment: dict[str, str]) -> str:
    """The address of the samples, served from an origin that is not the service's."""
    port = _free_port(WEBSITE_PORT, "the website to try a widget on")
    command = [sys.executable, "-m", "http.server", str(port), "--bind", HOST, "--directory", "samples"]
    running.enter_context(_child(command, environment, quiet=True))
    return f"http://{HOST}:{port}"


def _started_service(
    running: contextlib.ExitStack, environment: dict[str, str], url: str, end: _End
) -> subprocess.Popen[bytes]:
    address = ["--bind", urlsplit(url).netloc, "--keep-alive", str(KEEP_ALIVE_S)]
    command = [sys.executable, "-m", "gunicorn", *address, "wsgi:app"]
    # The set-up link is in our banner: a second one would replace it.
    service = running.enter_context(_child(command, environment | {"SETUP_LINK": "no"}))
    _wait_until_healthy(url, service, end)
    return service


@contextlib.contextmanager
def _child(
    command: list[str], environment: dict[str, str], quiet: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    # A session of its own: Ctrl-C reaches this process alone, which ends its children in order.
    sink = subprocess.DEVNULL if quiet else None
    child = subprocess.Popen(command, env=environment, start_new_session=True, stdout=sink, stderr=sink)  # noqa: S603
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_until_healthy(url: str, child: subprocess.Popen[bytes], end: _End) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        if end.is_asked:
            sys.exit(0)  # through the stack, which ends the children
        if child.poll() is not None:
            raise click.ClickException(
                f"It ended before it was ready (exit code {child.returncode}); see above."
            )
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            if requests.get(f"{url}/health", timeout=1).ok:
                return
        time.sleep(0.1)
    raise click.ClickException(f"{url} did not answer within {START_S:.0f} s.")


def _demo_client(origins: list[str]) -> str:
    """The client_id of the client named Demo, which pages of `origins` may use; made where there is none."""
    now = settings.load()
    database = open_database(now.database_url)
    try:
        store = ClientStore(database, Sealer(now.secret_keys))
        for client in store.all():
            if client.name == CLIENT_NAME:
                allowed = sorted({*client.allowed_origins, *origins})
                return store.change(client.client_id, {"allowed_origins": allowed}).client_id
        return store.add(
            {
                "name": CLIENT_NAME,
                "allowed_origins": origins,
                "system_prompt": "You answer visitors of a small shop's website, in two or three sentences.",
            }
        ).client_id
    finally:
        database.close()


def dashboard_link(url: str) -> str:
    """Where to sign in; while nobody can, a one-time link to make the first account."""
    database = open_database(settings.load().database_url)
    try:
        if AccountStore(database).is_empty():
            return first_run.link(url, Invitations(database).issue())
    finally:
        database.close()
    return f"{url}/dashboard"


def _wait_for_the_end(service: subprocess.Popen[bytes], end: _End) -> None:
    while service.poll() is None:
        if end.is_asked:
            click.echo("\nEnding.")
            return
        time.sleep(0.1)
    raise UnavailableError(f"The service ended by itself (exit code {service.returncode}); see above.")
