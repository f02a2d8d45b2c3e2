"""What the session does with the caller's voice (protocols 1.6)."""

from __future__ import annotations

import array
import base64
import math

import pytest

VAD = {"type": "server_vad", "silence_duration_ms": 200, "prefix_padding_ms": 0}


def tone(ms, rate_hz=24_000, loud=8_000):
    count = rate_hz * ms // 1000
    samples = [int(loud * math.sin(2 * math.pi * 220 * n / rate_hz)) for n in range(count)]
    return array.array("h", samples).tobytes()


def silence(ms, rate_hz=24_000):
    return bytes(2 * rate_hz * ms // 1000)


def append(talk, data, step=4_800):
    for start in range(0, len(data), step):
        part = base64.b64encode(data[start : start + step]).decode()
        talk.send({"type": "input_audio_buffer.append", "audio": part})


def kinds(events):
    return [event["type"] for event in events]


def test_speech_on_a_vad_session_starts_stops_commits_and_is_answered(peer):
    with peer.connect(key="xai-sandbox+realtime.hears=when%20are%20you%20open") as talk:
        talk.opened(turn_detection=VAD, audio={"input": {"transcription": {"model": "grok-transcribe"}}})
        append(talk, silence(300) + tone(600) + silence(400))
        events = talk.until("response.done")

    assert kinds(events)[:4] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
    ]
    started, stopped, committed, added = events[:4]
    assert 280 <= started["audio_start_ms"] <= 340
    assert 1_050 <= stopped["audio_end_ms"] <= 1_160
    assert started["item_id"] == committed["item_id"] == added["item"]["id"]
    updates = [e["transcript"] for e in events if e["type"].endswith("transcription.updated")]
    completed = [e for e in events if e["type"].endswith("transcription.completed")]
    assert updates == ["when", "when are", "when are you", "when are you open"]
    assert completed[0]["transcript"] == "when are you open"
    assert next(e for e in events if e["type"] == "response.created")["response"]["metadata"] is None
    assert "Monday" in events[-1]["response"]["output"][0]["content"][0]["transcript"]


def test_without_grok_transcribe_there_are_no_updates(peer):
    with peer.connect() as talk:
        talk.opened(turn_detection=VAD)
        append(talk, tone(300) + silence(300))
        events = talk.until("response.done")

    assert not any(kind.endswith("transcription.updated") for kind in kinds(events))
    assert any(kind.endswith("transcription.completed") for kind in kinds(events))


def test_silence_and_hum_below_the_gate_start_nothing(peer):
    with peer.connect() as talk:
        talk.opened(turn_detection=VAD)
        append(talk, silence(500) + tone(500, loud=200))
        talk.send({"type": "session.update", "session": {}})
        assert kinds(talk.until("session.updated")) == ["session.updated"]


def test_barging_in_cancels_the_reply(peer):
    with peer.connect(key="xai-sandbox+pace=1") as talk:
        talk.opened(turn_detection=VAD)
        talk.force("This is a long explanation that somebody will surely interrupt. " * 4)
        talk.until("response.output_audio.delta")
        append(talk, tone(200))
        events = talk.until("response.done")

    assert "input_audio_buffer.speech_started" in kinds(events)
    assert events[-1]["response"]["status"] == "cancelled"


def test_an_uninterruptible_message_throws_the_callers_audio_away(peer):
    with peer.connect(key="xai-sandbox+pace=1") as talk:
        talk.opened(turn_detection=VAD)
        talk.force("Please listen to this short notice to the end.", interruptible=False)
        talk.until("response.output_audio.delta")
        append(talk, tone(200))
        events = talk.until("response.done")

    assert "input_audio_buffer.speech_started" not in kinds(events)
    assert events[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize("binary", [False, True])
def test_a_manual_commit_makes_a_turn_and_waits_for_response_create(peer, binary):
    with peer.connect() as talk:
        talk.opened(turn_detection=None)
        if binary:
            talk.ws.send_binary(tone(300))
        else:
            append(talk, tone(300))
        talk.send({"type": "input_audio_buffer.commit"})
        events = [talk.receive(), talk.receive(), talk.receive()]
        talk.send({"type": "input_audio_buffer.commit"})
        empty = talk.receive()
        talk.send({"type": "response.create"})
        reply = talk.until("response.done")

    assert kinds(events) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert "empty" in empty["error"]["message"]
    assert reply[-1]["response"]["status"] == "completed"


def test_a_commit_under_vad_is_an_error(peer):
    with peer.connect() as talk:
        talk.opened(turn_detection=VAD)
        append(talk, tone(300))
        talk.send({"type": "input_audio_buffer.commit"})
        assert "turn_detection null" in talk.until("error")[-1]["error"]["message"]


def test_clear_forgets_what_was_appended(peer):
    with peer.connect() as talk:
        talk.opened()
        append(talk, tone(300))
        talk.send({"type": "input_audio_buffer.clear"}, {"type": "input_audio_buffer.commit"})
        assert kinds([talk.receive(), talk.receive()]) == ["input_audio_buffer.cleared", "error"]


@pytest.mark.parametrize(("kind", "loud", "quiet"), [("pcmu", 0x00, 0xFF), ("pcma", 0x2A, 0xD5)])
def test_telephone_codecs_are_understood(peer, kind, loud, quiet):
    with peer.connect() as talk:
        talk.opened(turn_detection=VAD, audio={"input": {"format": {"type": f"audio/{kind}"}}})
        append(talk, bytes([quiet]) * 1_600 + bytes([loud, loud ^ 0x80]) * 1_200, 800)
        append(talk, bytes([quiet]) * 2_400, 800)
        events = talk.until("response.done")

    assert kinds(events)[0] == "input_audio_buffer.speech_started"
    assert 180 <= events[0]["audio_start_ms"] <= 240


def test_a_silent_caller_is_spoken_to_after_the_idle_timeout(peer):
    with peer.connect() as talk:
        talk.opened(turn_detection=VAD | {"idle_timeout_ms": 200})
        events = talk.until("response.done")

    assert kinds(events)[0] == "input_audio_buffer.timeout_triggered"
    assert events[0]["previous_item_id"] is None
