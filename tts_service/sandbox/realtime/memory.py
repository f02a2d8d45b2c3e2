"""Conversations kept for resumption, half an hour each (protocols 1.7)."""

from __future__ import annotations

import time
from typing import Any

KEPT_S = 30 * 60

Item = dict[str, Any]


class Memory:
    """Items by conversation id, each belonging to one account."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, str, list[Item]]] = {}

    def keep(self, conversation_id: str, account: str, items: list[Item]) -> None:
        """Remembers a conversation from now on, and forgets the ones too old."""
        oldest = time.monotonic() - KEPT_S
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > oldest}
        self._kept[conversation_id] = (time.monotonic(), account, list(items))

    def recall(self, conversation_id: str, account: str) -> list[Item] | None:
        """Its items, or None when nothing of that id is kept for that account."""
        kept = self._kept.get(conversation_id)
        if kept is None or kept[1] != account or kept[0] < time.monotonic() - KEPT_S:
            return None
        return list(kept[2])
