"""What a person hears and is told on a client's page before saving it, in Chromium; behind it the sandbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.browser.conftest import new_page
from tests.conftest import nothing_leaks
from tts_service.accounts import first_run
from tts_service.accounts.invitations import Invitations
from tts_service.app import close_app, create_app
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import Database
from tts_service.sandbox.main import start_in_thread
from tts_service.settings import load

GREETING = "Good morning! What may it be?"


class _Handler(WSGIRequestHandler):
    timeout = 1  # Chromium opens spare connections; none may outlive the tests


@pytest.fixture(scope="module", autouse=True)
def _nothing_leaks(chromium: Browser) -> Iterator[None]:
    """The one service and the one page of these tests stay open between them."""
    with nothing_leaks():
        yield


@pytest.fixture(scope="module")
def _store_and_page(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ClientStore, Page, str]]:
    folder = tmp_path_factory.mktemp("listening")
    with start_in_thread() as sandbox:
        settings = load(
            {
                "TTS_INSTANCE": str(folder),
                "DATABASE_URL": f"sqlite:///{folder}/tts.db",
                "SECRET_KEY": "a-secret-key-of-the-tests",
                "XAI_API_KEY": "xai-sandbox",
                "XAI_BASE_URL": sandbox,
            }
        )
        app = create_app(settings)
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url, database = f"http://127.0.0.1:{server.server_port}", Database(settings.database_url)
        page = new_page(chromium)
        page.goto(first_run.link(url, Invitations(database).issue()))
        page.get_by_label("Your name").fill("Ada")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Make the account").click()
        yield ClientStore(database, Sealer(settings.secret_keys)), page, url
        page.context.close()
        database.close()
        server.shutdown()
        thread.join()
        server.server_close()
        close_app(app)


@dataclass
class Form:
    """A client's page, freshly opened; `asked` are the requests that its scripts made."""

    page: Page
    asked: list[str]

    def voice(self, name: str) -> Locator:
        return self.page.locator(f".voices [data-name={name}]")

    @property
    def says(self) -> Locator:
        return self.page.locator("#voice .says")

    def is_heard(self) -> None:
        self.until(lambda: self.page.evaluate("loudness()") > 0.02)

    def until(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < ends
            self.page.wait_for_timeout(10)


@pytest.fixture
def form(_store_and_page: tuple[ClientStore, Page, str]) -> Iterator[Form]:
    store, page, url = _store_and_page
    client = store.add({"name": "Acme", "greeting": GREETING, "ai_api_key": "xai-sandbox-stored"})
    wrong: list[str] = []
    asked: list[str] = []
    listeners = {
        "pageerror": lambda error: wrong.append(str(error)),
        "console": lambda said: wrong.append(said.text) if "Content Security" in said.text else None,
        "request": lambda request: (
            asked.append(request.url.rpartition("/")[2]) if request.post_data else None
        ),
    }
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]
    page.goto(f"{url}/dashboard/clients/{client.client_id}")
    yield Form(page, asked)
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    assert wrong == []


def test_two_voices_are_heard_one_after_the_other_and_stop_each_other(form: Form) -> None:
    expect(form.page.locator(".voice")).to_have_count(28)
    ara, leo = form.voice("Ara"), form.voice("Leo")
    ara.click()
    expect(ara).to_have_accessible_name("Stop Ara")
    form.is_heard()
    expect(form.says).to_have_text("Ara speaks.")
    leo.click()
    expect(ara).to_have_accessible_name("Play Ara")
    expect(leo).to_have_attribute("data-state", "playing")
    form.is_heard()
    leo.click()
    expect(form.says).to_have_text("Leo: stopped.")
    form.until(lambda: form.page.evaluate("loudness()") < 0.001)
    durations = form.page.evaluate("starts.map((one) => one.duration)")
    assert len(durations) == 2
    assert min(durations) > 0.5
    assert form.asked == ["hear", "hear"]
    expect(form.page.get_by_role("radio", name="Ara")).to_be_checked()  # hearing is not choosing


