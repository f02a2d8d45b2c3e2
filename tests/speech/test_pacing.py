"""Which sentences go together, and when: never a gap, never a piece more than needed, never a word lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.speech.pacing import Pacing

SENTENCE = "This sentence has forty characters in it."  # 41


def taken(pacing: Pacing, now: float) -> list[str]:
    """All pieces that are ripe at that time."""
    pieces = []
    while (piece := pacing.take(now)) is not None:
        pieces.append(piece)
    return pieces


def started(first_s: float = 5.0) -> Pacing:
    """A first piece is taken, came back at 0 s, and is heard for `first_s`."""
    pacing = Pacing()
    pacing.add(SENTENCE)
    assert pacing.take(0.0) == SENTENCE
    pacing.spoken(first_s, 0.0)
    return pacing


def test_the_first_sentence_goes_at_once() -> None:
    pacing = Pacing()
    pacing.add(SENTENCE)
    assert pacing.wait_s(0.0) == 0.0
    assert pacing.take(0.0) == SENTENCE


@pytest.mark.parametrize(
    ("added", "is_finished", "piece"),
    [
        ([], False, None),
        ([], True, None),
        (["Sure!"], False, None),
        (["Sure!"], True, "Sure!"),
        (["Sure!", "Of course."], False, "Sure! Of course."),
        (["Hello there."], False, "Hello there."),
        (["Hello ther."], False, None),
        (["好。", "我们九点开门，六点关门。"], False, "好。我们九点开门，六点关门。"),
    ],
)
def test_a_first_piece_has_enough_to_bridge_the_wait_for_the_next(
    added: list[str], is_finished: bool, piece: str | None
) -> None:
    pacing = Pacing()
    for sentence in added:
        pacing.add(sentence)
    if is_finished:
        pacing.finish()
    assert pacing.take(0.0) == piece
    assert pacing.wait_s(0.0) is None


@pytest.mark.parametrize(
    ("now", "wait_s"), [(0.0, 4.0), (1.5, 2.5), (3.9, pytest.approx(0.1)), (4.0, 0.0), (9.0, 0.0)]
)
def test_a_small_piece_waits_only_while_there_is_more_than_its_lead_left_to_hear(
    now: float, wait_s: float
) -> None:
    pacing = started(5.0)
    pacing.add("Short.")
    assert pacing.wait_s(now) == wait_s
    assert pacing.take(now) == ("Short." if wait_s == 0 else None)


@pytest.mark.parametrize(
    ("spoken", "heard_until"),
    [
        ([(5.0, 0.0)], 5.0),
        ([(5.0, 0.0), (2.0, 1.0)], 7.0),
        ([(5.0, 0.0), (2.0, 30.0)], 32.0),
        ([(1.0, 10.0), (1.0, 10.5), (1.0, 10.6)], 13.0),
    ],
    ids=["one", "queued", "after-a-gap", "three"],
)
def test_a_piece_is_heard_after_what_came_before_it(
    spoken: list[tuple[float, float]], heard_until: float
) -> None:
    pacing = Pacing(first_chars=1)
    pacing.add("Hi.")
    pacing.take(0.0)
    for audio_s, now in spoken:
        pacing.spoken(audio_s, now)
    pacing.add("Short.")
    assert pacing.wait_s(0.0) == pytest.approx(heard_until - pacing.lead_s)


def test_enough_text_goes_without_waiting() -> None:
    pacing = started(60.0)
    for _ in range(4):
        pacing.add(SENTENCE)
    assert pacing.take(0.0) is None
    pacing.add(SENTENCE)  # 205 characters
    assert pacing.take(0.0) == " ".join([SENTENCE] * 5)


def test_what_has_been_written_meanwhile_goes_as_one_piece() -> None:
    pacing = started(5.0)
    for sentence in ("One.", "Two.", "Three."):
        pacing.add(sentence)
    assert taken(pacing, 4.5) == ["One. Two. Three."]


def test_finish_sends_all_that_is_left_without_waiting() -> None:
    pacing = started(60.0)
    pacing.add("The end.")
    assert pacing.take(0.0) is None
    pacing.finish()
    assert not pacing.is_over
    assert pacing.take(0.0) == "The end."
    assert pacing.is_over


@pytest.mark.parametrize(
    ("lengths", "pieces"), [([300, 299], [600]), ([300, 300], [300, 300]), ([900], [900])]
)
def test_a_piece_is_at_most_as_long_as_may_be_lost_at_the_deadline(
    lengths: list[int], pieces: list[int]
) -> None:
    pacing = Pacing()
    for length in lengths:
        pacing.add("x" * length)
    pacing.finish()
    assert [len(piece) for piece in taken(pacing, 0.0)] == pieces


@pytest.mark.parametrize(
    ("sentences", "piece"),
    [
        (["One.", "Two."], "One. Two."),
        (["一。", "二。"], "一。二。"),
        (["「一。」", "二！"], "「一。」二！"),
        (["一。", "Two."], "一。Two."),
        (["One.", "二。"], "One. 二。"),
    ],
)
def test_sentences_are_joined_as_their_script_is_written(sentences: list[str], piece: str) -> None:
    pacing = Pacing()
    for sentence in sentences:
        pacing.add(sentence)
    pacing.finish()
    assert taken(pacing, 0.0) == [piece]


# A reply as it may go: a sentence is written, time passes, a piece has come back after some time.
SENTENCES = st.text("abc。", min_size=1, max_size=80).map(lambda text: f"{text}.")
STEPS = st.lists(
    st.one_of(SENTENCES, st.floats(0.0, 3.0)),
    max_size=40,
)


@given(
    steps=STEPS,
    pieces=st.builds(
        Pacing,
        first_chars=st.integers(0, 40),
        piece_chars=st.integers(0, 200),
        most_chars=st.integers(0, 300),
        lead_s=st.floats(0.0, 2.0),
    ),
    chars_a_second=st.floats(5.0, 50.0),
)
def test_whatever_is_written_when_all_of_it_is_said_in_order_and_never_late(
    steps: list[str | float], pieces: Pacing, chars_a_second: float
) -> None:
    now, heard_until = 0.0, 0.0
    added: list[str] = []
    said: list[str] = []

    def take_all() -> None:
        nonlocal now, heard_until
        while (piece := pieces.take(now)) is not None:
            assert piece.strip(), "an empty piece costs as much as a full one"
            fits = len(piece) <= pieces.most_chars
            assert fits or piece in added, "too long, and not a single sentence"
            said.append(piece)
            now += 0.1
            audio_s = len(piece) / chars_a_second
            pieces.spoken(audio_s, now)
            heard_until = max(heard_until, now) + audio_s

    for step in steps:
        if isinstance(step, str):
            pieces.add(step)
            added.append(step)
        else:
            now += step
        take_all()
        wait_s = pieces.wait_s(now)
        if said and wait_s is not None:
            left_s = max(0.0, heard_until - now)
            assert wait_s <= left_s, "the listener would hear silence"
            assert wait_s > 0, "it was ripe, and was not taken"
        if not said:
            assert sum(map(len, added)) < pieces.first_chars or not added, "the first piece was held back"
    pieces.finish()
    take_all()
    assert pieces.is_over
    assert pieces.take(now) is None
    assert pieces.wait_s(now) is None
    assert "".join(said).replace(" ", "") == "".join(added).replace(" ", ""), "lost, doubled or out of order"


@given(STEPS, st.floats(0.0, 2.0))
def test_after_the_wait_it_named_there_is_a_piece(steps: list[str | float], lead_s: float) -> None:
    pacing = Pacing(lead_s=lead_s)
    now = 0.0
    for step in steps:
        if isinstance(step, str):
            pacing.add(step)
        else:
            now += step
        while pacing.take(now) is not None:
            pacing.spoken(2.0, now)
        wait_s = pacing.wait_s(now)
        if wait_s is not None:
            # A nanosecond for the rounding of two additions; the loop asks again when it wakes.
            assert pacing.take(now + wait_s + 1e-9) is not None
            pacing.spoken(2.0, now + wait_s)


def three_waiting(pacing: Pacing) -> Pacing:
    for _ in range(3):
        pacing.add(SENTENCE)
    pacing.finish()
    return pacing


@pytest.mark.parametrize(
    ("speech_left_s", "time_left_s", "sentences"),
    [
        (120.0, 30.0, 3),
        (12.0, 30.0, 2),  # half of 12 s are 90 characters
        (5.0, 30.0, 1),
        (0.1, 30.0, 1),  # a sentence is never cut
        (120.0, 6.0, 2),
        (120.0, 1.0, 1),
    ],
)
def test_a_piece_leaves_half_of_the_room_so_that_a_limit_costs_no_more_than_it_must(
    speech_left_s: float, time_left_s: float, sentences: int
) -> None:
    pacing = three_waiting(Pacing())
    assert pacing.take(0.0, speech_left_s, time_left_s) == " ".join([SENTENCE] * sentences)


def test_the_room_is_reckoned_with_the_providers_own_pace() -> None:
    pacing = three_waiting(Pacing())
    assert pacing.take(0.0, 5.0, 30.0) == SENTENCE
    pacing.spoken(2.7, 2.7)  # in real time: what is left of the time holds as much speech, and half of it one
    assert pacing.take(2.7, 120.0, 6.0) == SENTENCE
    pacing.spoken(2.7, 2.71)  # from the cache: says nothing of the provider
    assert pacing.take(2.71, 120.0, 6.0) == SENTENCE
