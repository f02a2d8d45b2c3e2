"""The OpenAI-compatible chat-completions format: requests built, answers read. Pure.

Shapes are protocols 4; what becomes of each fault is faults 3a.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from tts_service.errors import UpstreamBadResponse, UpstreamBrokeOff, UpstreamTooLarge
from tts_service.refusals import refusal

Dialect = Literal["xai", "openai", "compatible"]

# A reply to be spoken is short; this bounds its price. Reasoning counts against it at some providers.
MAX_COMPLETION_TOKENS = 2048
# A reply longer than this is cut: some minutes of speech, and no bubble on a page is longer.
MAX_REPLY_CHARS = 20_000
MAX_LINE_BYTES = 256 * 1024
# A character with more marks upon it is noise, and may be cut anywhere.
LONGEST_GRAPHEME = 64
_JOINER = "\u200d"


@dataclass(frozen=True)
class Said:
    """One line of the conversation, as the model is told it."""

    role: Literal["system", "user", "assistant"]
    text: str


def request_body(model: str, conversation: Sequence[Said], dialect: Dialect) -> bytes:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": said.role, "content": said.text} for said in conversation],
        "stream": True,
        # Ollama, vLLM and llama.cpp know the older name only; OpenAI's reasoning models the newer one only.
        "max_tokens" if dialect == "compatible" else "max_completion_tokens": MAX_COMPLETION_TOKENS,
    }
    return orjson.dumps(body)


class ReplyText:
    """The reply as it grows, fit to be stored and shown: without control characters, cut at
    MAX_REPLY_CHARS.
    """

    def __init__(self) -> None:
        self.text = ""
        self.is_full = False

    def add(self, delta: str) -> str:
        """What of `delta` is kept."""
        kept = delta if delta.isprintable() else "".join(filter(_is_text, delta))
        room = MAX_REPLY_CHARS - len(self.text)
        if len(kept) > room:
            kept, self.is_full = _cut_at_grapheme(kept, room), True
        self.text += kept
        return kept


def _is_text(character: str) -> bool:
    # C0, C1 and halves of surrogate pairs: nothing shows them, PostgreSQL and JSON readers choke on them.
    return character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs")


def _cut_at_grapheme(text: str, length: int) -> str:
    """At most `length` characters, not ending in the middle of an accent, an emoji or a flag (nearly UAX
    29).
    """
    for at in range(length, max(length - LONGEST_GRAPHEME, -1), -1):
        if at == 0 or _may_cut(text, at):
            return text[:at]
    return text[:length]


def _may_cut(text: str, at: int) -> bool:
    if text[at - 1] == _JOINER or _joins(text[at]):
        return False
    if not _is_flag_half(text[at]):
        return True
    halves = 0
    while halves < at and _is_flag_half(text[at - 1 - halves]):
        halves += 1
    return halves % 2 == 0


def _joins(character: str) -> bool:
    """Belongs to the character before it: marks, joiners, variation selectors, skin tones, flag tags."""
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or character == _JOINER
        or 0x1F3FB <= ord(character) <= 0x1F3FF
        or 0xE0020 <= ord(character) <= 0xE007F
    )


def _is_flag_half(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


class StreamReader:
    """Server-sent events of a streamed completion (protocols 4.2): bytes in, parts of the text out."""

    def __init__(self) -> None:
        self._rest = b""
        self._began = self._finished = False
        self.is_done = False  # [DONE] was read

    def feed(self, data: bytes) -> list[str]:
        """Raises UpstreamError where the stream holds one, or something other than completion chunks."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE_BYTES:
            raise UpstreamTooLarge
        parts = []
        for line in lines:
            if line.startswith(b"data:") and not self.is_done:
                part = self._data(line[5:].strip())
                if part:
                    parts.append(part)
        return parts

    def close(self) -> list[str]:
        """The connection has ended. A stream without its end is half an answer, which is none."""
        parts = self.feed(b"\n")
        if not (self.is_done or self._finished):
            raise UpstreamBrokeOff if self._began else UpstreamBadResponse
        return parts

    def _data(self, data: bytes) -> str | None:
        if data == b"[DONE]":
            self.is_done = True
            return None
        chunk = _object(data)
        self._began = True
        if chunk.get("error"):  # a failure in mid-stream comes as a bare error object (protocols 4.2)
            raise refusal(500, data)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise UpstreamBadResponse
        if not choices or not isinstance(choices[0], dict):
            return None  # the usage chunk has no choices
        self._finished = self._finished or bool(choices[0].get("finish_reason"))
        return _content(choices[0].get("delta"))


def completion_text(body: bytes) -> str:
    """The text of an answer that was not streamed, from servers that ignore `stream`."""
    completion = _object(body)
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise UpstreamBadResponse
    return _content(choices[0].get("message")) or ""


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = _json(data)
    except (ValueError, RecursionError):  # `from None`: their texts hold what was read
        raise UpstreamBadResponse from None
    if not isinstance(value, dict):
        raise UpstreamBadResponse
    return value


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # Servers that cut an emoji between two chunks send halves of it, which the strict reader refuses;
        # ReplyText drops them (faults 3a).
        return json.loads(data.decode("utf-8", "replace"), strict=False)


def _content(message: object) -> str | None:
    """A refusal is text too; what the model merely thought (reasoning_content) is not."""
    if not isinstance(message, dict):
        return None
    content = message.get("content")
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        content = "".join(text for text in texts if isinstance(text, str))
    if isinstance(content, str) and content:
        return content
    spoken_refusal = message.get("refusal")
    return spoken_refusal if isinstance(spoken_refusal, str) else None
