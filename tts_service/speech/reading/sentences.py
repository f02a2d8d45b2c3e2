"""Where a sentence ends, judged from as few characters as make it certain. Pure.

Every answer depends on the text up to the character that decided it and on nothing later, so a text cut
anywhere on its way here ends its sentences in the same places.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tts_service.speech.reading import abbreviations as abbr

#: Answers of `sentence_end` beside the index of an end (which is always above 0).
NO_END, WAIT = 0, -1

CJK_ENDS = "。！？｡"
ENDS = ".!?…‽؟।۔" + CJK_ENDS
CJK = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u30ff"
QUOTED_CHARS = 120  # inside 「 」 or “ ” a CJK sentence goes on, but no longer than this

_RUN = re.compile(rf"[{ENDS}]+")
_CLOSERS = re.compile(
    r"""(?:['”’›)\]}）」』】》〉*_~]|"""
    r"""\[\^?\w{1,12}(?:[, –-]{1,2}\d{1,3}){0,6}\](?![(\[])|【[^】\n]{0,80}】|\ue200[^\ue201]{0,80}\ue201"""
    r"""|</[a-zA-Z]\w{0,11}>)*"""
)
_UNFINISHED_CLOSER = re.compile(
    r"(?:\[[^\]\n]{0,45}\]?|【[^】\n]{0,80}|\ue200[^\ue201]{0,80}|</?[\w ]{0,12}/?)$"
)
_BREAK_TAG = re.compile(r"</?[a-zA-Z][\w ]{0,11}/?>")
_LAST_WORD = re.compile(r"[^\W_](?:[\w.'’°-]*[\w°])?$")
_NEXT_WORD = re.compile(r"[\s\"'“”«»„‘(\[*_¿¡]*([^\W\d_]+(?:['’][^\W\d_]+)?)")
_SPACES = re.compile(r"\s*")
_OPENERS = re.compile(r"[\"'“„«‘(\[*_~]*")
_ENUMERATION = re.compile(r"[\W_]*(?:\d{1,3}|[a-zA-Z])$|.*(?:[:;]\s+|：\s*)[*_(]*\d{1,2}$", re.DOTALL)
_DOTTED = re.compile(r"(?:[^\W\d_]\.-?)+[^\W\d_]$")
_SPACED_ABBREVIATION = re.compile(
    r"(?:\b[zZ]\.\s?B|\b[dD]\.\s?h|\b[uU]\.\s?[aä]|\b[oO]\.\s?[gÄä]|\b[iI]\.\s?d\.\s?R|\b[sS]\.\s?[ou]|\b[vn]\.\s?Chr|"
    r"\b[pP]\.\s?(?:ex|ej)|\bEE\.?\s?|[XVI]e\s+s|\b[uU]\.\s?U)$"
)
_OPENED_BY = {"“": "„", "»": "«", "«": "»"}
_SPACED_GUILLEMETS = (" »", "\u00a0»", "\u202f»")
_SECOND_HALVES = frozenset(("-", "chr"))  # of "z. B." and "v. Chr."
_BEFORE_KEYS = ("+", "/", "=")  # "Ctrl+V" ends in no initial
_BEFORE_AMOUNTS = ("$", "€", "£", "¥", "#", "§")
_MONTH_INITIALS = "JFMASOND"
_QUOTES = (("「", "」"), ("『", "』"), ("（", "）"), ("“", "”"))

#: The language of a text whose latest part is given.
Language = Callable[[str], str]


def sentence_end(text: str, start: int, at: int, closers_at: int, final: bool, language: Language) -> int:
    """Judge the end mark at `text[at]` of a sentence that begins at `start`.

    `closers_at` is where quotes and brackets that belong to the sentence may begin: behind the mark, or
    behind the link it stands in. `final` says that no more text comes. Returns the index behind the
    sentence, NO_END, or WAIT for more text.
    """
    run = _RUN.match(text, at)
    marks = run.group() if run and run.end() >= closers_at else text[at]
    after = max(run.end() if run else at + 1, closers_at)
    end = _behind_closers(text, start, after, marks[-1] in CJK_ENDS)
    if not final and (end == len(text) or _UNFINISHED_CLOSER.match(text, end)):
        return WAIT
    if end == len(text):
        return end
    following = text[end]
    if following == "<":
        return end if _BREAK_TAG.match(text, end) else NO_END
    if marks[-1] in CJK_ENDS:
        return _cjk_end(text, start, end)
    if not following.isspace():
        return _joined_end(marks, text, at, end)
    begun = _SPACES.match(text, end).end() if following != "\n" else end  # type: ignore[union-attr]
    return _Spaced(text, start, at, end, begun, final, language).judged(marks)


def _behind_closers(text: str, start: int, end: int, cjk: bool) -> int:
    while True:
        end = _CLOSERS.match(text, end).end()  # type: ignore[union-attr]
        quote = end + 1 if not cjk and text[end : end + 2] in _SPACED_GUILLEMETS else end
        if quote >= len(text) or not _closes(text[start:end], text[quote], text[quote + 1 : quote + 2], cjk):
            return end
        end = quote + 1


def _closes(sentence: str, quote: str, following: str, cjk: bool) -> bool:
    """Whether a quotation mark that can also open stands at the end of a quotation."""
    if quote in _OPENED_BY:
        return not following.isalnum() or sentence.count(_OPENED_BY[quote]) > sentence.count(quote)
    return quote == '"' and (not cjk or sentence.count('"') % 2 == 1)


def _cjk_end(text: str, start: int, end: int) -> int:
    sentence = text[start:end]
    if end - start <= QUOTED_CHARS and (
        sentence.count('"') % 2 or any(sentence.count(a) > sentence.count(b) for a, b in _QUOTES)
    ):
        return NO_END
    if text[end - 1] in "）)" and not sentence.lstrip().startswith(("（", "(")):
        return NO_END
    quoted = text[end - 1] in "」』”"
    return NO_END if quoted and text[end] in "とっな、，,：は" else end


def _joined_end(marks: str, text: str, at: int, end: int) -> int:
    """No space follows: the end of a sentence only before CJK characters and before emoji."""
    following = text[end]
    if re.match(rf"[{CJK}]", following):
        asks = marks[-1] in "!?" or (marks == "." and text[at - 1 : at].isalpha())
        return end if asks and following not in "，、。：；）」』" else NO_END
    return end if ord(following) >= 0x1F000 or 0x2600 <= ord(following) < 0x27C0 else NO_END


@dataclass(frozen=True)
class _Spaced:
    """An end mark with a space behind it: `text[at]` is the mark, `end` behind its closers, `begun` behind
    the spaces. A newline counts as what follows: nothing beyond it is needed to end a sentence."""

    text: str
    start: int
    at: int
    end: int
    begun: int
    final: bool
    language: Language

    def judged(self, marks: str) -> int:
        if self.begun == len(self.text) and not self.final:
            return WAIT
        following = self.text[self.begun : self.begun + 1] or "\n"
        if following in ",)]}，；：）=%|":
            return NO_END
        if following in "–—-" and self.text[self.end - 1] in "\"”“»«’'":
            return NO_END  # who said it
        if following.islower():
            return self._before_small_letter()
        return self._full_stop() if marks == "." else self.end

    def _before_small_letter(self) -> int:
        """A sentence may begin with "iPhone" or "eBay": a capital in second place tells."""
        if self.begun + 1 == len(self.text):
            return NO_END if self.final else WAIT
        return self.end if self.text[self.begun + 1].isupper() else NO_END

    def _full_stop(self) -> int:
        before = self.text[max(self.start, self.at - 32) : self.at]
        found = _LAST_WORD.search(before)
        if found is None or (self.end > self.at + 1 and self.text[self.at + 1] in '"”»)]」'):
            return self.end
        written = found.group()
        word = written.lower().replace("’", "'").rpartition("'")[2]
        figure = self._figure_follows() if word in abbr.BEFORE_FIGURES or word.endswith("str") else NO_END
        if figure != NO_END:
            return WAIT if figure == WAIT else NO_END
        if _never_last(written, word) or _SPACED_ABBREVIATION.search(before):
            return NO_END
        if word.isdigit() and len(word) <= 3 and before[: found.start()][-1:] not in _BEFORE_AMOUNTS:
            return self._after_figure()
        return self._after_word(written, word)

    def _after_word(self, written: str, word: str) -> int:
        """What may be an abbreviation, an initial, or just the last word."""
        if word in abbr.LAST_BEFORE_CAPITAL:
            return self._end_unless(abbr.AFTER_CLOCK)
        if len(word) == 1 and written.islower():
            return self._end_unless(_SECOND_HALVES)
        before = self.text[self.start : self.at - 1][-1:]
        initial = len(word) == 1 and written.isupper() and before not in _BEFORE_KEYS
        if not initial and word not in abbr.MAYBE_LAST and not _DOTTED.fullmatch(word):
            return self.end
        following = self._next_word()
        if following is None:
            return WAIT
        return self.end if not following or following in abbr.STARTERS else NO_END

    def _figure_follows(self) -> int:
        """The index of a figure behind the mark, NO_END without one, WAIT while that is open."""
        opened = _OPENERS.match(self.text, self.begun).end()  # type: ignore[union-attr]
        if opened == len(self.text):
            return NO_END if self.final else WAIT
        return opened if self.text[opened].isdigit() else NO_END

    def _after_figure(self) -> int:
        """ "1." opens a list item; "am 3. Mai" is an ordinal in German; "costs 3. The" ends a sentence."""
        if _ENUMERATION.fullmatch(self.text[self.start : self.at][-400:]):
            return NO_END
        if self.begun == len(self.text) or not self.text[self.begun].isupper():
            return self.end
        german = self.language(self.text[self.start : self.at]) == "de"
        if not german and self.text[self.begun] not in _MONTH_INITIALS:
            return self.end
        word = self._next_word()
        if word is None:
            return WAIT
        if german or word in abbr.GERMAN_MONTHS:
            return self.end if word in abbr.STARTERS or not word else NO_END
        return self.end

    def _end_unless(self, words: frozenset[str]) -> int:
        word = self._next_word()
        if word is None:
            return WAIT
        return NO_END if word in words else self.end

    def _next_word(self) -> str | None:
        """The word at `begun` in lower case; "" if none, "-" for an initial; None until it is whole."""
        text, final = self.text, self.final
        found = _NEXT_WORD.match(text, self.begun)
        if found is None:
            seen = text[self.begun :].strip(" \t\"'“”«»„‘([*_¿¡")
            return "" if final or seen else None
        behind = text[found.end() : found.end() + 2]
        if not final and (not behind or behind in ("'", "’")):
            return None
        word = found.group(1).lower().replace("’", "'")
        return "-" if behind[:1] == "." and len(word) == 1 else word


def _never_last(written: str, word: str) -> bool:
    if written.isupper() and len(written) > 1 and "." not in written:
        return written == "MM"
    return word in abbr.NEVER_LAST or (written[0].isupper() and word in abbr.TITLES)
