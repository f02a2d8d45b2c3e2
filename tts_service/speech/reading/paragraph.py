"""A paragraph, item or heading while it is being written: gives out each sentence when its end is certain.

What is given out is Markdown source. Every decision is taken at a place in the text and looks no further than
that place needs, so it is the same however the text was cut on its way here. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tts_service.speech.reading import spans
from tts_service.speech.reading.languages import Ear
from tts_service.speech.reading.sentences import CJK, ENDS, NO_END, WAIT, sentence_end

#: A sentence longer than this is cut at a clause mark or a space: the voice needs something to say meanwhile.
MAX_SENTENCE_CHARS = 300
_MIN_CUT_CHARS = 60

_STOP = re.compile(rf"[\\`<\[$(（【{ENDS}]")
_CLAUSE = re.compile(r"[;:,](?=\s)|[—；：，、،؛]")
_SPACE = re.compile(r"\s+")
_BLOCK_TAG = re.compile(
    r"</?(?:br|p|div|li|ul|ol|h[1-6]|tr|td|th|table|thead|tbody|hr|details|summary|section|blockquote|article|header"
    r"|footer|main|nav|dl|dt|dd|figure|figcaption|pre)\b",
    re.IGNORECASE,
)
_CJK_CHAR = re.compile(rf"[{CJK}]")


class Sentence(NamedTuple):
    """Markdown source, and the language of what has been said up to it."""

    source: str
    language: str


class Paragraph:
    """Text goes in by `feed`, sentences come out; `finish` gives the rest."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._text = ""
        self._start = 0  # of the sentence now open
        self._at = 0  # everything before has been judged
        self._spans: list[tuple[int, int]] = []  # of the open sentence: places where it may not be cut
        self._silent = 0  # characters of the open sentence that a voice will not say, such as link targets
        self.spoken = False  # whether a sentence has been given out

    @property
    def rest(self) -> str:
        """What has not been given out yet."""
        return self._text[self._start :]

    def in_display_maths(self) -> bool:
        r"""Whether the text stands in an open `$$` or `\[`, whose lines are no Markdown."""
        return self._text.startswith(("$$", "\\["), self._at)

    def feed(self, text: str) -> list[Sentence]:
        self._text += text
        return self._sentences(final=False)

    def finish(self) -> list[Sentence]:
        given = self._sentences(final=True)
        if self.rest:
            given.append(self._give(len(self._text)))
        return given

    def _sentences(self, final: bool) -> list[Sentence]:
        given: list[Sentence] = []
        while True:
            cut = self._start + MAX_SENTENCE_CHARS + self._silent
            stop = _STOP.search(self._text, self._at)
            here = stop.start() if stop else len(self._text)
            if here > cut:
                self._cut(cut, given)
                continue
            if stop is None:
                self._at = here
                break
            end = self._judge(here, final)
            if end == WAIT:
                self._at = here
                break
            if end != NO_END:
                given.append(self._give(end))
        if self._start > 4096:  # keep what is held, and the search in it, small
            self._spans = [(begin - self._start, end - self._start) for begin, end in self._spans]
            self._text, self._at, self._start = self._text[self._start :], self._at - self._start, 0
        return given

    def _judge(self, here: int, final: bool) -> int:
        """Moves on behind the mark at `here`; the end of the sentence if that is one."""
        mark = self._text[here]
        if mark in ENDS and not self._is_image(here):
            end = sentence_end(self._text, self._start, here, here + 1, final, self._ear.language)
            if end == NO_END:
                self._at = self._behind_marks(here)
            return end
        opened = here + 1 if mark == "!" else here
        behind = spans.span_end(self._text, opened, final)
        if behind == spans.WAIT:
            return WAIT
        if behind == spans.LITERAL:
            self._at = opened + 1
            return NO_END
        return self._behind_span(here, behind, final)

    def _is_image(self, here: int) -> bool:
        return self._text.startswith("![", here)

    def _behind_marks(self, here: int) -> int:
        while here < len(self._text) and self._text[here] in ENDS:
            here += 1
        return here

    def _behind_span(self, here: int, behind: int, final: bool) -> int:
        span = self._text[here:behind]
        if _BLOCK_TAG.match(span):
            return behind
        if span[0] == "[":
            close = max(span.rfind("]("), span.rfind("]["))
            label = span[:close].rstrip("*_")
            if label[-1] in ENDS:
                return self._link_end(here + len(label) - 1, behind, final, span)
        self._pass(here, behind, span)
        return NO_END

    def _link_end(self, mark: int, behind: int, final: bool, span: str) -> int:
        end = sentence_end(self._text, self._start, mark, behind, final, self._ear.language)
        if end == NO_END:
            self._pass(behind - len(span), behind, span)
        return end

    def _pass(self, here: int, behind: int, span: str) -> None:
        self._spans.append((here, behind))
        self._silent += len(span) - len(span[: span.rindex("](")]) if "](" in span else 0
        self._at = behind

    def _cut(self, limit: int, given: list[Sentence]) -> None:
        """Cut before `limit` at the last clause mark or space, or between CJK characters; else wait."""
        where = self._last(_CLAUSE, limit)
        if where:
            given.append(self._give(where))
            return
        where = self._last(_SPACE, limit)
        in_span = any(begin < limit < end for begin, end in self._spans)
        if not where and not in_span and _CJK_CHAR.match(self._text, limit):
            where = limit
        if where:
            comma = "，" if _CJK_CHAR.match(self._text, where - 1) else ","
            source, language = self._give(where)
            given.append(Sentence(source.rstrip() + comma, language))
        else:
            self._silent += 50

    def _last(self, pattern: re.Pattern[str], limit: int) -> int:
        free = [
            found.end()
            for found in pattern.finditer(self._text, self._start + _MIN_CUT_CHARS, limit)
            if not any(begin < found.end() < end for begin, end in self._spans)
        ]
        return free[-1] if free else 0

    def _give(self, end: int) -> Sentence:
        sentence = self._text[self._start : end]
        self._start = end
        self._at = max(self._at, end)
        self._spans = [span for span in self._spans if span[1] > end]
        self._silent = 0
        self.spoken = True
        self._ear.hear(sentence)
        return Sentence(sentence, self._ear.language())
