"""The dashboard in Chromium: from the set-up link to a client, on a screen and on a phone, light and dark."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import WSGIRequestHandler, make_server

from tts_service.accounts import first_run
from tts_service.accounts.invitations import Invitations
from tts_service.app import close_app, create_app
from tts_service.database.engine import Database
from tts_service.settings import load


class _Handler(WSGIRequestHandler):
    timeout = 1  # Chromium opens spare connections; none may outlive its test


@pytest.fixture
def link(tmp_path: Path) -> Iterator[str]:
    """Of a service in this process: the one-time link that makes the first account."""
    settings = load(
        {
            "TTS_INSTANCE": str(tmp_path),
            "DATABASE_URL": f"sqlite:///{tmp_path}/tts.db",
            "SECRET_KEY": "a-secret-key-of-the-tests",
        }
    )
    app = create_app(settings)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    database = Database(settings.database_url)
    yield first_run.link(f"http://127.0.0.1:{server.server_port}", Invitations(database).issue())
    database.close()
    server.shutdown()
    thread.join()
    server.server_close()
    close_app(app)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    context.set_default_timeout(40_000)
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda entry: refused.append(entry.text) if "Content Security" in entry.text else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    yield page
    assert refused == []
    context.close()


def fits_a_phone(page: Page) -> bool:
    page.set_viewport_size({"width": 360, "height": 740})
    wide: int = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 800})
    return wide <= 360


def test_from_the_link_to_a_client_whose_snippet_can_be_copied(page: Page, link: str) -> None:
    page.goto(link)
    assert fits_a_phone(page)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Make the account").click()
    page.get_by_role("link", name="Make the first client").click()
    assert fits_a_phone(page)

    page.get_by_label("Name", exact=True).fill("Acme with a name as long as some companies have them")
    page.get_by_label("Allowed origins").fill("https://www.acme.com/")
    page.get_by_role("button", name="Make this client").click()
    expect(page.get_by_role("alert")).to_contain_text("1 field does not fit")
    page.get_by_role("alert").get_by_role("link", name="Allowed origins").click()
    expect(page.get_by_label("Allowed origins")).to_be_focused()
    expect(page.get_by_label("Allowed origins")).to_have_accessible_description(
        "One a line: scheme, host and port if it has one, with no path. * alone allows every website. "
        "Some lines do not fit. Line 1: it must end after the host and port: no path and no slash at the "
        "end. Did you mean https://www.acme.com?"
    )
    assert fits_a_phone(page)
    page.get_by_label("Allowed origins").fill("https://www.acme.com")
    page.get_by_role("button", name="Make this client").click()
    expect(page.get_by_role("status").first).to_contain_text("is there")

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_label("Snippet to embed").input_value()
    assert page.url.rpartition("/")[2] in copied
    assert fits_a_phone(page)

    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_label("Greeting").fill("Typed for a quarter of an hour")
    page.get_by_role("link", name="Usage").click()
    expect(page.get_by_label("Greeting")).to_have_value("Typed for a quarter of an hour")
    assert asked == ["beforeunload"], "what is not saved is not left without a word"
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    page.get_by_role("link", name="All clients").click()
    expect(page.get_by_role("row")).to_have_count(2)
    assert fits_a_phone(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_without_scripts_all_but_copying_works(chromium: Browser, link: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(40_000)
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Password").fill("correct horse battery")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Make the first client").click()
    page.get_by_label("Name", exact=True).fill("Acme")
    page.get_by_label("Greeting").fill("Hello")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("is there")
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("status").first).to_contain_text("Switched off")
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete “Acme”").click()
    expect(page.get_by_role("heading", name="There are no clients yet")).to_be_visible()
    context.close()
