from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from tts_service.clients.client import Client, revised
from tts_service.clients.fields import FIELDS
from tts_service.errors import InvalidRequest
from tts_service.secret import Secret

ID = "00000000-0000-4000-8000-000000000001"
KEY = Secret("xai-0123456789abcdef")
XAI = Client(ID, "Acme", ai_api_key=KEY)
COMPATIBLE = Client(
    ID, "Acme", ai_provider="compatible", ai_base_url="https://llm.example.com/v1", ai_api_key=KEY
)
LOST = Client(ID, "Acme", lost_key_last4="cdef")


def test_a_client_has_every_field_of_the_contract_and_what_is_ours() -> None:
    names = {f.name for f in fields(Client)}
    assert names == {"client_id", "lost_key_last4", "base_url_vouched", "stored", *FIELDS}


@pytest.mark.parametrize(
    ("ai_provider", "speech_provider", "speaks"),
    [
        ("xai", "auto", True),
        ("xai", "xai", True),
        ("xai", "off", False),
        ("openai", "auto", False),
        ("openai", "xai", True),
        ("openai", "off", False),
        ("compatible", "auto", False),
        ("compatible", "xai", True),
        ("compatible", "off", False),
    ],
)
def test_who_speaks_is_the_contracts_rule(ai_provider: str, speech_provider: str, speaks: bool) -> None:
    assert Client(ID, "Acme", ai_provider=ai_provider, speech_provider=speech_provider).speaks is speaks


def test_a_client_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        XAI.name = "other"  # type: ignore[misc]


def test_what_readers_see_is_json_and_has_no_key() -> None:
    shown = XAI.shown()
    assert "0123456789" not in json.dumps(shown)
    assert set(shown) == {"client_id", "has_api_key", "key_last4", *FIELDS} - {"ai_api_key"}
    assert (shown["has_api_key"], shown["key_last4"]) == (True, "cdef")


def test_a_client_without_a_key_says_so() -> None:
    shown = Client(ID, "Acme").shown()
    assert (shown["has_api_key"], shown["key_last4"]) == (False, None)


def test_a_lost_key_is_still_shown_as_stored() -> None:
    shown = LOST.shown()
    assert (shown["has_api_key"], shown["key_last4"]) == (True, "cdef")


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (XAI, {"ai_provider": "openai"}),
        (XAI, {"ai_provider": "compatible", "ai_base_url": "https://evil.example"}),
        (COMPATIBLE, {"ai_base_url": "https://evil.example/v1"}),
        (COMPATIBLE, {"ai_base_url": "http://llm.example.com/v1"}),
        (COMPATIBLE, {"ai_provider": "xai"}),
        (LOST, {"ai_provider": "openai"}),
    ],
)
def test_a_key_does_not_follow_a_new_provider_or_url(before: Client, changes: dict[str, Any]) -> None:
    after = revised(before, changes, vouches=True)
    assert after.ai_api_key is None
    assert not after.has_api_key


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (XAI, {"name": "Other"}),
        (XAI, {"ai_provider": "xai"}),
        (XAI, {"ai_base_url": None}),
        (COMPATIBLE, {"ai_base_url": "https://LLM.example.com/v1/"}),
        (COMPATIBLE, {"ai_model": "small"}),
        (LOST, {"voice": "rex"}),
    ],
)
def test_a_key_stays_where_it_belongs(before: Client, changes: dict[str, Any]) -> None:
    after = revised(before, changes)
    assert (after.ai_api_key, after.lost_key_last4) == (before.ai_api_key, before.lost_key_last4)


@pytest.mark.parametrize("before", [XAI, LOST, COMPATIBLE])
@pytest.mark.parametrize("key", ["new-key-0123456789", None])
def test_a_key_given_with_the_change_is_the_clients_key(before: Client, key: str | None) -> None:
    after = revised(before, {"ai_provider": "openai", "ai_api_key": key})
    assert after.ai_api_key == (Secret(key) if key else None)
    assert after.lost_key_last4 is None


def test_a_base_url_goes_away_with_the_provider_it_belonged_to() -> None:
    assert revised(COMPATIBLE, {"ai_provider": "openai"}).ai_base_url is None


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (XAI, {"ai_base_url": "https://llm.example.com"}),
        (XAI, {"ai_provider": "compatible"}),
        (COMPATIBLE, {"ai_base_url": None}),
        (COMPATIBLE, {"ai_provider": "openai", "ai_base_url": "https://llm.example.com"}),
    ],
)
def test_a_base_url_is_for_compatible_clients_and_only_for_them(
    before: Client, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        revised(before, changes)
    assert raised.value.param == "ai_base_url"
