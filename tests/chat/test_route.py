"""Whose model, whose key, and above all: which host a key may be sent to."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from tts_service.addresses import Reach
from tts_service.chat.route import Provider, Providers
from tts_service.clients.client import Client
from tts_service.errors import ServiceError, SpeechAuth, UpstreamAuth, UpstreamConfig
from tts_service.secret import Secret

XAI_URL, OPENAI_URL, OWN_URL = "https://api.x.ai/v1", "https://api.openai.com/v1", "http://10.0.0.7:11434/v1"
XAI_KEY, OPENAI_KEY, OWN_KEY = Secret("xai-global"), Secret("sk-global"), Secret("client-own")
URL = {"xai": XAI_URL, "openai": OPENAI_URL, "compatible": OWN_URL}
GLOBAL = {"xai": XAI_KEY, "openai": OPENAI_KEY, "compatible": None}


def providers(*held: Secret) -> Providers:
    return Providers(
        xai=Provider("xai", "XAI_API_KEY", XAI_URL, XAI_KEY if XAI_KEY in held else None, "grok-4.3"),
        openai=Provider(
            "openai", "OPENAI_API_KEY", OPENAI_URL, OPENAI_KEY if OPENAI_KEY in held else None, "gpt-4.1-mini"
        ),
    )


def client(provider: str, own: Secret | None = None) -> Client:
    return Client(
        "5f0c6a2e-0000-4000-8000-000000000000",
        "Acme",
        ai_provider=provider,
        ai_api_key=own,
        ai_base_url=OWN_URL if provider == "compatible" else None,
        ai_model="llama3" if provider == "compatible" else None,
    )


HELD = [(), (XAI_KEY,), (OPENAI_KEY,), (XAI_KEY, OPENAI_KEY)]
MATRIX = list(itertools.product(("xai", "openai", "compatible"), (None, OWN_KEY), HELD))


@pytest.mark.parametrize(("provider", "own", "held"), MATRIX)
def test_a_chat_key_never_leaves_for_a_host_it_was_not_given_for(
    provider: str, own: Secret | None, held: tuple[Secret, ...]
) -> None:
    expected = own or (GLOBAL[provider] if GLOBAL[provider] in held else None)
    if expected is None and provider != "compatible":
        with pytest.raises(UpstreamAuth) as raised:
            providers(*held).model_for(client(provider, own))
        assert f"{provider.upper()}_API_KEY" in raised.value.message
        return

    route = providers(*held).model_for(client(provider, own))

    assert (route.base_url, route.key, route.dialect) == (URL[provider], expected, provider)


@pytest.mark.parametrize(("provider", "own", "held"), MATRIX)
def test_only_keys_of_the_voice_provider_are_sent_to_the_voice_provider(
    provider: str, own: Secret | None, held: tuple[Secret, ...]
) -> None:
    expected = (own if provider == "xai" else None) or (XAI_KEY if XAI_KEY in held else None)
    if expected is None:
        with pytest.raises(SpeechAuth, match="speech_auth"):
            providers(*held).speech_key_for(client(provider, own))
        return

    assert providers(*held).speech_key_for(client(provider, own)) == expected


@pytest.mark.parametrize(
    ("provider", "named", "model"),
    [
        ("xai", None, "grok-4.3"),
        ("xai", "grok-4.7", "grok-4.7"),
        ("openai", None, "gpt-4.1-mini"),
        ("openai", "gpt-5", "gpt-5"),
    ],
)
def test_a_client_that_names_no_model_gets_its_providers(
    provider: str, named: str | None, model: str
) -> None:
    route = providers(XAI_KEY, OPENAI_KEY).model_for(replace(client(provider), ai_model=named))

    assert route.model == model


@pytest.mark.parametrize("missing", ["ai_base_url", "ai_model"])
def test_a_compatible_client_without_an_address_or_a_model_is_told_what_to_set(missing: str) -> None:
    with pytest.raises(UpstreamConfig) as raised:
        providers(XAI_KEY).model_for(replace(client("compatible", OWN_KEY), **{missing: None}))

    assert missing in raised.value.message


@pytest.mark.parametrize(
    ("provider", "vouched", "reach"),
    [
        ("xai", False, Reach.ANYWHERE),
        ("openai", True, Reach.ANYWHERE),
        ("compatible", False, Reach.PUBLIC),
        ("compatible", True, Reach.VOUCHED),
    ],
)
def test_only_the_environments_addresses_are_unguarded(provider: str, vouched: bool, reach: Reach) -> None:
    whose = replace(client(provider, OWN_KEY), base_url_vouched=vouched)

    assert providers().model_for(whose).reach is reach


def test_no_error_about_keys_shows_a_key() -> None:
    told = []
    for provider, own, held in MATRIX:
        for ask in (providers(*held).model_for, providers(*held).speech_key_for):
            try:
                ask(client(provider, own))
            except ServiceError as error:
                told.append(f"{error!r} {error.message}")

    assert told
    assert not any(key.reveal() in text for text in told for key in (XAI_KEY, OPENAI_KEY, OWN_KEY))
