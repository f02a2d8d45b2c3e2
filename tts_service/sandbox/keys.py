"""Who is calling: the keys the sandbox takes, and the secrets it hands out."""

from __future__ import annotations

import dataclasses
import secrets
import time

from tts_service.sandbox import faults, refusals

DIALECTS = {
    "xai-sandbox": refusals.XAI,
    "sk-sandbox": refusals.OPENAI,
    "any-sandbox": refusals.COMPATIBLE,
}
SECRET_PREFIX = {
    refusals.XAI: "xai-realtime-client-secret-",
    refusals.OPENAI: "ek_",
    refusals.COMPATIBLE: "ek_",
}
PROTOCOL_PREFIX = "xai-client-secret."


@dataclasses.dataclass(frozen=True)
class Caller:
    """A caller let in. `account` is what session caps count by; it holds the key, never print it."""

    account: str = dataclasses.field(repr=False)
    dialect: str
    kind: str
    specs: tuple[faults.Spec, ...] = ()
    model: str | None = None


@dataclasses.dataclass(frozen=True)
class Secret:
    """A client secret: `expires_at` in Unix seconds; the caller is who asked for it."""

    value: str = dataclasses.field(repr=False)
    expires_at: int
    caller: Caller


class Keyring:
    """The secrets in circulation. One per sandbox."""

    def __init__(self) -> None:
        self._secrets: dict[str, Secret] = {}

    def issue(self, caller: Caller, lifetime_s: int, model: str | None = None) -> Secret:
        """A fresh secret that carries the caller's faults along."""
        value = SECRET_PREFIX[caller.dialect] + secrets.token_urlsafe(32)
        holder = dataclasses.replace(caller, kind="client secret", model=model)
        secret = Secret(value, int(time.time()) + lifetime_s, holder)
        now = time.time()
        self._secrets = {k: s for k, s in self._secrets.items() if s.expires_at > now - 3600}
        self._secrets[value] = secret
        return secret

    def identify(self, credential: str | None) -> Caller:
        """The caller behind a credential; RefusalError says what was expected in its place."""
        if not credential:
            raise refusals.RefusalError(
                401,
                "No credentials presented. Expected `Authorization: Bearer xai-sandbox` "
                "(or sk-sandbox for OpenAI's shapes, any-sandbox for any model name).",
                openai_code="invalid_api_key",
            )
        secret = self._secrets.get(credential)
        if secret is not None:
            return self._alive(secret)
        return _from_key(credential)

    def _alive(self, secret: Secret) -> Caller:
        if secret.expires_at <= time.time():
            raise _incorrect(secret.caller.dialect, "The client secret has expired. Ask for a new one.")
        return secret.caller


def dialect_of(credential: str | None) -> str:
    """The shape of refusals for whoever sent this, valid or not."""
    text = credential or ""
    if text.startswith(("sk-", "ek_")):
        return refusals.OPENAI
    return refusals.COMPATIBLE if text.startswith("any-") else refusals.XAI


def _from_key(key: str) -> Caller:
    base, _, asked = key.partition("+")
    for prefix, dialect in DIALECTS.items():
        if base.startswith(prefix):
            return Caller(key, dialect, "API key", _asked(asked))
    raise _incorrect(
        dialect_of(key),
        "Incorrect API key provided. The sandbox takes keys that begin with "
        f"{', '.join(DIALECTS)}, and secrets it issued itself.",
    )


def _asked(text: str) -> tuple[faults.Spec, ...]:
    try:
        return faults.parse_all([text])
    except faults.UnknownFaultError as error:
        raise refusals.RefusalError(400, f"The fault asked for in the key: {error}") from error


def _incorrect(dialect: str, message: str) -> refusals.RefusalError:
    # xAI answers a wrong key with 400, OpenAI with 401 (protocols 1.7, 9).
    status = 400 if dialect == refusals.XAI else 401
    return refusals.RefusalError(status, message, openai_code="invalid_api_key")
