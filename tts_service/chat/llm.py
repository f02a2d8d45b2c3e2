"""Owns the chat-completions API: asks a language model and hands on its words as they come.

`requests` speaks HTTP; the connections beneath it are opened by the process's `Dialer` and held by the turn's
`Lifeline`, because a per-read timeout ends nothing that drips (faults L24).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection

from tts_service.chat.completions import (
    BROKE_OFF,
    Dialect,
    ReplyText,
    Said,
    StreamReader,
    completion_text,
    refusal,
    request_body,
)
from tts_service.deadline import Deadline
from tts_service.dial import Dialer, DialError, DialFailure, Lifeline
from tts_service.errors import (
    UpstreamBadResponse,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamTooLarge,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from tts_service.retry import WORTH_S, RetryBudget, pause_s
from tts_service.secret import Secret
from tts_service.version import __version__

CONNECT_S = 5.0
READ_BYTES = 16 * 1024
# faults 3a says 1 MiB. A stream repeats 250 bytes of envelope for every word and reasoning models stream
# thousands of words nobody sees, so a stream may be longer; an answer in one piece may not.
MAX_JSON_BYTES = 1024 * 1024
MAX_STREAM_BYTES = 4 * 1024 * 1024
MAX_REFUSAL_BYTES = 64 * 1024
AFTER_DONE_S = 0.05  # for the end of the body behind [DONE], so that the connection can be used again
RETRY_AFTER_WORTH_S = 3  # a provider that asks for a longer pause is not asked twice in one turn

_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "text/event-stream, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"tts-service/{__version__}",
}

_DIALED: dict[DialFailure, type[UpstreamError]] = {
    DialFailure.UNREACHABLE: UpstreamUnreachable,
    DialFailure.CONNECT_TIMEOUT: UpstreamTimeout,
    DialFailure.RESOLVER_TIMEOUT: UpstreamTimeout,
    DialFailure.TLS: UpstreamTls,
}


@dataclass(frozen=True)
class ModelRoute:
    """Which model, where, and with whose key."""

    base_url: str
    key: Secret | None
    model: str
    dialect: Dialect


@dataclass
class _Call:
    """What a connection needs to know of the call it serves; requests has no way to hand it down."""

    dialer: Dialer
    deadline: Deadline
    lifeline: Lifeline
    sock: socket.socket | None = None

    def connect(self, host: str, port: int, tls: bool) -> socket.socket:
        within = self.deadline.within(CONNECT_S)
        self.sock = self.dialer.dial(host, port, tls=tls, deadline=within, lifeline=self.lifeline)
        return self.sock

    def reuse(self, sock: socket.socket) -> None:
        self.sock = sock
        self.lifeline.hold(sock)


_call: ContextVar[_Call] = ContextVar("llm_call")


class _Connection(HTTPConnection):
    def connect(self) -> None:
        self.sock = _call.get().connect(self.host, self.port, tls=False)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _call.get().reuse(self.sock)
        super().request(*args, **kwargs)


class _TlsConnection(HTTPSConnection):
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


class ChatModel:
    """One for the process; keeps connections alive between turns, to each host its own.

    Uses requests' transport adapter without a Session around it: what a Session adds is what must not happen
    here. It would follow redirects with the key, read their bodies whole, keep cookies between customers
    (faults L8) and take proxies, passwords and certificates from the environment.
    """

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._retries = RetryBudget()
        # Its warnings quote addresses and whatever a server put where its headers should be.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._adapter = _DialedAdapter(pool_connections=64, pool_maxsize=512)

    def ask(
        self, route: ModelRoute, conversation: Sequence[Said], deadline: Deadline, lifeline: Lifeline
    ) -> Iterator[str]:
        """Parts of the reply, as they come; never an empty reply. Raises UpstreamError, also in the
        middle.
        """
        call = _Call(self._dialer, deadline, lifeline)
        token = _call.set(call)
        try:
            response = self._answer(route, request_body(route.model, conversation, route.dialect), call)
            with contextlib.closing(response), _mapped():
                yield from _words(response, call)
        finally:
            lifeline.release()
            _call.reset(token)

    def close(self) -> None:
        self._adapter.close()

    def _answer(self, route: ModelRoute, body: bytes, call: _Call) -> requests.Response:
        self._retries.attempted()
        try:
            return self._post(route, body, call.deadline)
        except UpstreamError as error:
            wait_s = _pause_before_retry(error)
            if wait_s is None or call.deadline.remaining_s - wait_s < WORTH_S or call.lifeline.is_cut:
                raise
            if not self._retries.take() or _cut_within(wait_s, call.lifeline):
                raise
        return self._post(route, body, call.deadline)

    def _post(self, route: ModelRoute, body: bytes, deadline: Deadline) -> requests.Response:
        with _mapped():
            response = self._adapter.send(
                _request(route, body), stream=True, timeout=max(deadline.remaining_s, 0.001)
            )
            if response.status_code == 200:
                return response
            with contextlib.closing(response):
                words = response.raw.read(MAX_REFUSAL_BYTES, decode_content=True)
        raise refusal(response.status_code, words, response.headers.get("Retry-After"))


def _request(route: ModelRoute, body: bytes) -> requests.PreparedRequest:
    # Filled in by hand: prepare() spends as long on cookies, hooks and guesses as the rest of the call.
    request = requests.PreparedRequest()
    request.method, request.url, request.body = "POST", f"{route.base_url}/chat/completions", body
    request.hooks = default_hooks()
    request.headers = CaseInsensitiveDict(_HEADERS)
    request.headers["Content-Length"] = str(len(body))
    if route.key:
        request.headers["Authorization"] = f"Bearer {route.key.reveal()}"
    return request


def _pause_before_retry(error: UpstreamError) -> float | None:
    """None where a second attempt would not help: the key, the model and the money stay what they are."""
    if isinstance(error, UpstreamUnreachable):
        return pause_s()
    if isinstance(error, (UpstreamUnavailable, UpstreamRateLimited)):
        wait_s = error.retry_after_s or 0
        return max(wait_s, pause_s()) if wait_s <= RETRY_AFTER_WORTH_S else None
    return None


def _cut_within(seconds: float, lifeline: Lifeline) -> bool:
    """Waits that long, or until the turn is over: a pause must not outlive its turn."""
    cut = threading.Event()
    lifeline.on_cut(cut.set)
    return cut.wait(seconds)


def _words(response: requests.Response, call: _Call) -> Iterator[str]:
    text = ReplyText()
    for part in _parts(response, call):
        kept = text.add(part)
        if kept:
            yield kept
        if text.is_full:
            break
    if not text.text.strip():
        raise UpstreamBadResponse("The language model's reply has no text.")


def _parts(response: requests.Response, call: _Call) -> Iterator[str]:
    """Streamed or in one piece: the first byte tells, for servers get the Content-Type wrong."""
    chunks = _chunks(response)
    head = b""
    while not head and (chunk := next(chunks, b"")):
        head = chunk.lstrip()
    if head.startswith(b"{"):
        yield completion_text(_whole(head, chunks))
        return
    reader = StreamReader()
    yield from reader.feed(head)
    while not reader.is_done and (chunk := next(chunks, b"")):
        yield from reader.feed(chunk)
    yield from reader.close()
    # Where the body has ended already, the connection is in the pool and may be serving another turn.
    if call.sock is not None and reader.is_done and not response.raw.closed:
        call.sock.settimeout(AFTER_DONE_S)
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            next(chunks, b"")


def _whole(head: bytes, chunks: Iterator[bytes]) -> bytes:
    body = bytearray(head)
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise UpstreamTooLarge
    return bytes(body)


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """What has come, never more than READ_BYTES at once even where the server compressed it."""
    if (response.raw.length_remaining or 0) > MAX_STREAM_BYTES:  # announced
        raise UpstreamTooLarge
    size = 0
    while chunk := response.raw.read1(READ_BYTES, decode_content=True):
        size += len(chunk)
        if size > MAX_STREAM_BYTES:
            raise UpstreamTooLarge
        yield chunk


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
        raise UpstreamBadResponse(BROKE_OFF) from None
