"""What each code of a failure means to whoever runs a client, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tts_service.errors import ServiceError


@dataclass(frozen=True)
class Failure:
    code: str
    count: int
    meaning: str
    advice: str


_WAIT = "Usually over by itself. If it stays, look at the provider's status page."
_KEY = "Test the client's key on its page, or enter a new one."
_LIMIT = "Raise the client's daily limit if that is too early."
_OURS = "Look at the service's log for the request's id."

_ADVICE = {
    "reader_gone": "Nothing: visitors close pages. Many of them may mean that replies take too long.",
    "budget_exhausted": _LIMIT,
    "speech_budget": _LIMIT,
    "upstream_unreachable": "Check the client's base URL; for others, this machine's way to the Internet.",
    "upstream_tls": "The owner of the model's server has to renew its certificate.",
    "upstream_timeout": "A smaller model answers sooner. Or raise CHAT_DEADLINE_S.",
    "upstream_auth": _KEY,
    "upstream_rejected": "Check the client's model and base URL.",
    "upstream_config": "Choose another model on the client's page.",
    "upstream_quota": "Buy credit at the provider, or enter a key of another account.",
    "upstream_rate_limited": "Ask the provider for a higher limit, or use another account's key.",
    "upstream_unavailable": _WAIT,
    "upstream_bad_response": "Check that the base URL ends where /chat/completions begins.",
    "upstream_too_large": "Say in the system prompt that replies are to be short.",
    "speech_unavailable": _WAIT,
    "speech_timeout": _WAIT,
    "speech_tls": "Check XAI_BASE_URL, and this machine's clock.",
    "speech_auth": "Test the client's key on its page; it must be allowed to use the Voice endpoint.",
    "speech_rate_limited": "Ask the provider for more sessions at once, or use another account's key.",
    "speech_policy": "The provider does not say such words. The visitor had the text.",
    "speech_protocol": "Check XAI_BASE_URL and XAI_VOICE_MODEL, or choose the other speech engine.",
    "speech_upstream_error": "Check that the voice still exists. Otherwise it is usually over by itself.",
    "speech_closed": _WAIT,
    "speech_incomplete": _WAIT,
    "speech_empty": "Try the client's voice on its page, or choose the other speech engine.",
    "speech_bad_audio": "Choose the other speech engine, and tell the provider.",
    "speech_bad_format": "Choose the other speech engine, and tell the provider.",
    "speech_too_large": "Say in the system prompt that replies are to be short.",
    "speech_too_long": "Say in the system prompt that replies are to be short, or raise MAX_SPEECH_S.",
    "speech_busy": "Raise MAX_CONCURRENT_SPEECH, or run another instance.",
    "speech_cancelled": "Nothing: the service was restarted meanwhile, and the visitor had the text.",
    "config_unavailable": "Look after the database.",
}


def explained(failures: Mapping[str, int]) -> list[Failure]:
    """In the order they come in. A code of another release is shown without a meaning."""
    return [
        Failure(code, count, _MEANINGS.get(code, "A code of another release."), advice(code))
        for code, count in failures.items()
    ]


def advice(code: str) -> str:
    return _ADVICE.get(code, _OURS)


def _classes(root: type[ServiceError]) -> Iterator[type[ServiceError]]:
    """Parents first, so that a child's message stands where both have the same code."""
    yield root
    for child in root.__subclasses__():
        yield from _classes(child)


_MEANINGS = {cls.code: cls.message for cls in _classes(ServiceError)}
