from __future__ import annotations

import pytest

from tts_service.speech.reading.languages import LANGUAGES, announce_code, detect, known
from tts_service.speech.reading.maths import words
from tts_service.speech.reading.maths_words import WORDS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Your order is on its way.", "en"),
        ("Votre commande est en route.", "fr"),
        ("Ihre Bestellung ist auf dem Weg.", "de"),
        ("Su pedido está en camino con el transportista.", "es"),
        ("您的订单正在路上。", "zh"),
        ("ご注文は配送中です。", "ja"),
        ("请用 Python 和 JavaScript 编写代码。", "zh"),
        ("Python 3.12", "en"),
        ("", "en"),
    ],
)
def test_a_text_is_taken_for_its_own_language(text: str, language: str) -> None:
    assert detect(text) == language


@pytest.mark.parametrize(
    ("tag", "code"),
    [("fr-CA", "fr"), ("zh_Hant", "zh"), ("EN", "en"), ("auto", None), ("pt-BR", None), ("", None)],
)
def test_a_language_tag_counts_by_its_first_part(tag: str, code: str | None) -> None:
    assert known(tag) == code


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_word_and_an_announcement(language: str) -> None:
    assert set(WORDS[language]) == set(WORDS["en"])
    assert all(WORDS[language].values())
    assert "Python" in announce_code("python", language)
    assert announce_code("", language) != announce_code("python", language)
    assert words(r"\frac{a}{b} + c^2", language)


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ("python3", "Python"),
        ("{.js}", "JavaScript"),
        ("c++ title=x", "C++"),
        ("elixir", "Elixir"),
        ("<img src=x>", ""),
    ],
)
def test_what_stands_behind_a_fence_names_the_code(info: str, name: str) -> None:
    assert announce_code(info, "en") == f"Here is some {name} code.".replace("  ", " ")
