"""Which models a key may use: the test of a key, before a visitor tests it. Costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tts_service.chat.llm import ModelRoute
from tts_service.deadline import Deadline
from tts_service.errors import UpstreamBadResponse, UpstreamConfig, UpstreamRejected, UpstreamTooLarge
from tts_service.upstream import Upstream

MAX_MODELS = 1000

NOT_COMPATIBLE = (
    "This address answers, but not as an OpenAI-compatible server does. Check ai_base_url: it is the part of "
    "the address before /chat/completions."
)


@dataclass(frozen=True)
class KeyCheck:
    """`models` in the provider's order; None where the server keeps no list, so that nothing is known but
    that it answers.
    """

    model: str  # the route's; empty where none is chosen yet
    models: tuple[str, ...] | None
    has_key: bool = True  # False: the server was asked without one, as models at home are

    @property
    def has_model(self) -> bool | None:
        """Whether the route's model is listed. None: nobody knows."""
        if self.models is None:
            return None
        # Ollama lists llama3:latest and answers to llama3.
        return self.model in self.models or f"{self.model}:latest" in self.models

    @property
    def finding(self) -> str:
        """A sentence for the one who asked."""
        if self.models is None:
            return "The server answers, but keeps no list of models, so the key cannot be tested this way."
        accepted = "The key is accepted" if self.has_key else "The server answers without a key"
        if not self.model:
            return f"{accepted}. No model is chosen yet: take one of those it lists."
        if self.has_model:
            return f"{accepted}, and {self.model} is among the models it lists."
        return f"{accepted}, but does not list {self.model}. Check the name, unless it is an alias."


class Models:
    """One for the process."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def check(self, route: ModelRoute, deadline: Deadline) -> KeyCheck:
        """Raises UpstreamError, in words for the one who entered key and address."""
        try:
            answer = self._upstream.get_json(f"{route.base_url}/models", route.key, route.reach, deadline)
        except UpstreamConfig:  # 404
            return KeyCheck(route.model, None, route.key is not None)
        except (UpstreamBadResponse, UpstreamRejected, UpstreamTooLarge):
            raise UpstreamBadResponse(NOT_COMPATIBLE) from None
        return KeyCheck(route.model, _ids(answer), route.key is not None)


def _ids(answer: Any) -> tuple[str, ...]:
    """From {"data": [{"id"}]}. Raises UpstreamBadResponse."""
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise UpstreamBadResponse(NOT_COMPATIBLE)
    ids = (row.get("id") for row in rows[:MAX_MODELS] if isinstance(row, dict))
    return tuple(one for one in ids if isinstance(one, str) and one.isprintable() and 0 < len(one) <= 200)
