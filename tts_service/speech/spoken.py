"""Words to say: a model's Markdown becomes the sentences a voice speaks, while the model still writes. Pure.

The rules, and why each is as it is: docs/speech-text.md.
"""

from __future__ import annotations

import re

from tts_service.speech.reading import markdown
from tts_service.speech.reading.blocks import Blocks, Piece, Said
from tts_service.speech.reading.hidden import Hidden
from tts_service.speech.reading.languages import announce_code
from tts_service.speech.reading.sentences import CJK

_CJK_CHAR = re.compile(rf"[{CJK}]")
_CLOSERS = "\"'”’“»›)]）」』】》 "
_PAUSES = ".!?…。！？｡‽؟।۔,;:，；：、،؛—"
_LOOSE_ENDS = " \t-–|/\\*_~>"


class SpokenText:
    """Fed with a reply as it is written; gives what to say, a sentence at a time and for good.

    However the reply is cut into deltas, the sentences are the same. `language` is a tag such as "fr" or
    "fr-CA"; with "auto", and with a language not among en, fr, de, es, zh, ja, the text itself tells.
    """

    def __init__(self, language: str = "auto") -> None:
        self._hidden = Hidden()
        self._blocks = Blocks(language)

    def feed(self, delta: str) -> list[str]:
        """The sentences that `delta` completes: plain words, each ending in a mark where a voice pauses."""
        return _said(self._blocks.feed(self._hidden.feed(delta.replace("\r", " "))))

    def finish(self) -> list[str]:
        """What is left when no more comes."""
        pieces = self._blocks.feed(self._hidden.finish())
        return _said(pieces + self._blocks.finish())


def _said(pieces: list[Piece]) -> list[str]:
    return [text for text in map(_words, pieces) if any(map(str.isalnum, text))]


def _words(piece: Piece) -> str:
    match piece.said:
        case Said.CODE:
            return announce_code(piece.source, piece.language)
        case Said.ROW:
            return _row(piece)
        case Said.SENTENCE:
            return _sentence(piece)


def _sentence(piece: Piece) -> str:
    text = markdown.words(piece.source, piece.language).lstrip(" ,;，；、").strip()
    if not any(map(str.isalnum, text)):
        return ""
    return _ended(f"{piece.label} {text}" if piece.label else text)


def _row(piece: Piece) -> str:
    """ "Plan: Basic, price: 9 euros." Headings after the first lose their capital, but not in German."""
    parts: list[str] = []
    for heading, cell in piece.cells:
        head = markdown.words(heading, piece.language).rstrip(" :：")
        said = markdown.words(cell, piece.language).rstrip(" .,;。，；")
        if not any(map(str.isalnum, said)):
            continue
        if parts and piece.language != "de" and head[1:] == head[1:].lower():
            head = head[:1].lower() + head[1:]
        parts.append(f"{head}: {said}" if head else said)
    if _CJK_CHAR.search("".join(parts)):
        return _ended("，".join(part.replace(": ", "：", 1) for part in parts))
    return _ended(", ".join(parts))


def _ended(text: str) -> str:
    """With a mark at its end; a full stop where it had none."""
    text = text.rstrip(_LOOSE_ENDS)
    last = text.rstrip(_CLOSERS)[-1:]
    if last and last in _PAUSES:
        return text
    return text + ("。" if _CJK_CHAR.search(text) else ".")
