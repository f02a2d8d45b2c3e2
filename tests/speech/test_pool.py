"""Which socket the next reply gets, and which one it must never get."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tts_service.deadline import Deadline
from tts_service.dial import Dialer, Lifeline
from tts_service.secret import Secret
from tts_service.speech.connection import Connection, Endpoint
from tts_service.speech.pool import IDLE_S, KEPT_AT_MOST, OLDEST_S, WarmSockets
from tts_service.speech.voice import Opened, Voice

Line = Any  # tests/speech/conftest.py
SOUND = bytes(range(256)) * 8


def speaking(line: Line) -> None:
    """Says everything it is asked to."""
    line.upgrade()
    while True:
        say(line)


def say(line: Line) -> None:
    line.tts_asked()
    line.tts_delta(SOUND)
    line.tts_finish()


def upgraded(line: Line) -> None:
    line.upgrade()


def reply(bench: Any, engine: Any, **manner: Any) -> None:
    assert bench.speak(engine, **manner).outcome() is None


# Replies that follow each other.


def test_the_second_reply_of_a_voice_costs_no_handshake(serve: Any, bench: Any) -> None:
    peer = serve(speaking)
    engine = bench.tts(peer.port)
    for _ in range(3):
        talk = bench.speak(engine, "One.", "Two.")
        assert talk.outcome() is None
        assert talk.pcm == SOUND * 2
        assert isinstance(talk.heard[0], Opened)
    assert len(peer.lines) == 1
    assert peer.line().head.count(b"GET ") == 1


def test_pronunciations_are_agreed_on_once_for_a_socket(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        line.hear()
        line.event("session.updated", replace={"GIF": "jif"})
        while True:
            say(line)

    peer = serve(script)
    engine = bench.tts(peer.port)
    for _ in range(2):
        reply(bench, engine, voice=Voice("ara", pronunciations={"GIF": "jif"}))
    kinds = [message["type"] for message in peer.line().said]
    assert kinds == ["session.update"] + ["text.delta", "text.done"] * 2


FIRST: dict[str, Any] = {"voice": Voice("ara", 1.1, "de", {"a": "b"}), "key": "xai-key-of-one-customer"}


@pytest.mark.parametrize(
    "other",
    [
        {"key": "xai-key-of-another-customer"},
        {"voice": Voice("rex", 1.1, "de", {"a": "b"})},
        {"voice": Voice("ara", 1.2, "de", {"a": "b"})},
        {"voice": Voice("ara", 1.1, "fr", {"a": "b"})},
        {"voice": Voice("ara", 1.1, "de", {"a": "c"})},
        {"voice": Voice("ara", 1.1, "de")},
    ],
    ids=["key", "voice", "speed", "language", "pronunciation", "no-pronunciations"],
)
def test_a_socket_is_never_shared_with_another_manner_or_another_key(
    other: dict[str, Any], serve: Any, bench: Any
) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        while True:
            message = line.hear()
            if message["type"] == "session.update":
                line.event("session.updated")
            if message["type"] == "text.done":
                line.tts_delta(SOUND)
                line.tts_finish()

    peer = serve(script)
    engine = bench.tts(peer.port)
    for manner in (FIRST, FIRST | other, FIRST, FIRST | other):
        reply(bench, engine, **manner)
    assert len(peer.lines) == 2, "one for each, and each used twice"
    keys = [dict(line.headers)["authorization"].removeprefix("Bearer ") for line in peer.lines]
    assert keys == [FIRST["key"], (FIRST | other)["key"]]


def test_pronunciations_in_another_order_are_the_same(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        line.hear()
        line.event("session.updated")
        while True:
            say(line)

    peer = serve(script)
    engine = bench.tts(peer.port)
    for pronunciations in ({"a": "x", "b": "y"}, {"b": "y", "a": "x"}):
        reply(bench, engine, voice=Voice("ara", pronunciations=pronunciations))
    assert len(peer.lines) == 1


def close_after_done(line: Line) -> None:
    line.close(1000)


def late_sound(line: Line) -> None:
    line.tts_delta(SOUND)


def late_error(line: Line) -> None:
    line.event("error", message="too late")


def late_noise(line: Line) -> None:
    line.send(line.frame(b"", rsv=4))


@pytest.mark.parametrize(
    "meanwhile",
    [
        close_after_done,
        lambda line: line.hang_up(),
        lambda line: line.reset(),
        late_sound,
        late_error,
        late_noise,
        lambda line: line.send(line.frame(b"", opcode=2)),
    ],
    ids=["close", "FIN", "RST", "sound", "error", "not-a-frame", "binary"],
)
def test_a_socket_that_ended_or_spoke_out_of_turn_is_not_used_again(
    meanwhile: Callable[[Line], None], serve: Any, bench: Any, journal: Any
) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        say(line)
        line.mark.wait(20)
        meanwhile(line)
        line.mark.clear()

    peer = serve(script, speaking)
    engine = bench.tts(peer.port)
    reply(bench, engine)
    peer.line().mark.set()
    while peer.line().mark.is_set():
        time.sleep(0.005)
    talk = bench.speak(engine, "Two.")
    assert talk.outcome() is None
    assert talk.pcm == SOUND
    assert len(peer.lines) == 2
    assert peer.line().ended.wait(6), "the useless socket stayed open"
    assert [entry["event"] for entry in journal()] == ["ok", "ok"]


def test_a_socket_that_only_pinged_is_used_again(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        say(line)
        line.send(line.frame(b"beat", opcode=9))
        line.mark.set()
        assert line._take(1) == b"\x8a"  # the pong, before anything else is said
        line._take(1 + 4 + 4)
        say(line)

    peer = serve(script)
    engine = bench.tts(peer.port)
    reply(bench, engine)
    assert peer.line().mark.wait(10)
    reply(bench, engine)
    assert len(peer.lines) == 1


@pytest.mark.parametrize("is_last", [True, False], ids=["after-the-last-piece", "between-two-pieces"])
def test_a_close_that_comes_with_the_end_of_a_piece_is_not_overlooked(
    is_last: bool, serve: Any, bench: Any
) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        line.tts_asked()
        line.tts_delta(SOUND)
        end = line.frame(b'{"type":"audio.done"}') + line.frame(b"\x03\xe8", opcode=8)
        line.send(end)  # and then waits for the answer to its close, as a server should

    peer = serve(script, speaking)
    engine = bench.tts(peer.port, bench.HURRIED)
    texts = [["One."], ["Two."]] if is_last else [["One.", "Two."]]
    for each in texts:
        talk = bench.speak(engine, *each)
        assert talk.outcome() is None
        assert talk.pcm == SOUND * len(each)
        assert peer.line().ended.wait(6), "the provider waits for the answer to its close"
    assert len(peer.lines) == 2
    assert peer.line().close_code == 1000


# What is never kept.


@pytest.mark.parametrize("how", ["cancelled", "failed", "nothing more to hear"])
def test_the_socket_of_a_reply_that_did_not_end_well_is_closed(how: str, serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        say(line)
        line.tts_asked()
        line.tts_delta(SOUND)
        line.mark.set()
        if how == "failed":
            line.event("audio.delta", delta="?")

    peer = serve(script, speaking)
    engine = bench.tts(peer.port, bench.HURRIED)
    talk = bench.speak(engine, "One.", "Two.")
    assert peer.line().mark.wait(10)
    if how == "cancelled":
        talk.speaking.cancel()
    assert talk.outcome() is not None
    assert peer.line().ended.wait(6)
    reply(bench, engine)
    assert len(peer.lines) == 2


def test_a_reply_without_a_word_leaves_its_socket_for_the_next(serve: Any, bench: Any) -> None:
    peer = serve(speaking)
    engine = bench.tts(peer.port)
    talk = bench.begin(engine)
    talk.until(Opened)
    talk.speaking.finish()
    assert talk.outcome() is None
    reply(bench, engine)
    assert len(peer.lines) == 1


def test_a_realtime_socket_is_never_kept_because_it_remembers_what_was_said(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.open()
        line.asked()
        line.delta(SOUND)
        line.finish()

    peer = serve(script)
    engine = bench.engine(peer.port)
    for number in range(2):
        reply(bench, engine)
        assert peer.line(number).ended.wait(6)
    assert len(peer.lines) == 2


def test_cancelling_a_reply_that_is_over_does_not_end_the_socket_of_the_next(serve: Any, bench: Any) -> None:
    peer = serve(speaking)
    engine = bench.tts(peer.port)
    first = bench.speak(engine)
    assert first.outcome() is None
    second = bench.begin(engine)
    second.until(Opened)
    first.speaking.cancel()
    second.speaking.say("Two.", Deadline.after(5))
    second.speaking.finish()
    assert second.outcome() is None
    assert second.pcm == SOUND
    assert len(peer.lines) == 1


def test_cancelling_the_second_reply_ends_the_socket_it_was_given(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        say(line)
        line.tts_asked()
        line.mark.set()

    peer = serve(script)
    engine = bench.tts(peer.port)
    reply(bench, engine)
    talk = bench.speak(engine)
    assert peer.line().mark.wait(10)
    talk.speaking.cancel()
    assert talk.outcome(1).code == "speech_cancelled"
    assert peer.line().ended.wait(6)


def test_each_reply_on_a_socket_has_a_byte_budget_of_its_own(serve: Any, bench: Any) -> None:
    megabyte = b'{"type":"padding","of":"' + b"x" * 1_000_000 + b'"}'

    def script(line: Line) -> None:
        line.upgrade()
        while True:
            line.tts_asked()
            for _ in range(3):
                line.send(line.frame(megabyte))
            line.tts_delta(SOUND)
            line.tts_finish()

    peer = serve(script)
    engine = bench.tts(peer.port, bench.HURRIED.__class__(max_speech_s=1.0))
    assert 3e6 < engine.limits.budget_bytes < 6e6
    for _ in range(3):
        reply(bench, engine)
    assert len(peer.lines) == 1


# Many at once.


def test_two_replies_at_once_never_share_a_socket(serve: Any, bench: Any) -> None:
    clash = threading.Event()

    def script(line: Line) -> None:
        line.upgrade()
        while True:
            text = line.tts_asked()
            if not line.is_quiet(0.01):
                clash.set()
            line.tts_delta(text.encode("utf-16-le"))
            line.tts_finish()

    peer = serve(script)
    engine = bench.tts(peer.port)

    def one(number: int) -> tuple[str, bytes]:
        text = f"Reply number {number}."
        talk = bench.speak(engine, text)
        assert talk.outcome() is None
        return text, talk.pcm

    with ThreadPoolExecutor(8) as turns:
        for text, pcm in turns.map(one, range(80)):
            assert pcm.decode("utf-16-le") == text, "a reply heard another's sound"
    assert not clash.is_set(), "two texts were on one socket"
    assert len(peer.lines) <= 8, "warm sockets were left lying"


# The pool by itself.


@pytest.fixture
def dial(serve: Any) -> Iterator[Callable[..., Connection]]:
    """Opens connections to one peer; `dial.peer` is that peer."""
    dialer, peer = Dialer(), serve(upgraded)

    def one() -> Connection:
        return Connection.open(
            dialer,
            Endpoint.at(f"http://127.0.0.1:{peer.port}/v1", "/tts", {}),
            Secret("xai-key"),
            deadline=Deadline.after(5),
            lifeline=Lifeline(),
            budget_bytes=1_000_000,
            send_s=1.0,
        )

    one.peer = peer  # type: ignore[attr-defined]
    yield one
    dialer.close()


class Clock:
    """The monotonic clock, and what was added to it."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(clock: Clock) -> Iterator[WarmSockets]:
    pool = WarmSockets(clock)
    yield pool
    pool.close()


