"""POST /v1/realtime/calls: OpenAI's three ways of offering, one answer."""

from __future__ import annotations

import json

import pytest

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 46117 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:1",
        "a=sctp-port:5000",
        "",
    ]
)
SESSION = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "audio": {"output": {"voice": "marin"}},
}


def multipart(sdp=OFFER, session=SESSION):
    files = {"session": (None, json.dumps(session), "application/json")}
    if sdp is not None:
        files["sdp"] = (None, sdp, "application/sdp")
    return {"files": files}


FORMS = {
    "multipart": multipart(),
    "raw": {"data": OFFER, "headers": {"Content-Type": "application/sdp"}},
    "json": {"json": {"sdp": OFFER, "session": SESSION}},
}


@pytest.mark.parametrize("form", FORMS)
def test_an_offer_in_any_form_gets_201_a_location_and_an_answer(peer, form):
    answer = peer.call("POST", "/realtime/calls", key="sk-sandbox", **FORMS[form])
    lines = answer.text.split("\r\n")

    assert answer.status_code == 201
    assert answer.headers["Location"].startswith("/v1/realtime/calls/rtc_")
    assert answer.headers["Content-Type"] == "application/sdp"
    assert lines[0] == "v=0"
    assert [line for line in lines if line.startswith("m=")] == [
        line for line in OFFER.split("\r\n") if line.startswith("m=")
    ]
    assert lines.count("a=setup:passive") == 2
    assert "a=mid:1" in lines
    assert "a=group:BUNDLE 0 1" in lines


def test_the_call_is_recorded_with_its_model_and_voice(peer):
    peer.call("POST", "/realtime/calls", key="sk-sandbox", **FORMS["json"])

    last = peer.calls("calls")[-1]
    assert (last["model"], last["voice"], last["status"]) == ("gpt-realtime-2.1", "marin", 201)


@pytest.mark.parametrize(
    ("request_", "status", "param"),
    [
        (multipart(sdp=None), 400, "sdp"),
        (multipart(sdp="hello"), 400, "sdp"),
        (multipart(session={"model": "x"}), 400, "session.type"),
        (multipart(session={"type": "realtime", "voice": "x"}), 400, "session.voice"),
        ({"json": {"session": SESSION}}, 400, "sdp"),
        ({"data": "", "headers": {"Content-Type": "application/sdp"}}, 400, "sdp"),
        ({"data": OFFER, "headers": {"Content-Type": "text/plain"}}, 415, None),
        ({"data": OFFER + "a" * 70_000, "headers": {"Content-Type": "application/sdp"}}, 413, "sdp"),
    ],
)
def test_a_bad_offer_is_refused_nested(peer, request_, status, param):
    answer = peer.call("POST", "/realtime/calls", key="sk-sandbox", **request_)

    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param


def test_xai_has_no_such_endpoint(peer):
    answer = peer.call("POST", "/realtime/calls", **FORMS["json"])

    assert answer.status_code == 404
    assert "sk-sandbox" in answer.json()["error"]
