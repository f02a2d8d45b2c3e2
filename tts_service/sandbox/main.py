"""Starting and stopping the sandbox, as a program or inside a test."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from aiohttp import web

from tts_service.sandbox import app, espeak, faults
from tts_service.sandbox.provider import FaultBoard, Provider
from tts_service.sandbox.speech import ENGINES, Speech

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9009
DEFAULT_MAX_SESSIONS = 100

HELP = (
    "The provider's API on one port, with an offline voice and no account: chat, client secrets, "
    "realtime, text to speech, voices, and OpenAI's /realtime/calls."
)
HELP_PORT = "The port to listen on; 0 picks a free one and prints it."
HELP_PACE = "Multiplies every delay; 0 answers at once."
HELP_FAULT = (
    "A fault for every caller, such as realtime.http=429; may be repeated. "
    "GET /sandbox/faults lists them all."
)
HELP_MAX_SESSIONS = "Realtime sessions one key may hold open; the provider's lowest tier has 10."
HELP_VOICE = f"One of {', '.join(ENGINES)}. auto takes espeak-ng when it is installed."


def serve(
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    pace: float = 1.0,
    faults: Sequence[str] = (),
    max_sessions: int = DEFAULT_MAX_SESSIONS,
    voice: str = "auto",
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. Raises SystemExit, with what to do, when it cannot start.

    `announce` gets one line once connections are accepted; by default it is printed, flushed.
    """
    provider = _build(pace, faults, max_sessions, voice)
    asyncio.run(_serve_until_signalled(provider, host, port, announce or _print))


@contextlib.contextmanager
def start_in_thread(
    *,
    pace: float = 0.0,
    faults: Sequence[str] = (),
    max_sessions: int = DEFAULT_MAX_SESSIONS,
    voice: str = "auto",
) -> Iterator[str]:
    """A sandbox on a free port of 127.0.0.1 for the length of a `with`; yields its base URL.

    Everything is at once by default (`pace=0`). Nothing is left behind: no thread, no socket.
    """
    background = _Background(_build(pace, faults, max_sessions, voice))
    base_url = background.start()
    try:
        yield base_url
    finally:
        background.stop()


class _Background:
    """A sandbox on a loop and a thread of its own."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._base_url: concurrent.futures.Future[str] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._serve, name="sandbox")

    def start(self) -> str:
        """The base URL once connections are accepted; whatever kept it from starting is raised."""
        self._thread.start()
        try:
            return self._base_url.result()
        except BaseException:
            self._thread.join()
            raise

    def stop(self) -> None:
        """Ends every conversation and the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._run())
            except (OSError, SystemExit) as error:
                self._base_url.set_exception(error)

    async def _run(self) -> None:
        async with _running(self._provider, DEFAULT_HOST, 0) as base_url:
            self._base_url.set_result(base_url)
            await self._stop.wait()


def _build(pace: float, asked: Sequence[str], max_sessions: int, voice: str) -> Provider:
    if os.environ.get("ENV") == "production":
        raise SystemExit(
            "The sandbox does not start with ENV=production: it answers in the provider's place "
            "and takes made-up keys. Unset ENV, or point XAI_BASE_URL at the provider."
        )
    try:
        specs = faults.parse_all(asked)
        speech = Speech(voice)
    except faults.UnknownFaultError as error:
        raise SystemExit(f"--fault {error}") from error
    except espeak.UnavailableError as error:
        raise SystemExit(
            f"The voice espeak-ng is not available: {error}. Install it with "
            "`pip install 'tts-service[voice]'`, or start with --voice tone."
        ) from error
    return Provider(speech, FaultBoard(specs), pace, max_sessions)


@contextlib.asynccontextmanager
async def _running(provider: Provider, host: str, port: int) -> AsyncIterator[str]:
    runner = web.AppRunner(
        app.build(provider), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        await _listen(runner, host, port)
        bound = runner.addresses[0][1]
        yield f"http://{host}:{bound}/v1"
    finally:
        await runner.cleanup()
        provider.speech.close()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SystemExit(
                f"Port {port} on {host} is taken, perhaps by another sandbox. Stop that one, or "
                "start this one with --port 0 (any free port)."
            ) from error
        raise SystemExit(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error


async def _serve_until_signalled(
    provider: Provider, host: str, port: int, announce: Callable[[str], None]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with _running(provider, host, port) as base_url:
        announce(f"sandbox: {base_url} (voice: {provider.speech.name})")
        await stop.wait()


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the one line this program says
