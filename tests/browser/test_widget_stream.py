"""A reply that is written and spoken while it comes: contract.md, "Accept: text/event-stream"."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


@pytest.fixture
def visitor(visitor):
    visitor.visits()
    visitor.opens()
    return visitor


@pytest.fixture
def service(scripted_service):
    return scripted_service


def starts(visitor):
    """(when, how long) of each sound that was scheduled, in seconds."""
    return [(start["at"], round(start["duration"], 3)) for start in visitor.page.evaluate("starts")]


def status(visitor):
    return visitor.widget.get_by_role("status")


def test_text_shows_while_it_is_written_and_before_the_sound(visitor, service, tone):
    writing, speaking = service.gate(), service.gate()
    service.stream(
        service.text("We open "),
        writing,
        service.text("at **eight**."),
        speaking,
        service.audio(0, tone(0.2)),
        service.done("We open at **eight**.", 0.2),
    )
    visitor.asks("When do you open?")
    reply = visitor.log.locator(".assistant .body").last
    expect(reply).to_have_text("We open")
    expect(status(visitor)).to_be_empty()
    writing.set()
    expect(reply.locator("strong")).to_have_text("eight")
    assert visitor.events("audio-start") == []
    speaking.set()
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    assert visitor.events("message")[-1] == {"role": "assistant", "text": "We open at **eight**."}
    assert service.accepted == ["text/event-stream, application/json;q=0.9"]
    assert visitor.page.evaluate("spoken") == []


UNFINISHED = {
    "We **op": "We",
    "We are *real": "We are",
    "See [the pa": "See",
    "See [the page](https://exa": "See",
    "Run `make": "Run",
    "One.\n-": "One.",
    "One.\n## ": "One.",
    "One.\n- **Tw": "One.",
    "One.\n2. [Tw": "One.",
    "One.\n```py": "One.",
    "**Done**, 2 * 3 and snake_case": "Done, 2 * 3 and snake_case",
    "[a](https://a.example/) and (b": "a and (b",
}


def test_a_mark_waits_for_its_end_so_that_nothing_flickers(visitor, service):
    for n, (unfinished, shown) in enumerate(UNFINISHED.items()):
        service.stream(service.text("A. "), service.text(unfinished), service.gate())
        visitor.asks("hello")
        expect(visitor.log.locator(".visitor + .assistant .body").nth(n)).to_have_text(f"A. {shown}")


def test_what_was_shown_is_never_taken_back_or_made_anew(visitor, service):
    gate = service.gate()
    markdown = "First **block**.\n\n- one\n- two [link](https://a.example)\n\nLast `code` block *here*."
    deltas = [service.text(char) for char in markdown]
    service.stream(*deltas[:20], gate, *deltas[20:], service.done(markdown))
    visitor.asks("hello")
    reply = visitor.log.locator(".assistant .body").last
    expect(reply.locator("strong")).to_have_text("block")
    reply.evaluate(
        """body => {
          window.first = body.firstChild;
          window.lengths = [];
          new MutationObserver(() => lengths.push(body.textContent.length))
            .observe(body, { childList: true, subtree: true });
        }"""
    )
    gate.set()
    visitor.hears("message", times=2)
    lengths = visitor.page.evaluate("lengths")
    assert lengths == sorted(lengths)
    assert visitor.page.evaluate("first.isConnected")
    expect(reply).to_have_text("First block.onetwo linkLast code block here.")


def test_a_screen_reader_is_told_the_reply_once_and_whole(visitor, service):
    visitor.visits("""data-strings='{"greeting": ""}'""")
    visitor.opens()
    visitor.log.evaluate(
        """log => {
          window.announced = [];
          new MutationObserver((changes) => {
            for (const { target, addedNodes } of changes)
              for (const node of addedNodes)
                if ((node.closest ? node : target).closest("[aria-live]").ariaLive === "polite")
                  announced.push(node.textContent);
          }).observe(log, { childList: true, subtree: true });
        }"""
    )
    deltas = [service.text(word + " ") for word in ["One", "two", "three", "four."]]
    gate = service.gate()
    service.stream(*deltas[:2], gate, *deltas[2:], service.done("One two three four."))
    visitor.asks("hello")
    visitor.reads("One two")
    gate.set()
    visitor.until(lambda: visitor.page.evaluate("announced.length") > 2, "the announcement")
    assert visitor.page.evaluate("announced") == ["You: hello", "Assistant: ", "One two three four."]


def test_pieces_follow_each_other_without_gap_or_overlap(visitor, service, tone):
    pieces = [service.audio(n, tone(0.25)) for n in range(3)]
    service.stream(service.text("One. Two. Three."), *pieces, service.done("One. Two. Three.", 0.75))
    visitor.asks("Count")
    visitor.hears("audio-start")
    visitor.until(lambda: visitor.page.evaluate("loudness()") > 0.2, "sound")
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    (first, _), (second, _), (third, _) = starts(visitor)
    assert (second - first, third - second) == (pytest.approx(0.25, abs=1e-4), pytest.approx(0.25, abs=1e-4))
    assert len(visitor.events("audio-start")) == len(visitor.events("audio-end")) == 1


def test_a_late_piece_is_spoken_when_it_comes(visitor, service, tone):
    late = service.gate()
    service.stream(
        service.text("One. Two."),
        service.audio(0, tone(0.1)),
        late,
        service.audio(1, tone(0.2)),
        service.done("One. Two.", 0.3),
    )
    visitor.asks("Count")
    visitor.hears("audio-start")
    now = "meter.context.currentTime"
    visitor.until(lambda: visitor.page.evaluate(now) > starts(visitor)[0][0] + 0.15, "the end of the first")
    released_at = visitor.page.evaluate(now)
    assert visitor.events("audio-end") == []
    late.set()
    assert visitor.hears("audio-end")["completed"]
    assert [duration for _, duration in starts(visitor)] == [0.1, 0.2]
    assert starts(visitor)[1][0] >= released_at


ORDERS = [
    ([1, 0, 2], [0, 1, 2]),
    ([2, 1, 0], [0, 1, 2]),
    ([0, 2], [0, 2]),
    ([1, 2], [1, 2]),
    ([0, 0, 1], [0, 1]),
]


def test_pieces_are_played_by_their_number_and_a_missing_one_is_passed_over(visitor, service, tone):
    for times, (arriving, played) in enumerate(ORDERS, 1):
        pieces = [service.audio(n, tone(0.02 * (n + 1))) for n in arriving]
        service.stream(service.text("Words."), *pieces, service.done("Words.", 0.1))
        visitor.page.evaluate("() => { starts.length = 0; }")
        visitor.asks("hello")
        assert visitor.hears("audio-end", times) == {"source": "service", "completed": True}
        assert [duration for _, duration in starts(visitor)] == [round(0.02 * (n + 1), 3) for n in played]


def test_pieces_without_numbers_are_played_as_they_come(visitor, service, tone):
    pieces = [service.audio(None, tone(seconds)) for seconds in (0.1, 0.05)]
    service.stream(service.text("Words."), *pieces, service.done("Words.", 0.15))
    visitor.asks("hello")
    visitor.hears("audio-end")
    assert [duration for _, duration in starts(visitor)] == [0.1, 0.05]


def test_the_whole_can_be_heard_again(visitor, service, tone):
    pieces = [service.audio(n, tone(0.1)) for n in range(3)]
    service.stream(service.text("Words."), *pieces, service.done("Words.", 0.3))
    visitor.asks("hello")
    visitor.hears("audio-end")
    visitor.presses("Play")
    assert visitor.hears("audio-start", times=2) == {"source": "service", "duration_s": 0.3}
    assert visitor.hears("audio-end", times=2)["completed"]
    assert [duration for _, duration in starts(visitor)] == [0.1] * 6
    assert len(service.asked) == 1


@pytest.mark.parametrize("how", ["Stop", "Stop waiting", "Escape", "a new question", "New conversation"])
def test_stopping_silences_the_voice_and_ends_the_turn(visitor, service, tone, how):
    answer = service.stream(service.text("A long *story*."), service.audio(0, tone(20)), service.gate())
    service.reply("Another.")
    visitor.asks("Tell me a story")
    visitor.hears("audio-start")
    if how == "Escape":
        visitor.input.press("Escape")
    elif how == "a new question":
        visitor.asks("another")
        visitor.reads("Another.")
    else:
        visitor.widget.get_by_role("button", name=how, exact=True).click()
    assert visitor.hears("audio-end") == {"source": "service", "completed": False}
    assert answer.abandoned.wait(10)
    assert visitor.events("error") == []
    expect(status(visitor)).to_be_empty()
    if how == "New conversation":
        expect(visitor.log).not_to_contain_text("A long story.")
    else:
        visitor.reads("A long story.")
        visitor.reads("Stopped here")
        expect(visitor.log.locator(".problem")).to_have_count(0)
        expect(visitor.widget.get_by_role("button", name="Play")).to_be_visible()


def test_mute_stops_the_sound_at_once_and_the_turn_when_its_text_is_written(visitor, service, tone):
    writing = service.gate()
    answer = service.stream(
        service.text("First."), service.audio(0, tone(20)), writing, service.text(" Second."), service.gate()
    )
    visitor.asks("hello")
    visitor.hears("audio-start")
    visitor.presses("Mute the voice")
    assert visitor.hears("audio-end") == {"source": "service", "completed": False}
    assert not answer.abandoned.is_set()
    writing.set()
    visitor.reads("First. Second.")
    assert answer.abandoned.wait(10)
    visitor.reads("The voice ends before the text does")
    assert visitor.events("error") == []


def test_who_types_hears_no_more_and_still_gets_the_whole_text(visitor, service, tone):
    writing = service.gate()
    service.stream(
        service.text("First."),
        service.audio(0, tone(20)),
        writing,
        service.text(" Second."),
        service.done("All."),
    )
    visitor.asks("hello")
    visitor.hears("audio-start")
    visitor.input.press("x")
    assert visitor.hears("audio-end")["completed"] is False
    writing.set()
    visitor.reads("All.")


def test_the_button_beside_the_question_sends_what_was_typed_and_stops_where_nothing_was(visitor, service):
    service.stream(service.text("Words."), service.gate())
    visitor.asks("hello")
    visitor.reads("Words.")
    expect(visitor.widget.get_by_role("button", name="Stop waiting")).to_be_visible()
    visitor.input.fill("another")
    visitor.widget.get_by_role("button", name="Send").click()
    visitor.until(lambda: len(service.asked) == 2, "the second question")


def broken(service):
    return {
        "ends": [],
        "resets": [service.RESET],
        "is no JSON": [b"event: done\ndata: {oops\n\n"],
        "has no text": [service.event("done", text=7)],
        "is half an event": [b"event: done\ndata: {"],
    }


@pytest.mark.parametrize("how", ["ends", "resets", "is no JSON", "has no text", "is half an event"])
def test_a_stream_that_breaks_keeps_what_was_written_and_offers_a_retry(visitor, service, tone, how):
    heard = service.gate()
    pieces = [service.audio(0, tone(0.2)), heard]
    service.stream(service.text("Half of **this**"), *pieces, *broken(service)[how])
    service.stream(service.text("The whole."), service.done("The whole."))
    visitor.asks("hello")
    visitor.hears("audio-start")
    heard.set()
    assert visitor.hears("error")["code"] in ("broke_off", "bad_answer")
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    visitor.reads("Half of this")
    expect(status(visitor)).to_be_empty()
    assert visitor.page.evaluate("spoken") == []
    visitor.presses("Try again")
    visitor.reads("The whole.")
    expect(visitor.log.locator(".visitor")).to_have_count(1)
    expect(visitor.log.locator(".problem")).to_have_count(0)


def test_an_error_in_the_stream_shows_the_services_words(visitor, service):
    error = {"code": "upstream_timeout", "message": "The model was too slow.", "request_id": "req-7"}
    service.stream(service.text("Half of this"), service.event("error", error=error))
    visitor.asks("hello")
    assert visitor.hears("error")["code"] == "upstream_timeout"
    frame = visitor.log.locator(".problem")
    expect(frame).to_contain_text("The model was too slow.")
    expect(frame).to_contain_text("req-7")
    expect(frame.get_by_role("button", name="Try again")).to_be_visible()
    visitor.reads("Half of this")


def test_nothing_is_said_twice_when_the_voice_fails_in_the_middle(visitor, service, tone):
    end = service.done("One. Two.", audio_error="speech_timeout")
    service.stream(service.text("One. Two."), service.audio(0, tone(0.1)), end)
    visitor.asks("hello")
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    visitor.reads("The voice ends before the text does")
    assert visitor.events("fallback") == []
    assert visitor.page.evaluate("spoken") == []


@pytest.mark.parametrize(
    ("pieces", "audio_error", "reason"),
    [
        ([], "speech_auth", "speech_auth"),
        ([b"no sound"], None, "audio_unreadable"),
        ([b""], None, "audio_unreadable"),
    ],
)
def test_the_browsers_voice_speaks_where_the_service_said_nothing(
    visitor, service, pieces, audio_error, reason
):
    sounds = [service.audio(n, piece) for n, piece in enumerate(pieces)]
    end = service.done("One. Two.", 1.0 if pieces else None, audio_error)
    service.stream(service.text("One. "), *sounds, service.text("Two."), end)
    visitor.asks("hello")
    assert visitor.hears("fallback") == {"reason": reason}
    assert visitor.hears("audio-end") == {"source": "browser", "completed": True}
    assert [said["text"] for said in visitor.page.evaluate("spoken")] == ["One. Two."]


def test_a_piece_that_cannot_be_read_costs_only_itself(visitor, service, tone):
    pieces = [service.audio(0, tone(0.1)), service.audio(1, b"no sound"), service.audio(2, tone(0.2))]
    service.stream(service.text("Words."), *pieces, service.done("Words.", 0.3))
    visitor.asks("hello")
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    assert [duration for _, duration in starts(visitor)] == [0.1, 0.2]
    assert visitor.events("fallback") == []


def test_without_sound_the_browsers_voice_waits_for_the_whole_text(visitor, service, tone):
    visitor.visits()
    visitor.page.evaluate("() => { window.AudioContext = undefined; }")
    visitor.opens()
    writing = service.gate()
    rest = [service.text(" Two."), service.done("One. Two.", 0.1)]
    service.stream(service.text("One."), service.audio(0, tone(0.1)), writing, *rest)
    visitor.asks("hello")
    expect(visitor.widget.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    assert visitor.events("fallback") == []
    writing.set()
    assert visitor.hears("audio-end") == {"source": "browser", "completed": True}
    assert [said["text"] for said in visitor.page.evaluate("spoken")] == ["One. Two."]


def test_a_stream_that_falls_silent_leaves_no_state_hanging(own_visitor, service, tone):
    visitor = own_visitor
    visitor.page.clock.install()
    visitor.visits()
    visitor.opens()
    answer = service.stream(service.text("Half of this"), service.audio(0, tone(0.1)), service.gate())
    visitor.asks("hello")
    visitor.hears("audio-start")
    visitor.page.clock.fast_forward(61_000)
    assert visitor.hears("error")["code"] == "timeout"
    assert visitor.hears("audio-end") == {"source": "service", "completed": True}
    expect(visitor.widget.get_by_role("button", name="Play")).to_be_visible()
    expect(visitor.widget.get_by_role("button", name="Send")).to_be_visible()
    expect(status(visitor)).to_be_empty()
    visitor.reads("Half of this")
    assert answer.abandoned.wait(10)


def test_a_stream_is_read_however_it_is_cut_and_whatever_stands_between(visitor, service, tone):
    wire = b"".join(
        (
            b": kept alive\n\n",
            b"event: news\ndata: {}\n\n",
            service.text("Caf\u00e9 \u2028data: \u65e5\u672c").replace(b"\n", b"\r\n"),
            b"retry: 5\nid: 7\nevent:text\ndata:" + b'{"delta": "!"}\n\n',
            service.audio(0, tone(0.1)),
            service.done("Caf\u00e9 \u65e5\u672c!", 0.1),
        )
    )
    cuts = [wire[n : n + 1] for n in range(200)] + [wire[n : n + 777] for n in range(200, len(wire), 777)]
    service.stream(*cuts)
    visitor.asks("hello")
    assert visitor.hears("audio-end")["completed"]
    visitor.reads("Caf\u00e9 \u65e5\u672c!")
    assert visitor.events("error") == []


def test_a_line_that_stays_open_after_the_end_is_let_go(visitor, service):
    answer = service.stream(service.text("Words."), service.done("Words."), service.gate())
    visitor.asks("hello")
    visitor.hears("message", times=2)
    expect(visitor.widget.get_by_role("button", name="Send")).to_be_visible()
    assert answer.abandoned.wait(10)


def test_blocked_sound_waits_for_a_tap_and_then_says_all(visitor, service, tone):
    more = service.gate()
    end = [service.audio(1, tone(0.2)), service.done("Words.", 0.3)]
    service.stream(service.text("Words."), service.audio(0, tone(0.1)), more, *end)
    visitor.is_blocked("void ttsWidget.send('hello')")
    tap = visitor.widget.get_by_role("button", name="Tap to hear")
    expect(tap).to_be_visible()
    more.set()
    visitor.hears("message", times=2)
    assert len(visitor.events("audio-blocked")) == 1
    tap.click()
    assert visitor.hears("audio-end")["completed"]
    assert [duration for _, duration in starts(visitor)] == [0.1, 0.2]


def test_sound_taken_away_by_the_system_asks_for_a_tap(visitor, service, tone):
    service.stream(service.text("Words."), service.audio(0, tone(20)), service.done("Words.", 20.0))
    visitor.asks("hello")
    visitor.hears("audio-start")
    visitor.page.evaluate("() => void meter.context.suspend()")  # as a telephone call does on a phone
    expect(visitor.widget.get_by_role("button", name="Tap to hear")).to_be_visible()
    assert visitor.hears("audio-end") == {"source": "service", "completed": False}


def test_autoplay_off_plays_on_demand_while_the_reply_still_comes(visitor, service, tone):
    more = service.gate()
    end = [service.audio(1, tone(0.2)), service.done("Words.", 0.3)]
    service.stream(service.text("Words."), service.audio(0, tone(0.1)), more, *end)
    visitor.visits('data-autoplay="off"')
    visitor.opens()
    visitor.asks("hello")
    visitor.presses("Play")
    visitor.hears("audio-start")
    more.set()
    assert visitor.hears("audio-end")["completed"]
    assert [duration for _, duration in starts(visitor)] == [0.1, 0.2]


def test_who_reads_further_up_is_not_pulled_down(visitor, service):
    lines = [service.text(f"Line {n}.\n\n") for n in range(40)]
    first, second = service.gate(), service.gate()
    service.stream(*lines[:20], first, *lines[20:30], second, *lines[30:], service.done("The end."))
    visitor.asks("hello")
    visitor.reads("Line 19.")
    top = visitor.log.locator(".assistant").last.evaluate("node => node.offsetTop")
    assert visitor.log.evaluate("log => log.scrollTop") == pytest.approx(top - 12, abs=1)
    visitor.log.evaluate("log => { log.scrollTop = 3; }")
    first.set()
    visitor.reads("Line 29.")
    assert visitor.log.evaluate("log => log.scrollTop") == 3
