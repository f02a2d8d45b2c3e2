"""Log lines: one event a line, as text or as JSON, carrying the request's id.

Whoever logs passes typed values of ours. What a visitor or a provider could have slipped into one is made
harmless here: control and direction characters are escaped, so that nobody writes a line that is not
(faults T21), and what looks like a key is cut out, as a second net (T10).
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import orjson

SPEECH_PREFIX = "[X.AI TTS]"  # contract.md, "Operators"

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request being answered in this thread or greenlet; "-" outside of any."""

_ROOT = "tts_service"
# C0, DEL and C1; line and paragraph separators; marks and controls of writing direction; the BOM.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?P<kind>xai-|sk-|voice-ticket\.|(?i:bearer\s+)|(?i:(?:key|token|secret)=))"
    r"[A-Za-z0-9_.~+/=-]{8,}"
)
_OWN_FIELDS = "fields"  # logger.info(..., extra={"fields": {...}}) become members of the JSON line


def configure(as_json: bool) -> None:
    """Sends this package's lines to stderr, and gives gunicorn's own lines the same form."""
    # What no line of ours shows is not looked up for each of them (Python's logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    formatter = JsonLines() if as_json else TextLines()
    logger = logging.getLogger(_ROOT)
    for former in [handler for handler in logger.handlers if isinstance(handler, _Stderr)]:
        logger.removeHandler(former)
    ours = _Stderr()
    ours.setFormatter(formatter)
    logger.addHandler(ours)
    logger.setLevel(logging.INFO)
    for handler in logging.getLogger("gunicorn.error").handlers:
        handler.setFormatter(formatter)


def safe(text: str) -> str:
    """`text` as it may stand in a line: keys cut out, every character that could break or turn it escaped."""
    redacted = _KEYS.sub(lambda match: f"{match['kind']}[redacted]", text)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", redacted)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever sys.stderr is now: it may be replaced after us, as test runners do."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        raise TypeError("this handler always writes to sys.stderr")


class _Lines(logging.Formatter):
    def message_of(self, record: logging.LogRecord) -> str:
        """The message with the speech prefix only where the code's own constant begins with it."""
        text = record.getMessage()
        genuine = isinstance(record.msg, str) and record.msg.startswith(SPEECH_PREFIX)
        rest = text.removeprefix(SPEECH_PREFIX) if genuine else text
        return safe((SPEECH_PREFIX if genuine else "") + rest.replace(SPEECH_PREFIX, "(X.AI TTS)"))

    def formatException(  # noqa: N802  (logging's name)
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Where it was raised and its class, for the whole chain; never its text, which may quote values."""
        parts = []
        error = ei[1]
        while error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            where = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
            parts.append(f"{type(error).__module__}.{type(error).__qualname__} at {where}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return safe(" | caused by ".join(parts))

    def time_of(self, record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.time_of(record)} {record.levelname} {request_id.get()} {self.message_of(record)}"
        if record.exc_info:
            line += f" error={self.formatException(record.exc_info)}"
        return line


class JsonLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": self.time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": request_id.get(),
            "message": self.message_of(record),
        }
        for name, value in getattr(record, _OWN_FIELDS, {}).items():
            entry.setdefault(name, safe(value) if isinstance(value, str) else value)
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry).decode()
