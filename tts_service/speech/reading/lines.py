"""What the beginning of a line makes of it: a heading, an item, a fence; told as early as is certain. Pure.

What a line means depends on the lines before it and never on a later one: a paragraph is spoken while it is
being written, so an underline below it can no longer make it a heading (it only ends it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from markdown_it import MarkdownIt

from tts_service.speech.reading.symbols import starts_with_emoji


class Kind(Enum):
    BLANK = auto()
    TEXT = auto()
    ITEM = auto()
    HEADING = auto()
    FENCE = auto()
    CODE = auto()  # indented by four spaces
    RULE = auto()  # or the underline of a heading: ends what stands above, says nothing
    ROW = auto()  # begins with a bar: perhaps of a table
    NOTE = auto()  # a footnote's text or a link's target


@dataclass(frozen=True)
class Context:
    """What the lines before have left open; `item_column` is where an open list's text begins, or None."""

    in_paragraph: bool
    after_blank: bool
    item_column: int | None


@dataclass(frozen=True)
class LineStart:
    """`content` is where the text begins; `label` an ordered item's number ("3."); `mark` opens a fence."""

    kind: Kind
    content: int = 0
    label: str = ""
    mark: str = ""
    quoted: bool = False


_parser = MarkdownIt("commonmark").disable(["html_block", "reference", "code", "lheading"])

_INDENT = re.compile(r"[ \t]*")
_BULLET = "•◦▪‣·●○–—"
_CONTAINERS = re.compile(
    rf"(?:[ \t]*(?:>|(?:[-+*]|\d{{1,9}}[.)])(?=[ \t])|[{_BULLET}](?=[ \t]))){{0,16}}[ \t]*"
)
_HASHES = re.compile(r"#{1,6}(?=[ \t]|$)[ \t]*")
_UNDECIDED = re.compile(
    rf"|#{{1,6}}|[{_BULLET}]|[-+*_=:|][-*_=+:| \t]*|\d{{1,9}}[.)]?"
    r"|\|.*|`{1,2}|`{3,}[^`]*|~{1,2}|~{3,}.*|\[[^\]]{0,200}\]?|\[[^\]]{0,200}\]:.*"
    r"|[\"“(*_]+|[#*\d]\ufe0f|[©®™\u2194-\u21aa\u3297\u3299]",  # what may go on to be a capital, or an emoji
    re.DOTALL,
)
_ONLY_MARKS = re.compile(r"[-*_=:|+ \t]+")
_FENCE = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})(.*)", re.DOTALL)
_FOOTNOTE = re.compile(r"\[\^[^\]]{1,200}\]:")
_DEFINITION = re.compile(
    r"\[[^\]]{1,200}\]:\s*<?(?:[a-zA-Z][\w+.-]*:|/|\.|#|www\.|[\w-]+\.[\w-]+/)\S*(?:\s+[\"'(].*)?\s*$"
)
_TASK = re.compile(r"\[[ xX]\](?=[ \t])[ \t]*")


def read_line_start(line: str, complete: bool, context: Context) -> LineStart | None:
    """None while `line`, of which more comes unless it is `complete`, may become one thing or another."""
    indent = _INDENT.match(line).end()  # type: ignore[union-attr]
    if indent == len(line):
        return LineStart(Kind.BLANK) if complete else None
    column = len(line[:indent].expandtabs(4))
    if _is_code(column, context):
        return LineStart(Kind.CODE)
    inside = _CONTAINERS.match(line, indent).end()  # type: ignore[union-attr]
    rest = line[inside:]
    if not complete and _UNDECIDED.fullmatch(rest):
        return None
    if _ONLY_MARKS.fullmatch(line[indent:]) and complete:
        return _marks_only(line[indent:], indent, context)
    return _leaf(line, indent, inside, context)


def _is_code(column: int, context: Context) -> bool:
    floor = 0 if context.item_column is None else context.item_column
    return column >= floor + 4 and context.after_blank and not context.in_paragraph


def _marks_only(marks: str, indent: int, context: Context) -> LineStart:
    """A line without a letter: a rule, an underline, the second line of a table, or nothing."""
    if marks.lstrip().startswith("|"):
        return LineStart(Kind.ROW, indent)
    rule = any(token.type == "hr" for token in _parser.parse(marks))
    if rule or re.fullmatch(r"[-=]+\s*|[-+*]\s*", marks) or "--" in marks:
        return LineStart(Kind.RULE)
    return LineStart(Kind.TEXT, indent) if context.in_paragraph else LineStart(Kind.RULE)


def _leaf(line: str, indent: int, inside: int, context: Context) -> LineStart:
    label, is_item, quoted = _containers(line[indent:inside])
    if is_item and label and context.in_paragraph and context.item_column is None and label[:-1] != "1":
        return LineStart(Kind.TEXT, indent, quoted=quoted)
    rest = line[inside:]
    if not rest.strip():
        return LineStart(Kind.ITEM, inside, label) if is_item else LineStart(Kind.BLANK, quoted=quoted)
    fence = _FENCE.match(rest)
    if fence:
        return LineStart(Kind.FENCE, inside, label, fence.group(1), quoted)
    if _FOOTNOTE.match(rest) or _DEFINITION.match(rest):
        return LineStart(Kind.NOTE)
    if rest[0] == "|" and not is_item:
        return LineStart(Kind.ROW, inside, quoted=quoted)
    hashes = _HASHES.match(rest)
    if hashes:
        return LineStart(Kind.HEADING, inside + hashes.end(), label, quoted=quoted)
    if is_item:
        task = _TASK.match(rest)
        return LineStart(Kind.ITEM, inside + (task.end() if task else 0), label, quoted=quoted)
    return LineStart(Kind.ITEM if starts_with_emoji(rest) else Kind.TEXT, inside, quoted=quoted)


def _containers(head: str) -> tuple[str, bool, bool]:
    """Of the marks before a line's text: an ordered item's number, whether it is an item, whether quoted."""
    plain = re.sub(rf"[{_BULLET}]", "-", re.sub(r"[ \t]+", " ", head))
    if not plain.strip():
        return "", False, False
    tokens = _parser.parse(plain + "x")
    items = [token for token in tokens if token.type == "list_item_open"]
    label = items[-1].info + items[-1].markup if items and items[-1].info else ""
    return label, bool(items), any(token.type == "blockquote_open" for token in tokens)
