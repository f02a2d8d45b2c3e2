"""The realtime dialogue, event by event, against the documented orders (protocols 1)."""

from __future__ import annotations

import base64
import time

import pytest

LIFECYCLE = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]
TEXT = "Hello there. This is the second sentence, and it is a little longer."


def kinds(events):
    return [event["type"] for event in events]


def order(events):
    """The types in the order of their first appearance, transcript deltas aside."""
    seen = dict.fromkeys(kinds(events))
    return [kind for kind in seen if kind != "response.output_audio_transcript.delta"]


def of(events, kind):
    return [event for event in events if event["type"] == kind]


def test_the_opening_is_session_conversation_ping_unprompted(peer):
    with peer.connect("/realtime?model=grok-voice-latest") as talk:
        session, conversation, ping = talk.until("ping")

    assert kinds([session, conversation, ping]) == [
        "session.created",
        "conversation.created",
        "ping",
    ]
    assert session["session"]["model"] == "grok-voice-think-fast-2.0"
    assert session["session"]["voice"] == "xai_ara"
    assert session["session"]["turn_detection"] == {"type": None}
    assert session["session"]["object"] == "realtime.session"
    assert conversation["conversation"]["object"] == "realtime.conversation"
    assert abs(ping["timestamp"] / 1000 - time.time()) < 5


@pytest.mark.parametrize("model", ["?model=no-such-thing", "", "?model="])
def test_the_model_of_the_address_is_not_validated(peer, model):
    with peer.connect(f"/realtime{model}") as talk:
        assert talk.receive()["session"]["model"] == "grok-voice-think-fast-2.0"


