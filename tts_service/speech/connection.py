"""Owns one WebSocket to a voice provider: opened, written to, read from and closed within its deadline.

websocket-client does the handshake; the socket beneath is a `Wire`, and messages go through `frames`.
Whatever websocket-client raises is mapped here, once.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import websocket
from websocket import _handshake, _http

from tts_service.addresses import Reach
from tts_service.deadline import Deadline
from tts_service.dial import Dialer, DialError, DialFailure, Lifeline
from tts_service.errors import (
    SpeechAuth,
    SpeechClosed,
    SpeechError,
    SpeechProtocol,
    SpeechRateLimited,
    SpeechTimeout,
    SpeechTls,
    SpeechTooLarge,
    SpeechUnavailable,
)
from tts_service.secret import Secret
from tts_service.speech.frames import FrameError, FrameReader, FrameTooLarge, Message, Opcode, frame
from tts_service.speech.wire import Wire, WireOverflow

HANDSHAKE_BYTES = (
    64 * 1024
)  # an answer to the upgrade is below 2 kB; endless headers and huge bodies end here
CLOSE_S = 0.25  # for our close frame; the socket is closed whatever comes of it

NORMAL_CLOSURE, ABNORMAL_CLOSURE = 1000, 1006
_LOST = Message(Opcode.CLOSE, ABNORMAL_CLOSURE.to_bytes(2, "big"))

_DIALED: dict[DialFailure, type[SpeechError]] = {
    DialFailure.UNREACHABLE: SpeechUnavailable,
    DialFailure.CONNECT_TIMEOUT: SpeechUnavailable,
    DialFailure.RESOLVER_TIMEOUT: SpeechTimeout,
    DialFailure.TLS: SpeechTls,
    DialFailure.OUT_OF_REACH: SpeechUnavailable,
}
# The provider refuses a wrong key with 400, an absent one with 401 (protocols 4.4).
_REFUSED: dict[int, type[SpeechError]] = {
    400: SpeechAuth,
    401: SpeechAuth,
    402: SpeechAuth,
    403: SpeechAuth,
    429: SpeechRateLimited,
    503: SpeechRateLimited,
}


class _NoCookies:
    """websocket-client keeps cookies for the whole process, and so would send one customer's with another's
    key (faults L8). It has no switch for that; a test fails if a cookie ever comes back.
    """

    def add(self, set_cookie: str | None) -> None:
        pass

    def get(self, host: str) -> str:
        return ""


_recv_line = _http.recv_line  # type: ignore[attr-defined]


def _line(sock: Wire | socket.socket) -> bytes:
    """A header line at once: websocket-client asks for each byte by itself, 600 times for one handshake.

    Others in this process may use websocket-client too; their sockets are read as ever.
    """
    if not isinstance(sock, Wire):
        return bytes(_recv_line(sock))
    try:
        return sock.line()
    except EOFError:
        raise websocket.WebSocketConnectionClosedException from None
    except TimeoutError:
        raise websocket.WebSocketTimeoutException from None


# Private places of the library, for want of public ones. If they move, handshakes are slower again and the
# test that no cookie travels fails.
_handshake.CookieJar = _NoCookies()  # type: ignore[assignment]
_http.recv_line = _line  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Endpoint:
    """Where to connect: `url` with its query, taken apart once."""

    url: str
    host: str
    port: int
    tls: bool

    @classmethod
    def at(cls, base_url: str, path: str, query: dict[str, str]) -> Endpoint:
        """`base_url` is http(s), as in XAI_BASE_URL; http becomes ws and https wss."""
        parts = urlsplit(base_url)
        tls = parts.scheme == "https"
        url = f"{'wss' if tls else 'ws'}://{parts.netloc}{parts.path}{path}?{urlencode(query)}"
        return cls(url, parts.hostname or "", parts.port or (443 if tls else 80), tls)


class Connection:
    """An open WebSocket. One thread reads and writes; `lifeline` ends it from any other."""

    def __init__(self, wire: Wire, send_s: float) -> None:
        self._wire, self._send_s = wire, send_s
        self._reader = FrameReader()
        self.has_ended = False  # the provider's close frame was read; nothing we send is heard any more
        self.opened_at = time.monotonic()

    @classmethod
    def open(
        cls,
        dialer: Dialer,
        endpoint: Endpoint,
        key: Secret,
        *,
        deadline: Deadline,
        lifeline: Lifeline,
        budget_bytes: int,
        send_s: float,
    ) -> Connection:
        """Raises SpeechError. Until it returns nothing was asked of the provider, so it may be tried
        again. `send_s` is the limit for one message of ours.
        """
        try:
            sock = dialer.dial(
                endpoint.host,
                endpoint.port,
                tls=endpoint.tls,
                reach=Reach.ANYWHERE,
                deadline=deadline,
                lifeline=lifeline,
            )
        except DialError as error:
            raise _DIALED[error.failure](stage="connect") from None
        wire = Wire(sock, deadline, HANDSHAKE_BYTES)
        with contextlib.ExitStack() as unless_open:
            unless_open.callback(wire.close)
            _upgrade(wire, endpoint.url, key)
            unless_open.pop_all()
        wire.budget_bytes = budget_bytes
        return cls(wire, send_s)

    def send(self, payload: bytes, deadline: Deadline) -> None:
        """One text message. Raises SpeechTimeout, SpeechClosed."""
        self._write(payload, Opcode.TEXT, deadline.within(self._send_s))

    def receive(self, deadline: Deadline) -> list[Message]:
        """Text, binary and close messages as they come; waits for bytes, so the list may be empty.

        A connection that ends without a close frame reads as one with code 1006. Raises TimeoutError at the
        deadline, SpeechProtocol, SpeechTooLarge.
        """
        self._wire.deadline = deadline
        try:
            data = self._wire.read()
        except TimeoutError:
            raise
        except WireOverflow:
            raise SpeechTooLarge(stage="audio") from None
        except OSError:  # reset, or a broken TLS record
            return [_LOST]
        return self._messages(data, deadline)

    def meanwhile(self, deadline: Deadline) -> list[Message]:
        """What has come while nobody was reading, without waiting; also an end that was read along with what
        came before it. Raises as `receive` does.
        """
        if self.has_ended:
            return [_LOST]
        self._wire.deadline = deadline
        messages: list[Message] = []
        try:
            while (data := self._wire.read_waiting()) is not None:
                messages += self._messages(data, deadline)
                if not data:
                    break
        except TimeoutError:  # a flood without end
            raise SpeechTimeout(stage="ready") from None
        except WireOverflow:
            raise SpeechTooLarge(stage="ready") from None
        except OSError:
            messages.append(_LOST)
        return messages

    def serve(self, lifeline: Lifeline, budget_bytes: int) -> None:
        """Another reply takes this connection over, with a byte budget of its own."""
        lifeline.hold(self._wire.sock)
        self._wire.budget_bytes = budget_bytes

    def close(self) -> None:
        with contextlib.suppress(SpeechError):
            self._write(NORMAL_CLOSURE.to_bytes(2, "big"), Opcode.CLOSE, Deadline.after(CLOSE_S))
        self._wire.close()

    def _messages(self, data: bytes, deadline: Deadline) -> list[Message]:
        if not data:
            return [_LOST]
        try:
            messages = self._reader.feed(data)
        except FrameTooLarge:
            raise SpeechTooLarge(stage="audio") from None
        except FrameError:
            raise SpeechProtocol(stage="audio", detail="frame") from None
        for message in messages:
            if message.opcode is not Opcode.TEXT:
                return [message for message in messages if not self._is_heartbeat(message, deadline)]
        return messages

    def _is_heartbeat(self, message: Message, deadline: Deadline) -> bool:
        opcode = message.opcode
        if opcode is Opcode.TEXT:
            return False
        self.has_ended = self.has_ended or opcode is Opcode.CLOSE
        if opcode is Opcode.PING:
            # Whoever has gone since still may have sent everything: what is read decides.
            with contextlib.suppress(SpeechClosed):
                self._write(bytes(message.payload), Opcode.PONG, deadline.within(self._send_s))
        return opcode in (Opcode.PING, Opcode.PONG)

    def _write(self, payload: bytes, opcode: Opcode, deadline: Deadline) -> None:
        self._wire.deadline = deadline
        try:
            self._wire.write(frame(opcode, payload))
        except TimeoutError:
            raise SpeechTimeout(stage="send") from None
        except OSError:
            raise SpeechClosed(stage="send") from None


def _upgrade(wire: Wire, url: str, key: Secret) -> None:
    ws = websocket.WebSocket(enable_multithread=False)
    with _mapped():
        ws.connect(  # type: ignore[no-untyped-call]
            url,
            socket=wire,
            header=[f"Authorization: Bearer {key.reveal()}"],
            suppress_origin=True,
            redirect_limit=0,  # a redirect would carry the key to another host (faults L7)
        )
    if "sec-websocket-extensions" in (ws.getheaders() or {}):  # none was offered (RFC 6455 4.1)
        raise SpeechProtocol(stage="handshake", detail="extension")
    ws.sock = None  # it refers to itself, and would keep what it holds until the collector comes round


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    """websocket-client's and the socket's errors during the handshake, as ours.

    `from None`: their texts hold headers and up to 64 kB of body (faults L6), which must reach no log.
    """
    try:
        yield
    except websocket.WebSocketBadStatusException as error:
        raise _refused(error.status_code or 0) from None  # None where no status line came
    except (websocket.WebSocketTimeoutException, TimeoutError, WireOverflow):
        raise SpeechTimeout(stage="handshake") from None
    except (websocket.WebSocketConnectionClosedException, ConnectionError):
        raise SpeechClosed(stage="handshake") from None
    except websocket.WebSocketException:
        raise SpeechProtocol(stage="handshake") from None
    except OSError:
        raise SpeechClosed(stage="handshake") from None


def _refused(status: int) -> SpeechError:
    if 500 <= status < 600 and status != 503:
        return SpeechUnavailable(stage="handshake", http_status=status)
    return _REFUSED.get(status, SpeechProtocol)(stage="handshake", http_status=status)
