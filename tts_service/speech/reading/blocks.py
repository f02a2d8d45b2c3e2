"""The block structure of Markdown while it is being written; gives out sentences, rows, code. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from tts_service.speech.reading import markdown
from tts_service.speech.reading.languages import Ear
from tts_service.speech.reading.lines import Context, Kind, LineStart, read_line_start
from tts_service.speech.reading.paragraph import Paragraph, Sentence

#: A line shorter than this, followed by one that begins with a capital, was ended on purpose.
SHORT_LINE_CHARS = 40

_CLOSING_HASHES = re.compile(r"(?:^|[ \t])#+[ \t]*$")
_DELIMITERS = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")


class Said(Enum):
    SENTENCE = auto()
    CODE = auto()
    ROW = auto()


@dataclass(frozen=True)
class Piece:
    """Something to say. `source` is Markdown, or what stands behind a fence; `label` an ordered item's number
    ("3."); `cells` a row's (heading, cell) pairs."""

    said: Said
    language: str
    source: str = ""
    label: str = ""
    cells: tuple[tuple[str, str], ...] = ()


class Blocks:
    """Text goes in by `feed`, pieces come out as soon as they are certain; `finish` gives the rest."""

    def __init__(self, language: str) -> None:
        self._ear = Ear(language)
        self._pieces: list[Piece] = []
        self._text = ""  # not read yet
        self._in_line = False  # the start of the present line has been read
        self._needs_line = False  # nothing can be told before the line is whole
        self._line = ""  # what has been read of the present line
        self._skips_line = False
        self._paragraph: Paragraph | None = None
        self._label = ""
        self._heading = False
        self._after_blank = True
        self._short_line = False
        self._item_column: int | None = None
        self._fence = ""
        self._in_code = False
        self._in_note = False
        self._header: str | None = None  # a line that begins with a bar, until the next tells what it is
        self._table: tuple[str, str] | None = None  # its header line and the line of dashes

    def feed(self, text: str) -> list[Piece]:
        self._text += text
        if self._needs_line and "\n" not in text:
            return []
        return self._read(final=False)

    def finish(self) -> list[Piece]:
        pieces = self._read(final=True)
        if self._in_line:
            self._end_line()
        self._settle_header()
        self._end_paragraph()
        return pieces + self._taken()

    def _taken(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _read(self, final: bool) -> list[Piece]:
        at = 0
        self._needs_line = False
        while at < len(self._text):
            newline = self._text.find("\n", at)
            end = newline if newline >= 0 else len(self._text)
            if not self._in_line:
                read = self._begin_line(self._text[at:end], newline >= 0 or final)
                if read is None:
                    break
                at += read
                self._in_line = True
            self._continue_line(self._text[at:end])
            at = end
            if newline >= 0:
                self._end_line()
                at += 1
        self._text = self._text[at:]
        return self._taken()

    # One line: its beginning, more of it, its end.

    def _begin_line(self, line: str, complete: bool) -> int | None:
        """How many characters of `line` are no text of it; None to wait for more."""
        self._line = ""
        self._skips_line = False
        if self._fence:
            return self._fenced(line, complete)
        if self._paragraph and self._paragraph.in_display_maths() and line.strip():
            return 0
        start = read_line_start(line, complete, self._context())
        if start is None:
            self._needs_line = line.lstrip().startswith("|")
            return None
        if (start.kind in (Kind.ROW, Kind.RULE) or self._table) and self._may_be_of_table(line, start):
            if not complete:
                self._needs_line = True
                return None
            if self._take_table_line(line):
                return len(line)
        self._settle_header()
        return self._open(line, start)

    def _context(self) -> Context:
        return Context(self._paragraph is not None, self._after_blank, self._item_column)

    def _open(self, line: str, start: LineStart) -> int:
        self._table = None
        if self._in_note and (start.kind is Kind.BLANK or line[:2].isspace()):
            return self._skip(line)
        self._in_note = False
        if start.kind is not Kind.CODE and start.kind is not Kind.BLANK:
            self._in_code = False
        if start.kind is not Kind.TEXT or self._breaks_line(line[start.content :]):
            self._end_paragraph()
        self._leave_list(line, start)
        return self._opened(line, start)

    def _opened(self, line: str, start: LineStart) -> int:
        match start.kind:
            case Kind.BLANK:
                self._after_blank = True
                return self._skip(line)
            case Kind.CODE:
                if not self._in_code:
                    self._announce("")
                self._in_code = True
                return self._skip(line)
            case Kind.FENCE:
                self._fence = start.mark
                self._announce(line[start.content + len(start.mark) :])
                return self._skip(line)
            case Kind.RULE:
                return self._skip(line)
            case Kind.NOTE:
                self._in_note = True
                return self._skip(line)
            case _:
                return self._text_begins(start)

    def _text_begins(self, start: LineStart) -> int:
        self._after_blank = False
        if self._paragraph is None:
            self._paragraph = Paragraph(self._ear)
            self._label = start.label
            self._heading = start.kind is Kind.HEADING
        return start.content

    def _leave_list(self, line: str, start: LineStart) -> None:
        indent = len(line) - len(line.lstrip())
        if start.kind is Kind.ITEM:
            self._item_column = indent + 2
        elif (
            start.kind is not Kind.BLANK
            and indent == 0
            and (self._after_blank or start.kind is not Kind.TEXT)
        ):
            self._item_column = None

    def _breaks_line(self, content: str) -> bool:
        """A short line followed by a capital: chat windows show the break, and the voice pauses."""
        begun = content.lstrip('*_"“(')[:1]
        return self._short_line and (begun.isupper() or begun == "[")

    def _skip(self, line: str) -> int:
        self._skips_line = True
        if line.strip():
            self._after_blank = False
        return len(line)

    def _continue_line(self, text: str) -> None:
        if self._skips_line or self._paragraph is None or not text:
            return
        self._line += text
        self._give(self._paragraph.feed(text))

    def _end_line(self) -> None:
        self._in_line = False
        if self._skips_line or self._paragraph is None:
            return
        hard = self._line.endswith(("  ", "\\")) and not self._paragraph.in_display_maths()
        if self._heading or hard:
            self._end_paragraph()
            return
        self._short_line = len(self._line) < SHORT_LINE_CHARS
        self._give(self._paragraph.feed("\n"))

    # Blocks.

    def _fenced(self, line: str, complete: bool) -> int | None:
        if not complete:
            self._needs_line = True
            return None
        closing = line.strip(" \t>")
        if closing.startswith(self._fence) and not closing.strip(self._fence[0]):
            self._fence = ""
            self._after_blank = False
        self._skips_line = True
        return len(line)

    def _may_be_of_table(self, line: str, start: LineStart) -> bool:
        """Whether the line is part of a table, or may be the first of one, as far as its beginning tells."""
        if start.kind is Kind.BLANK:
            return False
        if self._table:
            led = self._table[0].startswith("|")
            return line.lstrip(" \t>").startswith("|") if led else start.kind is Kind.TEXT
        if start.kind is Kind.ROW:
            return True
        return bool(_DELIMITERS.fullmatch(line)) and self._plain_header() is not None

    def _plain_header(self) -> str | None:
        """The open paragraph when it may be the header of a table whose lines do not begin with a bar."""
        if self._paragraph is None or self._paragraph.spoken or self._label or self._heading:
            return None
        rest = self._paragraph.rest.strip()
        return rest if "|" in rest and "\n" not in rest else None

    def _take_table_line(self, line: str) -> bool:
        """Whether the line was part of a table, or stays in hand as the possible first of one."""
        bare = line.strip(" \t>")
        if self._table and "|" not in bare:
            return False
        self._skips_line = True
        self._after_blank = False
        if self._table:
            self._row(bare)
            return True
        header = self._header if self._header is not None else self._plain_header()
        if header is not None and _DELIMITERS.fullmatch(bare) and markdown.row(header, bare, "") is not None:
            self._table, self._header = (header, bare), None
            self._paragraph = None
            return True
        self._settle_header()
        self._end_paragraph()
        self._header = bare
        return True

    def _row(self, line: str) -> None:
        assert self._table is not None
        cells = markdown.row(*self._table, line)
        if cells:
            source = " ".join(cell for _, cell in cells)
            self._ear.hear(source)
            self._pieces.append(Piece(Said.ROW, self._ear.language(), cells=tuple(cells)))

    def _settle_header(self) -> None:
        """A line that began with a bar was no table: it is text."""
        header, self._header = self._header, None
        if header is None or _DELIMITERS.fullmatch(header):
            return
        self._end_paragraph()
        self._paragraph = Paragraph(self._ear)
        self._give(self._paragraph.feed(header.strip("| ").replace("|", ",")))
        self._end_paragraph()

    def _announce(self, info: str) -> None:
        self._pieces.append(Piece(Said.CODE, self._ear.language(), info))

    def _end_paragraph(self) -> None:
        if self._paragraph is None:
            return
        rest = self._paragraph.finish()
        if self._heading and rest:
            rest[-1] = rest[-1]._replace(source=_CLOSING_HASHES.sub("", rest[-1].source))
        self._give(rest)
        self._paragraph = None
        self._label, self._heading, self._short_line = "", False, False

    def _give(self, sentences: list[Sentence]) -> None:
        for source, language in sentences:
            self._pieces.append(Piece(Said.SENTENCE, language, source, self._label))
            self._label = ""
