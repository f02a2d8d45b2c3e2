"""The client's own greeting: asked for when the panel is first opened, and never in the visitor's way."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

BUILT_IN = "Hello! What would you like to know?"


def first_message(visitor):
    return visitor.log.locator(".message .body").first


def test_the_clients_greeting_is_shown_and_spoken_when_the_panel_is_opened(visitor, scripted_service, tone):
    scripted_service.greet(scripted_service.spoken("Welcome to **Acme**!", wav=tone(0.05)))
    visitor.visits()
    assert scripted_service.greetings == 0
    visitor.opens()
    expect(first_message(visitor).locator("strong")).to_have_text("Acme")
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    expect(visitor.log).not_to_contain_text(BUILT_IN)
    visitor.presses("Close chat")
    visitor.opens()
    visitor.presses("New conversation")
    expect(first_message(visitor)).to_have_text("Welcome to Acme!")
    assert scripted_service.greetings == 1
    assert len(visitor.events("audio-start")) == 1
    assert scripted_service.asked == []


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"text": ""}),
        (200, {"text": None, "audio_url": "data:audio/wav;base64,AAAA"}),
        (200, []),
        (404, {"error": {"code": "client_not_found", "message": "There is no such client."}}),
        (403, {"error": {"code": "origin_not_allowed", "message": "No."}}),
        (500, {}),
    ],
)
def test_without_a_greeting_the_built_in_one_stands(visitor, scripted_service, status, answer):
    scripted_service.greet(answer, status=status)
    visitor.visits()
    visitor.opens()
    expect(first_message(visitor)).to_have_text(BUILT_IN)
    assert [name for name, _ in visitor.page.evaluate("heard")] == ["ready"]
    expect(visitor.widget.get_by_role("button", name="Play")).to_have_count(0)


def test_a_greeting_whose_voice_failed_is_written_and_not_read_by_the_browser(visitor, scripted_service):
    scripted_service.greet(scripted_service.spoken("Welcome!", audio_error="speech_timeout"))
    visitor.visits()
    visitor.opens()
    expect(first_message(visitor)).to_have_text("Welcome!")
    expect(visitor.widget.get_by_role("button", name="Play")).to_be_visible()
    assert [name for name, _ in visitor.page.evaluate("heard")] == ["ready"]


def test_a_greeting_that_is_late_does_not_replace_the_built_in_one(own_visitor, scripted_service):
    visitor = own_visitor
    visitor.page.clock.install()
    answer = scripted_service.greet({"text": "Welcome!"}, held=True)
    visitor.visits()
    visitor.opens()
    visitor.until(lambda: scripted_service.greetings == 1, "the request")
    visitor.page.clock.fast_forward(3_100)
    expect(first_message(visitor)).to_have_text(BUILT_IN)
    with visitor.page.expect_response("**/api/greeting"):
        answer.released.set()
    expect(visitor.log.locator(".message")).to_have_count(1)
    expect(first_message(visitor)).to_have_text(BUILT_IN)


def test_who_asks_first_is_not_greeted_any_more(visitor, scripted_service, tone):
    answer = scripted_service.greet(scripted_service.spoken("Welcome!", wav=tone(0.05)), held=True)
    scripted_service.reply("Yes.")
    visitor.visits()
    visitor.opens()
    visitor.asks("really?")
    with visitor.page.expect_response("**/api/greeting"):
        answer.released.set()
    visitor.reads("Yes.")
    expect(visitor.log).not_to_contain_text("Welcome!")
    assert visitor.events("audio-start") == []


@pytest.mark.parametrize("why", ["muted", "autoplay off", "goes on"])
def test_a_greeting_stays_silent(visitor, scripted_service, tone, why):
    scripted_service.greet(scripted_service.spoken("Welcome!", wav=tone(0.05)))
    visitor.visits('data-autoplay="off"' if why == "autoplay off" else "")
    if why != "autoplay off":
        area, key = (
            ("localStorage", "tts-widget:muted")
            if why == "muted"
            else (
                "sessionStorage",
                f"tts-widget:{visitor.client_id}:conversation",
            )
        )
        visitor.page.evaluate(f"{area}.setItem({json.dumps(key)}, '1')")
        visitor.page.reload()
    visitor.opens()
    expect(first_message(visitor)).to_have_text("Welcome!")
    assert visitor.events("audio-start") == []
    visitor.presses("Play")
    assert visitor.hears("audio-end")["completed"]


def test_a_panel_in_the_page_shows_the_greeting_and_speaks_it_only_when_asked(
    visitor, scripted_service, tone
):
    scripted_service.greet(scripted_service.spoken("Welcome!", wav=tone(0.05)))
    visitor.visits('data-mount="#here"', html="<div id=here style='height: 400px'></div>")
    expect(first_message(visitor)).to_have_text("Welcome!")
    visitor.input.click()
    assert [name for name, _ in visitor.page.evaluate("heard")] == ["ready"]
    visitor.presses("Play")
    assert visitor.hears("audio-end")["completed"]


def test_a_panel_opened_by_the_page_itself_asks_for_a_tap(visitor, scripted_service, tone):
    scripted_service.greet(scripted_service.spoken("Welcome!", wav=tone(0.05)))
    visitor.is_blocked("ttsWidget.open()")
    tap = visitor.widget.get_by_role("button", name="Tap to hear")
    tap.click()
    assert visitor.hears("audio-end")["completed"]


def test_an_empty_greeting_in_the_strings_means_none(visitor, scripted_service):
    scripted_service.greet({"text": "Welcome!"})
    visitor.visits("""data-strings='{"greeting": ""}'""")
    visitor.opens()
    expect(visitor.input).to_be_focused()
    assert scripted_service.greetings == 0
    expect(visitor.log).to_be_empty()
