"""Whose model and whose key a client's turn uses. Pure.

A key goes only to the host it was given for: the service's own keys never to a `compatible` server, a
client's OpenAI key never to the voice provider (faults 1, "Key follows the URL").
"""

from __future__ import annotations

from dataclasses import dataclass

from tts_service.addresses import Reach
from tts_service.chat.completions import Dialect
from tts_service.chat.llm import ModelRoute
from tts_service.clients.client import Client
from tts_service.errors import SpeechAuth, UpstreamAuth, UpstreamConfig
from tts_service.secret import Secret


@dataclass(frozen=True)
class Provider:
    """The service's own account with a provider: for clients that bring no key or name no model."""

    dialect: Dialect
    variable: str  # the setting that holds the key, for messages
    base_url: str
    key: Secret | None
    model: str


@dataclass(frozen=True)
class Providers:
    xai: Provider
    openai: Provider

    def model_for(self, client: Client) -> ModelRoute:
        """Raises UpstreamAuth or UpstreamConfig, saying what to set."""
        if client.ai_provider == "compatible":
            if not client.ai_base_url or not client.ai_model:
                raise UpstreamConfig("A compatible client needs ai_base_url and ai_model.")
            # No key is a key too: a model server at home has none.
            reach = Reach.VOUCHED if client.base_url_vouched else Reach.PUBLIC
            return ModelRoute(client.ai_base_url, client.ai_api_key, client.ai_model, "compatible", reach)
        own = self.openai if client.ai_provider == "openai" else self.xai
        key = client.ai_api_key or own.key
        if key is None:
            raise UpstreamAuth(
                f"There is no key for this client. Set {own.variable}, or the client's ai_api_key."
            )
        return ModelRoute(own.base_url, key, client.ai_model or own.model, own.dialect, Reach.ANYWHERE)

    def speech_key_for(self, client: Client) -> Secret:
        """Raises SpeechAuth."""
        key = self.find_speech_key(client)
        if key is None:
            raise SpeechAuth("There is no key for the voice. Set XAI_API_KEY, or the client's ai_api_key.")
        return key

    def find_speech_key(self, client: Client) -> Secret | None:
        return (client.ai_api_key if client.ai_provider == "xai" else None) or self.xai.key
