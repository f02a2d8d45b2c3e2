"""The words to say: the corpus beside this file, whole and in pieces of every kind; of any text."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_service.speech.reading.paragraph import MAX_SENTENCE_CHARS
from tts_service.speech.spoken import SpokenText

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Case:
    name: str
    language: str
    text: str
    expected: list[str]


def _cases(path: Path) -> Iterable[Case]:
    """ "@@ name | language", the input (U+2420 stands for a space at a line's end), "@> what is said"."""
    for block in re.split(r"(?m)^@@ ", path.read_text(encoding="utf-8"))[1:]:
        head, _, body = block.partition("\n")
        name, language = head.split(" | ")
        text = re.split(r"(?m)^@> ", body)[0].rstrip("\n").replace("\u2420", " ")
        yield Case(f"{path.stem}: {name}", language, text, re.findall(r"(?m)^@> (.*)$", body))


CASES = [case for path in sorted(CORPUS.glob("*.txt")) for case in _cases(path)]
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def said(pieces: Iterable[str], language: str = "auto") -> list[str]:
    spoken = SpokenText(language)
    return [item for piece in pieces for item in spoken.feed(piece)] + spoken.finish()


def cut(text: str, places: Iterable[int]) -> list[str]:
    edges = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[begin:end] for begin, end in itertools.pairwise(edges)]


def test_the_corpus_covers_six_languages_in_at_least_150_cases() -> None:
    assert len(CASES) >= 150
    assert {case.language for case in CASES} == {"en", "fr", "de", "es", "zh", "ja"}
    assert len({case.name for case in CASES}) == len(CASES)


@each_case
def test_a_reply_is_said_as_the_corpus_has_it(case: Case) -> None:
    assert said([case.text]) == case.expected


@each_case
def test_a_reply_written_character_by_character_is_said_the_same(case: Case) -> None:
    assert said(case.text) == case.expected


@given(st.sampled_from(CASES), st.lists(st.integers(0, 4000), max_size=12))
@settings(max_examples=200)
def test_a_reply_cut_anywhere_is_said_the_same(case: Case, places: list[int]) -> None:
    assert said(cut(case.text, places)) == case.expected


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.language == "en"], ids=lambda case: case.name
)
def test_naming_the_language_changes_nothing_where_it_was_guessed_right(case: Case) -> None:
    assert said([case.text], "en-GB") == case.expected


# Everything that opens, closes or reaches back, next to everything else.
# fmt: off
FRAGMENTS = [
    "a", "B", "word ", "Word ", "I ", "J. ", "iPhone ", "ok", "é", "你好", "です", "Dr. ", "z. B. ", "U.S. ",
    "etc. ", "3. ", "Mai ", "p. m. ", "a.m. ", ". ", "! ", "? ", ".", "!", "…", "...", "。", "、", ", ", "; ",
    ":", "—", " ",
    "「", "」", "“", "”", "„", "«", "» ", '"', "'", "(", ")", "[", "]", "](", "https://x.com/a", "www.a.de ",
    "`", "``", "```", "```py\n", "~~~", "~~", "*", "**", "***", "_", "__", "---", "===", "\n", "\n\n", "\n  ",
    "\n    ", "  \n", "\\\n", "\r\n", "\t", "- ", "* ", "+ ", "•  ", "1. ", "2) ", "10. ", "[ ] ", "# ", "> ",
    "|", "| a |", "|---|---|\n", "[x]: https://a.b\n", "[^1]: ", "[1]", "[^1]", "【4†source】", "(source: ",
    "$", "$$", "$5", "x^2", r"\(", r"\)", r"\[", r"\]", r"\frac{1}{2}", "<", "<b>", "</b>", "<br>", "<!--",
    "-->", "<think>", "</think>", "<script>", "</script>", "&amp;", "😊", "1️⃣", "👨\u200d👩\u200d👧", "#️⃣", "©",
]
# fmt: on
markup = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)


@given(markup, st.lists(st.integers(0, 400), max_size=12))
@settings(max_examples=400)
def test_any_markup_cut_anywhere_is_said_the_same(text: str, places: list[int]) -> None:
    whole = said([text])
    assert said(text) == whole
    assert said(cut(text, places)) == whole


@pytest.mark.parametrize(
    "text",
    [
        'Vgl. auch Art. "1 GG.',
        'It is art. "Foo" is too.',
        "A…<c`> b",
        "。 »$d",
        't\n"S',
        "x^c.你好. 5",
        "2️⃣ Pay",
        "Pay $5 and $10$ now",
        "Size | Stock\n--- | ---\nSmall | 4",
        "Go [there](x y) and. Then",
    ],
)
def test_what_once_depended_on_the_cut_no_longer_does(text: str) -> None:
    whole = said([text])
    assert said(text) == whole
    assert all(said(cut(text, [place])) == whole for place in range(len(text)))


@given(st.one_of(markup, st.text(max_size=200)))
@settings(max_examples=200)
def test_every_item_can_be_spoken_and_ends_in_a_pause(text: str) -> None:
    for item in said([text]):
        assert any(map(str.isalnum, item))
        assert item == " ".join(item.split())
        assert item.rstrip("\"'”’“»›)]）」』】》〉 ")[-1:] in tuple(".!?…。！？｡‽؟।۔,;:，；：、،؛—")