def test_the_limits_leave_room_for_a_reply_within_the_providers_own() -> None:
    assert OLDEST_S + 25 + 30 < 600, "a turn's two budgets, within the permit of protocols 3.3"
    assert (IDLE_S, KEPT_AT_MOST) == (120.0, 32)


def test_what_was_put_is_given_once_and_the_latest_first(pool: WarmSockets, dial: Any) -> None:
    first, second = dial(), dial()
    pool.put("place", first)
    pool.put("place", second)
    assert pool.take("elsewhere") is None
    assert [pool.take("place"), pool.take("place"), pool.take("place")] == [second, first, None]
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("steps_s", "is_given"),
    [
        ([IDLE_S - 5], True),
        ([IDLE_S + 5], False),
        ([100.0] * 5, True),
        ([100.0] * 5 + [45.0], False),
    ],
    ids=["idle-not-long", "idle-too-long", "used-often-not-old", "used-often-too-old"],
)
def test_a_socket_is_given_while_it_is_neither_idle_too_long_nor_too_old(
    steps_s: list[float], is_given: bool, pool: WarmSockets, dial: Any, clock: Clock
) -> None:
    connection = dial()
    given: Connection | None = connection
    for step_s in steps_s:
        assert given is connection
        pool.put("place", connection)
        clock.ahead_s += step_s
        given = pool.take("place")
    assert (given is connection) is is_given
    if is_given:
        connection.close()
    assert dial.peer.line().ended.wait(6)


