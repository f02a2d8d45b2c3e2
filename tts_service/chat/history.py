"""What was said before in each conversation, in this process's memory and nowhere else.

Kept for as long as a visitor may come back to an open page. Several processes remember together through Redis
(chat/shared_history.py).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from tts_service.chat.completions import Said

IDLE_S = 3600.0
CONVERSATIONS_AT_MOST = 10_000
# What the model is told again each turn, and what each conversation may hold: the newest that fit.
TURNS_TOLD = 20
CHARS_TOLD = 16_000


@dataclass
class _Conversation:
    said: list[Said] = field(default_factory=list)
    touched: float = 0.0


class Histories:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._conversations: OrderedDict[tuple[str, str], _Conversation] = OrderedDict()

    def recall(self, client_id: str, conversation_id: str) -> list[Said]:
        """Oldest first; nothing for a conversation unknown or too long idle."""
        with self._lock:
            self._forget_idle()
            conversation = self._conversations.get((client_id, conversation_id))
            return list(conversation.said) if conversation else []

    def remember(self, client_id: str, conversation_id: str, question: str, answer: str) -> None:
        """A turn that was answered. One that failed is not kept: the visitor will ask again."""
        key = (client_id, conversation_id)
        with self._lock:
            conversation = self._conversations.setdefault(key, _Conversation())
            conversation.said += [Said("user", question), Said("assistant", answer)]
            conversation.said = newest(conversation.said)
            conversation.touched = self._clock()
            self._conversations.move_to_end(key)
            while len(self._conversations) > CONVERSATIONS_AT_MOST:
                self._conversations.popitem(last=False)

    def _forget_idle(self) -> None:
        oldest = self._clock() - IDLE_S
        while self._conversations:
            key, conversation = next(iter(self._conversations.items()))
            if conversation.touched >= oldest:
                return
            del self._conversations[key]


def newest(said: list[Said]) -> list[Said]:
    """Whole turns, so that the model never reads an answer without its question."""
    kept = said[-2 * TURNS_TOLD :]
    while len(kept) > 2 and sum(len(line.text) for line in kept) > CHARS_TOLD:
        kept = kept[2:]
    return kept
