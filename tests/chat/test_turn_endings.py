"""How a turn ends when its voice fails, its model drips, its reader leaves or the service restarts."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.chat.conftest import Compose, Serve
from tests.chat.scripted import (
    Exchange,
    Script,
    answer,
    drips_a_refusal,
    drips_comments,
    drips_headers,
    drips_words,
    says,
    silent,
    streamed,
)
from tests.chat.turns import (
    SAID,
    SECOND,
    Talk,
    a_client,
    calls,
    code,
    eventually,
    provider,
    silent_voice,
    speaks_a_second,
    turn,
)
from tts_service.chat.events import Reply, SpokenPiece, TextDelta, fold
from tts_service.chat.turn import Composer, Question
from tts_service.errors import (
    ReaderGone,
    UpstreamAuth,
    UpstreamTimeout,
)
from tts_service.secret import Secret

CANARY = "canaryword"

# The voice fails: the text is delivered.

SPEECH_FAULTS = {
    "http=400": "speech_auth",
    "http=401": "speech_auth",
    "http=403": "speech_auth",
    "http=404": "speech_protocol",
    "http=429": "speech_rate_limited",
    "http=500": "speech_unavailable",
    "http=503": "speech_rate_limited",
    "html": "speech_protocol",
    "redirect": "speech_protocol",
    "reset": "speech_closed",
    "handshake=bad_accept": "speech_protocol",
    "handshake=extension": "speech_protocol",
    "close_before_audio=1000": "speech_closed",
    "close_before_audio=1008": "speech_policy",
    "close_before_audio=1011": "speech_upstream_error",
    "close_after_audio=1000": "speech_incomplete",
    "cut_frame": "speech_incomplete",
    "error_before_audio": "speech_upstream_error",
    "no_audio": "speech_empty",
    "function_call": "speech_empty",
    "status=failed": "speech_upstream_error",
    "bad_base64=alphabet": "speech_bad_audio",
    "bad_json=9": "speech_protocol",
    "format=pcmu": "speech_bad_format",
}


@pytest.mark.parametrize(("fault", "expected"), SPEECH_FAULTS.items(), ids=SPEECH_FAULTS)
def test_a_voice_that_fails_never_costs_the_text(
    compose: Compose, sandbox: str, fault: str, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"xai-sandbox+realtime.{fault}"
    words = f"{CANARY} {SAID}"

    with caplog.at_level(logging.DEBUG):
        events = list(compose(sandbox).compose(Question(a_client(key), f"Say: {words}")))

    reply = events[-1]
    assert isinstance(reply, Reply)
    assert reply.text == words
    assert (code(reply), reply.spoken) == (expected, None)
    assert not any(isinstance(event, SpokenPiece) for event in events)
    lines = [record.getMessage() for record in caplog.records if "[X.AI TTS]" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith(f"[X.AI TTS] event=fail code={expected} ")
    assert CANARY not in caplog.text
    assert key not in caplog.text


def test_a_voice_without_a_key_is_an_audio_error_that_says_what_to_set(compose: Compose, fresh: str) -> None:
    composer = compose(fresh, xai_api_key=None, openai_base_url=fresh, openai_api_key=Secret("sk-sandbox"))

    reply = turn(composer, a_client(ai_provider="openai", speech_provider="xai"))

    assert (reply.text, code(reply)) == (SAID, "speech_auth")
    assert reply.audio_error is not None
    assert "XAI_API_KEY" in reply.audio_error.message


def test_a_voice_provider_that_cannot_be_reached_is_an_audio_error(compose: Compose, fresh: str) -> None:
    composer = compose("http://127.0.0.1:9/v1", openai_base_url=fresh, openai_api_key=Secret("sk-sandbox"))

    reply = turn(composer, a_client(ai_provider="openai", speech_provider="xai"))

    assert (reply.text, code(reply)) == (SAID, "speech_unavailable")


def test_more_voices_than_allowed_at_once_are_answered_with_the_text(compose: Compose, serve: Serve) -> None:
    peer = serve(provider(says(streamed(SAID)), speaks_a_second, []))
    composer = compose(peer.url, max_concurrent_speech=1)
    first = composer.compose(Question(a_client(), "Hi"))

    next(first)
    assert code(turn(composer, a_client(), "Hi")) == "speech_busy"
    assert fold(first).spoken is not None
    assert turn(composer, a_client(), "Hi").spoken is not None


def pings_only(talk: Talk) -> None:
    silent_voice(talk)
    while True:
        talk.send("ping", timestamp=1)
        talk.exchange.pause(0.05)


def drips_sound(talk: Talk) -> None:
    silent_voice(talk)
    talk.speaks(finish=False)
    while True:
        talk.speaks(b"\0\0" * 480, finish=False)
        talk.exchange.pause(0.05)


@pytest.mark.parametrize("voice", [silent_voice, pings_only, drips_sound])
def test_nothing_the_voice_sends_stretches_its_deadline(
    compose: Compose, serve: Serve, voice: Callable[[Talk], None]
) -> None:
    peer = serve(provider(says(streamed(SAID), keep=False), voice, []))
    composer = compose(peer.url, speech_deadline_s=0.8)

    began = time.monotonic()
    reply = turn(composer, a_client(), "Hi")

    assert 0.7 < time.monotonic() - began < 8
    assert (reply.text, code(reply), reply.spoken) == (SAID, "speech_timeout", None)
    assert eventually(lambda: peer.open == 0)


# Leaving.


def test_nothing_is_bought_for_a_reader_who_has_gone(compose: Compose, serve: Serve) -> None:
    heard: list[dict[str, Any]] = []
    peer = serve(provider(says(streamed(SAID), keep=False), speaks_a_second, heard))

    with pytest.raises(ReaderGone):
        list(compose(peer.url).compose(Question(a_client(), "Hi"), reader_gone=lambda: True))

    assert eventually(lambda: peer.open == 0)
    assert "conversation.item.create" not in [event["type"] for event in heard]


def test_a_reader_who_leaves_during_the_text_ends_both_sockets(compose: Compose, serve: Serve) -> None:
    heard: list[dict[str, Any]] = []
    peer = serve(provider(drips_words, speaks_a_second, heard))
    events = compose(peer.url).compose(Question(a_client(), "Hi"))

    assert next(events) == TextDelta("more ")
    assert eventually(lambda: bool(heard))
    assert peer.open == 2
    events.close()

    assert eventually(lambda: peer.open == 0)
    assert [event["type"] for event in heard] == ["session.update"]


def test_a_reader_who_leaves_during_the_voice_ends_both_sockets(compose: Compose, serve: Serve) -> None:
    speaking = threading.Event()

    def voice(talk: Talk) -> None:
        silent_voice(talk)
        talk.speaks(SECOND[:1_000], finish=False)
        speaking.set()

    peer = serve(provider(says(streamed(SAID), keep=False), voice, []))
    events = compose(peer.url).compose(Question(a_client(), "Hi"), reader_gone=speaking.is_set)

    with pytest.raises(ReaderGone):
        fold(events)

    assert eventually(lambda: peer.open == 0)


def test_a_model_that_fails_closes_the_voice_it_did_not_need(compose: Compose, serve: Serve) -> None:
    heard: list[dict[str, Any]] = []
    peer = serve(provider(says(answer(401), keep=False), speaks_a_second, heard))

    with pytest.raises(UpstreamAuth):
        turn(compose(peer.url), a_client(), "Hi")

    assert eventually(lambda: peer.open == 0)
    assert "conversation.item.create" not in [event["type"] for event in heard]


# The model's clock.


@pytest.mark.parametrize("chat", [silent, drips_headers, drips_comments, drips_words, drips_a_refusal])
def test_nothing_the_model_sends_stretches_its_deadline_and_the_voice_ends_with_it(
    compose: Compose, serve: Serve, chat: Script
) -> None:
    heard: list[dict[str, Any]] = []
    peer = serve(provider(chat, speaks_a_second, heard))
    composer = compose(peer.url, chat_deadline_s=0.7)

    began = time.monotonic()
    with pytest.raises(UpstreamTimeout) as raised:
        turn(composer, a_client(), "Hi")

    assert 0.6 < time.monotonic() - began < 8
    assert (raised.value.code, raised.value.status) == ("upstream_timeout", 504)
    assert eventually(lambda: peer.open == 0)
    assert "conversation.item.create" not in [event["type"] for event in heard]


def test_a_slow_reader_of_a_model_in_time_still_gets_its_reply(compose: Compose, serve: Serve) -> None:
    peer = serve(says(streamed("One ", "two.")))
    composer = compose(peer.url, chat_deadline_s=0.3)
    events = composer.compose(Question(a_client(speech_provider="off"), "Hi"))

    assert next(events) == TextDelta("One ")
    time.sleep(0.9)
    assert fold(events).text == "One two."


def test_a_model_that_waits_to_be_asked_again_ends_with_the_turn(compose: Compose, serve: Serve) -> None:
    asked = threading.Event()

    def chat(exchange: Exchange) -> bool:
        exchange.send(answer(503, b"", "Retry-After: 3"))
        asked.set()
        return True

    peer = serve(chat)
    question = Question(a_client(speech_provider="off"), "Hi")

    with pytest.raises(ReaderGone):
        fold(compose(peer.url).compose(question, reader_gone=asked.is_set))

    assert eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "think"])
    assert len(peer.requests) == 1


# Restarts.


def hushed(composer: Composer, when: threading.Event) -> threading.Thread:
    def hush() -> None:
        when.wait(5)
        composer.hush()

    thread = threading.Thread(target=hush)
    thread.start()
    return thread


def test_a_restart_during_the_voice_delivers_the_text(compose: Compose, serve: Serve) -> None:
    speaking = threading.Event()

    def voice(talk: Talk) -> None:
        silent_voice(talk)
        talk.speaks(SECOND[:1_000], finish=False)
        speaking.set()

    peer = serve(provider(says(streamed(SAID)), voice, []))
    composer = compose(peer.url)
    thread = hushed(composer, speaking)

    began = time.monotonic()
    reply = turn(composer, a_client(), "Hi")
    thread.join()

    assert time.monotonic() - began < 8
    assert (reply.text, code(reply), reply.spoken) == (SAID, "speech_cancelled", None)


def test_a_restart_during_the_thinking_delivers_the_text_and_says_why_it_is_silent(
    compose: Compose, serve: Serve
) -> None:
    thinking, go_on = threading.Event(), threading.Event()
    heard: list[dict[str, Any]] = []

    def chat(exchange: Exchange) -> None:
        thinking.set()
        go_on.wait(5)
        exchange.send(streamed(SAID))

    peer = serve(provider(chat, speaks_a_second, heard))
    composer = compose(peer.url)

    def hush() -> None:
        thinking.wait(5)
        composer.hush()
        time.sleep(0.1)
        go_on.set()

    thread = threading.Thread(target=hush)
    thread.start()
    reply = turn(composer, a_client(), "Hi")
    thread.join()

    assert (reply.text, code(reply), reply.spoken) == (SAID, "speech_cancelled", None)
    assert "conversation.item.create" not in [event["type"] for event in heard]


def test_a_turn_that_begins_during_a_restart_is_text_only_and_opens_no_voice(
    compose: Compose, fresh: str
) -> None:
    composer = compose(fresh)
    composer.hush()

    reply = turn(composer, a_client())

    assert composer.is_draining
    assert (reply.text, code(reply)) == (SAID, "speech_cancelled")
    assert calls(fresh, "realtime") == []
