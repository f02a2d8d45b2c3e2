"""A stranger's road through `make run`: from the printed link to an answer in the voice they chose, on a page
of another origin. And what the banner promises beside it, since the process is there.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import new_page
from tests.browser.visitor import Visitor

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
QUESTION = "What are your opening hours?"
# What Chromium tells the console of a policy that was broken.
POLICY = "Content Security Policy"


@dataclass(frozen=True)
class Demo:
    process: subprocess.Popen[bytes]
    output: str
    """All that it printed until it was ready."""

    def printed(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found, self.output
        return found[1]

    @property
    def url(self) -> str:
        return self.printed(r"Open +(http://\S+)/")

    @property
    def website(self) -> str:
        return self.printed(r"Website +(http://\S+)/try.html")

    @property
    def sandbox(self) -> str:
        return self.printed(r"sandbox: (http://\S+)/v1")

    def spoken(self, voice: str) -> list[str]:
        """What the sandbox was asked to say in this voice."""
        calls = json.loads(fetched(f"{self.sandbox}/sandbox/calls"))["calls"]
        return [text for call in calls if call["voice"] == voice for text in call["texts"]]


def fetched(url: str, **request: Any) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, **request), timeout=60) as answer:
        body: bytes = answer.read()
    return body


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "tts_service.cli", "demo", "--port", "0"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env | {"TTS_INSTANCE": str(folder)}, stdout=log, stderr=log
        )
    try:
        yield Demo(process, until_ready(process, folder / "log"))
    finally:
        process.terminate()
        process.wait(80)


def until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    ends = time.monotonic() + 120
    while "Ctrl-C ends everything" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < ends, log.read_text()
        time.sleep(0.05)
    return log.read_text()


@pytest.fixture(scope="module")
def _page(chromium: Any, demo: Demo) -> Iterator[Page]:
    """Of somebody who has followed the printed link and made the account."""
    page = new_page(chromium)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(demo.printed(r"Dashboard +(\S+)"))
    page.get_by_label("Your name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    yield page
    page.context.close()


@pytest.fixture
def page(_page: Page, demo: Demo) -> Iterator[Page]:
    """The list of clients. A broken policy and an error of a script fail the test."""
    wrong: list[str] = []
    _page.on("pageerror", lambda error: wrong.append(str(error)))
    _page.on("console", lambda said: wrong.append(said.text) if POLICY in said.text else None)
    _page.goto(f"{demo.url}/dashboard")
    yield _page
    assert wrong == []


def makes_client(page: Page, name: str, voice: str) -> None:
    page.get_by_role("link", name="New client").click()
    page.get_by_label("Name", exact=True).fill(name)
    chooses(page, voice)
    page.get_by_role("button", name="Make this client").click()
    expect(page.get_by_role("status").first).to_contain_text(f"“{name}” is there.")


def chooses(page: Page, voice: str) -> None:
    page.locator(f"input[type=radio][name=voice][value={voice}]").check()


def pastes_on_the_website(page: Page) -> Visitor:
    """Copies the snippet, follows the link to the website, pastes. The visitor of that website."""
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".snippet").get_by_role("status")).to_have_text("Copied")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="try-out website").click()
    website = opened.value
    website.get_by_label("Embed snippet").press("Control+V")
    website.get_by_role("button", name="Put it on this page").click()
    visitor = Visitor(website, None)
    visitor.hears("ready")
    visitor.opens()
    return visitor


def test_what_the_banner_says_to_type_is_answered_aloud(demo):
    curl = shlex.split(demo.printed(r"(curl [^\n]+)"))
    assert curl[:2] == ["curl", "-s"]
    url, _, header, _, data = curl[2:]
    name, _, value = header.partition(": ")
    reply = json.loads(fetched(url, headers={name: value}, data=data.encode()))
    assert reply["audio_error"] is None
    kind, _, wav = reply["audio_url"].partition(",")
    assert kind == "data:audio/wav;base64"
    assert base64.b64decode(wav)[:4] == b"RIFF"
    assert b"make your own client" in fetched(f"{demo.url}/")


def test_a_stranger_hears_the_voice_they_chose_on_a_website_of_another_origin(page, demo):
    makes_client(page, "Corner Bakery", "eve")
    visitor = pastes_on_the_website(page)
    assert visitor.page.url.startswith(demo.website)
    assert urlsplit(demo.website).netloc != urlsplit(demo.url).netloc
    visitor.asks(QUESTION)
    reply = visitor.hears("message", times=2)["text"]
    assert visitor.hears("audio-start")["source"] == "service"
    visitor.until(lambda: visitor.page.evaluate("loudness()") > 0.05, "sound")
    assert visitor.events("fallback") == visitor.events("error") == []
    said = demo.spoken("eve")
    assert words(reply) == words(" ".join(said))
    visitor.page.close()


def words(text: str) -> list[str]:
    """In writing and aloud alike: without marks."""
    return re.findall(r"[a-z]+", text.lower())


def test_the_preview_answers_as_saved_and_again_after_a_save(page, demo):
    makes_client(page, "Preview", "rex")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(urlsplit(request.url).path))
    page.reload()
    assert "/widget.js" not in requests  # looking at the settings costs nothing
    button = page.get_by_role("button", name="Open the widget here")
    button.click()
    expect(button).to_be_hidden()
    visitor = Visitor(page, None)
    visitor.hears("ready")
    visitor.asks(QUESTION)
    assert visitor.hears("audio-start")["source"] == "service"
    page.get_by_label("Greeting").fill("Good morning from the bakery.")
    expect(page.locator("#preview-told")).to_have_text("Save first to hear your changes.")
    page.get_by_role("button", name="Save changes").click()
    visitor.reads("Good morning from the bakery.")
    visitor.presses("Play")
    assert visitor.hears("audio-start")["source"] == "service"
    assert "Good morning from the bakery." in demo.spoken("rex")
    assert visitor.events("error") == visitor.events("fallback") == []


def test_a_website_that_is_not_on_the_list_gets_no_answer_and_is_told_where_to_look(page, demo):
    makes_client(page, "Somebody else's", "leo")
    page.get_by_label("Allowed origins").fill("https://somebody.example")
    page.get_by_role("button", name="Save changes").click()
    visitor = pastes_on_the_website(page)
    visitor.asks(QUESTION)
    assert visitor.hears("error")["code"] == "unreachable"
    expect(visitor.page.locator("#told")).to_contain_text(f"Is {demo.website} in the client's list")
    assert demo.spoken("leo") == []
    visitor.page.close()


def test_after_signing_out_no_page_opens(page, demo):
    client = page.get_by_role("link", name="Demo").first.get_attribute("href")
    page.get_by_role("button", name="Sign out").click()
    for path in ("/dashboard/clients", client):
        page.goto(demo.url + path)
        expect(page).to_have_url(re.compile("/dashboard/sign-in"))
        expect(page.locator("body")).not_to_contain_text("Demo")


def test_being_told_to_end_it_ends_all_that_it_started(demo):
    """The last one here, since the others need it."""
    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(80) == 0
    for url in (demo.url, demo.website, demo.sandbox):
        with socket.socket() as caller:
            assert caller.connect_ex(("127.0.0.1", urlsplit(url).port)) != 0, url
