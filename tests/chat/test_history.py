"""What a conversation remembers, for whom, how much and how long."""

from __future__ import annotations

from tts_service.chat.completions import Said
from tts_service.chat.history import CHARS_TOLD, CONVERSATIONS_AT_MOST, IDLE_S, TURNS_TOLD, Histories

ACME, OTHER = "client-acme", "client-other"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_conversation_comes_back_in_the_order_it_was_said() -> None:
    histories = Histories()
    histories.remember(ACME, "c1", "My name is Ada.", "Hello Ada.")
    histories.remember(ACME, "c1", "What is my name?", "Ada.")

    assert histories.recall(ACME, "c1") == [
        Said("user", "My name is Ada."),
        Said("assistant", "Hello Ada."),
        Said("user", "What is my name?"),
        Said("assistant", "Ada."),
    ]


def test_the_same_conversation_id_at_another_client_is_another_conversation() -> None:
    histories = Histories()
    histories.remember(ACME, "c1", "A secret.", "I see.")

    assert histories.recall(OTHER, "c1") == []
    assert histories.recall(ACME, "c2") == []


def test_what_a_caller_does_with_a_recalled_conversation_does_not_change_it() -> None:
    histories = Histories()
    histories.remember(ACME, "c1", "One?", "One.")
    histories.recall(ACME, "c1").clear()

    assert len(histories.recall(ACME, "c1")) == 2


def test_only_the_newest_turns_are_told_again() -> None:
    histories = Histories()
    for n in range(TURNS_TOLD + 5):
        histories.remember(ACME, "c1", f"question {n}", f"answer {n}")

    told = histories.recall(ACME, "c1")

    assert len(told) == 2 * TURNS_TOLD
    assert told[0] == Said("user", "question 5")
    assert told[-1] == Said("assistant", f"answer {TURNS_TOLD + 4}")


def test_long_turns_are_forgotten_whole_so_no_answer_stands_without_its_question() -> None:
    histories = Histories()
    for n in range(6):
        histories.remember(ACME, "c1", f"{n}" * 2_000, f"{n}" * 2_000)

    told = histories.recall(ACME, "c1")

    assert sum(len(said.text) for said in told) <= CHARS_TOLD
    assert [said.role for said in told] == ["user", "assistant"] * 4
    assert told[0].text[0] == told[1].text[0] == "2"


def test_the_last_turn_is_kept_however_long_it_is() -> None:
    histories = Histories()
    histories.remember(ACME, "c1", "short", "short")
    histories.remember(ACME, "c1", "?" * 4_000, "!" * 20_000)

    assert [len(said.text) for said in histories.recall(ACME, "c1")] == [4_000, 20_000]


def test_a_conversation_idle_for_an_hour_is_forgotten_and_a_busy_one_is_not() -> None:
    clock = Clock()
    histories = Histories(clock)
    histories.remember(ACME, "idle", "Hi", "Hello")
    histories.remember(ACME, "busy", "Hi", "Hello")
    clock.now += IDLE_S / 2 + 1
    histories.remember(ACME, "busy", "Still here", "Good")
    clock.now += IDLE_S / 2

    assert histories.recall(ACME, "idle") == []
    assert len(histories.recall(ACME, "busy")) == 4


def test_a_flood_of_conversations_pushes_out_the_oldest_and_is_bounded() -> None:
    histories = Histories()
    histories.remember(ACME, "first", "Hi", "Hello")
    histories.remember(ACME, "second", "Hi", "Hello")
    histories.remember(ACME, "first", "Again", "Hello again")  # touched: no longer the oldest
    for n in range(CONVERSATIONS_AT_MOST - 1):
        histories.remember(ACME, f"c{n}", "Hi", "Hello")

    assert histories.recall(ACME, "second") == []
    assert len(histories.recall(ACME, "first")) == 4
    assert histories.recall(ACME, "c0") != []