def test_the_greeting_is_heard_as_it_stands_in_the_form(form: Form) -> None:
    form.page.get_by_label("Greeting").fill("Hi.")
    form.voice("Ara").click()
    form.is_heard()
    expect(form.says).to_have_text("Ara: played.")
    short = form.page.evaluate("starts.at(-1).duration")
    form.page.get_by_label("Greeting").fill("Hello there, this is quite a long greeting for a test.")
    form.voice("Ara").click()
    form.is_heard()
    assert form.page.evaluate("starts.at(-1).duration") > 2 * short


def test_a_voice_that_does_not_come_says_why_beside_its_button(form: Form) -> None:
    form.page.get_by_label("API key").fill("xai-nobodys")
    form.voice("Rex").click()
    expect(form.says).to_contain_text("Rex: The voice provider refused the key.")
    expect(form.voice("Rex")).to_have_accessible_name("Play Rex again")


def test_one_of_many_voices_is_found_by_a_word_and_chosen(form: Form) -> None:
    form.page.get_by_label("Filter the voices").fill("warm")
    expect(form.page.locator(".voice:visible")).to_have_count(1)
    form.page.get_by_label("Filter the voices").fill("female ca")
    expect(form.page.locator(".voice:visible")).to_have_count(1)
    form.page.get_by_role("radio", name="Carina").check()
    form.page.get_by_role("button", name="Save changes").click()
    expect(form.page.get_by_role("status").first).to_have_text("Saved.")
    expect(form.page.get_by_role("radio", name="Carina")).to_be_checked()


def test_a_custom_voice_is_typed_and_a_later_choice_counts_instead(form: Form) -> None:
    other = form.page.get_by_label("Another voice's id")
    other.fill("leo")
    form.page.get_by_role("button", name="Play leo", exact=True).click()
    form.is_heard()
    form.page.get_by_role("radio", name="Eve").check()
    expect(other).to_have_value("")


def test_each_pronunciation_is_heard_as_it_is_typed(form: Form) -> None:
    form.page.get_by_label("Pronunciations", exact=True).fill("SQL = sequel\nunfinished\nDr Who = Doctor Who")
    plays = form.page.locator("#phrases button")
    expect(plays).to_have_count(2)
    plays.first.click()
    form.is_heard()
    assert form.page.evaluate("starts.at(-1).duration") < 2
    expect(form.page.locator("#phrases .says")).to_have_text("SQL: played.")


def test_the_key_is_tested_in_place_and_a_listed_model_is_taken(form: Form) -> None:
    trial = form.page.locator("#trial")
    form.page.get_by_role("button", name="Test this key").click()
    expect(trial).to_contain_text("Tried: the stored key, which ends with …ored.")
    expect(trial).to_contain_text("It may speak, too")
    form.page.get_by_text("models are listed").click()
    form.page.get_by_role("button", name="grok-4.3", exact=True).click()
    expect(form.page.get_by_label("Model", exact=True)).to_have_value("grok-4.3")
    form.page.get_by_label("API key").fill("xai-nobodys")
    form.page.get_by_role("button", name="Test this key").click()
    expect(trial).to_contain_text("refused the key")
    expect(form.page.get_by_label("API key")).to_have_value("xai-nobodys")
    assert form.asked == ["test-key", "test-key"]


def test_origins_are_explained_while_they_are_typed(form: Form) -> None:
    form.page.get_by_label("Allowed origins").fill("HTTPS://Acme.com:443\nacme.com/shop")
    told = form.page.locator("#origin-lines li")
    expect(told.first).to_have_text("Line 1: kept as https://acme.com")
    expect(told.last).to_contain_text("Did you mean https://acme.com?")
    form.page.get_by_label("Allowed origins").fill("")
    expect(form.page.locator("#origin-lines")).to_contain_text("No web page may use this client")
    assert form.asked == ["check-origins", "check-origins"]
