"""Somebody in front of the widget, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from tests.browser.scripted_service import CLIENT_ID, ScriptedService


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
            self.page.wait_for_timeout(20)
