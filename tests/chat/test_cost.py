"""What a turn is estimated to cost."""

from __future__ import annotations

import pytest

from tts_service.chat.completions import Said
from tts_service.chat.cost import CHARS_PER_SPOKEN_S, Prices

XAI = Prices(
    speech_minute=0.08,
    speech_item=0.004,
    tts_million_chars=15.0,
    chat_million_in=1.25,
    chat_million_out=2.50,
)


@pytest.mark.parametrize(
    ("pieces", "audio_s", "dollars"),
    [(0, 0.0, 0.0), (1, 0.0, 0.004), (1, 60.0, 0.084), (3, 90.0, 0.132)],
)
def test_speech_costs_its_minutes_and_its_items(pieces: int, audio_s: float, dollars: float) -> None:
    assert XAI.speech("realtime", pieces, 1_000, audio_s) == pytest.approx(dollars)


def test_text_to_speech_costs_its_characters_alone() -> None:
    assert XAI.speech("tts", 3, 2_000, 90.0) == pytest.approx(0.03)


def test_chat_costs_everything_the_model_is_told_and_everything_it_says() -> None:
    conversation = [Said("system", "x" * 400), Said("user", "y" * 3_600)]  # 1,000 tokens

    assert XAI.chat(conversation, "z" * 8_000) == pytest.approx((1_000 * 1.25 + 2_000 * 2.50) / 1e6)


def test_a_turn_that_was_never_answered_costs_what_was_asked() -> None:
    assert XAI.chat([Said("user", "y" * 4_000)], "") == pytest.approx(1_000 * 1.25 / 1e6)
    assert XAI.chat([], "") == 0


def test_a_minute_of_each_engine_costs_what_a_reply_of_that_length_would() -> None:
    chars = int(60 * CHARS_PER_SPOKEN_S)
    assert XAI.per_minute("tts") == pytest.approx(XAI.speech("tts", 5, chars, 60.0)) == pytest.approx(0.0135)
    assert XAI.speech("realtime", 4, chars, 60.0) < XAI.per_minute("realtime")
    assert XAI.per_minute("realtime") < XAI.speech("realtime", 5, chars, 60.0)
