"""Sockets against one deadline, and the line by which they are cut."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tts_service.addresses import Reach
from tts_service.deadline import Deadline
from tts_service.dial import (
    ADDRESSES_TRIED,
    RESOLVER_THREADS,
    Address,
    Dialer,
    DialError,
    DialFailure,
    Lifeline,
    tls_context,
)

Resolve = Callable[[str, int], list[Address]]
Made = Callable[[Resolve], Dialer]


@pytest.fixture
def dialer() -> Iterator[Made]:
    made: list[Dialer] = []

    def make(resolve: Resolve) -> Dialer:
        made.append(Dialer(resolve))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody listens there, on 127.0.0.1 alone."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def hung() -> Iterator[Resolve]:
    release = threading.Event()

    def resolve(host: str, port: int) -> list[Address]:
        release.wait(20)
        return []

    yield resolve
    release.set()


def to(*addresses: Address) -> Resolve:
    return lambda host, port: list(addresses)


def dial(dialer: Dialer, port: int, *, host: str = "voice.test", within_s: float = 5.0) -> socket.socket:
    return dialer.dial(
        host, port, tls=False, reach=Reach.ANYWHERE, deadline=Deadline.after(within_s), lifeline=Lifeline()
    )


def failure(dialer: Dialer, port: int, **options: float) -> DialFailure:
    with pytest.raises(DialError) as raised:
        dial(dialer, port, within_s=options.get("within_s", 5.0))
    return raised.value.failure


def test_a_name_is_looked_up_and_connected_to_without_nagle(port: int, dialer: Made) -> None:
    with dial(dialer(to(("127.0.0.1", port))), port) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_needs_no_look_up(port: int, dialer: Made, hung: Resolve) -> None:
    dial(dialer(hung), port, host="127.0.0.1").close()


def test_the_default_look_up_knows_localhost(port: int) -> None:
    dialer = Dialer()
    with contextlib.closing(dialer):
        dial(dialer, port, host="localhost").close()


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "no such name"),
        socket.gaierror(socket.EAI_AGAIN, "SERVFAIL"),
        UnicodeError("label too long"),
    ],
    ids=["NXDOMAIN", "SERVFAIL", "no DNS name"],
)
def test_a_name_that_cannot_be_found_is_unreachable(error: Exception, dialer: Made) -> None:
    def resolve(host: str, port: int) -> list[Address]:
        raise error

    assert failure(dialer(resolve), 9) is DialFailure.UNREACHABLE


def test_a_name_without_addresses_is_unreachable(dialer: Made) -> None:
    assert failure(dialer(to()), 9) is DialFailure.UNREACHABLE


def test_a_resolver_that_hangs_ends_at_the_deadline(dialer: Made, hung: Resolve) -> None:
    began = time.monotonic()
    assert failure(dialer(hung), 9, within_s=0.2) is DialFailure.RESOLVER_TIMEOUT
    assert time.monotonic() - began < 10


def test_a_resolver_that_hangs_holds_eight_threads_at_most(dialer: Made, hung: Resolve) -> None:
    before = threading.active_count()
    ours = dialer(hung)
    for _ in range(RESOLVER_THREADS + 4):
        assert failure(ours, 9, within_s=0.02) is DialFailure.RESOLVER_TIMEOUT
    assert threading.active_count() - before <= RESOLVER_THREADS


def test_refused_and_silent_are_told_apart(port: int, dialer: Made) -> None:
    assert failure(dialer(to(("127.0.0.2", port))), port) is DialFailure.UNREACHABLE


def test_the_second_address_is_tried_and_duplicates_are_not(port: int, dialer: Made) -> None:
    dead = ("127.0.0.2", port)
    dial(dialer(to(*[dead] * 5, ("127.0.0.1", port))), port).close()


def test_only_the_first_four_addresses_are_tried(port: int, dialer: Made) -> None:
    dead = [(f"127.0.0.{last}", port) for last in range(2, 2 + ADDRESSES_TRIED)]
    assert failure(dialer(to(*dead, ("127.0.0.1", port))), port) is DialFailure.UNREACHABLE


def test_running_out_of_descriptors_is_unreachable_and_no_bug(port: int, dialer: Made) -> None:
    ours = dialer(to(("127.0.0.1", port)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno(), hard))
        try:
            assert failure(ours, port) is DialFailure.UNREACHABLE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_tls_handshake_that_fails_closes_the_socket(port: int, dialer: Made) -> None:
    ours = dialer(to(("127.0.0.1", port)))
    with pytest.raises(DialError) as raised:
        ours.dial(
            "voice.test",
            port,
            tls=True,
            reach=Reach.ANYWHERE,
            deadline=Deadline.after(0.2),
            lifeline=Lifeline(),
        )
    assert raised.value.failure is DialFailure.TLS


def test_tls_checks_names_and_refuses_what_is_old() -> None:
    context = tls_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


# The lifeline.


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_cut_wakes_a_reader_in_another_thread(pair: tuple[socket.socket, socket.socket]) -> None:
    lifeline = Lifeline()
    lifeline.hold(pair[0])
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pair[0].recv(1)))
    reader.start()
    time.sleep(0.05)
    lifeline.cut()
    reader.join(10)
    assert read == [b""]


def test_a_socket_held_after_the_cut_ends_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    lifeline = Lifeline()
    lifeline.cut()
    lifeline.hold(pair[0])
    assert lifeline.is_cut
    assert pair[0].recv(1) == b""


def test_a_released_socket_outlives_the_cut(pair: tuple[socket.socket, socket.socket]) -> None:
    lifeline = Lifeline()
    lifeline.hold(pair[0])
    lifeline.release()
    lifeline.cut()
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"


def test_a_line_that_is_cut_dials_nobody(port: int, dialer: Made) -> None:
    lifeline = Lifeline()
    lifeline.cut()
    with pytest.raises(DialError):
        dialer(to(("127.0.0.1", port))).dial(
            "127.0.0.1", port, tls=False, reach=Reach.ANYWHERE, deadline=Deadline.after(5), lifeline=lifeline
        )


def test_a_cut_ends_a_look_up_that_hangs(dialer: Made, hung: Resolve) -> None:
    lifeline = Lifeline()
    cutter = threading.Timer(0.1, lifeline.cut)
    cutter.start()
    began = time.monotonic()
    with pytest.raises(DialError):
        dialer(hung).dial(
            "voice.test", 9, tls=False, reach=Reach.ANYWHERE, deadline=Deadline.after(20), lifeline=lifeline
        )
    assert time.monotonic() - began < 10
    cutter.join()


def test_a_cut_may_be_repeated_and_fall_on_closed_sockets(pair: tuple[socket.socket, socket.socket]) -> None:
    lifeline = Lifeline()
    lifeline.hold(pair[0])
    pair[0].close()
    lifeline.cut()
    lifeline.cut()
