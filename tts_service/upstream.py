"""Owns HTTP to the providers (requests): calls whose connections the process's `Dialer` opens.

A call's connection is held by its `Lifeline`, because a per-read timeout ends nothing that drips (faults
L24). requests' transport adapter is used without a Session around it: what a Session adds is what must not
happen here. It would follow redirects with the key, read their bodies whole, keep cookies between customers
(faults L8) and take proxies, passwords and certificates from the environment.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection

from tts_service import threads
from tts_service.addresses import Reach
from tts_service.deadline import Deadline
from tts_service.dial import Dialer, DialError, DialFailure, Lifeline
from tts_service.errors import (
    UpstreamAddress,
    UpstreamBadResponse,
    UpstreamBrokeOff,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamTooLarge,
    UpstreamUnreachable,
)
from tts_service.refusals import refusal
from tts_service.secret import Secret
from tts_service.version import __version__

CONNECT_S = 5.0
READ_BYTES = 16 * 1024
MAX_JSON_BYTES = 1024 * 1024
MAX_REFUSAL_BYTES = 64 * 1024

_HEADERS = {
    "Accept": "text/event-stream, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"tts-service/{__version__}",
}

_DIALED: dict[DialFailure, type[UpstreamError]] = {
    DialFailure.UNREACHABLE: UpstreamUnreachable,
    DialFailure.CONNECT_TIMEOUT: UpstreamTimeout,
    DialFailure.RESOLVER_TIMEOUT: UpstreamTimeout,
    DialFailure.TLS: UpstreamTls,
    DialFailure.OUT_OF_REACH: UpstreamAddress,
}


@dataclass
class Call:
    """One request and its answer; also what a connection needs to know of the request that it serves, for
    requests has no way to hand that down.
    """

    dialer: Dialer
    reach: Reach
    deadline: Deadline
    lifeline: Lifeline
    sock: socket.socket | None = None  # the one that serves it, once there is one
    answer: requests.Response | None = None  # with status 200

    def connect(self, host: str, port: int, tls: bool) -> socket.socket:
        within = self.deadline.within(CONNECT_S)
        self.sock = self.dialer.dial(
            host, port, tls=tls, reach=self.reach, deadline=within, lifeline=self.lifeline
        )
        return self.sock

    def reuse(self, sock: socket.socket) -> None:
        self.sock = sock
        self.lifeline.hold(sock)

    def chunks(self, limit_bytes: int) -> Iterator[bytes]:
        """The answer's body as it comes, never more than READ_BYTES at once even where the server compressed
        it. Raises UpstreamError.
        """
        if self.answer is None:
            return
        raw, size = self.answer.raw, 0
        if (raw.length_remaining or 0) > limit_bytes:  # announced
            raise UpstreamTooLarge
        with _mapped():
            while chunk := raw.read1(READ_BYTES, decode_content=True):
                size += len(chunk)
                if size > limit_bytes:
                    raise UpstreamTooLarge
                yield chunk

    def await_end(self, seconds: float) -> None:
        """Of a body that says no more: if its end comes within that, the connection can be used again."""
        # Where it has ended already, the connection is in the pool and may be serving another call.
        if self.sock is not None and self.answer is not None and not self.answer.raw.closed:
            self.sock.settimeout(seconds)
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
                self.answer.raw.read1(READ_BYTES, decode_content=True)

    def close(self) -> None:
        """Ends the connection if the answer was not read to its end; else it is kept for the next call."""
        if self.answer is not None:
            self.answer.close()
        self.lifeline.release()


class Upstream:
    """One for the process; keeps connections alive between calls, to each host and for each reach its own."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        # Its warnings quote addresses and whatever a server put where its headers should be.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        # Apart, or a call that may reach public addresses only would be given the connection that an
        # operator's client has opened to a private one.
        self._adapters = {reach: _DialedAdapter(pool_connections=64, pool_maxsize=512) for reach in Reach}

    def call(self, reach: Reach, deadline: Deadline, lifeline: Lifeline) -> Call:
        """One call, for its maker to close; `lifeline` ends it from any thread."""
        return Call(self._dialer, reach, deadline, lifeline)

    def post(self, url: str, key: Secret | None, body: bytes, call: Call) -> None:
        """Returns when the answer has come, with status 200; its body is `call`'s to read.
        Raises UpstreamError.
        """
        self._send(_request("POST", url, key, body), call)

    def get_json(self, url: str, key: Secret | None, reach: Reach, deadline: Deadline) -> Any:
        """The JSON there, of at most MAX_JSON_BYTES, by the deadline whatever the server does.
        Raises UpstreamError.
        """
        call = self.call(reach, deadline, Lifeline())
        answer: queue.SimpleQueue[bytes | UpstreamError] = queue.SimpleQueue()
        threads.start(lambda: answer.put(self._outcome(url, key, call)))
        try:
            outcome = answer.get(timeout=deadline.remaining_s)
        except queue.Empty:
            call.lifeline.cut()
            raise UpstreamTimeout from None
        if isinstance(outcome, UpstreamError):
            raise outcome
        try:
            return orjson.loads(outcome)
        except orjson.JSONDecodeError:  # `from None`: it holds what was read
            raise UpstreamBadResponse from None

    def close(self) -> None:
        for adapter in self._adapters.values():
            adapter.close()

    def _outcome(self, url: str, key: Secret | None, call: Call) -> bytes | UpstreamError:
        with contextlib.closing(call):
            try:
                self._send(_request("GET", url, key, None), call)
                return b"".join(call.chunks(MAX_JSON_BYTES))
            except UpstreamError as error:
                return error

    def _send(self, request: requests.PreparedRequest, call: Call) -> None:
        token = _call.set(call)
        try:
            with _mapped():
                answer = self._adapters[call.reach].send(
                    request, stream=True, timeout=max(call.deadline.remaining_s, 0.001)
                )
                if answer.status_code == 200:
                    call.answer = answer
                    return
                with contextlib.closing(answer):
                    words = answer.raw.read(MAX_REFUSAL_BYTES, decode_content=True)
        finally:
            _call.reset(token)
        raise refusal(answer.status_code, words, answer.headers.get("Retry-After"))


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    """requests', urllib3's and the socket's errors, as ours. `from None`: their texts hold URLs."""
    try:
        yield
    except DialError as error:
        raise _DIALED[error.failure]() from None
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        raise UpstreamTimeout from None
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        raise UpstreamTls from None
    except requests.exceptions.ConnectionError:
        raise UpstreamUnreachable from None
    except ValueError:  # requests' InvalidURL and InvalidHeader are; so is what urllib.parse raises
        raise UpstreamRejected from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError):
        raise UpstreamBrokeOff from None


