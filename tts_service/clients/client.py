"""The client: one embedded widget's owner, and the rules that tie its fields together. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tts_service.addresses import Reach
from tts_service.clients import base_url
from tts_service.clients.fields import checked, from_text
from tts_service.errors import InvalidValue
from tts_service.secret import Secret

__all__ = ["Client", "checked", "from_text", "revised"]


@dataclass(frozen=True)
class Client:
    """Every field of contract.md, "A client". `client_id` is a lower-case UUID with hyphens."""

    client_id: str
    name: str
    enabled: bool = True
    ai_provider: str = "xai"
    ai_base_url: str | None = None  # set when and only when ai_provider is "compatible"
    ai_api_key: Secret | None = None  # None: the service's own key of that provider
    ai_model: str | None = None  # None: the service's default of that provider
    system_prompt: str = ""
    speech_provider: str = "auto"
    speech_engine: str = "realtime"
    voice: str = "ara"
    speed: float = 1.0
    language: str = "auto"
    pronunciations: Mapping[str, str] = field(default_factory=dict)
    allowed_origins: tuple[str, ...] = ()  # serialised; empty: no browser may call; ("*",): every one
    greeting: str = ""
    daily_limit: float | None = None  # US dollars a UTC day; None: no limit, 0: nothing may be spent
    retention_days: int = 0
    browser_tokens: bool = False
    # Ours: a piece whose transcript is not its text is spoken again by the other engine, and paid again.
    retry_on_drift: bool = False
    # Ours: an operator has said that ai_base_url may lead to a private address, such as this machine's.
    base_url_vouched: bool = False
    # The end of a stored key that the present SECRET_KEY cannot open: the client acts as one without a key.
    lost_key_last4: str | None = None
    stored: tuple[object, ...] = field(default=(), compare=False, repr=False)  # the row that the store read

    @property
    def version(self) -> str:
        """What the store read, as one word: another one after every change, empty for what was never stored.

        Of the whole row, the sealed key with its nonce included: a new key with the same end is a change.
        """
        return hashlib.blake2b(repr(self.stored).encode(), digest_size=16).hexdigest() if self.stored else ""

    @property
    def speaks(self) -> bool:
        """Whether replies are spoken: for xai clients, unless `speech_provider` says otherwise."""
        return self.speech_provider == "xai" or (self.speech_provider == "auto" and self.ai_provider == "xai")

    @property
    def has_api_key(self) -> bool:
        """Whether a key of its own is stored, be it readable or not."""
        return self.ai_api_key is not None or self.lost_key_last4 is not None

    @property
    def key_last4(self) -> str | None:
        return self.lost_key_last4 if self.ai_api_key is None else self.ai_api_key.last4

    def shown(self) -> dict[str, object]:
        """What readers may see, ready for JSON: every field but the key, with its presence and its end."""
        hidden = ("ai_api_key", "lost_key_last4", "base_url_vouched", "stored")
        values: dict[str, object] = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in hidden
        }
        return values | {
            "pronunciations": dict(self.pronunciations),
            "allowed_origins": list(self.allowed_origins),
            "has_api_key": self.has_api_key,
            "key_last4": self.key_last4,
        }


def revised(client: Client, changes: Mapping[str, object], *, vouches: bool = False) -> Client:
    """`client` after `changes`. Raises UnknownField and InvalidValue; see `checked`.

    A key is bound to its host: a change of provider or base URL that brings no key of its own drops the
    stored one, or it would be sent to whoever the new address belongs to (faults 1, "Key follows the URL").
    `vouches`: whoever makes the change answers for the ai_base_url it sets, which may then be a private one.
    """
    new = checked(changes)
    if new.get("ai_provider", client.ai_provider) != "compatible":
        if new.get("ai_base_url") is not None:
            raise InvalidValue(
                "ai_base_url can only be set when ai_provider is compatible.", param="ai_base_url"
            )
        new["ai_base_url"] = None
    values: dict[str, Any] = new
    after = replace(client, **values)
    if after.ai_provider == "compatible" and after.ai_base_url is None:
        raise InvalidValue(
            "ai_base_url is required when ai_provider is compatible: the URL before /chat/completions.",
            param="ai_base_url",
        )
    after = replace(after, base_url_vouched=_is_vouched(client, after, vouches and "ai_base_url" in new))
    if "ai_api_key" in new:
        return replace(after, lost_key_last4=None)
    if (after.ai_provider, after.ai_base_url) != (client.ai_provider, client.ai_base_url):
        return replace(after, ai_api_key=None, lost_key_last4=None)
    return after


def _is_vouched(before: Client, after: Client, vouches: bool) -> bool:
    """Whether somebody answers for `after.ai_base_url`. Raises UrlNotAllowed where nobody does and it needs
    that.
    """
    if after.ai_base_url is None:
        return False
    if after.ai_base_url == before.ai_base_url and not vouches:
        return before.base_url_vouched  # sent back with the rest of a form, it was not set
    base_url.check(after.ai_base_url, Reach.VOUCHED if vouches else Reach.PUBLIC)
    return vouches
