"""Allowed origins as somebody types them: each line as it will be kept, or what is wrong with it. Pure.

What an origin is decides `clients.origin`; here its sentences get their line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tts_service.clients import origin

NOBODY = "No web page may use this client while the list is empty."
EVERYBODY = "Every website may use this client and spend its money. Set a daily limit below."
IN_THE_CLEAR = (
    "http:// is for tests on your own machine: on the way, others can read and change such a page. "
    "In production it is refused."
)
_NOT_ALONE = "* already allows every website, so it stands alone"
_HTTPS = "it must begin with https:// when ENV=production"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Line:
    """`kept` is None where there is a `mistake`; `meant`, if it can be guessed, is what to write instead."""

    number: int
    typed: str
    kept: str | None = None
    mistake: str | None = None
    meant: str | None = None


def read(text: str, production: bool = False) -> list[Line]:
    """The lines that are not empty."""
    numbered = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    lines = [_line(number, typed, production) for number, typed in numbered]
    return [_beside(line, len(lines)) for line in lines]


def warnings(lines: Sequence[Line]) -> list[str]:
    """What the list means, where people may not have meant that; of its lines that fit."""
    origins = [line.kept for line in lines if line.kept is not None]
    said = {NOBODY: not lines, EVERYBODY: origin.ANY in origins, IN_THE_CLEAR: any(map(_is_clear, origins))}
    return [warning for warning, applies in said.items() if applies]


def _line(number: int, typed: str, production: bool) -> Line:
    try:
        kept = origin.allowed(typed)
    except origin.NotAnOrigin as mistake:
        return Line(number, typed, mistake=str(mistake), meant=origin.meant(typed))
    if production and kept.startswith("http://"):
        return Line(number, typed, mistake=_HTTPS, meant=kept.replace("http://", "https://", 1))
    return Line(number, typed, kept)


def _beside(line: Line, count: int) -> Line:
    if line.kept == origin.ANY and count > 1:
        return Line(line.number, line.typed, mistake=_NOT_ALONE)
    return line


def _is_clear(kept: str) -> bool:
    return kept.startswith("http://") and urlsplit(kept).hostname not in _LOOPBACK
