"""A turn folded up into its JSON form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tts_service.chat.events import Event, Reply, SpokenPiece, TextDelta, fold
from tts_service.errors import UpstreamTimeout
from tts_service.speech.audio import Pcm

REPLY = Reply("c1", "Hello there.")


def test_a_turn_folds_to_its_reply_whatever_came_before() -> None:
    events = [TextDelta("Hello "), TextDelta("there."), SpokenPiece(0, "Hello there.", Pcm(b"\0\0", 24_000))]

    assert fold([*events, REPLY]) is REPLY


def test_folding_reads_the_turn_to_its_end_so_that_it_can_clean_up() -> None:
    cleaned = []

    def turn() -> Iterator[Event]:
        try:
            yield REPLY
        finally:
            cleaned.append(True)

    fold(turn())

    assert cleaned


def test_a_turn_that_fails_fails_folded_too() -> None:
    def turn() -> Iterator[Event]:
        yield TextDelta("Hello ")
        raise UpstreamTimeout

    with pytest.raises(UpstreamTimeout):
        fold(turn())


def test_a_turn_without_a_reply_is_a_bug_and_said_to_be_one() -> None:
    with pytest.raises(RuntimeError, match="without its Reply"):
        fold([TextDelta("Hello ")])
