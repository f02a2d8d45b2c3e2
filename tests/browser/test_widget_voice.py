"""Who speaks, when it stops, and what takes over when the sound is missing."""

from __future__ import annotations

import base64
import re

import pytest
from playwright.sync_api import expect

WAV = "data:audio/wav;base64,"


@pytest.fixture
def visitor(visitor):
    visitor.visits()
    visitor.opens()
    return visitor


def test_the_voice_sounds_to_its_end(visitor, scripted_service, tone):
    scripted_service.reply("Half past eight.", wav=tone(0.6))
    visitor.asks("When do you open?")
    started = visitor.hears("audio-start")
    assert started["source"] == "service"
    assert started["duration_s"] == pytest.approx(0.6, abs=0.01)
    visitor.until(lambda: visitor.page.evaluate("loudness()") > 0.2, "sound")
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    assert visitor.page.evaluate("spoken") == []


def test_sound_is_unlocked_within_the_key_press_and_not_when_the_answer_comes(visitor, scripted_service):
    scripted_service.reply("Yes.", held=True)
    visitor.visits("""data-strings='{"greeting": ""}'""")  # else the tap that opens the panel has done it
    visitor.opens()
    visitor.input.fill("really?")
    assert visitor.page.evaluate("window.meter") is None
    visitor.input.press("Enter")
    assert visitor.page.evaluate("window.meter.context.state") == "running"


def test_the_text_does_not_wait_for_the_voice(visitor, scripted_service, tone):
    scripted_service.reply("Half past eight.", wav=tone(5))
    visitor.asks("When do you open?")
    visitor.reads("Half past eight.")
    assert visitor.events("audio-end") == []


@pytest.mark.parametrize("how", ["Escape", "Stop", "Mute the voice", "typing", "close", "a new question"])
def test_the_voice_stops(visitor, scripted_service, tone, how):
    scripted_service.reply("A long story.", wav=tone(20))
    scripted_service.reply("never given", held=True)
    visitor.asks("Tell me a story")
    visitor.hears("audio-start")
    if how == "Escape":
        visitor.input.press("Escape")
        expect(visitor.widget.get_by_role("dialog")).to_be_visible()
    elif how == "typing":
        visitor.input.press("x")
    elif how == "close":
        visitor.presses("Close chat")
    elif how == "a new question":
        visitor.page.evaluate("void ttsWidget.send('another')")
    else:
        visitor.presses(how)
    assert visitor.hears("audio-end") == {"source": "service", "completed": False}


def test_a_new_question_lets_only_the_new_reply_speak(visitor, scripted_service, tone):
    scripted_service.reply("One.", wav=tone(20))
    scripted_service.reply("Two.", wav=tone(0.05))
    visitor.asks("first")
    visitor.hears("audio-start")
    visitor.asks("second")
    assert visitor.hears("audio-end", times=2)["completed"]
    order = [name for name, _ in visitor.page.evaluate("heard") if name.startswith("audio")]
    assert order == ["audio-start", "audio-end"] * 2


def test_a_reply_can_be_heard_again(visitor, scripted_service, tone):
    scripted_service.reply("Yes.", wav=tone(0.05))
    visitor.asks("really?")
    visitor.hears("audio-end")
    visitor.presses("Play")
    assert visitor.hears("audio-end", times=2)["completed"]


def test_mute_is_remembered_and_play_still_works(visitor, scripted_service, tone):
    scripted_service.reply("Yes.", wav=tone(0.05))
    visitor.presses("Mute the voice")
    visitor.page.reload()
    visitor.opens()
    expect(visitor.widget.get_by_role("button", name="Mute the voice")).to_have_attribute(
        "aria-pressed", "true"
    )
    visitor.asks("really?")
    visitor.reads("Yes.")
    visitor.presses("Play")
    visitor.hears("audio-end")
    assert len(visitor.events("audio-start")) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"audio_error": "speech_auth"}, "speech_auth"),
        ({"audio_url": WAV + "%%%%"}, "audio_unreadable"),
        ({"audio_url": WAV + "AAAA"}, "audio_unreadable"),
        ({"audio_url": "https://evil.example/voice.wav"}, "audio_unreadable"),
        ({"audio_url": "data:text/html;base64,AAAA"}, "audio_unreadable"),
    ],
)
def test_the_browsers_voice_takes_over(visitor, scripted_service, answer, reason):
    requests = []
    visitor.page.on("request", lambda request: requests.append(request.url))
    scripted_service.reply("Half past eight.", **answer)
    visitor.asks("When do you open?")
    assert visitor.hears("fallback") == {"reason": reason}
    assert visitor.hears("audio-end") == {"source": "browser", "completed": True}
    assert [said["text"] for said in visitor.page.evaluate("spoken") if said["text"].strip()] == [
        "Half past eight."
    ]
    visitor.reads("Read by your browser's own voice")
    assert all(url.endswith("/api/chat") for url in requests)


@pytest.mark.parametrize("head", ["data:video/mp4;base64,", "data:audio/wav,", "https://a.example/#" + WAV])
def test_good_sound_at_any_other_address_is_not_played(visitor, scripted_service, tone, head):
    scripted_service.reply("Yes.", audio_url=head + base64.b64encode(tone(0.05)).decode())
    visitor.asks("really?")
    visitor.hears("audio-end")
    assert [start["source"] for start in visitor.events("audio-start")] == ["browser"]


