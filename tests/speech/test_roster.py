"""The voices as the provider lists them; a page about voices never fails for want of the list."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.chat.scripted import Script, ScriptedPeer, answer, in_turn, says, silent
from tts_service.deadline import Deadline
from tts_service.sandbox.main import start_in_thread
from tts_service.secret import Secret
from tts_service.speech.roster import (
    CLASSIC_FIVE,
    KEPT_LISTS,
    KEPT_S,
    MAX_VOICES,
    Roster,
    Voices,
)
from tts_service.upstream import Upstream

KEY = Secret("xai-canary-0123456789abcdef")
FIVE = ["ara", "rex", "sal", "eve", "leo"]
Start = Callable[[Script], ScriptedPeer]


@pytest.fixture
def start() -> Iterator[Start]:
    peers: list[ScriptedPeer] = []

    def start(script: Script) -> ScriptedPeer:
        peers.append(ScriptedPeer(script))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


def lists(*rows: object) -> Script:
    return says(answer(200, json.dumps({"voices": rows}).encode()))


def ask(roster: Roster, key: Secret | None = KEY, seconds: float = 5) -> Voices:
    return roster.voices(key, Deadline.after(seconds))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with start_in_thread(voice="tone") as base_url:
        yield base_url


def test_the_whole_roster_comes_with_the_classic_five_first(upstream: Upstream, sandbox: str) -> None:
    voices = ask(Roster(upstream, sandbox), Secret("xai-sandbox"))
    assert (voices.is_live, voices.problem) == (True, None)
    ids = [row.voice_id for row in voices.rows]
    assert ids[:5] == FIVE
    assert (len(ids), ids[5:]) == (28, sorted(ids[5:]))
    ara = voices.rows[0]
    assert (ara.name, ara.language, ara.gender, ara.about) == ("Ara", None, "female", "warm")


def test_a_row_is_kept_only_as_far_as_a_client_and_a_page_can_hold_it(
    upstream: Upstream, start: Start
) -> None:
    peer = start(
        lists(
            {"voice_id": "LUNA", "name": "Luna", "language": "de", "gender": "female"},
            {"voice_id": "luna", "name": "Luna"},
            {"voice_id": "Rex", "name": "x" * 500, "language": 7, "gender": "\u202e"},
            *({"voice_id": "../x"}, {"voice_id": 3}, {"name": "nobody"}, "ara", None, ["eve"]),
        )
    )
    rex, luna = ask(Roster(upstream, peer.url)).rows
    assert (rex.voice_id, rex.name, rex.language, rex.gender, rex.about) == (
        "rex",
        "Rex",
        None,
        None,
        "confident",
    )
    assert (luna.voice_id, luna.name, luna.about) == ("luna", "Luna", "")


def test_a_list_without_end_is_cut(upstream: Upstream, start: Start) -> None:
    peer = start(lists(*({"voice_id": f"v{n}"} for n in range(MAX_VOICES + 50))))
    assert len(ask(Roster(upstream, peer.url)).rows) == MAX_VOICES


@pytest.mark.parametrize(
    ("script", "says_so"),
    [
        (says(answer(401)), "refused the key"),
        (says(answer(400, b"Incorrect API key provided")), "refused the key"),
        (says(answer(404)), "XAI_BASE_URL"),
        (says(answer(429)), "limiting"),
        (says(answer(503)), "cannot be reached"),
        (says(answer(302, b"", "Location: http://127.0.0.1/")), "XAI_BASE_URL"),
        (says(answer(200, b"<html>")), "XAI_BASE_URL"),
        (says(answer(200, b"[]")), "XAI_BASE_URL"),
        (says(answer(200, b'{"voices": {"ara": 1}}')), "XAI_BASE_URL"),
        (lists(), "XAI_BASE_URL"),
        (silent, "in time"),
    ],
)
def test_where_the_provider_lists_nothing_the_five_are_there_with_the_reason(
    upstream: Upstream, start: Start, script: Script, says_so: str
) -> None:
    voices = ask(Roster(upstream, start(script).url), seconds=0.3 if script is silent else 10)
    assert [row.voice_id for row in voices.rows] == FIVE
    assert [row.about for row in voices.rows] == ["warm", "confident", "balanced", "upbeat", "authoritative"]
    assert not voices.is_live
    assert voices.problem is not None
    assert says_so in voices.problem
    assert "language model" not in voices.problem


def test_a_provider_that_is_not_there_leaves_the_five(upstream: Upstream) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ask(Roster(upstream, f"http://127.0.0.1:{port}/v1")).rows == CLASSIC_FIVE


def test_without_a_key_nobody_is_asked(upstream: Upstream, start: Start) -> None:
    peer = start(lists({"voice_id": "ara"}))
    voices = ask(Roster(upstream, peer.url), None)
    assert (voices.rows, peer.requests) == (CLASSIC_FIVE, [])
    assert "XAI_API_KEY" in str(voices.problem)


def test_the_list_is_kept_for_five_minutes_and_for_its_key_alone(upstream: Upstream, start: Start) -> None:
    peer, now = start(lists({"voice_id": "ara"})), [1000.0]
    roster = Roster(upstream, peer.url)

    def asked(key: str) -> int:
        roster.voices(Secret(key), Deadline(now[0] + 5, lambda: now[0]))
        return len(peer.requests)

    assert [asked("key-1"), asked("key-1"), asked("key-2"), asked("key-1")] == [1, 1, 2, 2]
    now[0] += KEPT_S - 1
    assert asked("key-1") == 2
    now[0] += 2
    assert [asked("key-1"), asked("key-1")] == [3, 3]


def test_a_failure_is_not_kept(upstream: Upstream, start: Start) -> None:
    peer = start(in_turn(says(answer(401)), lists({"voice_id": "ara"})))
    roster = Roster(upstream, peer.url)
    assert [ask(roster).is_live, ask(roster).is_live] == [False, True]


def test_many_keys_do_not_fill_the_memory(upstream: Upstream, start: Start) -> None:
    peer = start(lists({"voice_id": "ara"}))
    roster = Roster(upstream, peer.url)
    for number in (*range(KEPT_LISTS + 1), KEPT_LISTS, 0):
        ask(roster, Secret(f"key-{number}"))
    assert len(peer.requests) == KEPT_LISTS + 2, "the newest is kept, the oldest was dropped"


def test_a_custom_voice_that_is_in_no_list_is_still_shown() -> None:
    voices = Voices(CLASSIC_FIVE)
    assert voices.including("rex") == CLASSIC_FIVE
    assert [row.voice_id for row in voices.including("a1b2c3d4")] == [*FIVE, "a1b2c3d4"]