def test_session_updates_merge_and_are_echoed_whole(peer):
    with peer.connect() as talk:
        first = talk.opened(voice="Leo", instructions="Be kind.", replace={"xAI": "ex A I"})
        talk.send({"type": "session.update", "session": {"audio": {"output": {"speed": 1.2}}}})
        second = talk.receive()["session"]

    assert first["voice"] == "Leo"
    assert first["replace"] == {"xAI": "ex A I"}
    assert second["instructions"] == "Be kind."
    assert second["audio"]["output"]["speed"] == 1.2
    assert second["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}


@pytest.mark.parametrize(
    "session",
    [
        {"type": "realtime", "output_modalities": ["text"], "temperature": 1, "tool_choice": "no"},
        {"audio": {"output": {"voice": "rex"}, "input": {"turn_detection": {"type": "x"}}}},
        {"model": "other"},
    ],
)
def test_keys_xai_does_not_know_are_ignored(peer, session):
    with peer.connect() as talk:
        answer = talk.opened(**session)

    assert answer["voice"] == "xai_ara"
    assert answer["turn_detection"] == {"type": None}
    assert answer["model"] == "grok-voice-think-fast-2.0"


@pytest.mark.parametrize("manual", [None, {"type": None}])
def test_both_spellings_of_manual_mode_are_taken(peer, manual):
    with peer.connect() as talk:
        assert talk.opened(turn_detection={"type": "server_vad"})["turn_detection"] == {
            "type": "server_vad",
            "threshold": 0.85,
            "silence_duration_ms": 500,
            "prefix_padding_ms": 333,
            "idle_timeout_ms": None,
        }
        talk.send({"type": "session.update", "session": {"turn_detection": manual}})
        assert talk.receive()["session"]["turn_detection"] == {"type": None}


BAD_SESSIONS = [
    ({"audio": {"output": {"format": {"type": "audio/mp3"}}}}, "output.format.type"),
    ({"audio": {"output": {"format": {"type": "audio/opus"}}}}, "output.format.type"),
    ({"audio": {"output": {"format": {"type": "audio/pcm", "rate": 21050}}}}, "format.rate"),
    ({"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 24000}}}}, "format.rate"),
    ({"audio": {"input": {"transport": "pigeon"}}}, "input.transport"),
    ({"audio": {"output": {"speed": 2}}}, "output.speed"),
    ({"audio": {"input": {"transcription": {"keyterms": ["x" * 51]}}}}, "keyterms"),
    ({"turn_detection": {"type": "semantic_vad"}}, "session.turn_detection"),
    ({"turn_detection": {"type": "server_vad", "threshold": 1}}, "threshold"),
    ({"voice": 7}, "session.voice"),
    ({"instructions": None}, "session.instructions"),
    ({"tools": [{"type": "function"}]}, "session.tools"),
    ({"replace": {"a-b": "c"}}, "session.replace"),
    ({"resumption": True}, "session.resumption"),
    ({"reasoning": {"effort": "low"}}, "session.reasoning"),
]


@pytest.mark.parametrize(("session", "param"), BAD_SESSIONS, ids=[p for _, p in BAD_SESSIONS])
def test_a_bad_session_update_is_an_error_and_the_old_configuration_stays(peer, session, param):
    with peer.connect() as talk:
        before = talk.opened(voice="rex")
        update = {"type": "session.update", "event_id": "mine", "session": session}
        talk.send({**update, "session": {"voice": "sal", **session}})
        error = talk.receive()
        talk.send({"type": "session.update", "session": {}})
        after = talk.receive()["session"]

    assert error["type"] == "error"
    assert error["error"]["type"] == "invalid_request_error"
    assert param in error["error"]["param"]
    assert "expected" in error["error"]["message"]
    assert error["error"]["event_id"] == "mine"
    assert after == before
    if "format" in param:
        assert error["error"]["code"] == "invalid_audio_format"


def test_an_unknown_voice_is_accepted_echoed_and_the_default_speaks(peer, audio):
    with peer.connect() as talk:
        assert talk.opened(voice="nobody")["voice"] == "nobody"
        nobody = audio(talk.say(TEXT))
    with peer.connect() as talk:
        talk.opened(voice="ara")
        ara = audio(talk.say(TEXT))

    assert nobody == ara


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ('{"type":"conversation.item.retrieve"}', "invalid_event"),
        ('{"type":"output_audio_buffer.clear"}', "invalid_event"),
        ("{", "invalid_request_error"),
        ("[]", "invalid_request_error"),
        ('{"event_id":"x"}', "invalid_request_error"),
        ('{"type":"input_audio_buffer.append"}', "invalid_request_error"),
        ('{"type":"input_audio_buffer.append","audio":"AA$A"}', "invalid_request_error"),
        ('{"type":"input_audio_buffer.commit"}', "invalid_request_error"),
        ('{"type":"conversation.item.delete","item_id":"none"}', "invalid_request_error"),
        ('{"type":"conversation.item.create","item":{"type":"image"}}', "invalid_request_error"),
        ('{"type":"response.create","response":{"metadata":{"a":1}}}', "invalid_request_error"),
        ('{"type":"response.create","response":[]}', "invalid_request_error"),
    ],
)
def test_a_bad_event_is_an_error_and_the_session_stays_open(peer, audio, sent, kind):
    with peer.connect() as talk:
        talk.opened()
        talk.ws.send(sent)
        error = talk.receive()
        spoken = talk.say()

    assert error["error"]["type"] == kind
    assert "xpected" in error["error"]["message"]
    assert audio(spoken)


def test_a_pong_is_accepted_without_a_word(peer):
    with peer.connect() as talk:
        talk.opened()
        talk.send({"type": "pong", "ping_timestamp": 1}, {"type": "session.update", "session": {}})
        assert talk.receive()["type"] == "session.updated"


def test_a_user_message_and_response_create_follow_the_documented_order(peer, audio):
    with peer.connect() as talk:
        talk.opened(voice="eve")
        talk.ask("Say: " + TEXT, metadata={"turn": "1"})
        added, *events = talk.until("response.done")

    assert added["type"] == "conversation.item.added"
    assert added["item"]["role"] == "user"
    assert order(events) == LIFECYCLE
    assert events[0]["response"]["metadata"] == {"turn": "1"}
    assert events[-1]["response"]["metadata"] == {"turn": "1"}
    assert events[-1]["response"]["status"] == "completed"
    assert events[-1]["response"]["usage"]["total_tokens"] > 0
    said = "".join(e["delta"] for e in of(events, "response.output_audio_transcript.delta"))
    assert said == TEXT
    assert len({e["event_id"] for e in events}) == len(events)
    assert {e.get("response_id", e.get("response", {}).get("id")) for e in events} - {None} == {
        events[0]["response"]["id"]
    }


def test_force_message_speaks_the_exact_text_with_no_response_create(peer, audio):
    with peer.connect() as talk:
        talk.opened(voice="ara")
        events = talk.say(TEXT)

    said = "".join(e["delta"] for e in of(events, "response.output_audio_transcript.delta"))
    assert order(events) == LIFECYCLE
    assert said == TEXT
    assert of(events, "response.output_audio_transcript.done")[0]["transcript"] == TEXT
    assert events[0]["response"]["metadata"] is None
    assert events[-1]["response"]["output"][0]["role"] == "assistant"
    assert 2 < len(audio(events)) / 48_000 < 10


def test_deltas_are_whole_samples_of_20_to_200_ms_with_the_words_in_between(peer):
    with peer.connect() as talk:
        talk.opened()
        events = talk.say(TEXT)

    sizes = [
        len(base64.b64decode(event["delta"], validate=True))
        for event in of(events, "response.output_audio.delta")
    ]
    assert all(size % 2 == 0 and 960 <= size <= 9_600 for size in sizes)
    first_words = kinds(events).index("response.output_audio_transcript.delta")
    last_audio = len(events) - 1 - kinds(events)[::-1].index("response.output_audio.delta")
    assert first_words < last_audio - 5


def test_the_sound_is_as_long_as_the_text(peer, audio):
    with peer.connect() as talk:
        talk.opened()
        one = len(audio(talk.say("A sentence of seven words is here.")))
        four = len(audio(talk.say("A sentence of seven words is here. " * 4)))

    assert 3.2 < four / one < 4.8


def test_force_messages_wait_for_each_other_in_order(peer):
    texts = ["The first of three.", "The second of three.", "The third of three."]
    with peer.connect() as talk:
        talk.opened()
        for text in texts:
            talk.force(text)
        replies = [talk.until("response.done") for _ in texts]

    said = [of(r, "response.output_audio_transcript.done")[0]["transcript"] for r in replies]
    assert said == texts
    assert all(order(reply) == LIFECYCLE for reply in replies)


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": [{"type": "output_text", "text": "x"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "x"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "  "}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "x"}] * 2},
        {"role": "assistant", "content": []},
        {"role": "assistant"},
        {
            "role": "assistant",
            "interruptible": "no",
            "content": [{"type": "output_text", "text": "x"}],
        },
    ],
)
def test_a_malformed_force_message_is_refused_and_nothing_is_said(peer, item):
    with peer.connect() as talk:
        talk.opened()
        item = {"type": "force_message", **item}
        talk.send(
            {"type": "conversation.item.create", "item": item},
            {"type": "session.update", "session": {}},
        )
        assert kinds(talk.until("session.updated")) == ["error", "session.updated"]


