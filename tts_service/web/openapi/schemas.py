"""The shapes that travel, as JSON Schema (2020-12, as OpenAPI 3.1 has it). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tts_service.clients.client import Client
from tts_service.clients.fields import FIELDS
from tts_service.errors import SpeechError
from tts_service.web import chat_request
from tts_service.web.openapi.answers import Schema, every


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, object], *, optional: tuple[str, ...] = (), **more: object) -> Schema:
    """Exactly these members."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_YES_NO: Schema = {"type": "boolean"}

CLIENT_ID: Schema = {
    "type": "string",
    "pattern": f"^{chat_request.UUID}$",
    "description": "A UUID as the service gives it out: lower case, with hyphens; not the nil UUID.",
}

_CHAT_REQUEST = _object(
    {
        "client_id": CLIENT_ID,
        "message": {
            "type": "string",
            "minLength": 1,
            "maxLength": chat_request.MAX_MESSAGE,
            "description": "At least one visible character (else 422 empty_message), no NUL.",
        },
        "conversation_id": {
            "type": ["string", "null"],
            "pattern": f"^{chat_request.CONVERSATION_ID}$",
            "description": "What an earlier reply gave, to go on with that conversation.",
        },
        "audio_format": {
            "type": "string",
            "enum": list(chat_request.AUDIO_FORMATS),
            "description": "mp3 only where the operator has installed it (else 400).",
        },
    },
    optional=("conversation_id", "audio_format"),
)

_AUDIO = _object(
    {
        "voice": _TEXT,
        "duration_s": {"type": "number", "minimum": 0},
        "truncated": {"type": "boolean", "description": "Whole sentences, but not all: time was up."},
        "cached": _YES_NO,
    }
)
_AUDIO_ERROR = _object(
    {
        "code": {"type": "string", "enum": sorted({kind.code for kind in every(SpeechError)})},
        "message": _TEXT,
        "retryable": _YES_NO,
    },
    description="Why there is no voice. The text is complete all the same.",
)
_SPOKEN: Schema = {
    "audio_url": {
        "type": ["string", "null"],
        "pattern": "^data:audio/(?:wav|mpeg);base64,",
        "description": "A WAV (16-bit mono PCM, usually 24,000 Hz) or MP3, as a data URL.",
    },
    "audio": {"oneOf": [ref("Audio"), {"type": "null"}]},
    "audio_error": {"oneOf": [ref("AudioError"), {"type": "null"}]},
}
_TIMINGS = _object(
    dict.fromkeys(("llm_first_token", "llm", "speech_first_audio", "speech", "total"), _COUNT),
    optional=("llm_first_token", "llm", "speech_first_audio", "speech", "total"),
    description="Milliseconds; the same as in the header Server-Timing.",
)
_REPLY: Schema = {
    "conversation_id": _TEXT,
    "text": {"type": "string", "description": "The reply as the model wrote it (Markdown)."},
    **_SPOKEN,
    "timings_ms": ref("Timings"),
}

_SETTABLE: Schema = {name: field.schema for name, field in FIELDS.items()}
_DEFAULTS = Client("", "").shown()
_CLIENT: Schema = {
    "client_id": CLIENT_ID,
    **{name: schema for name, schema in _SETTABLE.items() if name != "ai_api_key"},
    "has_api_key": {"type": "boolean", "description": "Whether a key of its own is stored."},
    "key_last4": {"type": ["string", "null"], "maxLength": 4, "description": "The end of a long key."},
}
# JSON Schema can say this of a new client. Of a change it cannot: that depends on what is stored.
_URL_IF_COMPATIBLE: Schema = {
    "if": {"properties": {"ai_provider": {"const": "compatible"}}, "required": ["ai_provider"]},
    "then": {"properties": {"ai_base_url": {"type": "string"}}, "required": ["ai_base_url"]},
    "else": {"properties": {"ai_base_url": {"type": "null"}}},
}
_RULES_OF_TWO = (
    "ai_base_url is required when ai_provider is compatible and refused otherwise, and must lead to a "
    "public address. A change of either drops the stored key, unless it brings a new one. allowed_origins "
    "must begin with https:// in production."
)

SCHEMAS: Schema = {
    "ChatRequest": _CHAT_REQUEST,
    "ChatReply": _object(_REPLY),
    "TextEvent": _object({"delta": _TEXT}, description="event: text"),
    "AudioEvent": _object(
        {"seq": _COUNT, "text": _TEXT, "wav": _TEXT, "mp3": _TEXT},
        optional=("wav", "mp3"),
        description="event: audio. One spoken piece, playable by itself, in base64.",
    ),
    "DoneEvent": _object(
        {name: schema for name, schema in _REPLY.items() if name != "audio_url"},
        description="event: done. The sound was sent before.",
    ),
    "GreetingRequest": _object({"client_id": CLIENT_ID}),
    "Greeting": _object({"text": _TEXT, **_SPOKEN}),
    "Audio": _AUDIO,
    "AudioError": _AUDIO_ERROR,
    "Timings": _TIMINGS,
    "NewClient": _object(
        {
            name: field.schema | ({"default": _DEFAULTS[name]} if _DEFAULTS.get(name) is not None else {})
            for name, field in FIELDS.items()
        }
        | {"name": FIELDS["name"].schema},
        optional=tuple(name for name in FIELDS if name != "name"),
        description=_RULES_OF_TWO,
        **_URL_IF_COMPATIBLE,
    ),
    "ClientChanges": _object(
        _SETTABLE,
        optional=tuple(FIELDS),
        description=f"Only what is to change. {_RULES_OF_TWO}",
    ),
    "Client": _object(_CLIENT),
    "ClientPage": _object(
        {
            "clients": {"type": "array", "items": ref("Client")},
            "total": {**_COUNT, "description": "Of all that match, on every page."},
            "next_cursor": {"type": ["string", "null"], "description": "null: this was the last page."},
        }
    ),
    "Health": _object(
        {
            "status": {"const": "ok"},
            "version": _TEXT,
            "production": _YES_NO,
            "hasXAIKey": _YES_NO,
            "hasOpenAIKey": _YES_NO,
            "hasAdminToken": _YES_NO,
        }
    ),
    "Readiness": _object(
        {
            "status": {"enum": ["ready", "not_ready"]},
            "checks": {"type": "object", "additionalProperties": {"type": "boolean"}},
        }
    ),
}
