"""The faults and behaviours a tester may ask for: one table, one grammar, one parser.

A spec is written `surface.name`, `surface.name=value`, or without the surface to mean every
surface the name exists on (`pace=0`). Values are percent-decoded, so a comma is `%2C`.
"""

from __future__ import annotations

import dataclasses
import difflib
import urllib.parse
from collections.abc import Iterable, Mapping

SURFACES: Mapping[str, str] = {
    "chat": "POST /v1/chat/completions",
    "secrets": "POST /v1/realtime/client_secrets",
    "realtime": "WebSocket /v1/realtime",
    "tts": "POST /v1/tts",
    "tts_ws": "WebSocket /v1/tts",
    "voices": "GET /v1/tts/voices",
    "models": "GET /v1/models",
    "calls": "POST /v1/realtime/calls",
}
_ALL = tuple(SURFACES)
_SOCKETS = ("realtime", "tts_ws")
_REALTIME = ("realtime",)
_CHAT = ("chat",)

# What a value may be. A word with bars is a choice among the words.
FLAG = ""
WHOLE = "N"
DECIMAL = "X"
TEXT = "TEXT"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One row of the table. `default` is the value meant when none is written; None: it must be."""

    name: str
    surfaces: tuple[str, ...]
    takes: str
    says: str
    default: str | None = None
    low: float = 0
    high: float = 1_000_000_000


TABLE: tuple[Fault, ...] = (
    # On every surface.
    Fault("pace", _ALL, DECIMAL, "multiplies every delay of its own; 0 answers at once"),
    Fault("delay_ms", _ALL, WHOLE, "waits that long before the first byte"),
    Fault("http", _ALL, WHOLE, "refuses with that status", low=400, high=599),
    Fault("retry_after", _ALL, TEXT, "the Retry-After header sent along with `http`"),
    Fault("old_codes", _ALL, FLAG, "error codes are the older English sentences"),
    Fault("html", _ALL, FLAG, "answers 200 with a page of HTML"),
    Fault("redirect", _ALL, FLAG, "302 to /sandbox/landing, which records what arrives there"),
    Fault("reset", _ALL, FLAG, "resets the TCP connection before any answer"),
    Fault("hang", _ALL, FLAG, "reads the request and never answers"),
    Fault("drip_headers", _ALL, FLAG, "sends the answer's headers one byte every 250 ms, no end"),
    Fault("big_body", _ALL, WHOLE, "refuses with 503 and a body of N bytes", high=200_000_000),
    # Chat.
    Fault("cut", ("chat", "tts"), FLAG, "the connection ends in the middle of the answer"),
    Fault("error_mid_stream", _CHAT, FLAG, "half a stream, then a bare {code, error}, no [DONE]"),
    Fault("empty", ("chat", "tts", "voices"), FLAG, "200 with no content at all"),
    Fault("drip", ("chat", "tts"), FLAG, "one byte of the body every 250 ms"),
    Fault("no_done", _CHAT, FLAG, "the stream ends without [DONE]"),
    Fault("truncated_json", _CHAT, FLAG, "JSON cut in the middle (stream: in one chunk)"),
    Fault("choices_empty", _CHAT, FLAG, "200 with `choices: []`"),
    Fault("content_null", _CHAT, FLAG, "the message's content is null"),
    Fault("tool_call", _CHAT, FLAG, "a tool call in place of words"),
    Fault("refusal", _CHAT, FLAG, "`refusal` in place of content"),
    Fault("finish", _CHAT, "stop|end_turn|length|content_filter", "the finish_reason"),
    Fault("reasoning", _CHAT, FLAG, "reasoning_content first; its tokens only in total_tokens"),
    Fault("usage_on_finish", _CHAT, FLAG, "usage rides on the chunk with finish_reason"),
    Fault("endless", ("chat", "realtime"), FLAG, "the answer has no end"),
    Fault("gzip_bomb", _CHAT, FLAG, "64 MB of spaces as 64 kB of gzip, asked for or not"),
    # Client secrets.
    Fault("no_value", ("secrets",), FLAG, "200 without `value`"),
    Fault("value", ("secrets",), "number|huge|control|empty", "a `value` that is no secret"),
    Fault("expires", ("secrets",), "past|ms|string", "an `expires_at` that is no future second"),
    Fault("bind_session", ("secrets",), FLAG, "`session.model` is kept and used at connect"),
    # Both sockets.
    Fault("max_sessions", _SOCKETS, WHOLE, "so many sockets for this key, then 429 before 101"),
    Fault(
        "handshake",
        _SOCKETS,
        "bad_accept|extension|endless_headers",
        "a broken 101: wrong Sec-WebSocket-Accept, an extension nobody offered, no last header",
    ),
    Fault("mute", _SOCKETS, FLAG, "101, then nothing at all"),
    Fault("ws_pings", _SOCKETS, FLAG, "101, then only WebSocket pings, ten a second"),
    Fault("stop_reading", _SOCKETS, FLAG, "101 and opening, then it never reads again"),
    Fault(
        "close_before_audio",
        _SOCKETS,
        WHOLE,
        "closes at the first request to speak; 1006 is a TCP reset",
        "1000",
        1000,
        4999,
    ),
    Fault("close_after_audio", _SOCKETS, WHOLE, "closes after the third audio delta", "1000", 1000, 4999),
    Fault(
        "close_after_done", _SOCKETS, WHOLE, "closes right after the audio's done event", "1000", 1000, 4999
    ),
    Fault("cut_frame", _SOCKETS, FLAG, "TCP ends inside the second audio frame"),
    Fault("drip_frame", _SOCKETS, FLAG, "the first audio frame comes one byte every 250 ms"),
    Fault("drip_ms", _SOCKETS, WHOLE, "20 ms of audio every N ms"),
    Fault(
        "bad_base64",
        _SOCKETS,
        "alphabet|padding|urlsafe|whitespace|number|empty",
        "the first audio delta is not strict base64; `empty` is a legal empty delta",
    ),
    Fault("odd_bytes", _SOCKETS, FLAG, "deltas of odd length, the total even"),
    Fault("odd_total", _SOCKETS, FLAG, "one byte too many at the end of the audio"),
    Fault("bad_json", _SOCKETS, WHOLE, "N frames that are not JSON before the audio", "1", 1, 1000),
    Fault("binary_frame", _SOCKETS, WHOLE, "N binary frames nobody asked for", "1", 1, 1000),
    Fault(
        "huge_frame", _SOCKETS, WHOLE, "a text frame of N bytes before the audio", "100000000", 1, 200_000_000
    ),
    Fault(
        "bad_frame",
        _SOCKETS,
        "masked|rsv|utf8|continuation|length|fragments",
        "a frame that breaks RFC 6455 before the audio (`fragments`: 10,000 legal tiny ones)",
    ),
    Fault("no_audio", _SOCKETS, FLAG, "every event of a reply, no audio"),
    Fault("no_audio_done", _SOCKETS, FLAG, "the audio's done event never comes"),
    # Realtime: the opening and the configuration.
    Fault("legacy_open", _REALTIME, FLAG, "no session.created, as before May 2026"),
    Fault("json_pings", _REALTIME, FLAG, "101, then only JSON ping events, ten a second"),
    Fault("ping_every_s", _REALTIME, DECIMAL, "how often the JSON ping comes (15)", low=0.01),
    Fault("no_session_updated", _REALTIME, FLAG, "session.update is never acknowledged"),
    Fault("voice_echo", _REALTIME, FLAG, "an unknown voice is reported as the default one"),
    Fault("rate", _REALTIME, WHOLE, "confirms and sends that PCM rate whatever was asked"),
    Fault("format", _REALTIME, "pcmu|pcma", "confirms and sends that codec whatever was asked"),
    Fault("hears", _REALTIME, TEXT, "the transcript of whatever audio it is sent (Hello.)"),
    Fault("timeout_s", _REALTIME, DECIMAL, "ends an idle session: error `timeout`, then close"),
    Fault("max_duration_s", _REALTIME, DECIMAL, "ends any session: error `max_duration`, close"),
    Fault("close_code", _REALTIME, WHOLE, "the code of those closes (1000)", None, 1000, 4999),
    # Realtime: a reply.
    Fault("silence", _REALTIME, FLAG, "response.created, then nothing"),
    Fault("error_before_audio", _REALTIME, TEXT, "an error event with that code, no reply", "internal_error"),
    Fault(
        "error_after_audio",
        _REALTIME,
        TEXT,
        "an error event amid the audio; the reply goes on",
        "internal_error",
    ),
    Fault("no_response_done", _REALTIME, FLAG, "response.done never comes"),
    Fault("status", _REALTIME, "failed|cancelled|incomplete", "the status in response.done"),
    Fault("function_call", _REALTIME, FLAG, "a function call in place of speech"),
    Fault("alias_names", _REALTIME, FLAG, "response.audio.* names in place of output_audio.*"),
    Fault("bare_indexes", _REALTIME, FLAG, "no indexes on transcript and done events"),
    Fault("usage", _REALTIME, "top|empty|none", "usage on the event itself, {}, or absent"),
    Fault("duplicate_items", _REALTIME, FLAG, "items are announced twice"),
    Fault("duplicate_events", _REALTIME, FLAG, "the first audio delta comes twice, one event_id"),
    Fault("item_added_first", _REALTIME, FLAG, "the reply's item before its response.created"),
    Fault("delta_first", _REALTIME, FLAG, "a stray audio delta before response.created"),
    Fault("two_responses", _REALTIME, FLAG, "another response's deltas between the reply's"),
    Fault("late_deltas", _REALTIME, FLAG, "two more deltas after response.done"),
    Fault("unknown_events", _REALTIME, FLAG, "event types nobody documented"),
    Fault("transcript_drift", _REALTIME, FLAG, "the transcript is not quite what was asked for"),
    Fault("content_text", _REALTIME, FLAG, "force_message also takes content type `text`"),
    # Dedicated TTS.
    Fault("timestamps", ("tts", "tts_ws"), "objects", "graph_times as {start, end} objects"),
    Fault("lifetime_s", ("tts_ws",), DECIMAL, "the socket is cut after that long (600)", low=0.01),
    Fault("error", ("tts_ws",), TEXT, "an error frame with that message, then close", "Internal error"),
    Fault("no_location", ("calls",), FLAG, "201 without the Location header"),
)

_ROWS: Mapping[tuple[str, str], Fault] = {
    (surface, fault.name): fault for fault in TABLE for surface in fault.surfaces
}
_NAMES: Mapping[str, Fault] = {fault.name: fault for fault in TABLE}


class UnknownFaultError(ValueError):
    """A spec the table does not know, or a value it cannot take; the text lists what it can."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """One parsed request for a fault; `surface` None means wherever the name exists."""

    surface: str | None
    name: str
    value: str
    written: str

    def applies_to(self, surface: str) -> bool:
        """Whether this spec changes anything on that surface."""
        return (surface, self.name) in _ROWS and self.surface in (None, surface)


class Switches:
    """What is asked of one surface for one call. A name the table lacks is a KeyError."""

    def __init__(self, surface: str, specs: Iterable[Spec] = ()) -> None:
        self.surface = surface
        self._values = {spec.name: spec.value for spec in specs if spec.applies_to(surface)}

    def on(self, name: str) -> bool:
        """Whether it was asked for at all."""
        return _ROWS[self.surface, name].name in self._values

    def text(self, name: str) -> str | None:
        """The value as written, percent-decoded."""
        return self._values.get(_ROWS[self.surface, name].name)

    def number(self, name: str, otherwise: float) -> float:
        """The value as a number."""
        value = self.text(name)
        return otherwise if value is None else float(value)


def parse(written: str) -> Spec:
    """One spec. Raises UnknownFaultError, whose text says what would have been understood."""
    head, equals, raw = written.strip().partition("=")
    surface, dot, name = head.rpartition(".")
    if dot and surface not in SURFACES:
        raise UnknownFaultError(f"{written!r}: no surface {surface!r}. Surfaces: {', '.join(SURFACES)}.")
    fault = _ROWS.get((surface, name)) if dot else _NAMES.get(name)
    if fault is None:
        raise UnknownFaultError(_unknown(written, surface, name))
    given = urllib.parse.unquote(raw) if equals else None
    return Spec(surface or None, name, _value(fault, written, given), written.strip())


def parse_all(written: Iterable[str]) -> tuple[Spec, ...]:
    """Several specs; one string may hold several, separated by commas."""
    return tuple(parse(one) for many in written for one in many.split(",") if one.strip())


def known(surface: str | None = None) -> list[str]:
    """Every spec as one would write it, with the shape of its value."""
    return [
        f"{where}.{fault.name}{f'={fault.takes}' if fault.takes else ''}"
        for where in SURFACES
        for fault in TABLE
        if where in fault.surfaces and surface in (None, where)
    ]


def _unknown(written: str, surface: str, name: str) -> str:
    elsewhere = _NAMES.get(name)
    if elsewhere is not None:
        return f"{written!r}: {name!r} exists on {', '.join(elsewhere.surfaces)} only."
    near = difflib.get_close_matches(name, _NAMES, 3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"{written!r} is not known.{hint} Known: {', '.join(known(surface or None))}."


def _value(fault: Fault, written: str, given: str | None) -> str:
    if fault.takes == FLAG:
        if given is not None:
            raise UnknownFaultError(f"{written!r}: {fault.name} takes no value.")
        return ""
    if given is None or given == "":
        if fault.default is None:
            raise UnknownFaultError(f"{written!r}: write {fault.name}={_shape(fault)}.")
        return fault.default
    if not _fits(fault, given):
        raise UnknownFaultError(f"{written!r}: {fault.name} takes {_shape(fault)}.")
    return given


def _fits(fault: Fault, given: str) -> bool:
    if fault.takes == TEXT:
        return True
    if fault.takes not in (WHOLE, DECIMAL):
        return given in fault.takes.split("|")
    if not given.isascii() or not given.replace(".", "", fault.takes == DECIMAL).isdigit():
        return False
    return fault.low <= float(given) <= fault.high


def _shape(fault: Fault) -> str:
    if fault.takes in (WHOLE, DECIMAL):
        kind = "whole number" if fault.takes == WHOLE else "number"
        return f"a {kind} from {fault.low:,g} to {fault.high:,.0f}"
    return "some text" if fault.takes == TEXT else fault.takes
