"""Stretches of Markdown in which no sentence may end: code, links, tags, maths, sources in brackets. Pure."""

from __future__ import annotations

import re

#: Answers of `span_end` beside the index behind the span (which is always above 0).
LITERAL, WAIT = 0, -1

# How long an open mark may hold the speech back before it counts as the plain character it would then be.
CODE_CHARS = 300
LABEL_CHARS = 300
TARGET_CHARS = 2000
TAG_CHARS = 300
MATHS_CHARS = 300
DISPLAY_CHARS = 2000
ASIDE_CHARS = 600

_ATTRIBUTE = r"""\s+[\w:@-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?"""
TAG = re.compile(rf"</?[a-zA-Z][\w:-]*(?:{_ATTRIBUTE})*\s*/?>|<\|[\w ]{{0,40}}\|>|<[?!][^<>]{{0,200}}>")
_AUTOLINK = re.compile(r"<(?:[a-zA-Z][\w+.-]{1,31}:[^\s<>]*|[\w.+-]+@[\w.-]+)>")
_OPEN_TAG = re.compile(
    r"""<(?:/?(?:[a-zA-Z][\w:-]*(?:\s+[\w:@-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?)*"""
    r"""(?:\s+[\w:@-]+\s*=\s*(?:"[^"]*|'[^']*)?)?\s*/?)?|\|[\w ]{0,40}\|?|[?!][^<>]{0,200})$"""
)
_OPEN_AUTOLINK = re.compile(r"<(?:[a-zA-Z][\w+.-]{1,31}:[^\s<>]*|[\w.+-]+(?:@[\w.-]*)?)$")

_TARGET = re.compile(
    r"""\(\s*(?:<[^<>\n]*>|(?:[^\s()<\\]|\\.|\((?:[^\s()]|\([^\s()]*\))*\))*)"""
    r"""(?:\s+(?:"[^"]{0,300}"|'[^']{0,300}'|\([^()]{0,300}\)))?\s*\)"""
)
_OPEN_TARGET = re.compile(r"""\(\s*(?:<[^<>\n]*>?|\S*)(?:\s+(?:["'(].{0,303})?)?$""", re.DOTALL)
_MAX_NESTING = 8

_SOURCE_WORDS = "sources|source|quellen|quelle|fuentes|fuente|来源|來源|资料来源|出典|出处|via"
_SOURCE = rf"(?:{_SOURCE_WORDS})\s*(?:[:：]|(?=\[|https?:))"
ASIDE = re.compile(rf"[(（]\s*(?:{_SOURCE}|\[)", re.IGNORECASE)
_MAYBE_ASIDE = re.compile(r"[(（]\s*(\w{0,8})\s*$")

_LOOKS_LIKE_MATHS = re.compile(
    r"[\\^_=<>+*/|{}]|^\s*[a-zA-Z]('|\([a-zA-Z]\))?\s*$|^\d+(?:\.\d+)?[a-zA-Z]?$|[a-zA-Z0-9]\s*[-]\s*[a-zA-Z0-9]"
)

_ALNUM = re.compile("[A-Za-z0-9]")
_FIGURE = re.compile(r"\$\d+(?:[.,]\d+)*")
_NAME = re.compile(r"\$[A-Z][A-Z_]*")
_GOES_ON_AS_MATHS = re.compile(r"\s*[+*=^\\<>_×·]|\s*[-−]\s*[a-zA-Z\\]|/\d|[ac-jln-z](?![a-zA-Z])|[!$]")


def span_end(text: str, at: int, final: bool) -> int:
    """The index behind the span that `text[at]` opens, LITERAL if it opens none, WAIT while that is open."""
    match text[at]:
        case "`":
            return _code(text, at, final)
        case "[":
            return _link(text, at, final)
        case "<":
            return _tag(text, at, final)
        case "$" | "\\":
            return maths_end(text, at, final)
        case "(" | "（":
            return _aside(text, at, final)
        case "【":
            return _closed(text, at, "】", 80, final)
        case _:
            return LITERAL


def maths_end(text: str, at: int, final: bool) -> int:
    r"""The index behind `$...$`, `$$...$$`, `\(...\)` or `\[...\]`; a price is no maths."""
    opener = text[at : at + 2]
    if len(opener) < 2:
        return LITERAL if final else WAIT
    if opener == "$$":
        return _closed(text, at, "$$", DISPLAY_CHARS, final)
    if opener == "\\[":
        return _closed(text, at, "\\]", DISPLAY_CHARS, final)
    if opener == "\\(":
        return _closed(text, at, "\\)", MATHS_CHARS, final)
    if opener[0] == "\\":
        return at + 2
    return _dollars(text, at, final)


