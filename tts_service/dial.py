"""Outbound sockets: every connection of this service begins here.

A socket is opened against one `Deadline` that covers the name look-up, every address tried and the TLS
handshake, and is held by a `Lifeline`, through which its owner ends it from another thread at any moment.
Per-socket timeouts are no deadline: they start again with every byte (faults L1, L24).
"""

from __future__ import annotations

import contextlib
import enum
import functools
import ipaddress
import os
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import certifi

from tts_service.addresses import Reach, may_reach
from tts_service.deadline import Deadline

Address = tuple[str, int]
Resolve = Callable[[str, int], list[Address]]

# Names being looked up at once. getaddrinfo obeys no timeout: a hung resolver holds threads, these at most.
RESOLVER_THREADS = 8
# Addresses tried for one name, within the one deadline: a limit per address would multiply it (faults 3c-2).
ADDRESSES_TRIED = 4


class DialFailure(enum.Enum):
    UNREACHABLE = "unreachable"  # no such name, refused, reset
    CONNECT_TIMEOUT = "connect_timeout"  # no answer to SYN
    RESOLVER_TIMEOUT = "resolver_timeout"
    TLS = "tls"  # certificate, name, protocol, or a TLS handshake that stalls
    OUT_OF_REACH = "out_of_reach"  # an address of this name may not be connected to; none was


class DialError(Exception):
    """No connection. Nothing was sent but, at most, a TLS hello; so trying once more is safe."""

    def __init__(self, failure: DialFailure) -> None:
        self.failure = failure
        super().__init__(failure.value)


class Lifeline:
    """The sockets one piece of work holds, and the way to end them all from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[Callable[[], object]] = []
        self.is_cut = False

    def hold(self, sock: socket.socket) -> None:
        """From now on `cut()` ends this socket too; at once if the line is cut already."""
        self.on_cut(functools.partial(_shut, sock))

    def on_cut(self, end: Callable[[], object]) -> None:
        """`cut()` calls `end`, which must not wait; at once if the line is cut already."""
        with self._lock:
            self._held.append(end)
            if self.is_cut:
                end()

    def release(self) -> None:
        """The work is over and its sockets belong to somebody else, such as a connection pool."""
        with self._lock:
            self._held.clear()

    def cut(self) -> None:
        """Every read and write under way on the held sockets ends now, and so does any later one."""
        with self._lock:
            self.is_cut = True
            for end in self._held:
                end()


def _shut(sock: socket.socket) -> None:
    # shutdown() wakes a blocked reader, close() does not (faults L2). The plain socket's own method: that of
    # SSLSocket would take the TLS state away from under the thread that is reading.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def lookup(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(entry[4][0], port) for entry in found if isinstance(entry[4][0], str)]


def tls_context() -> ssl.SSLContext:
    """One for the process: a fresh one costs 13 to 16 ms of CPU (ecosystem 0.2)."""
    own_store = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    context = ssl.create_default_context(cafile=None if own_store else certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialer:
    """Opens sockets. One for the process; `resolve` and `tls` are arguments so that others can be given."""

    def __init__(self, resolve: Resolve = lookup, tls: ssl.SSLContext | None = None) -> None:
        self._resolve = resolve
        self._tls = tls or tls_context()
        self._resolvers = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")

    def dial(
        self, host: str, port: int, *, tls: bool, reach: Reach, deadline: Deadline, lifeline: Lifeline
    ) -> socket.socket:
        """A connected socket, held by `lifeline`. Raises DialError.

        Each look-up is checked against `reach` and connected to as it stands: there is no second one that a
        name server could answer otherwise (DNS rebinding, faults 2 row 7).
        """
        found = self._addresses(host, port, deadline, lifeline)
        # One bad address condemns its name: nobody has a public and a private one in good faith.
        if not all(may_reach(address, reach) for address, _ in found):
            raise DialError(DialFailure.OUT_OF_REACH)
        sock = self._connect(found[:ADDRESSES_TRIED], deadline, lifeline)
        if not tls:
            return sock
        try:
            sock.settimeout(max(deadline.remaining_s, 0.001))
            wrapped = self._tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
            lifeline.hold(wrapped)
            sock = wrapped
            wrapped.do_handshake()
        except (ssl.SSLError, TimeoutError) as error:
            sock.close()
            raise DialError(DialFailure.TLS) from error
        except OSError as error:
            sock.close()
            raise DialError(DialFailure.UNREACHABLE) from error
        return wrapped

    def close(self) -> None:
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def _addresses(self, host: str, port: int, deadline: Deadline, lifeline: Lifeline) -> list[Address]:
        with contextlib.suppress(ValueError):
            return [(str(ipaddress.ip_address(host)), port)]
        looking = self._resolvers.submit(self._resolve, host, port)
        answer: queue.SimpleQueue[Future[list[Address]] | None] = queue.SimpleQueue()
        looking.add_done_callback(answer.put)
        lifeline.on_cut(functools.partial(answer.put, None))
        try:
            found = answer.get(timeout=deadline.remaining_s)
        except queue.Empty as error:
            looking.cancel()
            raise DialError(DialFailure.RESOLVER_TIMEOUT) from error
        if found is None:  # the line was cut
            looking.cancel()
            raise DialError(DialFailure.UNREACHABLE)
        try:
            return list(dict.fromkeys(found.result()))
        except (OSError, UnicodeError) as error:  # UnicodeError: a label no DNS name can have
            raise DialError(DialFailure.UNREACHABLE) from error

    def _connect(self, addresses: list[Address], deadline: Deadline, lifeline: Lifeline) -> socket.socket:
        cause: OSError | None = None  # of the last address
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                # An equal share of what remains: a dead first address leaves time for a living second.
                return _connected(address, max(deadline.remaining_s / left, 0.001), lifeline)
            except OSError as error:
                cause = error
        timed_out = isinstance(cause, TimeoutError)
        raise DialError(DialFailure.CONNECT_TIMEOUT if timed_out else DialFailure.UNREACHABLE) from cause


def _connected(address: Address, timeout_s: float, lifeline: Lifeline) -> socket.socket:
    """Raises OSError: also where no descriptor is left, or this machine has no IPv6."""
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    lifeline.hold(sock)
    try:
        if lifeline.is_cut:  # there was nothing to shut yet: connect() would wait in vain
            raise ConnectionAbortedError
        sock.settimeout(timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address)
        if lifeline.is_cut:  # the same, had the cut fallen just before connect()
            raise ConnectionAbortedError
    except OSError:
        sock.close()
        raise
    return sock
