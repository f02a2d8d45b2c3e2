"""Who is let in, and how the others are told."""

from __future__ import annotations

import time

import pytest

ENDPOINTS = [
    ("POST", "/chat/completions"),
    ("POST", "/realtime/client_secrets"),
    ("POST", "/tts"),
    ("GET", "/tts/voices"),
    ("GET", "/tts/voices/ara"),
    ("GET", "/models"),
    ("POST", "/realtime/calls"),
    ("GET", "/realtime"),
    ("GET", "/tts"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_no_credential_is_401_flat_everywhere(peer, method, path):
    answer = peer.call(method, path, key=None)

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated:no-credentials"
    assert "xai-sandbox" in answer.json()["error"]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_wrong_key_is_400_at_xai_and_401_at_openai(peer, method, path):
    xai = peer.call(method, path, key="xai-wrong")
    openai = peer.call(method, path, key="sk-wrong")

    assert (xai.status_code, xai.json()["code"]) == (400, "invalid-argument")
    assert "Incorrect API key" in xai.json()["error"]
    assert (openai.status_code, openai.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "wrong" not in xai.text + openai.text


def test_a_refused_handshake_has_the_same_bodies(peer):
    assert peer.refused(key=None)[:2] == (401, peer.call("GET", "/models", key=None).json())
    assert peer.refused(key="bogus")[0] == 400
    assert peer.refused(path="/realtime?token=xai-sandbox", key=None)[0] == 401


def test_a_secret_is_flat_and_opens_a_session_by_bearer_and_by_subprotocol(peer):
    before = int(time.time())
    secret = peer.call("POST", "/realtime/client_secrets", json={}).json()

    assert set(secret) == {"value", "expires_at"}
    assert secret["value"].startswith("xai-realtime-client-secret-")
    assert 598 <= secret["expires_at"] - before <= 602
    with peer.connect(key=secret["value"]) as talk:
        assert talk.receive()["type"] == "session.created"
    offered = f"xai-client-secret.{secret['value']}"
    with peer.connect(key=None, subprotocols=[offered]) as talk:
        assert talk.ws.getheaders()["sec-websocket-protocol"] == offered
        assert talk.receive()["type"] == "session.created"


def test_two_subprotocols_are_not_a_credential(peer):
    secret = peer.call("POST", "/realtime/client_secrets", json={}).json()["value"]

    status, _, _ = peer.refused(key=None, subprotocols=["realtime", f"xai-client-secret.{secret}"])

    assert status == 401


@pytest.mark.parametrize(
    ("body", "within"),
    [
        ({"expires_after": {"seconds": 3601}}, "3,600"),
        ({"expires_after": {"seconds": 0}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": "60"}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "created_at", "seconds": 60}}, "expires_after.anchor"),
        ({"ttl": 60}, "`ttl`"),
    ],
)
def test_a_bad_secret_request_names_the_field(peer, body, within):
    answer = peer.call("POST", "/realtime/client_secrets", json=body)

    assert answer.status_code == 400
    assert within in answer.json()["error"]


def test_openai_secrets_have_their_own_shape_and_limits(peer):
    body = {
        "expires_after": {"anchor": "created_at", "seconds": 7200},
        "session": {"type": "realtime", "model": "gpt-realtime-2.1"},
    }
    answer = peer.call("POST", "/realtime/client_secrets", key="sk-sandbox", json=body).json()
    short = peer.call(
        "POST",
        "/realtime/client_secrets",
        key="sk-sandbox",
        json={"expires_after": {"seconds": 9}},
    )

    assert answer["value"].startswith("ek_")
    assert answer["session"]["model"] == "gpt-realtime-2.1"
    assert short.status_code == 400


def test_an_expired_secret_is_refused_before_the_upgrade(peer):
    body = {"expires_after": {"seconds": 1}}
    secret = peer.call("POST", "/realtime/client_secrets", json=body).json()["value"]
    time.sleep(1.2)

    status, answer, _ = peer.refused(key=secret)

    assert status == 400
    assert "expired" in answer["error"]


def test_a_secret_carries_the_faults_of_the_key_that_asked_for_it(peer):
    key = "xai-sandbox+realtime.http=429"
    secret = peer.call("POST", "/realtime/client_secrets", key=key, json={}).json()["value"]

    assert peer.refused(key=secret)[0] == 429


def test_an_unknown_fault_in_a_key_is_refused_with_the_known_ones(peer):
    answer = peer.call("GET", "/models", key="xai-sandbox+realtime.htp=429")

    assert answer.status_code == 400
    assert "http" in answer.json()["error"]


def test_the_beta_subprotocol_of_openai_is_refused(peer):
    status, answer, _ = peer.refused(key="sk-sandbox", subprotocols=["realtime", "openai-beta.realtime-v1"])

    assert status == 400
    assert "beta" in answer["error"]["message"]
