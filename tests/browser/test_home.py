"""The newcomer's page at `/`, rendered from its template and served under a strict policy."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from playwright.sync_api import expect

from tts_service.sandbox.replies import reply_to

TEMPLATES = Path(__file__).parents[2] / "tts_service" / "web" / "templates"
CLIENT_ID = "0f6d2c1e-8a54-4c1b-9d0e-2b7f3a6c5d41"
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"


@pytest.fixture
def home(scripted_service):
    """Puts the page at `/` of the scripted service, as the service's own view renders it."""

    def serve(client_id=CLIENT_ID, sandbox=True, has_xai_key=False):
        loader = jinja2.FileSystemLoader(TEMPLATES)
        template = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        html = template.get_template("home.html").render(
            client_id=client_id,
            service_url=scripted_service.url,
            sandbox=sandbox,
            has_xai_key=has_xai_key,
            version="1.2.3",
        )
        scripted_service.pages["/"] = (html, {"Content-Security-Policy": CSP})
        return scripted_service.url + "/"

    return serve


def test_one_click_on_an_example_question_is_heard(visitor, scripted_service, home, tone):
    scripted_service.reply("A good deal.", wav=tone(0.05))
    refused, requests = [], []
    visitor.page.on("console", lambda entry: refused.append(entry.text))
    visitor.page.on("request", lambda request: requests.append(request.url))
    visitor.page.goto(home())
    visitor.page.get_by_role("button", name="What are your opening hours?").click()
    visitor.reads("A good deal.")
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    (asked,) = scripted_service.asked
    assert (asked["client_id"], asked["message"]) == (CLIENT_ID, "What are your opening hours?")
    assert refused == []
    assert all(url.startswith(scripted_service.url) for url in requests)


def test_the_snippet_and_the_curl_can_be_copied(visitor, scripted_service, home):
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.page.goto(home())
    copied = []
    for button in visitor.page.locator("[data-copy]").all():
        button.click()
        expect(button).to_have_text("Copied")
        copied.append(visitor.page.evaluate("navigator.clipboard.readText()"))
    embed, curl, _ask = copied
    assert embed == (
        f'<script async src="{scripted_service.url}/widget.js" data-client="{CLIENT_ID}"></script>'
    )
    assert curl.startswith(f"curl -s {scripted_service.url}/api/chat ")
    assert f'"client_id": "{CLIENT_ID}"' in curl


def test_the_example_questions_show_what_the_sandbox_can_do(visitor, scripted_service, home):
    scripted_service.reply("Yes.")
    visitor.page.goto(home())
    questions = visitor.page.locator("[data-ask]").evaluate_all("all => all.map(one => one.dataset.ask)")
    hours, plans, name = (reply_to([("user", question)]) for question in questions)
    assert "**" in hours
    assert "\n- **" in plans
    assert "](https://" in plans
    assert name == "Nice to meet you, Ada! What can I do for you?"
    visitor.page.get_by_role("button", name="My name is Ada.").click()
    visitor.hears("message", times=2)
    visitor.page.get_by_role("button", name="What is my name?").click()
    visitor.hears("message", times=4)
    told = [("user", asked["message"]) for asked in scripted_service.asked]
    assert reply_to(told) == "Your name is Ada. I remembered!"


def test_without_a_demo_client_the_page_says_what_this_is_and_where_to_read(visitor, home):
    visitor.page.goto(home(client_id=None, has_xai_key=False))
    expect(visitor.page.get_by_role("heading", name="What this is")).to_be_visible()
    card = visitor.page.locator(".empty")
    expect(card).to_contain_text("tts-service 1.2.3")
    expect(card).to_contain_text("README.md")
    expect(card).to_contain_text("tts-service clients add")
    expect(visitor.page.locator(".badge")).to_have_count(0)  # nobody's business but the operator's
    expect(visitor.page.locator("body")).not_to_contain_text("XAI_API_KEY is")
    expect(visitor.page.locator("[data-ask]")).to_have_count(0)
    expect(visitor.widget).to_have_count(0)


@pytest.mark.parametrize(
    ("sandbox", "has_xai_key", "badge"),
    [(True, True, "Sandbox"), (False, True, "Live"), (False, False, "No XAI_API_KEY")],
)
def test_the_page_says_whose_voice_is_heard_and_fits_a_phone(visitor, home, sandbox, has_xai_key, badge):
    visitor.page.set_viewport_size({"width": 320, "height": 640})
    visitor.page.goto(home(sandbox=sandbox, has_xai_key=has_xai_key))
    expect(visitor.page.locator(".badge")).to_contain_text(badge)
    visitor.hears("ready")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 320
