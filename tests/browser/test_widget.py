"""The conversation in the panel: text at once, errors that can be mended, keyboard, memory, looks."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

STATIC = Path(__file__).parents[2] / "tts_service" / "web" / "static"
ID = "0f6d2c1e-8a54-4c1b-9d0e-2b7f3a6c5d41"
STRICT_CSP = (
    "default-src 'none'; script-src {0}; connect-src {0}; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def test_nothing_is_asked_of_the_service_before_the_visitor_opens_the_panel(visitor, scripted_service):
    requests = []
    visitor.page.on("request", lambda request: requests.append(request.url))
    visitor.visits()
    assert [url.rsplit("/", 1)[-1] for url in requests] == ["page.html", "widget.js"]
    assert scripted_service.greetings == 0
    assert visitor.page.evaluate("[localStorage.length, sessionStorage.length, window.meter]") == [0, 0, None]


def test_the_question_shows_at_once_and_thinking_until_the_answer(visitor, scripted_service):
    answer = scripted_service.reply("Half past *eight*.", held=True)
    visitor.visits()
    visitor.opens()
    visitor.asks("When do you open?")
    visitor.reads("When do you open?")
    expect(visitor.widget.get_by_role("status")).to_have_text("Thinking…")
    visitor.input.fill("the next one can be typed")
    visitor.input.press("Enter")
    expect(visitor.input).to_have_value("the next one can be typed")
    answer.released.set()
    expect(visitor.log.locator("em")).to_have_text("eight")
    expect(visitor.widget.get_by_role("status")).to_be_empty()
    (asked,) = scripted_service.asked
    assert (asked["client_id"], asked["message"]) == (ID, "When do you open?")


def test_a_conversation_goes_on_after_a_reload_and_ends_when_renewed(visitor, scripted_service):
    scripted_service.reply("Yes.")
    visitor.visits()
    visitor.opens()
    visitor.asks("one")
    visitor.reads("Yes.")
    visitor.page.reload()
    visitor.opens()
    visitor.asks("two")
    visitor.reads("Yes.")
    kept = visitor.page.evaluate("Object.values({...sessionStorage})")
    visitor.presses("New conversation")
    expect(visitor.log).not_to_contain_text("Yes.")
    visitor.asks("three")
    visitor.reads("Yes.")
    assert kept == ["conversation-1"]  # the service has the last word on it
    first, second, third = (asked["conversation_id"] for asked in scripted_service.asked)
    assert second == "conversation-1"
    assert len({first, second, third}) == 3
    assert all(re.fullmatch(r"[0-9-]{4,64}", made) for made in (first, third))


def test_a_conversation_outlives_an_answer_that_was_cut_short(visitor, scripted_service):
    service = scripted_service
    service.stream(service.text("A long story"), service.gate())
    service.stream(service.text("Shorter."), service.gate())
    visitor.visits()
    visitor.opens()
    visitor.asks("one")
    visitor.reads("A long story")
    visitor.asks("two")
    visitor.reads("Shorter.")
    assert service.asked[0]["conversation_id"] == service.asked[1]["conversation_id"]


def test_an_error_shows_the_services_words_and_the_retry_asks_the_same_again(visitor, scripted_service):
    scripted_service.refuse(503, "upstream_unavailable", "The language model has an outage.")
    scripted_service.reply("Back again.")
    visitor.visits()
    visitor.opens()
    visitor.asks("Are you there?")
    frame = visitor.log.locator(".problem")
    expect(frame).to_contain_text("The language model has an outage.")
    expect(frame).to_contain_text("req-42")
    assert visitor.hears("error")["code"] == "upstream_unavailable"
    visitor.presses("Try again")
    visitor.reads("Back again.")
    expect(frame).to_have_count(0)
    expect(visitor.log.locator(".visitor")).to_have_count(1)
    expect(visitor.input).to_be_focused()
    assert [asked["message"] for asked in scripted_service.asked] == ["Are you there?"] * 2


def test_a_message_the_service_cannot_take_comes_back_for_editing(visitor, scripted_service):
    scripted_service.refuse(422, "message_too_long", "The message may have at most 4,000 characters.")
    visitor.visits()
    visitor.opens()
    visitor.asks("a very long question")
    visitor.presses("Edit message")
    expect(visitor.input).to_have_value("a very long question")
    assert len(scripted_service.asked) == 1


def test_a_rate_limit_names_the_wait_and_lets_the_visitor_type_on(visitor, scripted_service):
    scripted_service.refuse(429, "rate_limited", "Too many turns.", Retry_After="0.3")
    scripted_service.reply("Here I am.")
    visitor.visits()
    visitor.opens()
    visitor.asks("hello")
    visitor.reads("You can try again in 1 second.")
    retry = visitor.widget.get_by_role("button", name="Try again")
    expect(retry).to_be_disabled()
    visitor.input.fill("meanwhile")
    expect(retry).to_be_enabled()
    retry.click()
    visitor.reads("Here I am.")
    expect(visitor.input).to_have_value("meanwhile")


@pytest.mark.parametrize(
    ("body", "status"), [("<h1>502</h1>", 502), ("[]", 200), ('{"text": 7}', 200), ("", 200)]
)
def test_an_answer_that_is_no_answer_is_a_problem_with_a_retry(visitor, scripted_service, body, status):
    scripted_service.answer(status, body)
    visitor.visits()
    visitor.opens()
    visitor.asks("hello")
    assert visitor.hears("error")["code"] == "bad_answer"
    expect(visitor.widget.get_by_role("button", name="Try again")).to_be_visible()


def test_offline_is_said_and_the_message_is_kept(visitor, scripted_service):
    scripted_service.reply("Online again.")
    visitor.visits()
    visitor.opens()
    visitor.page.context.set_offline(True)
    visitor.asks("hello")
    assert visitor.hears("error")["code"] == "offline"
    visitor.page.context.set_offline(False)
    visitor.presses("Try again")
    visitor.reads("Online again.")


def test_a_refused_origin_tells_the_developer_where_to_look(visitor, scripted_service):
    scripted_service.reply("never seen")
    warnings = []
    visitor.page.on("console", lambda entry: warnings.append(entry.text))
    visitor.visits()
    scripted_service.site = "http://another.example"  # the CORS answers now name somebody else
    visitor.opens()
    visitor.asks("hello")
    assert visitor.hears("error")["code"] == "unreachable"
    assert any("allowed_origins" in text for text in warnings)
    assert not any("hello" in text for text in warnings)


def test_a_reply_that_never_comes_ends_after_a_minute(own_visitor, scripted_service):
    visitor = own_visitor
    scripted_service.reply("too late", held=True)
    visitor.page.clock.install()
    visitor.visits()
    visitor.opens()
    visitor.asks("hello")
    expect(visitor.widget.get_by_role("status")).to_have_text("Thinking…")
    visitor.page.clock.fast_forward(59_000)
    assert visitor.events("error") == []
    visitor.page.clock.fast_forward(2_000)
    assert visitor.hears("error")["code"] == "timeout"


def test_everything_can_be_done_with_the_keyboard(visitor, scripted_service):
    scripted_service.reply("Yes.")
    visitor.visits()
    keyboard = visitor.page.keyboard
    keyboard.press("Tab")
    expect(visitor.widget.get_by_role("button", name="Open chat")).to_be_focused()
    keyboard.press("Enter")
    expect(visitor.widget.get_by_role("dialog", name="Ask us")).to_be_visible()
    expect(visitor.input).to_be_focused()
    keyboard.type("first")
    keyboard.press("Shift+Enter")
    keyboard.type("second")
    keyboard.press("Enter")
    visitor.reads("Yes.")
    assert scripted_service.asked[0]["message"] == "first\nsecond"
    keyboard.press("Escape")
    expect(visitor.widget.get_by_role("dialog")).to_be_hidden()
    expect(visitor.widget.get_by_role("button", name="Open chat")).to_be_focused()


def test_focus_goes_back_to_the_pages_own_button(visitor):
    visitor.visits(html="<button id=own>Help</button>")
    visitor.page.locator("#own").focus()
    visitor.page.evaluate("ttsWidget.open()")
    expect(visitor.input).to_be_focused()
    visitor.presses("Close chat")
    expect(visitor.page.locator("#own")).to_be_focused()


def test_tab_leaves_the_panel_for_the_page(visitor):
    visitor.visits(html="<a href=#x id=own>A link</a>")
    visitor.opens()
    for _ in range(8):
        visitor.page.keyboard.press("Shift+Tab")
        if visitor.page.evaluate("document.activeElement.id") == "own":
            return
    pytest.fail("the focus is trapped")


def test_the_log_announces_additions_and_names_who_speaks(visitor, scripted_service):
    scripted_service.reply("Yes.")
    visitor.visits()
    visitor.opens()
    visitor.asks("really?")
    expect(visitor.log).to_have_attribute("aria-live", "polite")
    expect(visitor.log.locator(".message").last).to_have_text("Assistant: Yes.")


def test_a_strict_content_security_policy_is_enough(visitor, scripted_service, tone):
    scripted_service.reply("**Bold** and spoken.", wav=tone(0.05))
    refused = []
    visitor.page.on("console", lambda entry: refused.append(entry.text))
    visitor.visits(csp=STRICT_CSP.format(scripted_service.url))
    visitor.opens()
    visitor.asks("hello")
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    assert visitor.widget.locator(".panel").evaluate("panel => getComputedStyle(panel).display") == "flex"
    assert [text for text in refused if "favicon" not in text] == []  # that one is the browser's own idea


def test_a_phone_of_320_px_shows_the_panel_without_sideways_scrolling(scripted_service, narrow_visitor):
    scripted_service.reply("https://example.com/" + "long" * 60 + "\n\n```\n" + "code " * 60 + "\n```")
    narrow_visitor.visits()
    narrow_visitor.presses("Open chat")
    narrow_visitor.asks("wide" * 50)
    expect(narrow_visitor.log.locator("pre")).to_be_visible()
    box = narrow_visitor.widget.get_by_role("dialog").bounding_box()
    assert (box["x"], box["width"]) == (0, 320)
    assert narrow_visitor.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert narrow_visitor.log.evaluate("log => log.scrollWidth <= log.clientWidth")


@pytest.fixture
def narrow_visitor(visitor):
    visitor.page.set_viewport_size({"width": 320, "height": 568})
    return visitor


CONTRASTS = """
panel => {
  const luminance = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    const color = getComputedStyle(node).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? behind(node.parentElement) : color;
  };
  const texts = [...panel.querySelectorAll("h2, .body, .body *, .problem *, .tools *, .status, textarea")]
    .filter((node) => node.checkVisibility() && (node.textContent || node.placeholder));
  return texts.map((node) => {
    const [a, b] = [getComputedStyle(node).color, behind(node)].map(luminance);
    return [node.tagName + "." + node.className, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(visitor, scripted_service, scheme):
    visitor.page.emulate_media(color_scheme=scheme)
    scripted_service.reply("A [link](https://example.com), `code`.\n\n- item", audio_error="speech_auth")
    scripted_service.refuse(500, "internal", "Something went wrong.")
    visitor.visits()
    visitor.opens()
    visitor.asks("hello")
    visitor.hears("audio-end")
    visitor.asks("again")
    visitor.hears("error")
    panel = visitor.widget.get_by_role("dialog")
    ratios = panel.evaluate(CONTRASTS)
    assert len(ratios) > 12
    assert [(name, ratio) for name, ratio in ratios if ratio < 4.5] == []
    paper = panel.evaluate("panel => getComputedStyle(panel).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_every_button_is_named_and_24_px_wide(visitor, scripted_service):
    scripted_service.refuse(500, "internal", "Something went wrong.")
    visitor.visits()
    visitor.opens()
    visitor.asks("hello")
    visitor.hears("error")
    buttons = visitor.widget.get_by_role("button").all()
    assert len(buttons) >= 5
    for button in buttons:
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 24
        assert button.get_attribute("aria-label") or button.inner_text()


def test_arabic_reads_from_the_right_and_german_strings_replace_ours(visitor, scripted_service):
    scripted_service.reply("مرحبا بكم في متجرنا")
    strings = (
        '{"lang": "de", "launcher": "Open chat", "placeholder": "Ihre Frage", "title": "Fragen Sie uns"}'
    )
    visitor.visits(f"data-strings='{strings}'", lang="de")
    visitor.opens()
    expect(visitor.widget.get_by_role("dialog", name="Fragen Sie uns")).to_have_attribute("lang", "de")
    visitor.asks("hallo")
    reply = visitor.log.locator(".body").last
    expect(reply).to_have_css("direction", "rtl")
    expect(reply).to_have_attribute("lang", "ar")


def test_the_panel_can_stand_open_inside_the_page(visitor, scripted_service):
    scripted_service.reply("Yes.")
    visitor.visits('data-mount="#here"', html="<div id=here style='height: 400px'></div>")
    assert visitor.page.evaluate("document.activeElement.tagName") == "BODY"
    expect(visitor.widget.get_by_role("button", name="Open chat")).to_have_count(0)
    visitor.asks("really?")
    visitor.reads("Yes.")
    assert visitor.page.locator("#here").bounding_box() == visitor.widget.bounding_box()


def test_a_page_can_drive_the_widget_and_take_it_away(visitor, scripted_service):
    scripted_service.reply("Yes.")
    visitor.visits()
    told = visitor.page.evaluate(
        """async () => {
          const told = [];
          await new Promise((resolve) => ttsWidget.on("ready", resolve));
          const off = ttsWidget.on("message", ({ role, text }) => told.push(`${role}: ${text}`));
          const reply = await ttsWidget.send("  really? ");
          off();
          await ttsWidget.send("unheard");
          ttsWidget.destroy();
          const left = document.querySelectorAll("tts-widget").length;
          return [...told, reply.text, typeof window.ttsWidget, left];
        }"""
    )
    assert told == ["visitor: really?", "assistant: Yes.", "Yes.", "undefined", 0]


def test_a_second_script_tag_replaces_the_first_widget(visitor, scripted_service):
    visitor.visits()
    visitor.page.evaluate(
        "() => { const tag = document.createElement('script'); const old = document.scripts[0];"
        " tag.src = old.src; tag.dataset.client = old.dataset.client; document.body.append(tag); }"
    )
    visitor.hears("ready", times=2)
    expect(visitor.widget).to_have_count(1)


def test_denied_storage_costs_only_the_memory_of_a_reload(own_visitor, scripted_service):
    visitor = own_visitor
    scripted_service.reply("Yes.")
    visitor.page.add_init_script(
        "for (const area of ['localStorage', 'sessionStorage'])"
        "  Object.defineProperty(window, area,"
        "    { get() { throw new DOMException('denied', 'SecurityError'); } });"
    )
    visitor.visits()
    visitor.opens()
    visitor.presses("Mute the voice")
    for times in (1, 2):
        visitor.asks("hello")
        visitor.hears("message", times=2 * times)
    assert scripted_service.asked[1]["conversation_id"] == "conversation-1"


def test_a_missing_client_is_said_in_the_console(visitor, scripted_service):
    said = []
    visitor.page.on("console", lambda entry: said.append(entry.text))
    scripted_service.pages["/bare.html"] = (
        f'<script async src="{scripted_service.url}/widget.js"></script>',
        {},
    )
    visitor.page.goto(f"{scripted_service.site}/bare.html")
    visitor.until(lambda: any(re.search("data-client is missing", text) for text in said))


def test_nothing_moves_for_those_who_asked_for_less_motion(visitor, scripted_service):
    scripted_service.reply("Yes.", held=True)
    visitor.page.emulate_media(reduced_motion="reduce")
    visitor.visits()
    visitor.opens()
    visitor.asks("really?")
    status = visitor.widget.get_by_role("status")
    expect(status).to_have_text("Thinking…")
    assert status.evaluate("node => getComputedStyle(node, '::before').animationName") == "none"


def test_the_widget_stays_small_enough_to_embed():
    source = (STATIC / "widget.js").read_bytes()
    assert len(source) < 49_000
    assert len(gzip.compress(source)) < 16_500
