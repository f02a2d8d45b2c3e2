"""Owns the chat-completions API: asks a language model and hands on its words as they come.

`requests` speaks HTTP; the connections beneath it are opened by the process's `Dialer` and held by the turn's
`Lifeline`, because a per-read timeout ends nothing that drips (faults L24).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
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


class ChatModel:
    """One for the process; keeps connections alive between turns, to each host its own."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._retries = RetryBudget()
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, netrc or CA bundle slips in from the environment
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # faults L8, the same here
        adapter = _DialedAdapter(pool_connections=64, pool_maxsize=512)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def ask(
        self, route: ModelRoute, conversation: Sequence[Said], deadline: Deadline, lifeline: Lifeline
    ) -> Iterator[str]:
        """Parts of the reply, as they come; never an empty reply. Raises UpstreamError, also in the
        middle.
        """
        call = _Call(self._dialer, deadline, lifeline)
        token = _call.set(call)
        try:
            response = self._answer(route, request_body(route.model, conversation, route.dialect), deadline)
            with contextlib.closing(response), _mapped():
                yield from _words(response, call)
        finally:
            lifeline.release()
            _call.reset(token)

    def close(self) -> None:
        self._session.close()

    def _answer(self, route: ModelRoute, body: bytes, deadline: Deadline) -> requests.Response:
        self._retries.attempted()
        try:
            return self._post(route, body, deadline)
        except UpstreamError as error:
            wait_s = _pause_before_retry(error)
            if wait_s is None or deadline.remaining_s - wait_s < WORTH_S or not self._retries.take():
                raise
        time.sleep(wait_s)
        return self._post(route, body, deadline)

    def _post(self, route: ModelRoute, body: bytes, deadline: Deadline) -> requests.Response:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"tts-service/{__version__}",
        }
        if route.key:
            headers["Authorization"] = f"Bearer {route.key.reveal()}"
        with _mapped():
            response = self._session.post(
                f"{route.base_url}/chat/completions",
                data=body,
                headers=headers,
                stream=True,
                timeout=max(deadline.remaining_s, 0.001),
                allow_redirects=False,  # a redirect would carry the key to another host
            )
            if response.status_code == 200:
                return response
            with contextlib.closing(response):
                words = response.raw.read(MAX_REFUSAL_BYTES, decode_content=True)
        raise refusal(response.status_code, words, response.headers.get("Retry-After"))


def _pause_before_retry(error: UpstreamError) -> float | None:
    """None where a second attempt would not help: the key, the model and the money stay what they are."""
    if isinstance(error, UpstreamUnreachable):
        return pause_s()
    if isinstance(error, (UpstreamUnavailable, UpstreamRateLimited)):
        wait_s = error.retry_after_s or 0
        return max(wait_s, pause_s()) if wait_s <= RETRY_AFTER_WORTH_S else None
    return None


def _words(response: requests.Response, call: _Call) -> Iterator[str]:
    text = ReplyText()
    for part in _parts(response, call):
        kept = text.add(part)
        if kept:
            yield kept
        if text.is_full:
            return
    if not text.text.strip():
        raise UpstreamBadResponse("The language model's reply has no text.")


def _parts(response: requests.Response, call: _Call) -> Iterator[str]:
    """Streamed or in one piece: the first byte tells, for servers get the Content-Type wrong."""
    chunks = _chunks(response)
    head = b""
    for chunk in chunks:
        head += chunk
        if head.lstrip():
            break
    if head.lstrip().startswith(b"{"):
        yield completion_text(_whole(head, chunks))
        return
    reader, size = StreamReader(), len(head)
    yield from reader.feed(head)
    while not reader.is_done and (chunk := next(chunks, b"")):
        size += len(chunk)
        if size > MAX_STREAM_BYTES:
            raise UpstreamTooLarge
        yield from reader.feed(chunk)
    yield from reader.close()
    if call.sock is not None and reader.is_done:
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
    while chunk := response.raw.read1(READ_BYTES, decode_content=True):
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
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader):
        raise UpstreamRejected from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError):
        raise UpstreamBadResponse(BROKE_OFF) from None
