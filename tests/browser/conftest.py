"""A real Chromium.

One browser, one page and one scripted service serve all tests, in half the time; a test that changes what
cannot be changed back (the clock, scripts that run first) asks for `own_visitor`.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import shutil
import struct
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.scripted_service import ScriptedService
from tests.browser.visitor import Visitor

EARS = Path(__file__).with_name("page_ears.js").read_text()
VIEWPORT = {"width": 800, "height": 700}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    # The strict rule of phones: sound only after the visitor's own tap or key press.
    "--autoplay-policy=document-user-activation-required",
]
expect.set_options(timeout=20_000)


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


@pytest.fixture
def visitor(shared_page: Page, scripted_service: ScriptedService) -> Visitor:
    return Visitor(shared_page, scripted_service)


@pytest.fixture
def own_visitor(own_page: Page, scripted_service: ScriptedService) -> Visitor:
    return Visitor(own_page, scripted_service)