def _dollars(text: str, at: int, final: bool) -> int:
    """Pandoc's rule: no space inside the dollars, no digit behind the last. "$5 and $10" are prices."""
    if text[at + 1].isspace() or _ALNUM.match(text[at - 1 : at]):
        return LITERAL
    may_open = _may_open(text, at, final)
    if may_open != at:
        return may_open
    close = _next_dollar(text, at + 1, at + MATHS_CHARS)
    if close < 0:
        return LITERAL if final or len(text) >= at + MATHS_CHARS else WAIT
    if close + 1 == len(text) and not final:
        return WAIT
    inner = text[at + 1 : close]
    fits = not inner[-1].isspace() and not text[close + 1 : close + 2].isdigit()
    return close + 1 if fits and _LOOKS_LIKE_MATHS.search(inner) else LITERAL


def _may_open(text: str, at: int, final: bool) -> int:
    """`at` when maths may begin here; LITERAL or WAIT."""
    figure = _FIGURE.match(text, at)
    if figure is None:
        name = _NAME.match(text, at)
        if name and name.end() == at + 2 == len(text) and not final:
            return WAIT
        return LITERAL if name and name.end() > at + 2 else at
    if not final and len(text[figure.end() :].lstrip()) < 2:
        return WAIT
    return at if _GOES_ON_AS_MATHS.match(text, figure.end()) else LITERAL


def _next_dollar(text: str, at: int, limit: int) -> int:
    close = text.find("$", at, limit)
    while close > 0 and text[close - 1] == "\\":
        close = text.find("$", close + 1, limit)
    return close


def _closed(text: str, at: int, closer: str, limit: int, final: bool) -> int:
    close = text.find(closer, at + len(closer), at + limit)
    if close >= 0:
        return close + len(closer)
    return LITERAL if final or len(text) >= at + limit else WAIT


def _code(text: str, at: int, final: bool) -> int:
    ticks = re.match("`+", text[at : at + CODE_CHARS])
    run = ticks.group() if ticks else "`"
    inside = at + len(run)
    if inside == len(text) and not final:
        return WAIT
    closing = re.compile(rf"(?<!`){run}(?!`)").search(text, inside, at + CODE_CHARS)
    if closing is None:
        return inside if final or len(text) >= at + CODE_CHARS else WAIT
    if closing.end() == len(text) and not final:
        return WAIT
    return closing.end()


def _link(text: str, at: int, final: bool) -> int:
    label = _balanced(text, at, "[", "]", LABEL_CHARS)
    if label in (LITERAL, WAIT):
        return LITERAL if final else label
    if label == len(text):
        return label if final else WAIT
    if text[label] == "[":
        reference = _balanced(text, label, "[", "]", LABEL_CHARS)
        if reference == WAIT:
            return label if final else WAIT
        return reference or label
    if text[label] != "(":
        return label
    target = _TARGET.match(text, label, label + TARGET_CHARS)
    if target:
        return target.end()
    may_close = not final and len(text) < label + TARGET_CHARS and _OPEN_TARGET.match(text, label)
    return WAIT if may_close else label


def _balanced(text: str, at: int, opener: str, closer: str, limit: int) -> int:
    """The index behind the bracket that closes the one at `at`, WAIT, or LITERAL when nested too deep."""
    depth = 0
    for found in re.compile(rf"\\.|[{re.escape(opener + closer)}]", re.DOTALL).finditer(text, at, at + limit):
        if found.group() in opener:
            depth += 1
        elif found.group() in closer:
            depth -= 1
        if depth == 0:
            return found.end()
        if depth > _MAX_NESTING:
            return LITERAL
    return WAIT if len(text) < at + limit else LITERAL


def _tag(text: str, at: int, final: bool) -> int:
    found = TAG.match(text, at) or _AUTOLINK.match(text, at)
    if found:
        return found.end()
    if final or len(text) >= at + TAG_CHARS:
        return LITERAL
    ahead = text[at : at + TAG_CHARS]
    return WAIT if _OPEN_TAG.match(ahead) or _OPEN_AUTOLINK.match(ahead) else LITERAL


def _aside(text: str, at: int, final: bool) -> int:
    """A bracket that holds a source: "(source: ...)" or nothing but links."""
    if not ASIDE.match(text, at):
        maybe = _MAYBE_ASIDE.match(text, at)
        words = _SOURCE_WORDS.split("|")
        open_ended = maybe is not None and any(word.startswith(maybe.group(1).lower()) for word in words)
        return WAIT if open_ended and not final else LITERAL
    end = _balanced(text, at, "(（", ")）", ASIDE_CHARS)
    return LITERAL if final and end == WAIT else end