def test_a_socket_too_old_is_not_even_kept(pool: WarmSockets, dial: Any, clock: Clock) -> None:
    connection = dial()
    clock.ahead_s = OLDEST_S + 1
    pool.put("place", connection)
    assert dial.peer.line().ended.wait(6)


def test_stale_sockets_of_other_places_are_closed_in_passing(
    pool: WarmSockets, dial: Any, clock: Clock
) -> None:
    pool.put("nobody comes back here", dial())
    clock.ahead_s = IDLE_S + 1
    assert pool.take("elsewhere") is None
    assert dial.peer.line().ended.wait(6)


def test_more_than_may_be_kept_close_the_longest_unused(pool: WarmSockets, dial: Any) -> None:
    connections = [dial() for _ in range(KEPT_AT_MOST + 3)]
    for number, connection in enumerate(connections):
        pool.put(number, connection)
    for number in range(3):
        assert dial.peer.line(number).ended.wait(6)
        assert pool.take(number) is None
    for number in range(3, KEPT_AT_MOST + 3):
        assert pool.take(number) is connections[number]
        connections[number].close()


def test_a_closed_pool_holds_nothing_and_takes_nothing(pool: WarmSockets, dial: Any) -> None:
    pool.put("place", dial())
    late = dial()
    pool.close()
    assert pool.take("place") is None
    pool.put("place", late)
    assert pool.take("place") is None
    for number in range(2):
        assert dial.peer.line(number).ended.wait(6)
        assert dial.peer.line(number).close_code == 1000