WORD = st.text("abcdefghijklmnopqrstuvwxyzàéßüñ", min_size=1, max_size=12)
PROSE = st.lists(
    st.tuples(WORD, st.sampled_from([" ", " ", " ", ", ", ". ", "! ", "? ", ".\n\n", "; ", "\n"])),
    min_size=1,
    max_size=120,
)


@given(PROSE)
@settings(max_examples=200)
def test_no_word_of_prose_is_lost_or_moved(prose: list[tuple[str, str]]) -> None:
    text = "".join(word + gap for word, gap in prose)
    assert re.findall(r"[^\W\d_]+", " ".join(said([text]))) == [word for word, _ in prose]


@given(PROSE)
def test_no_sentence_is_much_longer_than_the_limit(prose: list[tuple[str, str]]) -> None:
    text = "".join(word + gap.replace(".", ",").replace("!", ",").replace("?", ",") for word, gap in prose)
    assert all(len(item) <= MAX_SENTENCE_CHARS + 1 for item in said([text]))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("The shop is open. Come", "The shop is open. C"),
        ("Is it open? Come", "Is it open? C"),
        ("It costs $5. Come", "It costs $5. C"),
        ("It costs 42. Come", "It costs 42. C"),
        ("It costs 42. May", "It costs 42. May "),  # "am 3. Mai": a figure may ask for the next word
        ("He said **no. And** he left", "He said **no. A"),
        ("Water (cold). Then", "Water (cold). T"),
        ("The shop is open.\nCome", "The shop is open.\n"),
        ("# Opening hours\nWe", "# Opening hours\n"),
        ("- Milk\n- Eggs", "- Milk\n- E"),
        ("| A | B |\n|---|---|\n| 1 | 2 |\n| 3", "| A | B |\n|---|---|\n| 1 | 2 |\n"),
        ("```python\nprint()", "```python\n"),
        ("La tienda está abierta. Ven", "La tienda está abierta. V"),
        ("今天很好。我们去", "今天很好。我"),
        ("晴れです。明日", "晴れです。明"),
        ("Ask at [the desk](https://a.example). Then", "Ask at [the desk](https://a.example). T"),
    ],
)
def test_a_sentence_is_handed_on_as_soon_as_its_end_is_certain(text: str, at: str) -> None:
    spoken = SpokenText()
    needed = next(end for end in range(1, len(text) + 2) if spoken.feed((text + " ")[end - 1 : end]))
    assert needed <= len(at)


@given(PROSE)
def test_a_sentence_of_prose_comes_within_two_characters_of_its_end(prose: list[tuple[str, str]]) -> None:
    text = " ".join(f"{word}xy{'.!?'[len(word) % 3]}" for word, _ in prose).title()
    spoken, given_out = SpokenText(), 0
    for place, char in enumerate(text):
        given_out += len(spoken.feed(char))
        assert given_out == len(re.findall(r"[.!?] .", text[: place + 1]))


# fmt: off
UNITS = [
    "word ", "Word. ", "[", "![", "[](", "(", "`", "$", "$x ", "<", "<a ", "<thi", "*", "**a", "_", "|",
    "| a |\n", "> ", "- ", "1. ", "-", ".", "U.S. ", "A. ", "\\", "\\[", "「", '"A. ', "a\n", "你", "😊", "https://a.b/c",
    "a.b/", "[a]: b\n", "【", "&amp;", "(source: [a ",
]
# fmt: on


@pytest.mark.parametrize("unit", UNITS)
def test_ten_thousand_characters_one_by_one_cost_no_more_than_in_proportion(unit: str) -> None:
    """The bound is loose for a busy machine: each takes 0.25 s at most; parsing all anew is half a minute."""
    text = (unit * 10_000)[:10_000]
    begun = time.process_time()
    said(text)
    assert time.process_time() - begun < 3.0


def test_twenty_thousand_characters_of_replies_cost_far_less_than_a_second() -> None:
    replies = "\n\n".join(case.text for case in CASES if case.name.startswith("replies"))
    text = (replies * 4)[:20_000]
    begun = time.process_time()
    assert len(said(text)) > 300
    assert time.process_time() - begun < 1.0  # measured: 0.13 s


def test_a_language_that_is_named_announces_code_in_it() -> None:
    assert said(["```py\nx\n```"], "fr-CA") == ["Voici du code Python."]
    assert said(["```py\nx\n```"], "de") == ["Hier steht Python-Code."]


def test_code_is_announced_in_the_language_spoken_last() -> None:
    english, german = "The shop is open and you can come. ", "Das ist nicht für Sie und nicht für mich. "
    assert said([english * 40 + german * 40 + "\n```py\nx\n```"])[-1] == "Hier steht Python-Code."


def test_an_unclosed_thought_hides_the_rest_however_it_is_cut() -> None:
    assert said("Hello. <think>one. Two. ") == ["Hello."]
    assert said(["Hello. <th", "ink", ">one. Two. "]) == ["Hello."]
    assert said(["Hello. <th"]) == ["Hello.", "<th."]
