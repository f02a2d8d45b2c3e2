"""The sandbox's own endpoints: faults for everybody, and the record of calls."""

from __future__ import annotations

import time

import pytest

from tts_service.sandbox.main import start_in_thread


@pytest.fixture
def own(peer_of):
    """A sandbox of one's own, whose state nobody else sees."""
    with start_in_thread(voice="tone") as base_url:
        client = peer_of(base_url)
        yield client
        client.http.close()


def test_faults_put_for_a_number_of_calls_end_by_themselves(own):
    put = own.call("PUT", "/sandbox/faults", json={"faults": ["chat.http=503"], "times": 2})
    statuses = [own.chat("hi").status_code for _ in range(3)]

    assert put.json()["faults"] == ["chat.http=503"]
    assert statuses == [503, 503, 200]


def test_calls_of_other_surfaces_use_up_nothing(own):
    own.call("PUT", "/sandbox/faults", json={"faults": ["chat.http=503"], "times": 1})
    own.call("GET", "/models")

    assert own.chat("hi").status_code == 503


def test_faults_without_times_stay_until_deleted(own):
    own.call("PUT", "/sandbox/faults", json={"faults": ["chat.http=503,models.http=500"]})
    before = [own.chat("hi").status_code, own.call("GET", "/models").status_code]
    own.call("DELETE", "/sandbox/faults")

    assert before == [503, 500]
    assert own.chat("hi").status_code == 200
    assert own.call("GET", "/sandbox/faults").json()["faults"] == []


def test_the_callers_own_faults_win(own):
    own.call("PUT", "/sandbox/faults", json={"faults": ["chat.http=503"]})

    assert own.chat("hi", key="xai-sandbox+chat.http=418").status_code == 418


@pytest.mark.parametrize(
    ("body", "within"),
    [
        ({"faults": ["realtime.silenze"]}, "silence"),
        ({"faults": ["chat.silence"]}, "exists on realtime only"),
        ({"faults": ["video.http=1"]}, "Surfaces: chat"),
        ({"faults": ["realtime.http"]}, "http=a whole number from 400 to 599"),
        ({"faults": ["realtime.http=200"]}, "from 400 to 599"),
        ({"faults": ["realtime.silence=1"]}, "takes no value"),
        ({"faults": ["realtime.usage=left"]}, "top|empty|none"),
        ({"faults": "realtime.silence"}, "an array of strings"),
        ({"faults": [], "times": 0}, "`times`"),
        ({"fault": []}, "Unknown field `fault`"),
    ],
)
def test_a_fault_nobody_knows_is_refused_with_what_is_known(own, body, within):
    answer = own.call("PUT", "/sandbox/faults", json=body)

    assert answer.status_code == 400
    assert within in answer.json()["error"]


def test_the_table_is_listed_with_values_and_surfaces(own):
    rows = own.call("GET", "/sandbox/faults").json()["known"]
    specs = {row["spec"]: row for row in rows}

    assert specs["http=N"]["surfaces"].startswith("chat, secrets, realtime")
    assert "silence" in specs
    assert all(row["says"] for row in rows)


def test_the_record_tells_who_asked_for_what_and_never_a_key(own):
    own.chat("Say: hello you", key="xai-sandbox+chat.pace=0")
    with own.connect(key="xai-sandbox-canary") as talk:
        talk.opened(voice="rex")
        talk.say("Four words are enough.")
    own.call("GET", "/models", key="xai-canary-wrong")
    time.sleep(0.2)
    shown = own.call("GET", "/sandbox/calls")
    chat, realtime, models = shown.json()["calls"]

    assert (chat["texts"], chat["text_lengths"]) == (["Say: hello you"], [14])
    assert (chat["status"], chat["model"], chat["credential"]) == (200, "grok-4.3", "API key")
    assert chat["faults"] == ["chat.pace=0"]
    assert (realtime["status"], realtime["voice"]) == (101, "rex")
    assert realtime["texts"] == ["Four words are enough."]
    assert realtime["items_created"] == 1
    assert realtime["audio_ms"] > 500
    assert realtime["closed"].startswith("by the caller")
    assert (models["status"], models["closed"], models["credential"]) == (400, "refused", "none")
    assert "canary" not in shown.text


def test_the_counters_count_and_can_be_reset(own):
    with own.connect() as talk:
        talk.opened()
        talk.say("Twelve chars")
        during = own.call("GET", "/sandbox/calls").json()["counters"]
    time.sleep(0.2)
    after = own.call("DELETE", "/sandbox/calls").json()

    assert during["realtime_sessions_open"] == 1
    assert during["realtime_sessions"] == 1
    assert during["items_created"] == 1
    assert during["characters"] == 12
    assert after["counters"]["realtime_sessions_open"] == 0
    assert after["counters"]["calls"] == 0
    assert after["calls"] == []


def test_a_followed_redirect_shows_whether_the_key_came_along(own):
    answer = own.call("GET", "/models", key="xai-sandbox+redirect", allow_redirects=True)

    assert answer.status_code == 418
    assert own.calls("landing")[0]["credential"] == "none"
    own.call("GET", "/sandbox/landing")
    assert own.calls("landing")[1]["credential"] == "Authorization"


def test_the_front_page_says_what_this_is_and_lists_the_faults(own):
    page = own.http.get(own.root + "/", timeout=60).text

    assert f"XAI_BASE_URL={own.base_url}" in page
    assert "<code>realtime.http=429,chat.pace=0</code>" in page.replace("xai-sandbox+", "")
    assert "transcript_drift" in page
    assert own.http.get(own.root + "/health", timeout=60).json()["status"] == "ok"
