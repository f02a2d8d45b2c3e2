"""The provider's vocabulary, one event at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.speech.events import (
    FAULT_KINDS,
    AudioDelta,
    AudioDone,
    Fault,
    Heard,
    Malformed,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    TranscriptDelta,
    force_message,
    parse,
    session_update,
)


def heard(**event: Any) -> Heard | None:
    return parse(json.dumps(event).encode())


def test_force_message_holds_the_text_to_the_letter() -> None:
    text = 'Ünïcode 🎉, "quotes" and \\ backslashes\nand lines'
    assert json.loads(force_message(text))["item"] == {
        "type": "force_message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }


def test_voice_and_turn_detection_stand_at_the_top_level_of_the_session() -> None:
    session = json.loads(session_update("rex", 16_000, 1.25, {"SQL": "sequel"}))["session"]
    assert session == {
        "voice": "rex",
        "turn_detection": None,
        "audio": {"output": {"format": {"type": "audio/pcm", "rate": 16_000}, "speed": 1.25}},
        "replace": {"SQL": "sequel"},
    }


def test_what_is_not_asked_for_is_left_out() -> None:
    session = json.loads(session_update("ara", 24_000))["session"]
    assert "replace" not in session
    assert "speed" not in session["audio"]["output"]


def form(**members: object) -> dict[str, Any]:
    return {"audio": {"output": {"format": members}}}


EVENTS = [
    ({"type": "session.updated", "session": {}}, SessionUpdated(None, None, None)),
    ({"type": "session.updated"}, SessionUpdated(None, None, None)),
    (
        {"type": "session.updated", "session": form(type="audio/pcm", rate=16_000, channels=1)},
        SessionUpdated("audio/pcm", 16_000, 1),
    ),
    ({"type": "session.updated", "session": {"audio": []}}, SessionUpdated(None, None, None)),
    ({"type": "response.created", "response": {"id": "r1"}}, ResponseCreated("r1")),
    ({"type": "response.created"}, ResponseCreated(None)),
    *(
        (
            {"type": f"response.{kind}.delta", "response_id": "r1", "event_id": "e1", "delta": "AAA="},
            AudioDelta("r1", "e1", "AAA="),
        )
        for kind in ("output_audio", "audio")
    ),
    ({"type": "response.audio.delta", "delta": 5}, AudioDelta(None, None, 5)),
    ({"type": "response.output_audio.done", "response_id": "r1"}, AudioDone("r1")),
    ({"type": "response.audio.done", "response_id": ""}, AudioDone(None)),
    (
        {"type": "response.done", "response": {"id": "r1", "status": "failed"}},
        ResponseDone("r1", "failed"),
    ),
    ({"type": "response.done", "response": None}, ResponseDone(None, None)),
    ({"type": "response.cancelled", "response_id": "r1"}, ResponseDone("r1", "cancelled")),
    ({"type": "response.cancelled", "response": {"id": "r1"}}, ResponseDone("r1", "cancelled")),
    ({"type": "ping", "timestamp": 1}, None),
    (
        {"type": "response.output_audio_transcript.delta", "response_id": "r1", "delta": "Hi"},
        TranscriptDelta("r1", "Hi"),
    ),
    ({"type": "response.audio_transcript.delta", "delta": 7}, TranscriptDelta(None, "")),
    ({"type": "response.function_call_arguments.done"}, None),
    ({"type": ""}, None),
]


@pytest.mark.parametrize(("event", "value"), EVENTS, ids=lambda case: str(case)[:60])
def test_an_event_becomes_its_value_or_none(event: dict[str, Any], value: Heard | None) -> None:
    assert heard(**event) == value


@pytest.mark.parametrize(
    ("kind", "code", "word"),
    [
        ("invalid_request_error", "invalid_audio_format", "item"),
        ("max_duration", "max_duration", "session"),
        ("timeout", "timeout", "session"),
        ("internal_error", "internal_error", "internal"),
        ("x", "rate_limit_exceeded", "rate_limit"),
        ("x", "resource-exhausted", "rate_limit"),
        ("insufficient_quota", "", "quota"),
        ("content_policy_violation", "", "policy"),
        ("permission-denied", "", "policy"),
        ("never seen", "before", "other"),
    ],
)
@pytest.mark.parametrize("nested", [True, False])
def test_an_error_becomes_one_word_of_a_closed_list(kind: str, code: str, word: str, nested: bool) -> None:
    body = {"type": kind, "code": code, "message": "words of the provider"}
    # A flat error has no type of its own, so there the code says it.
    event = {"type": "error", "error": body} if nested else {"type": "error", "code": code or kind}
    assert parse(json.dumps(event).encode()) == Fault(word)
    assert word in FAULT_KINDS


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"x"',
        b"{}",
        b'{"type":5}',
        b'{"type":"x","n":NaN}',
        b'{"type":"\xff"}',
    ],
)
def test_what_is_no_event_is_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        parse(payload)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
TYPES = [
    "session.updated",
    "response.created",
    "response.audio.delta",
    "response.audio.done",
    "response.done",
]
MEMBERS = ["session", "response", "response_id", "event_id", "delta", "error", "code"]


@given(
    st.sampled_from([*TYPES, "response.cancelled", "error"]),
    st.dictionaries(st.sampled_from(MEMBERS), anything),
)
def test_no_shape_of_a_member_breaks_the_reading(kind: str, members: dict[str, Any]) -> None:
    assert heard(**{**members, "type": kind}) is not None
