"""Whether the voice said the words it was given, by the transcript that comes with the sound."""

from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.speech.verbatim import is_verbatim


@pytest.mark.parametrize(
    ("asked", "transcript"),
    [
        ("Hello there.", "Hello there."),
        ("Hello there.", "hello there"),
        ("Hello, there!", "Hello there."),
        ("Hello there.", "  Hello\n there. "),
        ("It’s – well – “fine”.", 'It\'s - well - "fine".'),
        ("Größe", "gro\u0308ße"),
        ("STRASSE", "Straße"),
        ("Café", "Cafe\u0301"),
        ("ＡＢＣ １２３", "abc 123"),
        ("Wir öffnen um 9:30 Uhr.", "Wir öffnen um 9 : 30 Uhr"),
        ("我们九点开门。", "我们九点开门"),
        ("e-mail", "e mail"),
        ("हिन्दी में।", "हिन्दी में"),
        ("Hello.", ""),
        ("Hello.", " \n"),
    ],
)
def test_what_differs_in_no_word_is_verbatim(asked: str, transcript: str) -> None:
    assert is_verbatim(asked, transcript)


@pytest.mark.parametrize(
    ("asked", "transcript"),
    [
        ("We do not open on Sundays.", "We do open on Sundays."),
        ("Nine euros.", "Nine dollars."),
        ("It costs 19 euros.", "It costs 90 euros."),
        ("Hello there.", "Hello"),
        ("Hello.", "Hello. How can I help you?"),
        ("One two.", "two one"),
        ("No.", "."),
        ("Café", "Cafe"),
        ("我们九点开门。", "我们十点开门。"),
        ("हिन्दी", "हन्दी"),
        ("...", "Hello."),
    ],
)
def test_another_word_a_word_more_or_a_word_less_is_a_drift(asked: str, transcript: str) -> None:
    assert not is_verbatim(asked, transcript)


@given(st.text())
def test_every_text_is_verbatim_to_itself_in_any_unicode_form(text: str) -> None:
    assert is_verbatim(text, text)
    assert is_verbatim(text, unicodedata.normalize("NFD", text))
    assert is_verbatim(text, unicodedata.normalize("NFC", text))


@given(st.text(string.ascii_letters, min_size=1), st.text(string.ascii_letters, min_size=1), st.integers(0))
def test_a_word_put_anywhere_into_a_text_is_noticed(text: str, word: str, at: int) -> None:
    at %= len(text) + 1
    assert not is_verbatim(text, text[:at] + word + text[at:])