def test_a_cancelled_response_still_ends_with_response_done(peer):
    with peer.connect(key="xai-sandbox+realtime.pace=1") as talk:
        talk.opened()
        talk.force(TEXT * 5)
        talk.until("response.output_audio.delta")
        talk.send({"type": "response.cancel"})
        events = talk.until("response.done")
        talk.send({"type": "response.cancel"})
        error = talk.until("error")[-1]

    assert events[-1]["response"]["status"] == "cancelled"
    assert kinds(events)[-5:] == LIFECYCLE[-5:]
    assert len(of(events, "response.output_audio.delta")) < 20
    assert "no active response" in error["error"]["message"]


def test_a_second_response_while_one_is_active_is_an_error(peer):
    with peer.connect(key="xai-sandbox+realtime.pace=1") as talk:
        talk.opened()
        talk.force(TEXT)
        talk.until("response.created")
        talk.send({"type": "response.create"})
        heard = talk.until("error")
        events = talk.until("response.done")

    assert "already has an active response" in heard[-1]["error"]["message"]
    assert events[-1]["response"]["status"] == "completed"


def test_text_only_is_ignored_and_nothing_undocumented_is_sent(peer, audio):
    with peer.connect() as talk:
        talk.opened(modalities=["text"])
        talk.ask("hello", modalities=["text"])
        events = talk.until("response.done")

    assert audio(events)
    assert not {"conversation.item.done", "rate_limits.updated", "response.text.delta"} & set(kinds(events))


def test_items_can_be_placed_deleted_and_truncated(peer):
    with peer.connect() as talk:
        talk.opened()
        done = talk.say()[-1]["response"]["output"][0]
        part = [{"type": "input_text", "text": "Say: hi"}]
        item = {"type": "message", "role": "user", "content": part, "id": "mine"}
        talk.send({"type": "conversation.item.create", "item": item, "previous_item_id": "nope"})
        misplaced = talk.receive()
        talk.send({"type": "conversation.item.create", "item": item})
        added = talk.receive()
        talk.send({"type": "conversation.item.create", "item": item})
        twice = talk.receive()
        talk.send({"type": "conversation.item.delete", "item_id": "mine"})
        deleted = talk.receive()
        cut = {"item_id": done["id"], "content_index": 0, "audio_end_ms": 300}
        talk.send({"type": "conversation.item.truncate", **cut})
        truncated = talk.receive()

    assert misplaced["error"]["param"] == "previous_item_id"
    assert (added["previous_item_id"], added["item"]["id"]) == (done["id"], "mine")
    assert twice["type"] == "error"
    assert (deleted["type"], deleted["item_id"]) == ("conversation.item.deleted", "mine")
    assert (truncated["type"], truncated["audio_end_ms"]) == ("conversation.item.truncated", 300)
    assert "Hello there" not in truncated["transcript"]


