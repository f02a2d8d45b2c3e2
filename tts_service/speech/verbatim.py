"""Did the voice say the words it was given? Pure.

The provider sends a transcript along with the sound; for a force_message its parts join to the given text
(protocols 1.8). Punctuation, case and spacing carry no words, and transcripts differ in them.
"""

from __future__ import annotations

import unicodedata


def is_verbatim(asked: str, transcript: str) -> bool:
    """True also where there is no transcript: then nothing is known, and nothing is claimed."""
    return asked == transcript or not transcript.strip() or _words(asked) == _words(transcript)


def _words(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LNM")
