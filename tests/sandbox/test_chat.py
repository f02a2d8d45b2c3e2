"""POST /v1/chat/completions, as a client of the provider meets it."""

from __future__ import annotations

import json

import pytest


def chunks_of(answer):
    lines = [line for line in answer.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    return [line.removeprefix("data: ") for line in lines]


def test_a_plain_completion_has_the_documented_shape(peer):
    body = peer.chat("Say: good morning").json()

    assert body["object"] == "chat.completion"
    assert body["model"] == "grok-4.3"
    assert body["choices"][0]["message"]["content"] == "good morning"
    assert body["choices"][0]["message"]["role"] == "assistant"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == 2


def test_a_stream_is_role_then_words_then_finish_then_usage_then_done(peer):
    answer = peer.chat("Say: one two  three", stream=True)
    *chunks, done = chunks_of(answer)
    chunks = [json.loads(chunk) for chunk in chunks]

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    deltas = [c["choices"][0]["delta"].get("content", "") for c in chunks[1:-1]]
    assert "".join(deltas) == "one two  three"
    assert len(deltas) > 2
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] > 0
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_openai_streams_report_usage_only_when_asked(peer):
    quiet = chunks_of(peer.chat("hi", key="sk-sandbox", model="gpt-5.2", stream=True))
    asked = chunks_of(
        peer.chat(
            "hi",
            key="sk-sandbox",
            model="gpt-5.2",
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert not any("usage" in json.loads(chunk) for chunk in quiet[:-1])
    assert "usage" in json.loads(asked[-2])


def test_the_model_remembers_a_name_only_from_the_messages_of_the_request(peer):
    told = peer.chat("Hello, my name is Zoë.", "Nice to meet you!", "What is my name?").json()
    untold = peer.chat("What is my name?").json()

    assert "Zoë" in told["choices"][0]["message"]["content"]
    assert "not told me" in untold["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("question", "within"),
    [
        ("hello", "Hello!"),
        ("When are you open?", "**Monday"),
        ("How much does it cost?", "](https://example.com/prices)"),
        ("Do you like the sea?", "Do you like the sea"),
        ("Say: *exactly*\nthis ", "*exactly*\nthis "),
        ("Repeat: Say: twice", "Say: twice"),
        ("thanks!", "welcome"),
    ],
)
def test_the_demo_replies_fit_their_questions(peer, question, within):
    first = peer.chat(question).json()["choices"][0]["message"]["content"]
    again = peer.chat(question).json()["choices"][0]["message"]["content"]

    assert within in first
    assert first == again


REFUSED = [
    ("a retired model", {"model": "grok-3-fast"}, 404, "grok-3-fast"),
    ("an unknown field", {"speech": True}, 400, "`speech`"),
    ("a temperature out of range", {"temperature": 3}, 422, "`temperature`: expected a number"),
    ("a temperature in words", {"temperature": "hot"}, 422, "`temperature`"),
    ("a bool for an integer", {"max_tokens": True}, 422, "`max_tokens`: expected an integer"),
    ("no messages", {"messages": []}, 422, "`messages`: expected a non-empty array"),
    ("messages missing", {"messages": None}, 422, "Missing field `messages`"),
    ("no model", {"model": None}, 422, "Missing field `model`"),
    (
        "an unknown role",
        {"messages": [{"role": "robot", "content": "hi"}]},
        422,
        "`messages[0].role`: expected one of system",
    ),
    (
        "content that is a number",
        {"messages": [{"role": "user", "content": 7}]},
        422,
        "`messages[0].content`",
    ),
    ("a message without content", {"messages": [{"role": "user"}]}, 422, "messages[0].content"),
    (
        "a part of an unknown type",
        {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
        422,
        "`messages[0].content[0]`",
    ),
    ("stop for a model that reasons", {"model": "grok-4.7", "stop": ["x"]}, 400, "parameter stop"),
    (
        "a penalty for a model that reasons",
        {"model": "grok-4.5", "presence_penalty": 0.5},
        400,
        "presence_penalty",
    ),
    (
        "effort for a model without it",
        {"model": "grok-4.20-0309-non-reasoning", "reasoning_effort": "low"},
        400,
        "reasoning_effort",
    ),
    ("stream_options unstreamed", {"stream_options": {"include_usage": True}}, 400, "stream"),
]


@pytest.mark.parametrize(
    ("fields", "status", "within"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_a_bad_request_is_refused_with_a_flat_body_that_says_what_was_expected(peer, fields, status, within):
    good = {"model": "grok-4.3", "messages": [{"role": "user", "content": "hi"}]}
    answer = peer.call("POST", "/chat/completions", json=good | fields)

    assert answer.status_code == status
    assert set(answer.json()) == {"code", "error"}
    assert within in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "data", "status"),
    [
        ({"Content-Type": "text/plain"}, b'{"model":"grok-4.3"}', 415),
        ({"Content-Type": "application/json"}, b"", 415),
        ({"Content-Type": "application/json"}, b"{", 400),
        ({"Content-Type": "application/json"}, b"[1]", 400),
        ({"Content-Type": "application/json"}, b'{"a":"\xff"}', 400),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(peer, headers, data, status):
    answer = peer.call("POST", "/chat/completions", headers=headers, data=data)

    assert answer.status_code == status
    assert "xpected" in answer.json()["error"] or "JSON" in answer.json()["error"]


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"model": "grok-4.3"}, 404, "model_not_found", "model"),
        ({"speech": 1}, 400, "unknown_parameter", "speech"),
        ({"temperature": "x"}, 422, "invalid_value", "temperature"),
    ],
)
def test_openai_keys_get_nested_errors(peer, fields, status, code, param):
    good = {"model": "gpt-5.2", "messages": [{"role": "user", "content": "hi"}]}
    answer = peer.call("POST", "/chat/completions", key="sk-sandbox", json=good | fields)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["message"]


def test_compatible_keys_take_any_model_name(peer):
    answer = peer.chat("Say: hi", key="any-sandbox", model="mistral-small")

    assert answer.json()["choices"][0]["message"]["content"] == "hi"


def test_max_tokens_and_stop_shorten_the_reply(peer):
    short = peer.chat("Say: one two three", max_completion_tokens=2).json()["choices"][0]
    stopped = peer.chat("Say: one two three", model="grok-4.20-0309-non-reasoning", stop=" two")

    assert short["finish_reason"] == "length"
    assert short["message"]["content"] == "one two "
    assert stopped.json()["choices"][0]["message"]["content"] == "one"


def test_the_wrong_method_and_the_wrong_path_are_answered_in_json(peer):
    assert peer.call("GET", "/chat/completions").status_code == 405
    nowhere = peer.call("GET", "/completions")
    assert nowhere.status_code == 404
    assert "/v1/chat/completions" in nowhere.json()["error"]
