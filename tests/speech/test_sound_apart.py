"""Sound taken out of its message must be what the message says, and nothing else may change by it."""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.speech.sound_apart import loads

LONG = base64.b64encode(bytes(range(256)) * 24).decode()
DELTA = "response.output_audio.delta"


def told(event: Any, form: bytes | None = None) -> Any:
    """What `loads` reads, with sound as text again, after checking it against the library's reading."""
    payload = orjson.dumps(event) if form is None else form
    for given_as in (payload, bytearray(payload)):
        read = loads(given_as)
        if isinstance(read, dict) and isinstance(read.get("delta"), bytes | bytearray):
            read["delta"] = read["delta"].decode()
        assert read == orjson.loads(payload)
    return read


@pytest.mark.parametrize("kind", [DELTA, "response.audio.delta", "audio.delta"])
@pytest.mark.parametrize("order", [("type", "event_id", "delta"), ("delta", "type", "event_id")])
def test_the_sound_of_an_audio_delta_stays_bytes_wherever_it_stands(
    kind: str, order: tuple[str, ...]
) -> None:
    members = {"type": kind, "event_id": "e1", "delta": LONG}
    event = {name: members[name] for name in order}
    assert isinstance(loads(orjson.dumps(event))["delta"], bytes)
    assert told(event) == event


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"type": DELTA, "delta": LONG[:64]}, id="short"),
        pytest.param(
            {"type": "response.output_audio_transcript.delta", "delta": "la " * 900}, id="transcript"
        ),
        pytest.param({"type": DELTA, "part": {"delta": LONG}}, id="of another member"),
        pytest.param(
            {"type": DELTA, "part": {"delta": LONG}, "delta": ""}, id="of another member, beside none"
        ),
        pytest.param({"type": DELTA, "note": f'"delta":"{LONG}"'}, id="within a string"),
        pytest.param({"type": DELTA, "note": LONG, "delta": 7}, id="no string"),
        pytest.param({"type": DELTA, "delta": LONG + '"' + LONG}, id="a quote in it"),
        pytest.param({"delta": LONG}, id="no type"),
        pytest.param({"type": {"delta": 1}, "delta": LONG}, id="a type that is no word"),
        pytest.param([{"type": DELTA, "delta": LONG}], id="in a list"),
    ],
)
def test_everything_else_is_read_as_it_ever_was(event: Any) -> None:
    assert loads(orjson.dumps(event)) == event, "what is no sound has to stay text"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(
            b'{"type":"%b","delta":"%b\\/"}' % (DELTA.encode(), LONG.encode()), id="an escaped slash"
        ),
        pytest.param(
            b'{"type":"%b","delta":"%b","delta":"AAAA"}' % (DELTA.encode(), LONG.encode()), id="twice"
        ),
        pytest.param(orjson.dumps({"type": DELTA, "delta": "é" + LONG}), id="not base64"),
        pytest.param(json.dumps({"type": DELTA, "delta": LONG}, indent=1).encode(), id="written wide"),
    ],
)
def test_other_ways_of_writing_the_same_mean_the_same(payload: bytes) -> None:
    told(None, payload)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"%b","delta":"%b' % (DELTA.encode(), LONG.encode()),
        b'{"type":"%b","delta":"%b"' % (DELTA.encode(), LONG.encode()),
        b'{"type":"%b","delta":"%b"}}' % (DELTA.encode(), LONG.encode()),
        b'{"type":"\xff","delta":"%b"}' % LONG.encode(),
    ],
)
def test_what_is_no_json_is_refused_as_ever(payload: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads(payload)


@given(
    st.dictionaries(
        st.sampled_from(["delta", "type", "event_id", "x"]),
        st.sampled_from(
            [LONG, LONG[:40], DELTA, "", 'quote "delta":"', "back\\slash", {"delta": LONG}, None]
        ),
    )
)
def test_any_message_of_such_members_is_read_the_same(event: dict[str, Any]) -> None:
    told(event)
