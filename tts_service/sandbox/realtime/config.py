"""The configuration of a realtime session, and what session.update may change (protocols 1.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
DEFAULT_MODEL = "grok-voice-think-fast-2.0"
DEFAULT_VOICE = "xai_ara"
PCM_RATES_HZ = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_TYPES = ("audio/pcm", "audio/pcmu", "audio/pcma")
_REPLACE_ENTRIES, _PHRASE_CHARS, _SPOKEN_CHARS = 200, 100, 128


class InvalidError(ValueError):
    """A session.update refused as a whole; `param` names the field, `code` the error's code."""

    def __init__(
        self,
        param: str,
        expected: str,
        code: str = "invalid_request_error",
        *,
        message: str | None = None,
    ) -> None:
        super().__init__(message or f"Invalid {param}: expected {expected}.")
        self.param = param
        self.code = code


@dataclasses.dataclass(frozen=True)
class Format:
    """How audio is coded on one leg."""

    type: str = "audio/pcm"
    rate_hz: int = 24_000

    @property
    def bytes_per_s(self) -> int:
        """PCM is 16 bits a sample, G.711 is 8."""
        return self.rate_hz * self.sample_bytes

    @property
    def sample_bytes(self) -> int:
        """Bytes of one whole sample."""
        return 2 if self.type == "audio/pcm" else 1


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything session.update can set. `turn_detection` None is manual mode."""

    model: str = DEFAULT_MODEL
    instructions: str = ""
    voice: str = DEFAULT_VOICE
    reasoning: str = "high"
    turn_detection: Json | None = None
    tools: tuple[Json, ...] = ()
    replace: Mapping[str, str] = dataclasses.field(default_factory=dict)
    resumption: bool = False
    hears: Format = Format()
    hears_transport: str = "json"
    transcription: Json | None = None
    speaks: Format = Format()
    speaks_transport: str = "json"
    speed: float = 1.0

    def snapshot(self, session_id: str) -> Json:
        """The session object of session.created and session.updated."""
        return {
            "id": session_id,
            "object": "realtime.session",
            "model": self.model,
            "instructions": self.instructions,
            "reasoning": {"effort": self.reasoning},
            "voice": self.voice,
            "modalities": ["text", "audio"],
            "turn_detection": self.turn_detection or {"type": None},
            "tools": list(self.tools),
            "replace": dict(self.replace),
            "resumption": {"enabled": self.resumption},
            "audio": {
                "input": {
                    "format": _shown(self.hears),
                    "transport": self.hears_transport,
                    "transcription": self.transcription,
                },
                "output": {
                    "format": _shown(self.speaks),
                    "transport": self.speaks_transport,
                    "speed": self.speed,
                },
            },
        }


def merge(config: Config, patch: object) -> Config:
    """The configuration after a session.update. Raises InvalidError and then nothing changes.

    Keys xAI does not know are ignored, `model` among them: it is fixed by the URL.
    """
    if not isinstance(patch, dict):
        raise InvalidError("session", "an object")
    changes: dict[str, Any] = {}
    for key, read in _TOP.items():
        if key in patch:
            changes[key] = read(f"session.{key}", patch[key])
    audio = _optional(patch, "audio", "session.audio")
    into = _optional(audio, "input", "session.audio.input")
    out = _optional(audio, "output", "session.audio.output")
    changes |= _leg(into, "session.audio.input", "hears")
    changes |= _leg(out, "session.audio.output", "speaks")
    if "transcription" in into:
        changes["transcription"] = _transcription(into["transcription"])
    if "speed" in out:
        changes["speed"] = _number("session.audio.output.speed", out["speed"], 0.7, 1.5)
    return dataclasses.replace(config, **changes)


def read_replace(param: str, value: object) -> dict[str, str]:
    """A map phrase to respelling; null empties it."""
    rule = (
        f"null or a map of up to {_REPLACE_ENTRIES} phrases (letters, digits, apostrophes, spaces; "
        f"up to {_PHRASE_CHARS} characters) to respellings (up to {_SPOKEN_CHARS})"
    )
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _REPLACE_ENTRIES:
        raise InvalidError(param, rule)
    for phrase, spoken in value.items():
        plain = phrase.replace("'", "").replace("’", "").replace(" ", "")
        if not plain.isalnum() or len(phrase) > _PHRASE_CHARS:
            raise InvalidError(param, rule)
        if not isinstance(spoken, str) or len(spoken) > _SPOKEN_CHARS:
            raise InvalidError(param, rule)
    return value


def _text(param: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidError(param, "a string")
    return value


def _number(param: str, value: object, low: float, high: float) -> float:
    if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
        raise InvalidError(param, f"a number from {low:g} to {high:g}")
    return value  # type: ignore[return-value]


def _turn_detection(param: str, value: object) -> Json | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("type") not in (None, "server_vad"):
        raise InvalidError(param, 'null, {"type": null} or {"type": "server_vad", ...}')
    if value.get("type") is None:
        return None
    merged = {
        "type": "server_vad",
        "threshold": 0.85,
        "silence_duration_ms": 500,
        "prefix_padding_ms": 333,
        "idle_timeout_ms": None,
    }
    limits = {
        "threshold": (0.1, 0.9),
        "silence_duration_ms": (0, 10_000),
        "prefix_padding_ms": (0, 10_000),
        "idle_timeout_ms": (1, 3_600_000),
    }
    for name, (low, high) in limits.items():
        if value.get(name) is not None:
            merged[name] = _number(f"{param}.{name}", value[name], low, high)
    return merged


def _tools(param: str, value: object) -> tuple[Json, ...]:
    kinds = ("function", "web_search", "x_search", "file_search", "mcp")
    expected = f"an array of objects whose type is one of {', '.join(kinds)}; functions have a name"
    if not isinstance(value, list):
        raise InvalidError(param, expected)
    for tool in value:
        if not isinstance(tool, dict) or tool.get("type") not in kinds:
            raise InvalidError(param, expected)
        nested = tool.get("function")
        named = nested if isinstance(nested, dict) else tool
        if tool["type"] == "function" and not isinstance(named.get("name"), str):
            raise InvalidError(param, expected)
    return tuple(value)


def _effort(param: str, value: object) -> str:
    if not isinstance(value, dict) or value.get("effort") not in ("high", "none"):
        raise InvalidError(param, '{"effort": "high" or "none"}')
    return str(value["effort"])


def _enabled(param: str, value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("enabled"), bool):
        raise InvalidError(param, '{"enabled": true or false}')
    return bool(value["enabled"])


_TOP = {
    "instructions": _text,
    "voice": _text,
    "turn_detection": _turn_detection,
    "tools": _tools,
    "reasoning": _effort,
    "resumption": _enabled,
    "replace": read_replace,
}


def _optional(patch: Json, key: str, param: str) -> Json:
    value = patch.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidError(param, "an object")
    return value


def _leg(leg: Json, param: str, name: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "format" in leg:
        changes[name] = _format(f"{param}.format", leg["format"])
    if "transport" in leg:
        if leg["transport"] not in ("json", "binary"):
            raise InvalidError(f"{param}.transport", "json or binary")
        changes[f"{name}_transport"] = leg["transport"]
    return changes


def _format(param: str, value: object) -> Format:
    code = "invalid_audio_format"
    if not isinstance(value, dict) or value.get("type") not in _TYPES:
        raise InvalidError(f"{param}.type", f"one of {', '.join(_TYPES)} (no opus here)", code)
    kind, rate = value["type"], value.get("rate")
    if kind != "audio/pcm":
        if rate not in (None, 8_000):
            raise InvalidError(f"{param}.rate", f"8000 or nothing for {kind}", code)
        return Format(kind, 8_000)
    if rate is None:
        return Format()
    if type(rate) is not int or rate not in PCM_RATES_HZ:
        raise InvalidError(f"{param}.rate", f"one of {', '.join(map(str, PCM_RATES_HZ))}", code)
    return Format(kind, rate)


def _transcription(value: object) -> Json | None:
    param = "session.audio.input.transcription"
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidError(param, "null or an object")
    terms = value.get("keyterms") or []
    if not isinstance(terms, list) or len(terms) > 100:
        raise InvalidError(f"{param}.keyterms", "an array of up to 100 strings")
    if not all(isinstance(term, str) and len(term) <= 50 for term in terms):
        raise InvalidError(f"{param}.keyterms", "strings of up to 50 characters")
    if not isinstance(value.get("language_hint", ""), str | None):
        raise InvalidError(f"{param}.language_hint", "a string")
    return value


def _shown(audio_format: Format) -> Json:
    if audio_format.type == "audio/pcm":
        return {"type": audio_format.type, "rate": audio_format.rate_hz}
    return {"type": audio_format.type}
