import threading

import pytest

from tts_service.errors import IdempotencyInFlight, IdempotencyMismatch, InvalidRequest, UpstreamUnavailable
from tts_service.web.idempotency import KEPT_S, Answer, Answers, once


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Turn:
    """Counts how often it ran."""

    def __init__(self, body: bytes = b"reply") -> None:
        self.body = body
        self.runs = 0

    def __call__(self) -> Answer:
        self.runs += 1
        return Answer(self.body, "llm;dur=1")


ASKED = once("key-1", "client /api/chat", b"body")


@pytest.mark.parametrize("key", ["", "a" * 256, "a\tb", "a\x7f", "ä", "a\nb"])
def test_a_key_that_is_not_printable_ascii_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        once(key, "scope", b"")
    assert caught.value.param == "Idempotency-Key"


def test_the_second_request_gets_the_first_one_s_answer() -> None:
    answers, turn = Answers(), Turn()
    first, second = answers.give(ASKED, turn), answers.give(ASKED, turn)
    assert turn.runs == 1
    assert (first.replayed, second.replayed) == (False, True)
    assert (second.body, second.server_timing) == (first.body, first.server_timing)


def test_another_body_under_the_same_key_is_a_mismatch() -> None:
    answers = Answers()
    answers.give(ASKED, Turn())
    with pytest.raises(IdempotencyMismatch):
        answers.give(once("key-1", "client /api/chat", b"other"), Turn())


def test_the_same_key_of_another_client_is_another_request() -> None:
    answers, turn = Answers(), Turn()
    answers.give(ASKED, turn)
    answers.give(once("key-1", "another /api/chat", b"other"), turn)
    assert turn.runs == 2


def test_fifty_requests_at_once_run_one_turn() -> None:
    answers, turn, everyone_asked = Answers(), Turn(), threading.Event()
    refused: list[str] = []

    def slow() -> Answer:
        everyone_asked.wait(10)
        return turn()

    def ask() -> None:
        try:
            answers.give(ASKED, slow)
        except IdempotencyInFlight:
            refused.append("in flight")
            if len(refused) == 49:
                everyone_asked.set()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert turn.runs == 1
    assert len(refused) == 49


def test_another_body_while_the_first_is_in_flight_is_a_mismatch() -> None:
    answers = Answers()

    def during() -> Answer:
        with pytest.raises(IdempotencyMismatch):
            answers.give(once("key-1", "client /api/chat", b"other"), Turn())
        return Answer(b"")

    answers.give(ASKED, during)


def test_a_turn_that_failed_may_be_tried_again_with_its_key() -> None:
    answers, turn = Answers(), Turn()

    def fail() -> Answer:
        raise UpstreamUnavailable

    with pytest.raises(UpstreamUnavailable):
        answers.give(ASKED, fail)
    assert not answers.give(ASKED, turn).replayed
    assert turn.runs == 1


def test_an_answer_is_forgotten_after_ten_minutes() -> None:
    clock = HandClock()
    answers, turn = Answers(clock), Turn()
    answers.give(ASKED, turn)
    clock.now += KEPT_S - 1
    answers.give(ASKED, turn)
    assert turn.runs == 1
    clock.now += 1
    answers.give(ASKED, turn)
    assert turn.runs == 2


def test_the_oldest_answers_give_way_when_memory_is_full() -> None:
    answers = Answers(max_bytes=10_000)
    turns = [Turn(b"x" * 4_000) for _ in range(3)]
    for number, turn in enumerate(turns):
        answers.give(once(f"key-{number}", "scope", b""), turn)
    for number, turn in reversed(list(enumerate(turns))):
        answers.give(once(f"key-{number}", "scope", b""), turn)
    assert [turn.runs for turn in turns] == [2, 1, 1]