def test_replace_changes_the_sound_and_not_the_transcript(peer, audio):
    with peer.connect() as talk:
        talk.opened()
        plain = talk.say("Welcome to xAI.")
        talk.send({"type": "session.update", "session": {"replace": {"xai": "ex a eye indeed"}}})
        talk.receive()
        spelled = talk.say("Welcome to xAI.")

    done = of(spelled, "response.output_audio_transcript.done")[0]
    assert done["transcript"] == "Welcome to xAI."
    assert len(audio(spelled)) > len(audio(plain)) * 1.15


@pytest.mark.parametrize(
    ("kind", "rate", "bytes_per_s"),
    [("pcm", 8000, 16_000), ("pcm", 48_000, 96_000), ("pcmu", None, 8_000), ("pcma", None, 8_000)],
)
def test_every_format_carries_the_same_seconds(peer, audio, kind, rate, bytes_per_s):
    audio_format = {"type": f"audio/{kind}"} | ({"rate": rate} if rate else {})
    with peer.connect() as talk:
        talk.opened(voice="rex")
        usual = len(audio(talk.say(TEXT))) / 48_000
        talk.send({"type": "session.update", "session": {"audio": {"output": {"format": audio_format}}}})
        talk.receive()
        here = len(audio(talk.say(TEXT))) / bytes_per_s

    assert here == pytest.approx(usual, rel=0.03)


def test_speed_shortens_the_sound(peer, audio):
    with peer.connect() as talk:
        talk.opened(audio={"output": {"speed": 0.7}})
        slow = len(audio(talk.say(TEXT)))
        talk.send({"type": "session.update", "session": {"audio": {"output": {"speed": 1.5}}}})
        talk.receive()
        fast = len(audio(talk.say(TEXT)))

    assert slow > fast * 1.5


def test_binary_output_is_the_same_audio_as_frames(peer, audio):
    with peer.connect() as talk:
        talk.opened(voice="sal")
        as_json = audio(talk.say(TEXT))
        update = {"audio": {"output": {"transport": "binary"}}}
        talk.send({"type": "session.update", "session": update})
        talk.receive()
        events = talk.say(TEXT)

    assert b"".join(event for event in events if isinstance(event, bytes)) == as_json
    assert not of([e for e in events if isinstance(e, dict)], "response.output_audio.delta")


def test_a_conversation_is_resumed_by_its_id(peer):
    with peer.connect() as talk:
        conversation = talk.until("ping")[1]["conversation"]["id"]
        talk.send({"type": "session.update", "session": {"resumption": {"enabled": True}}})
        talk.receive()
        talk.ask("My name is Ada.")
        talk.until("response.done")
        talk.ws.sock.close()
    time.sleep(0.2)
    with peer.connect(f"/realtime?conversation_id={conversation}") as talk:
        assert talk.until("ping")[1]["conversation"]["id"] == conversation
        talk.send({"type": "session.update", "session": {"resumption": {"enabled": True}}})
        talk.until("session.updated")
        replayed = [talk.receive(), talk.receive()]
        talk.ask("What is my name?")
        said = talk.until("response.output_audio_transcript.done")[-1]["transcript"]
    other = peer.connect(f"/realtime?conversation_id={conversation}", key="xai-sandbox-other")
    with other as talk:
        assert talk.until("ping")[1]["conversation"]["id"] != conversation

    assert kinds(replayed) == ["conversation.item.created"] * 2
    assert [e["item"]["role"] for e in replayed] == ["user", "assistant"]
    assert "Ada" in said


def test_the_audio_is_paced_faster_than_real_time(peer, audio):
    with peer.connect(key="xai-sandbox+pace=1") as talk:
        talk.opened()
        talk.say(TEXT)
        began = time.monotonic()
        seconds = len(audio(talk.say(TEXT))) / 48_000
        took = time.monotonic() - began

    assert took > seconds / 8 * 0.8
    assert took < seconds
