"""The conversation of a session: its items in order, and what a client may put there."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from tts_service.sandbox.realtime.config import InvalidError, Json
from tts_service.sandbox.replies import Message

_ROLES = ("user", "assistant", "system")
_CONTENT = ("input_text", "input_audio", "text", "audio", "output_text", "output_audio")
_OUTPUTS = ("function_call_output", "function_call")


def new_id(kind: str) -> str:
    """An id such as item_…"""
    return f"{kind}_{secrets.token_hex(10)}"


class Items:
    """An ordered list of items. Ids are unique within it."""

    def __init__(self, items: Sequence[Json] = ()) -> None:
        self._items: list[Json] = list(items)

    def as_list(self) -> list[Json]:
        """The items, oldest first."""
        return list(self._items)

    def last_id(self) -> str | None:
        """The id of the newest item."""
        return self._items[-1]["id"] if self._items else None

    def add(self, item: Json, after: str | None = None) -> str | None:
        """Adds at the end, or after the item named; returns the id of the item before it."""
        if after is None:
            previous = self.last_id()
            self._items.append(item)
            return previous
        index = self._index(after, "previous_item_id")
        self._items.insert(index + 1, item)
        return after

    def delete(self, item_id: object) -> None:
        """Raises InvalidError when there is no such item."""
        del self._items[self._index(item_id, "item_id")]

    def find(self, item_id: object) -> Json:
        """Raises InvalidError when there is no such item."""
        return self._items[self._index(item_id, "item_id")]

    def holds(self, item_id: str) -> bool:
        """Whether an item has that id."""
        return any(item["id"] == item_id for item in self._items)

    def messages(self, instructions: str) -> list[Message]:
        """The conversation as a language model reads it."""
        said = [(item["role"], _said(item)) for item in self._items if item["type"] == "message"]
        return [("system", instructions), *said] if instructions else said

    def _index(self, item_id: object, param: str) -> int:
        for index, item in enumerate(self._items):
            if item["id"] == item_id:
                return index
        raise InvalidError(param, f"the id of an item of this conversation, got {item_id!r:.60}")


def read_item(value: object) -> Json:
    """A client's item in the shape the server announces. Raises InvalidError."""
    if not isinstance(value, dict):
        raise InvalidError("item", "an object")
    item_id = value.get("id") or new_id("item")
    if not isinstance(item_id, str) or len(item_id) > 100:
        raise InvalidError("item.id", "a string of up to 100 characters")
    if value.get("type") in _OUTPUTS:
        return {**value, "id": item_id, "object": "realtime.item", "status": "completed"}
    if value.get("type") != "message":
        raise InvalidError("item.type", "message, force_message or function_call_output")
    if value.get("role") not in _ROLES:
        raise InvalidError("item.role", f"one of {', '.join(_ROLES)}")
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": value["role"],
        "content": _content(value.get("content")),
    }


def read_forced(value: Json, also_text: bool) -> str:
    """The text of a force_message (protocols 1.8). `also_text` takes content type `text` too."""
    if value.get("role") != "assistant":
        raise InvalidError("item.role", "assistant for a force_message")
    if not isinstance(value.get("interruptible", True), bool):
        raise InvalidError("item.interruptible", "true or false")
    types = ("output_text", "text") if also_text else ("output_text",)
    match value.get("content"):
        case [{"type": str(kind), "text": str(text)}] if kind in types and text.strip():
            return text
    raise InvalidError("item.content", 'one part {"type": "output_text", "text": "…"} with words in it')


def assistant(item_id: str, text: str | None, status: str) -> Json:
    """The item of a spoken reply; no content while it is in progress."""
    content = [] if text is None else [{"type": "audio", "transcript": text}]
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def _content(value: object) -> list[Json]:
    if not isinstance(value, list) or not value:
        raise InvalidError("item.content", "a non-empty array of parts")
    for index, part in enumerate(value):
        if not isinstance(part, dict) or part.get("type") not in _CONTENT:
            raise InvalidError(f"item.content[{index}].type", f"one of {', '.join(_CONTENT)}")
        if part["type"].endswith("text") and not isinstance(part.get("text"), str):
            raise InvalidError(f"item.content[{index}].text", "a string")
    return value


def _said(item: Json) -> str:
    return " ".join(part.get("text") or part.get("transcript") or "" for part in item["content"])
