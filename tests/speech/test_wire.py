"""The socket under websocket-client: no read outlives its deadline, no peer exceeds its budget."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tts_service.deadline import Deadline
from tts_service.speech.wire import Wire, WireOverflow


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


Ends = tuple[socket.socket, socket.socket]


def test_a_read_ends_at_the_deadline(ends: Ends) -> None:
    wire = Wire(ends[0], Deadline.after(0.1), 100)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.read()
    assert 0.05 < time.monotonic() - began < 8


def test_a_read_after_the_deadline_fails_even_when_there_is_something_to_read(ends: Ends) -> None:
    ends[1].sendall(b"more, and more after it")
    wire = Wire(ends[0], Deadline.after(0), 100)
    with pytest.raises(TimeoutError):
        wire.read()
    with pytest.raises(TimeoutError):
        wire.read_waiting()


def test_a_send_that_nobody_reads_ends_at_the_deadline(ends: Ends) -> None:
    wire = Wire(ends[0], Deadline.after(0.1), 100)
    with pytest.raises(TimeoutError):
        wire.write(b"x" * 10_000_000)


def test_what_is_larger_than_the_sockets_buffers_arrives_whole(ends: Ends) -> None:
    data = bytes(range(256)) * 20_000
    arrived = bytearray()

    def read() -> None:
        while len(arrived) < len(data) and (more := ends[1].recv(100_000)):
            arrived.extend(more)

    reader = threading.Thread(target=read)
    reader.start()
    Wire(ends[0], Deadline.after(20), 100).write(data)
    reader.join(20)
    assert arrived == data


@pytest.mark.parametrize("waiting", [False, True])
def test_the_budget_counts_every_byte_received(ends: Ends, waiting: bool) -> None:
    wire = Wire(ends[0], Deadline.after(5), 100)
    ends[1].sendall(b"x" * 60)
    assert wire.recv(10) == b"x" * 10
    assert wire.read() == b"x" * 50
    ends[1].sendall(b"x" * 41)
    with pytest.raises(WireOverflow):
        wire.read_waiting() if waiting else wire.read()


def test_what_the_handshake_read_ahead_is_not_lost(ends: Ends) -> None:
    wire = Wire(ends[0], Deadline.after(5), 100)
    ends[1].sendall(b"HEAD" + b"frames")
    assert b"".join(wire.recv(1) for _ in range(4)) == b"HEAD"
    assert wire.read_waiting() == b"frames"
    assert wire.read_waiting() is None


def test_the_end_reads_as_empty_and_silence_as_nothing(ends: Ends) -> None:
    wire = Wire(ends[0], Deadline.after(5), 100)
    assert wire.read_waiting() is None
    ends[1].close()
    assert wire.read_waiting() == b""
    assert wire.read() == b""


def test_the_deadline_may_be_moved_between_steps(ends: Ends) -> None:
    wire = Wire(ends[0], Deadline.after(0), 100)
    wire.deadline = Deadline.after(5)
    ends[1].sendall(b"x")
    assert wire.read() == b"x"
