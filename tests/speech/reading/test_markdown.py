"""Inline Markdown in words: the short way for plain sentences says what the parser would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tts_service.speech.reading import markdown

# A zero-width space is nothing to hear and not plain: it sends the same sentence the long way.
LONG_WAY = "\u200b"


@given(st.text("abcXYZ0189 ,.!?';", min_size=1, max_size=60))
def test_a_plain_sentence_is_said_as_the_parser_would_say_it(sentence: str) -> None:
    assert markdown.words(sentence, "en") == markdown.words(sentence + LONG_WAY, "en")