def _request(method: str, url: str, key: Secret | None, body: bytes | None) -> requests.PreparedRequest:
    # Filled in by hand: prepare() spends as long on cookies, hooks and guesses as the rest of the call.
    request = requests.PreparedRequest()
    request.method, request.url, request.body = method, url, body
    request.hooks = default_hooks()
    request.headers = CaseInsensitiveDict(_HEADERS)
    if body is not None:
        request.headers["Content-Type"] = "application/json"
        request.headers["Content-Length"] = str(len(body))
    if key:
        request.headers["Authorization"] = f"Bearer {key.reveal()}"
    return request


# Beneath requests: urllib3's connections, opened by our Dialer.

_call: ContextVar[Call] = ContextVar("upstream_call")


def _is_quiet(sock: socket.socket) -> bool:
    """Whether the server has neither closed a kept connection nor said a word unasked: then it can serve the
    next call. The plain socket's own method, since TLS has no peeking; and no poll, which costs ten times
    as much under gevent.
    """
    timeout_s = sock.gettimeout()
    try:
        sock.settimeout(0.0)
        socket.socket.recv(sock, 1, socket.MSG_PEEK)
    except BlockingIOError:
        sock.settimeout(timeout_s)
        return True
    except OSError:
        return False
    return False


class _Connection(HTTPConnection):
    @property
    def is_connected(self) -> bool:
        return self.sock is not None and _is_quiet(self.sock)

    def connect(self) -> None:
        self.sock = _call.get().connect(self.host, self.port, tls=False)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _call.get().reuse(self.sock)
        super().request(*args, **kwargs)


class _TlsConnection(HTTPSConnection):
    @property
    def is_connected(self) -> bool:
        return self.sock is not None and _is_quiet(self.sock)

    def connect(self) -> None:
        self.sock = _call.get().connect(self.host, self.port, tls=True)
        self.is_verified = True  # the Dialer's context checks certificate and name

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _call.get().reuse(self.sock)
        super().request(*args, **kwargs)


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _DialedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def close(self) -> None:
        # super() only forgets the pools: their idle sockets would wait for the garbage collector.
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - no Mapping: it has no __iter__
            pools[key].close()
        super().close()
