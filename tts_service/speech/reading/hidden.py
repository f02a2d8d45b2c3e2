"""Takes out what nobody should see or hear: a model's thoughts, HTML comments, scripts and styles. Pure.

A thought that is never closed hides all that follows: better silence than a model's thinking read aloud. In a
code block, or behind an odd number of backticks on the line, the tag is text.
"""

from __future__ import annotations

import re

_THOUGHTS = ("think", "thinking", "thought", "reasoning")
_RAW = ("script", "style")
_OPENER = re.compile(rf"<(?:({'|'.join(_THOUGHTS + _RAW)})(?:\s[^<>]*)?>|!--)", re.IGNORECASE)
_OPEN_OPENER = re.compile(r"<(?:!-?|([a-zA-Z]{0,9})(\s[^<>]{0,200})?)$")
_FENCE = re.compile(r"\s*(?:>\s*|[-*+]\s+|\d+[.)]\s+)*(`{3,}|~{3,})([^\n]*)$")
_NAMES = (*_THOUGHTS, *_RAW)
_LONGEST_CLOSER = 40  # "</reasoning>" with some spaces before the bracket
_MARK = re.compile(r"[<\n]")


class Hidden:
    """A filter: what goes in by `feed` comes out, without what is hidden."""

    def __init__(self) -> None:
        self._text = ""
        self._line = ""  # what of the present line has gone out
        self._fence = ""  # the mark that opened the code block we are in
        self._until: re.Pattern[str] | None = None  # the end of what is hidden now
        self._doubtful = False  # a <style> in the middle of a line: a blank line shows that it was a word

    def feed(self, delta: str) -> str:
        self._text += delta
        return "".join(self._visible(final=False))

    def finish(self) -> str:
        shown = self._visible(final=True)
        return "".join(shown) + (self._text if self._doubtful else "")

    def _visible(self, final: bool) -> list[str]:
        shown: list[str] = []
        while self._text:
            if self._until is not None:
                if not self._skip():
                    break
            elif not self._show(shown, final):
                break
        return shown

    def _skip(self) -> bool:
        """Drop what is hidden; False when its end has not come yet."""
        assert self._until is not None
        blank = self._text.find("\n\n") if self._doubtful else -1
        end = self._until.search(self._text, 0, blank if blank >= 0 else len(self._text))
        if end is None and blank < 0:
            if not self._doubtful:
                self._text = self._text[-_LONGEST_CLOSER:]
            return False
        self._text = self._text[end.end() if end else 0 :]
        self._until, self._doubtful = None, False
        return True

    def _show(self, shown: list[str], final: bool) -> bool:
        """Give out as far as the next tag that hides; False when more is needed to tell whether it is one."""
        at = 0
        for mark in _MARK.finditer(self._text):
            here = mark.start()
            self._line += self._text[at:here]
            if mark.group() == "\n":
                self._end_line()
            elif not self._in_code():
                opener = _OPENER.match(self._text, here)
                if opener or (not final and self._may_become_opener(here)):
                    shown.append(self._text[:here])
                    self._text = self._text[opener.end() if opener else here :]
                    if opener:
                        self._hide(opener.group(1))
                    return opener is not None
            else:
                self._line += "<"
            at = mark.end()
        self._line += self._text[at:]
        shown.append(self._text)
        self._text = ""
        return True

    def _hide(self, name: str | None) -> None:
        self._until = re.compile(rf"</{name}\s*>", re.IGNORECASE) if name else re.compile("-->")
        self._doubtful = name is not None and name.lower() in _RAW and bool(self._line.strip())

    def _in_code(self) -> bool:
        return bool(self._fence) or self._line.count("`") % 2 == 1

    def _may_become_opener(self, here: int) -> bool:
        found = _OPEN_OPENER.match(self._text, here)
        if found is None:
            return False
        name, blank = (found.group(1) or "").lower(), found.group(2)
        return name in _NAMES if blank else any(word.startswith(name) for word in _NAMES)

    def _end_line(self) -> None:
        fence = _FENCE.fullmatch(self._line)
        if fence and not self._fence:
            if fence.group(1)[0] == "~" or "`" not in fence.group(2):
                self._fence = fence.group(1)
        elif fence and fence.group(1).startswith(self._fence) and not fence.group(2).strip():
            self._fence = ""
        self._line = ""