def test_a_text_only_client_stays_silent(visitor, scripted_service):
    scripted_service.reply("Just text.")
    visitor.asks("hello")
    visitor.reads("Just text.")
    visitor.page.wait_for_timeout(200)
    assert visitor.page.evaluate("spoken") == []
    assert not visitor.events("fallback")
    expect(visitor.widget.get_by_role("button", name="Play")).to_have_count(0)


def test_the_browsers_voice_leaves_out_marks_addresses_code_and_emoji(visitor, scripted_service):
    markdown = (
        "# Hours\n\nWe **open** at *eight* 🥐. See [the calendar](https://example.com/a?b=c)\n\n"
        "- bread\n- cake\n\nhttps://example.com/path/long\n\n```\nrm -rf\n```"
    )
    scripted_service.reply(markdown, audio_error="speech_auth")
    visitor.asks("hello")
    visitor.hears("audio-end")
    said = " ".join(said["text"] for said in visitor.page.evaluate("spoken"))
    assert re.sub(r"\s+", " ", said) == (
        "Hours. We open at eight . See the calendar. bread. cake. example.com."
    )


def test_long_replies_are_said_in_whole_sentences_under_200_characters(visitor, scripted_service):
    sentences = [f"This is sentence number {n} of a reply that goes on for a while." for n in range(12)]
    endless = "word " * 100
    scripted_service.reply(" ".join(sentences) + "\n\n" + endless, audio_error="speech_auth")
    visitor.asks("hello")
    visitor.hears("audio-end")
    pieces = [said["text"] for said in visitor.page.evaluate("spoken")]
    assert max(map(len, pieces)) < 200
    assert all(piece.endswith(".") for piece in pieces[:4])
    assert " ".join(pieces).split() == (" ".join(sentences) + " " + endless.strip() + ".").split()


@pytest.mark.parametrize(
    ("text", "page", "voice"),
    [
        ("Good morning.", "en", "Local"),  # the local voice: network ones fall silent after 15 s
        ("Guten Morgen.", "de", "Anna"),
        ("Доброе утро.", "de", None),  # no Russian voice: none is better than a German one
    ],
)
def test_the_voice_fits_the_language(visitor, scripted_service, text, page, voice):
    scripted_service.reply(text, audio_error="speech_auth")
    visitor.page.evaluate("lang => { document.documentElement.lang = lang; }", page)
    visitor.asks("hello")
    visitor.hears("audio-end")
    said = visitor.page.evaluate("spoken")[-1]
    assert said.get("voice") == voice
    assert said["lang"][:2] == ("ru" if voice is None else page)


@pytest.mark.parametrize(
    ("mode", "note"), [("mute", "The voice is not available now"), ("stuck", "browser's own voice")]
)
def test_a_voice_that_gets_stuck_is_given_up(own_visitor, scripted_service, mode, note):
    visitor = own_visitor
    visitor.visits()
    visitor.opens()
    scripted_service.reply("Half past eight.", audio_error="speech_auth")
    visitor.page.clock.install()
    visitor.page.evaluate("mode => { speechMode = mode; }", mode)
    visitor.asks("hello")
    visitor.hears("fallback")
    visitor.page.clock.run_for(20_000)
    expect(visitor.widget.get_by_role("button", name="Play")).to_be_visible()
    visitor.reads(note)


def test_blocked_sound_waits_for_a_tap(visitor, scripted_service, tone):
    scripted_service.reply("Yes.", wav=tone(0.05))
    visitor.is_blocked("void ttsWidget.send('hello')")
    tap = visitor.widget.get_by_role("button", name="Tap to hear")
    expect(tap).to_be_visible()
    assert visitor.events("audio-start") == []
    assert len(visitor.events("audio-blocked")) == 1
    tap.click()
    assert visitor.hears("audio-end")["completed"]


def test_autoplay_off_waits_for_the_play_button(visitor, scripted_service, tone):
    scripted_service.reply("Yes.", wav=tone(0.05))
    visitor.visits('data-autoplay="off"')
    visitor.opens()
    visitor.asks("really?")
    visitor.presses("Play")
    visitor.hears("audio-end")
    assert len(visitor.events("audio-start")) == 1


def test_an_answer_to_a_closed_panel_is_written_and_stays_silent(visitor, scripted_service, tone):
    answer = scripted_service.reply("Yes.", wav=tone(0.05), held=True)
    visitor.asks("really?")
    visitor.presses("Close chat")
    answer.released.set()
    visitor.hears("message", times=2)
    visitor.opens()
    visitor.reads("Yes.")
    assert visitor.events("audio-start") == []


def test_a_browser_without_sound_still_shows_the_reply(visitor, scripted_service, tone):
    scripted_service.reply("Yes.", wav=tone(0.05))
    visitor.visits()
    visitor.page.evaluate(
        "() => { window.AudioContext = class { constructor() { throw new Error('none'); } }; }"
    )
    visitor.opens()
    visitor.asks("really?")
    assert visitor.hears("audio-end") == {"source": "browser", "completed": True}


def test_a_truncated_voice_is_marked(visitor, scripted_service, tone):
    scripted_service.reply("A long reply.", wav=tone(0.05), truncated=True)
    visitor.asks("hello")
    visitor.reads("The voice ends before the text does")
