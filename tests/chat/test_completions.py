"""The chat-completions format: what is asked, what is read."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.chat.completions import (
    MAX_LINE_BYTES,
    MAX_REPLY_CHARS,
    ReplyText,
    Said,
    StreamReader,
    completion_text,
    request_body,
)
from tts_service.errors import (
    UpstreamBadResponse,
    UpstreamBrokeOff,
    UpstreamError,
    UpstreamTooLarge,
    UpstreamUnavailable,
)


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    return data({"id": "c1", "object": "chat.completion.chunk", "choices": [choice]} | more)


def content(text: Any) -> bytes:
    return chunk({"content": text})


def data(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
STOP = chunk(finish="stop")
USAGE = data({"id": "c1", "choices": [], "usage": {"total_tokens": 7, "cost_in_usd_ticks": 1}})


def read(stream: bytes) -> str:
    reader = StreamReader()
    return "".join([*reader.feed(stream), *reader.close()])


# Requests.


@pytest.mark.parametrize(
    ("dialect", "cap"),
    [("xai", "max_completion_tokens"), ("openai", "max_completion_tokens"), ("compatible", "max_tokens")],
)
def test_a_request_streams_and_caps_the_reply_by_the_name_this_provider_knows(dialect: Any, cap: str) -> None:
    conversation = [Said("system", "Be brief."), Said("user", "Grüße 👋")]

    body = json.loads(request_body("grok-4.3", conversation, dialect))

    assert body.pop(cap) == 2048
    assert body == {
        "model": "grok-4.3",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Grüße 👋"},
        ],
        "stream": True,
    }


# Streams.

SENTENCE = "Schöne Grüße, 你好, 👩‍👩‍👧 and good-bye."
STREAMS: dict[str, tuple[bytes, str]] = {
    "role chunk, words, usage, [DONE]": (
        chunk({"role": "assistant", "content": ""})
        + content("Hello ")
        + content("you.")
        + STOP
        + USAGE
        + DONE,
        "Hello you.",
    ),
    "end_turn in place of stop": (content("Hello.") + chunk(finish="end_turn") + DONE, "Hello."),
    "cut by its own token limit": (content("Hello.") + chunk(finish="length") + DONE, "Hello."),
    "usage on the chunk that finishes": (
        content("Hello.") + chunk(finish="stop", usage={"total_tokens": 7}) + DONE,
        "Hello.",
    ),
    "no [DONE] after the finish_reason": (content("Hello.") + STOP, "Hello."),
    "no newline after the last line": ((content("Hello.") + STOP).rstrip(b"\n"), "Hello."),
    "[DONE] without a finish_reason": (content("Hello.") + DONE, "Hello."),
    "thoughts before words": (
        chunk({"reasoning_content": "The visitor greets. "}) + content("Hello.") + STOP + DONE,
        "Hello.",
    ),
    "content as a list of parts": (
        content([{"type": "text", "text": "Hello "}, {"type": "text", "text": "you."}, {"type": "image"}, 7])
        + STOP
        + DONE,
        "Hello you.",
    ),
    "a refusal": (
        chunk({"content": None, "refusal": "I cannot "}) + chunk({"refusal": "help."}) + STOP + DONE,
        "I cannot help.",
    ),
    "CRLF line ends": ((content("Hello.") + STOP + DONE).replace(b"\n", b"\r\n"), "Hello."),
    "no space after data:": ((content("Hello.") + STOP + DONE).replace(b"data: ", b"data:"), "Hello."),
    "comments, events, ids, retries": (
        b": keep-alive\n\nevent: message\nid: 4\nretry: 10\n"
        + content("Hello.")
        + b": ping\n\n"
        + STOP
        + DONE,
        "Hello.",
    ),
    "error: null in every chunk": (
        chunk({"content": "Hello."}, error=None) + chunk(finish="stop", error=None) + DONE,
        "Hello.",
    ),
    "data after [DONE]": (content("Hello.") + DONE + content("More.") + b"data: no JSON\n\n", "Hello."),
    "only a tool call": (
        chunk({"content": None, "tool_calls": [{"index": 0}]}) + chunk(finish="tool_calls") + DONE,
        "",
    ),
    "content null": (content(None) + STOP + DONE, ""),
    "content a number": (content(42) + STOP + DONE, ""),
    "delta null": (data({"choices": [{"delta": None, "finish_reason": "stop"}]}) + DONE, ""),
    "choices always empty": (data({"choices": []}) + DONE, ""),
    "choices of nonsense": (data({"choices": ["no"]}) + DONE, ""),
    "escaped and raw characters": (content("a\u2028b\u0085c\td") + STOP, "a\u2028b\u0085c\td"),
    "halves of a surrogate pair": (
        b'data: {"choices":[{"delta":{"content":"Hello\\ud83d"},"finish_reason":"stop"}]}\n\n' + DONE,
        "Hello\ud83d",
    ),
}


@pytest.mark.parametrize(("stream", "text"), STREAMS.values(), ids=STREAMS)
def test_a_stream_gives_the_words_of_the_reply_and_nothing_else(stream: bytes, text: str) -> None:
    assert read(stream) == text


@pytest.mark.parametrize(("stream", "text"), STREAMS.values(), ids=STREAMS)
def test_a_stream_read_byte_by_byte_gives_the_same_words(stream: bytes, text: str) -> None:
    reader = StreamReader()
    parts = [part for byte in stream for part in reader.feed(bytes((byte,)))]

    assert "".join([*parts, *reader.close()]) == text


LONG = b": hello\r\n\r\n" + b"".join(content(part) for part in SENTENCE.split(" ")) + STOP + USAGE + DONE


@given(st.lists(st.integers(0, len(LONG)), max_size=12))
def test_where_packets_are_cut_changes_no_word(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(LONG)]
    reader = StreamReader()
    parts = [part for a, b in itertools.pairwise(edges) for part in reader.feed(LONG[a:b])]

    assert "".join([*parts, *reader.close()]) == SENTENCE.replace(" ", "")
    assert reader.is_done


BROKEN: dict[str, tuple[bytes, type[UpstreamError]]] = {
    "nothing at all": (b"", UpstreamBadResponse),
    "HTML": (b"<!doctype html><title>502</title>\n<p>nginx</p>\n", UpstreamBadResponse),
    "comments only": (b": keep-alive\n\n: keep-alive\n\n", UpstreamBadResponse),
    "broken off after some words": (content("Hello."), UpstreamBrokeOff),
    "broken off inside a chunk": (content("Hello.") + b'data: {"choi', UpstreamBadResponse),
    "not JSON": (b"data: hello\n\n", UpstreamBadResponse),
    "not UTF-8 and not JSON": (b"data: \xff\xfe\n\n", UpstreamBadResponse),
    "an array": (b"data: []\n\n", UpstreamBadResponse),
    "nested beyond reason": (b"data: " + b"[" * 100_000 + b"\n\n", UpstreamBadResponse),
    "objects nested beyond reason": (b"data: " + b'{"a":' * 40_000 + b"\n\n", UpstreamBadResponse),
    "no choices": (data({"object": "chat.completion.chunk"}), UpstreamBadResponse),
    "choices an object": (data({"choices": {"0": {}}}), UpstreamBadResponse),
    "a bare error object": (
        content("Hello.") + data({"code": "internal", "error": "The model stopped."}),
        UpstreamUnavailable,
    ),
    "a nested error object": (
        content("Hello.") + data({"error": {"message": "The server had an error", "type": "server_error"}}),
        UpstreamUnavailable,
    ),
    "a line without end": (b"data: " + b"x" * (MAX_LINE_BYTES + 10), UpstreamTooLarge),
}


@pytest.mark.parametrize(("stream", "error"), BROKEN.values(), ids=BROKEN)
def test_half_a_reply_is_no_reply(stream: bytes, error: type[UpstreamError]) -> None:
    with pytest.raises(error) as raised:
        read(stream)

    assert type(raised.value) is error


# Answers in one piece.


def whole(message: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "Hello."}, "Hello."),
        ({"content": None, "refusal": "I cannot help."}, "I cannot help."),
        ({"content": "", "refusal": "I cannot help."}, "I cannot help."),
        ({"content": "Hello.", "refusal": None, "reasoning_content": "Hm."}, "Hello."),
        ({"content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "."}]}, "Hello."),
        ({"content": "Hello \ud83d."}, "Hello \ud83d."),
        ({"content": None, "tool_calls": [{"id": "call_1"}]}, ""),
        ({"content": None}, ""),
        ({"content": 42}, ""),
        (None, ""),
        ("Hello.", ""),
    ],
)
def test_an_answer_that_is_not_streamed_is_read_too(message: Any, text: str) -> None:
    assert completion_text(whole(message)) == text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"Hello."',
        b"{}",
        b'{"choices": null}',
        b'{"choices": []}',
        b'{"choices": ["Hello."]}',
        b'{"choices": {"message": {"content": "Hello."}}}',
        whole({"content": "Hello."})[:-10],
        b"<html></html>",
        b'{"choices":' * 100_000,
    ],
)
def test_a_body_that_is_no_completion_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(UpstreamBadResponse):
        completion_text(body)


# The reply as it grows.


def kept(*deltas: str) -> str:
    text = ReplyText()
    for delta in deltas:
        text.add(delta)
    return text.text


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        ("a\x00b\x07c\x1b[0m\x7fd", "abc[0md"),
        ("a\x80b\x85c\x9fd", "abcd"),
        ("a\ud800b\udfffc", "abc"),
        ("one\r\n\ttwo\n", "one\n\ttwo\n"),
        ("\u202eabc\u202c \u2066x\u2069 \u200f", "\u202eabc\u202c \u2066x\u2069 \u200f"),
        ("e\u0301 👩‍👩‍👧 🇫🇷 \ufeff\u200b\ufffd", "e\u0301 👩‍👩‍👧 🇫🇷 \ufeff\u200b\ufffd"),
    ],
    ids=["NUL and C0", "C1", "surrogates", "line ends", "bidi stays", "marks stay"],
)
def test_what_no_page_can_show_is_dropped_from_a_reply_and_the_rest_kept(delta: str, text: str) -> None:
    reply = ReplyText()

    assert reply.add(delta) == text
    assert reply.text == text
    assert not reply.is_full


@pytest.mark.parametrize(
    "grapheme",
    [
        "e\u0301",
        "👩‍👩‍👧",
        "👍🏽",
        "❤\ufe0f",
        "🇫🇷",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "कि",
        "x",
    ],
    ids=["accent", "family", "skin tone", "variation", "flag", "England", "Devanagari", "letter"],
)
@pytest.mark.parametrize("lead", range(4))
def test_a_reply_of_200_kb_is_cut_between_characters_never_inside_one(grapheme: str, lead: int) -> None:
    reply = ReplyText()

    reply.add("-" * lead + grapheme * (200_000 // len(grapheme)))

    assert reply.is_full
    assert MAX_REPLY_CHARS - 2 * len(grapheme) < len(reply.text) <= MAX_REPLY_CHARS
    assert (len(reply.text) - lead) % len(grapheme) == 0


def test_a_reply_is_cut_at_the_same_length_however_many_parts_it_comes_in() -> None:
    reply = ReplyText()
    given_back = "".join(reply.add("seven7 ") for _ in range(5_000))

    assert given_back == reply.text
    assert len(reply.text) == MAX_REPLY_CHARS


def test_a_character_with_endless_accents_does_not_cost_the_whole_reply() -> None:
    assert len(kept("Hello" + "\u0301" * 30_000)) > MAX_REPLY_CHARS - 100
