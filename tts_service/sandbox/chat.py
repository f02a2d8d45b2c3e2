"""POST /v1/chat/completions, streamed and whole (protocols 4, 5)."""

from __future__ import annotations

import dataclasses
import re
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
from aiohttp import web

from tts_service.sandbox import chat_request, door, fields, replies
from tts_service.sandbox.chat_request import Ask
from tts_service.sandbox.provider import Visit

_FIRST_TOKEN_S = 0.25
_WORDS_PER_S = 35
_REASONING = "The visitor would like a short and friendly answer."
_REASONING_TOKENS = 12
_TOOL_CALLS = [{"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]


@dataclasses.dataclass(frozen=True)
class Completion:
    """An answer ready to be sent; `created` in Unix seconds."""

    id: str
    created: int
    model: str
    text: str
    finish: str
    usage: dict[str, Any]


async def complete(request: web.Request, visit: Visit) -> web.StreamResponse:
    """The endpoint."""
    body = fields.parse_object(request.content_type, await request.read())
    if isinstance(body.get("model"), str):
        visit.call.model = body["model"][:100]
    ask = chat_request.parse(body, visit.caller.dialect)
    visit.call.heard(next((text for role, text in reversed(ask.messages) if role == "user"), ""))
    completion = _compose(ask, visit)
    if visit.switches.on("gzip_bomb"):
        return _gzip_bomb()
    if ask.stream:
        return await _stream(request, visit, ask, completion)
    return await _whole(request, visit, completion)


def _compose(ask: Ask, visit: Visit) -> Completion:
    text = replies.reply_to(ask.messages)
    for stop in ask.stop:
        text = text.partition(stop)[0] if stop else text
    finish = "stop"
    words = _words(text)
    if ask.max_tokens is not None and len(words) > ask.max_tokens:
        text, finish = "".join(words[: ask.max_tokens]), "length"
    if visit.switches.on("tool_call"):
        finish = "tool_calls"
    prompt = sum(len(_words(text)) + 4 for _, text in ask.messages)
    hidden = _REASONING_TOKENS if visit.switches.on("reasoning") else 0
    return Completion(
        f"chatcmpl-{secrets.token_hex(12)}",
        int(time.time()),
        ask.model,
        text,
        visit.switches.text("finish") or finish,
        _usage(prompt, len(_words(text)), hidden),
    )


def _usage(prompt: int, completion: int, hidden: int) -> dict[str, Any]:
    # completion_tokens excludes the reasoning, total_tokens has it (protocols 4.2).
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion + hidden,
        "prompt_tokens_details": {"text_tokens": prompt, "cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": hidden},
    }


def _words(text: str) -> list[str]:
    """The text as tokens: each word with the spaces after it."""
    return re.findall(r"\S+\s*|\s+", text)


async def _whole(request: web.Request, visit: Visit, done: Completion) -> web.StreamResponse:
    await visit.wait(_FIRST_TOKEN_S + len(_words(done.text)) / _WORDS_PER_S)
    choice = {"index": 0, "message": _message(visit, done), "finish_reason": done.finish}
    body = orjson.dumps(
        {
            "id": done.id,
            "object": "chat.completion",
            "created": done.created,
            "model": done.model,
            "choices": [] if visit.switches.on("choices_empty") else [choice],
            "usage": done.usage,
        }
    )
    if visit.switches.on("empty"):
        body = b""
    if visit.switches.on("truncated_json"):
        body = body[: len(body) // 2]
    if not any(map(visit.switches.on, ("cut", "drip", "endless", "error_mid_stream"))):
        return web.Response(body=body, content_type="application/json")
    return await _whole_broken(request, visit, body)


async def _whole_broken(request: web.Request, visit: Visit, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if visit.switches.on("error_mid_stream"):
        response.set_status(500)
        body = orjson.dumps(_mid_stream_error())
    await response.prepare(request)
    if visit.switches.on("drip"):
        for one in body:
            await response.write(bytes((one,)))
            await _drip_pause()
    await response.write(body[: len(body) // 2])
    while visit.switches.on("endless"):
        await response.write(b" " * 65_536)
    if visit.switches.on("cut"):
        door.abort(request)
        return response
    await response.write(body[len(body) // 2 :])
    return response


def _message(visit: Visit, done: Completion) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": done.text, "refusal": None}
    if visit.switches.on("reasoning"):
        message["reasoning_content"] = _REASONING
    if visit.switches.on("content_null"):
        message["content"] = None
    if visit.switches.on("refusal"):
        message |= {"content": None, "refusal": done.text}
    if visit.switches.on("tool_call"):
        message |= {"content": None, "tool_calls": _TOOL_CALLS}
    return message


async def _stream(request: web.Request, visit: Visit, ask: Ask, done: Completion) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    if visit.switches.on("empty"):
        return response
    chunks = _events(visit, ask, done)
    async for line in _paced(visit, chunks):
        if visit.switches.on("drip"):
            for one in line:
                await response.write(bytes((one,)))
                await _drip_pause()
        else:
            await response.write(line)
    if visit.switches.on("cut"):
        door.abort(request)
    return response


async def _drip_pause() -> None:
    await door.pause(door.DRIP_S)


async def _paced(visit: Visit, lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The role chunk at once, the first words after 250 ms, then 35 a second."""
    for index, line in enumerate(lines):
        if index:
            await visit.wait(_FIRST_TOKEN_S if index == 1 else 1 / _WORDS_PER_S)
        yield line


def _events(visit: Visit, ask: Ask, done: Completion) -> Iterator[bytes]:
    switches = visit.switches
    deltas = list(_deltas(visit, done))
    half = max(2, len(deltas) // 2)
    early = switches.on("cut") or switches.on("error_mid_stream")
    yield from (_data(_chunk(visit, done, delta)) for delta in (deltas[:half] if early else deltas))
    while switches.on("endless"):
        yield _data(_chunk(visit, done, {"content": "and so on, " * 200}))
    if switches.on("truncated_json"):
        yield b'data: {"id":"chatcmpl-1","object":"chat.completion.chu\n\n'
    if switches.on("error_mid_stream"):
        yield _data(_mid_stream_error())
    if early:
        return
    yield from _ending(visit, ask, done)


def _ending(visit: Visit, ask: Ask, done: Completion) -> Iterator[bytes]:
    """The finish chunk, the usage and [DONE]. xAI reports usage unasked."""
    wants_usage = ask.include_usage or door.dialect_is_xai(visit)
    last = _chunk(visit, done, {}, done.finish)
    if visit.switches.on("usage_on_finish"):
        yield _data(last | {"usage": done.usage})
    else:
        yield _data(last)
        if wants_usage:
            yield _data(_chunk(visit, done, None) | {"usage": done.usage})
    if not visit.switches.on("no_done"):
        yield b"data: [DONE]\n\n"


def _deltas(visit: Visit, done: Completion) -> Iterator[dict[str, Any]]:
    switches = visit.switches
    yield {"role": "assistant", "content": ""}
    if switches.on("reasoning"):
        yield from ({"reasoning_content": word} for word in _words(_REASONING))
    if switches.on("tool_call"):
        yield {"tool_calls": [{"index": 0, **_TOOL_CALLS[0]}]}
    elif switches.on("content_null"):
        yield {"content": None}
    else:
        key = "refusal" if switches.on("refusal") else "content"
        yield from ({key: word} for word in _words(done.text))


def _chunk(
    visit: Visit, done: Completion, delta: dict[str, Any] | None, finish: str | None = None
) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    if delta is None or visit.switches.on("choices_empty"):
        choices = []
    return {
        "id": done.id,
        "object": "chat.completion.chunk",
        "created": done.created,
        "model": done.model,
        "choices": choices,
    }


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _mid_stream_error() -> dict[str, Any]:
    return {"code": "internal", "error": "The model stopped answering."}


def _gzip_bomb() -> web.Response:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(b" " * 1_048_576) for _ in range(64)) + packer.flush()
    return web.Response(body=packed, content_type="application/json", headers={"Content-Encoding": "gzip"})
