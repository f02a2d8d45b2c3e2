"""What a chat completion may ask for, and which models answer (protocols 4.1 to 4.4)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from tts_service.sandbox import fields, refusals
from tts_service.sandbox.refusals import RefusalError
from tts_service.sandbox.replies import Message


@dataclasses.dataclass(frozen=True)
class Model:
    """`efforts` are the values of reasoning_effort it takes; empty means the field is refused."""

    reasons: bool
    efforts: tuple[str, ...] = ()


_LEVELS = ("low", "medium", "high", "xhigh")
XAI_MODELS: Mapping[str, Model] = {
    "grok-4.7": Model(True, _LEVELS),
    "grok-4.6": Model(True, _LEVELS),
    "grok-4.5": Model(True, _LEVELS),
    "grok-4.3": Model(True, ("none", *_LEVELS)),
    "grok-4.20-0309-reasoning": Model(True),
    "grok-4.20-0309-non-reasoning": Model(False),
    "grok-build-0.1": Model(False),
}
_OPENAI_MODEL = re.compile(r"(?:gpt|chatgpt|o\d)[\w.:-]*\Z")
_OPENAI = Model(False, ("none", "minimal", *_LEVELS))
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")

_FIELDS: Mapping[str, fields.Field] = {
    "model": fields.text("the id of a model", required=True),
    "messages": fields.Field(
        "a non-empty array", lambda value: isinstance(value, list) and bool(value), required=True
    ),
    "stream": fields.flag(),
    "stream_options": fields.mapping(),
    "temperature": fields.decimal(0, 2),
    "top_p": fields.decimal(0, 1),
    "n": fields.whole(1, 1),
    "max_tokens": fields.whole(1, 1_000_000),
    "max_completion_tokens": fields.whole(1, 1_000_000),
    "presence_penalty": fields.decimal(-2, 2),
    "frequency_penalty": fields.decimal(-2, 2),
    "stop": fields.Field(
        "a string or an array of up to 4 strings",
        lambda value: (
            isinstance(value, str)
            or (isinstance(value, list) and len(value) <= 4 and all(type(v) is str for v in value))
        ),
    ),
    "reasoning_effort": fields.text(),
    "response_format": fields.mapping(),
    "service_tier": fields.one_of("default", "priority", "auto", "flex"),
    "tools": fields.array(),
    "tool_choice": fields.Field("a string or an object", lambda value: isinstance(value, str | dict)),
    "parallel_tool_calls": fields.flag(),
    "seed": fields.whole(-(2**63), 2**63 - 1),
    "user": fields.text(),
    "metadata": fields.mapping(),
    "store": fields.flag(),
    "logprobs": fields.flag(),
    "top_logprobs": fields.whole(0, 20),
}
_MESSAGE_FIELDS: Mapping[str, fields.Field] = {
    "role": fields.Field(f"one of {', '.join(_ROLES)}", lambda value: value in _ROLES, required=True),
    "content": fields.Field(
        "a string or an array of content parts", lambda value: isinstance(value, str | list)
    ),
    "name": fields.text(),
    "tool_calls": fields.array(),
    "tool_call_id": fields.text(),
    "refusal": fields.text(),
    "reasoning_content": fields.text(),
}
_STREAM_OPTIONS = {"include_usage": fields.flag(), "include_obfuscation": fields.flag()}


@dataclasses.dataclass(frozen=True)
class Ask:
    """A chat completion request that passed every check."""

    model: str
    messages: tuple[Message, ...]
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: tuple[str, ...]


def parse(body: fields.Json, dialect: str) -> Ask:
    """The request, or RefusalError with the field at fault."""
    fields.check(body, _FIELDS)
    model = _model(body["model"], dialect)
    messages = tuple(_message(index, one) for index, one in enumerate(body["messages"]))
    stream = body.get("stream") or False
    options = body.get("stream_options") or {}
    fields.check(options, _STREAM_OPTIONS, within="stream_options.")
    if options and not stream:
        raise RefusalError(
            400, "`stream_options` is only allowed with `stream`: true.", param="stream_options"
        )
    _check_reasoning(body, model, dialect)
    stop = body.get("stop") or ()
    return Ask(
        body["model"],
        messages,
        stream,
        bool(options.get("include_usage")),
        body.get("max_completion_tokens") or body.get("max_tokens"),
        (stop,) if isinstance(stop, str) else tuple(stop),
    )


def _model(name: str, dialect: str) -> Model:
    found: Callable[[], Model | None] = {
        refusals.XAI: lambda: XAI_MODELS.get(name),
        refusals.OPENAI: lambda: _OPENAI if _OPENAI_MODEL.match(name) else None,
        refusals.COMPATIBLE: lambda: _OPENAI,
    }[dialect]
    model = found()
    if model is None:
        served = ", ".join(XAI_MODELS) if dialect == refusals.XAI else "gpt-…, o1-…, o3-…"
        raise RefusalError(
            404,
            f"The model {name[:100]} does not exist or your team does not have access to it. "
            f"This sandbox serves: {served}.",
            param="model",
            openai_code="model_not_found",
        )
    return model


def _check_reasoning(body: fields.Json, model: Model, dialect: str) -> None:
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in model.efforts:
        takes = ", ".join(model.efforts) or "no reasoning_effort"
        raise RefusalError(
            400,
            f"Invalid `reasoning_effort` {effort!r}: model {body['model']} takes {takes}.",
            param="reasoning_effort",
        )
    if dialect != refusals.XAI or not model.reasons or effort == "none":
        return
    for name in ("presence_penalty", "frequency_penalty", "stop"):
        if body.get(name) is not None:
            raise RefusalError(
                400,
                f"Model {body['model']} does not support parameter {name}: it reasons. Leave the "
                "field out, or use grok-4.20-0309-non-reasoning.",
                param=name,
            )


def _message(index: int, message: object) -> Message:
    within = f"messages[{index}]."
    if not isinstance(message, dict):
        raise RefusalError(
            422, f"Invalid `messages[{index}]`: expected an object.", param=f"messages[{index}]"
        )
    fields.check(message, _MESSAGE_FIELDS, within=within)
    content = message.get("content")
    if content is None and not message.get("tool_calls"):
        raise RefusalError(
            422, f"Missing field `{within}content`: expected a string or an array of content "
            "parts.", param=f"{within}content",
        )  # fmt: skip
    if isinstance(content, list):
        content = "".join(_part(f"{within}content[{n}]", part) for n, part in enumerate(content))
    return message["role"], content or ""


def _part(where: str, part: Any) -> str:
    known = ("text", "image_url", "input_audio", "file", "refusal")
    if not isinstance(part, dict) or part.get("type") not in known:
        raise RefusalError(
            422, f"Invalid `{where}`: expected an object whose type is one of {', '.join(known)}.",
            param=where,
        )  # fmt: skip
    if part["type"] != "text":
        return ""
    if not isinstance(part.get("text"), str):
        raise RefusalError(422, f"Invalid `{where}.text`: expected a string.", param=where)
    return str(part["text"])