def test_a_peer_that_floods_an_idle_socket_does_not_hold_up_the_next_reply(serve: Any, bench: Any) -> None:
    def script(line: Line) -> None:
        line.upgrade()
        say(line)
        line.mark.wait(20)
        frames = line.frame(b"", opcode=9) * 4_000
        while True:
            line.send(frames)

    peer = serve(script, speaking)
    engine = bench.tts(peer.port)
    reply(bench, engine)
    peer.line().mark.set()
    time.sleep(0.05)
    began = time.monotonic()
    talk = bench.speak(engine, "Two.")
    assert talk.outcome() is None
    assert talk.ended_at - began < 10.0  # the flood never ends by itself
    assert len(peer.lines) == 2


def test_many_threads_are_never_given_the_same_socket(pool: WarmSockets, dial: Any) -> None:
    connections = [dial() for _ in range(6)]
    for connection in connections:
        pool.put("place", connection)
    held: set[int] = set()
    lock = threading.Lock()

    def take_and_put(_: int) -> None:
        connection = pool.take("place")
        if connection is None:
            return
        with lock:
            assert id(connection) not in held, "given twice"
            held.add(id(connection))
        with lock:
            held.discard(id(connection))
        pool.put("place", connection)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(take_and_put, range(400)))
    assert {id(pool.take("place")) for _ in connections} == set(map(id, connections))
    for connection in connections:
        connection.close()
