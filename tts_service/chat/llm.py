"""The chat-completions API: asks a language model and hands on its words as they come."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tts_service.addresses import Reach
from tts_service.chat.completions import (
    Dialect,
    ReplyText,
    Said,
    StreamReader,
    completion_text,
    request_body,
)
from tts_service.deadline import Deadline
from tts_service.dial import Lifeline
from tts_service.errors import (
    UpstreamBadResponse,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTooLarge,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from tts_service.retry import WORTH_S, RetryBudget, pause_s
from tts_service.secret import Secret
from tts_service.upstream import MAX_JSON_BYTES, Call, Upstream

# faults 3a says 1 MiB. A stream repeats 250 bytes of envelope for every word and reasoning models stream
# thousands of words nobody sees, so a stream may be longer; an answer in one piece may not.
MAX_STREAM_BYTES = 4 * 1024 * 1024
AFTER_DONE_S = 0.05  # for the end of the body behind [DONE], so that the connection can be used again
RETRY_AFTER_WORTH_S = 3  # a provider that asks for a longer pause is not asked twice in one turn


@dataclass(frozen=True)
class ModelRoute:
    """Which model, where, and with whose key."""

    base_url: str
    key: Secret | None
    model: str
    dialect: Dialect
    reach: Reach  # of `base_url`: where the one who set it may send us


class ChatModel:
    """One for the process."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._retries = RetryBudget()

    def ask(
        self, route: ModelRoute, conversation: Sequence[Said], deadline: Deadline, lifeline: Lifeline
    ) -> Iterator[str]:
        """Parts of the reply, as they come; never an empty reply. Raises UpstreamError, also in the
        middle.
        """
        with contextlib.closing(self._upstream.call(route.reach, deadline, lifeline)) as call:
            self._ask(route, request_body(route.model, conversation, route.dialect), call)
            yield from _words(call)

    def _ask(self, route: ModelRoute, body: bytes, call: Call) -> None:
        self._retries.attempted()
        url = f"{route.base_url}/chat/completions"
        try:
            return self._upstream.post(url, route.key, body, call)
        except UpstreamError as error:
            wait_s = _pause_before_retry(error)
            if wait_s is None or call.deadline.remaining_s - wait_s < WORTH_S or call.lifeline.is_cut:
                raise
            if not self._retries.take() or _cut_within(wait_s, call.lifeline):
                raise
        return self._upstream.post(url, route.key, body, call)


def _pause_before_retry(error: UpstreamError) -> float | None:
    """None where a second attempt would not help: the key, the model and the money stay what they are."""
    if isinstance(error, UpstreamUnreachable):
        return pause_s()
    if isinstance(error, (UpstreamUnavailable, UpstreamRateLimited)):
        wait_s = error.retry_after_s or 0
        return max(wait_s, pause_s()) if wait_s <= RETRY_AFTER_WORTH_S else None
    return None


def _cut_within(seconds: float, lifeline: Lifeline) -> bool:
    """Waits that long, or until the turn is over: a pause must not outlive its turn."""
    cut = threading.Event()
    lifeline.on_cut(cut.set)
    return cut.wait(seconds)


def _words(call: Call) -> Iterator[str]:
    text = ReplyText()
    for part in _parts(call):
        kept = text.add(part)
        if kept:
            yield kept
        if text.is_full:
            break
    if not text.text.strip():
        raise UpstreamBadResponse("The language model's reply has no text.")


def _parts(call: Call) -> Iterator[str]:
    """Streamed or in one piece: the first byte tells, for servers get the Content-Type wrong."""
    chunks = call.chunks(MAX_STREAM_BYTES)
    head = b""
    while not head and (chunk := next(chunks, b"")):
        head = chunk.lstrip()
    if head.startswith(b"{"):
        yield completion_text(_whole(head, chunks))
        return
    reader = StreamReader()
    yield from reader.feed(head)
    while not reader.is_done and (chunk := next(chunks, b"")):
        yield from reader.feed(chunk)
    yield from reader.close()
    if reader.is_done:
        call.await_end(AFTER_DONE_S)


def _whole(head: bytes, rest: Iterator[bytes]) -> bytes:
    body = bytearray(head)
    for chunk in rest:
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise UpstreamTooLarge
    return bytes(body)
