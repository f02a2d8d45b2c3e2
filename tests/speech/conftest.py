"""A scripted voice provider on a raw socket, and the engine that speaks to it."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import json
import logging
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tts_service.deadline import Deadline
from tts_service.dial import Dialer
from tts_service.errors import SpeechError
from tts_service.secret import Secret
from tts_service.speech.cache import SpeechCache
from tts_service.speech.engine import Dialect, Engine, SpeechLimits
from tts_service.speech.pacing import Pacing
from tts_service.speech.realtime import RealtimeDialect
from tts_service.speech.speaking import Speaking, begin
from tts_service.speech.tts import TtsDialect
from tts_service.speech.utterance import Patience
from tts_service.speech.voice import Ended, Piece, Told, Voice

CANARY = "xai-canary-0123456789abcdef"
PATIENCE_S = 20.0  # no script and no test waits longer for anything

# The same limits, twenty times shorter, for the rows that wait for one of them.
HURRIED = SpeechLimits(connect_s=0.6, send_s=0.5, patience=Patience(0.6, 0.6, 0.15))


class Line:
    """One connection as the provider sees it. A script reads and writes through it; the rest is recorded."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.head = b""  # of the upgrade request
        self.said: list[dict[str, Any]] = []  # text messages of the client
        self.close_code: int | None = None  # of the client's close frame
        self.ended = threading.Event()  # the client's side of the socket is closed
        self.mark = threading.Event()  # for scripts to tell their test how far they are
        self._buffer = b""
        self._tls: ssl.SSLObject | None = None
        self._is_upgraded = False

    # The socket.

    def secure(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._pumped(tls.do_handshake)
        self._tls = tls

    def seal(self, data: bytes) -> bytes:
        """`data` as it goes over the wire: one TLS record, where there is TLS."""
        if self._tls is None:
            return data
        self._tls.write(data)
        return self._out.read()

    def _pumped(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self.sock.sendall(self._out.read())
                data = self.sock.recv(65536)
                if not data:
                    raise ConnectionError from None
                self._in.write(data)
            else:
                self.sock.sendall(self._out.read())
                return done

    def send(self, data: bytes) -> None:
        self.sock.sendall(self.seal(data))

    def drip(self, data: bytes, every_s: float) -> None:
        for byte in self.seal(data):
            self.sock.sendall(bytes([byte]))
            time.sleep(every_s)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def hang_up(self) -> None:
        """FIN, with no close frame."""
        self.sock.shutdown(socket.SHUT_WR)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self._pumped(lambda: self._tls.read(65536)) if self._tls else self.sock.recv(65536)
            if not data:
                raise ConnectionError
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    # The handshake.

    def read_head(self) -> None:
        while not self.head.endswith(b"\r\n\r\n"):
            self.head += self._take(1)

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode().split("\r\n")[1:-2]
        return [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]

    def answer(self, status: str, *headers: str, body: bytes = b"") -> None:
        if not self.head:
            self.read_head()
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def accept_head(self, *headers: str, accept: str | None = None) -> bytes:
        key = dict(self.headers)["sec-websocket-key"]
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append(f"Sec-WebSocket-Accept: {accept or base64.b64encode(digest).decode()}")
        return "\r\n".join([*lines, *headers, "", ""]).encode()

    def upgrade(self, *headers: str, accept: str | None = None) -> None:
        self.read_head()
        self.send(self.accept_head(*headers, accept=accept))
        self._is_upgraded = True

    # Frames and events.

    @staticmethod
    def frame(
        payload: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0, length: int | None = None
    ) -> bytes:
        """`length` is what the header claims, where that is not the truth."""
        size = len(payload) if length is None else length
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        if size < 126:
            return head + bytes([size]) + payload
        if size < 65_536:
            return head + b"\x7e" + struct.pack("!H", size) + payload
        return head + b"\x7f" + struct.pack("!Q", size) + payload

    def event(self, kind: str, **members: Any) -> None:
        self.send(self.frame(json.dumps({"type": kind} | members).encode()))

    def delta(self, pcm: bytes, response: str = "r1", kind: str = "output_audio", **members: Any) -> None:
        sound = base64.b64encode(pcm).decode()
        self.event(f"response.{kind}.delta", response_id=response, delta=sound, **members)

    def done(self, status: str = "completed", response: str = "r1") -> None:
        self.event("response.done", response={"id": response, "status": status})

    def close(self, code: int | None = 1000, reason: bytes = b"") -> None:
        self.send(self.frame(b"" if code is None else struct.pack("!H", code) + reason, opcode=8))

    def hear(self) -> dict[str, Any]:
        """The client's next text message. Raises ConnectionError when it has closed."""
        while True:
            first, second = self._take(2)
            assert second & 0x80, "a client must mask"
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
            mask = self._take(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self._take(size)))
            if first == 0x88:
                self.close_code = int.from_bytes(data[:2], "big")
                raise ConnectionError
            if first == 0x81:
                self.said.append(json.loads(data))
                return self.said[-1]

    def is_quiet(self, for_s: float) -> bool:
        """The client says nothing in that time."""
        self.sock.settimeout(for_s)
        try:
            return not self._buffer and not self.sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(PATIENCE_S)

    # Stretches of a conversation that many scripts share.

    def open(self, **form: Any) -> None:
        """Up to session.updated; `form` goes over what is confirmed for the output."""
        self.upgrade()
        self.hear()
        self.event("session.created", session={"id": "s1"})
        self.event("conversation.created", conversation={"id": "c1"})
        self.event("ping", timestamp=1)
        output = {"format": {"type": "audio/pcm", "rate": 24_000} | form}
        self.event("session.updated", session={"audio": {"output": output}})

    def asked(self, response: str = "r1") -> str:
        """The text to be spoken; its response is announced."""
        item = self.hear()["item"]
        self.event("response.created", response={"id": response, "status": "in_progress"})
        return str(item["content"][0]["text"])

    def finish(self, response: str = "r1") -> None:
        self.event("response.output_audio.done", response_id=response)
        self.done(response=response)

    def tts_asked(self) -> str:
        """The text to be spoken in the text-to-speech dialect, where no session needs to be opened."""
        text = ""
        while (message := self.hear())["type"] != "text.done":
            assert message["type"] == "text.delta", message
            text += message["delta"]
        return text

    def tts_delta(self, pcm: bytes) -> None:
        self.event("audio.delta", delta=base64.b64encode(pcm).decode())

    def tts_finish(self) -> None:
        self.event("audio.done", trace_id="t1")

    def stay(self) -> None:
        """Read on until the client closes. Raises TimeoutError when it does not, ConnectionError."""
        while self._is_upgraded:
            self.hear()
        while self.sock.recv(65536):
            pass


Script = Callable[[Line], None]


class Peer:
    """Serves one script a connection, the last one for all that follow."""

    def __init__(self, *scripts: Script, recv_buffer: int | None = None) -> None:
        self.scripts = list(scripts)
        self.lines: list[Line] = []
        self._came = threading.Condition()
        self._listener = socket.socket()
        if recv_buffer:  # and small segments, so that the sender's buffer stays small too
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, recv_buffer)
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def line(self, number: int = 0) -> Line:
        """The connection with that number, once it has come."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.lines) > number, PATIENCE_S), "nobody connected"
            return self.lines[number]

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for line in self.lines:
            with contextlib.suppress(OSError):
                line.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            line = Line(sock)
            script = self.scripts[min(len(self.lines), len(self.scripts) - 1)]
            with self._came:
                self.lines.append(line)
                self._came.notify_all()
            self._threads.append(threading.Thread(target=self._play, args=(script, line)))
            self._threads[-1].start()

    def _play(self, script: Script, line: Line) -> None:
        try:
            script(line)
            line.stay()
        except TimeoutError:
            return  # `ended` stays unset: the client neither spoke nor left
        except OSError:  # the client has gone, which is what most scripts end with
            pass
        finally:
            line.sock.close()
        line.ended.set()


@pytest.fixture
def serve() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def start(*scripts: Script, **options: Any) -> Peer:
        peers.append(Peer(*scripts, **options))
        return peers[-1]

    yield start
    for peer in peers:
        peer.stop()


@dataclass
class Talk:
    """One reply under way, and what it has told."""

    speaking: Speaking
    told: queue.SimpleQueue[tuple[float, Told]]
    heard: list[Told] = field(default_factory=list)
    ended_at: float = 0.0

    def until(self, kind: type, timeout_s: float = PATIENCE_S) -> Any:
        while True:
            self.ended_at, event = self.told.get(timeout=timeout_s)
            self.heard.append(event)
            if isinstance(event, kind):
                return event
            assert not isinstance(event, Ended), f"ended early: {event}"

    def outcome(self, timeout_s: float = PATIENCE_S) -> SpeechError | None:
        error: SpeechError | None = self.until(Ended, timeout_s).error
        return error

    @property
    def pieces(self) -> list[Piece]:
        return [event for event in self.heard if isinstance(event, Piece)]

    @property
    def pcm(self) -> bytes:
        return b"".join(piece.pcm.data for piece in self.pieces)


def each_by_itself() -> Pacing:
    """Every sentence is a piece of its own."""
    return Pacing(first_chars=1, piece_chars=1, most_chars=0)


class Bench:
    """Engines that speak to a peer; all of them keep the canary key."""

    HURRIED = HURRIED

    def __init__(self) -> None:
        self._dialers: list[Dialer] = []
        self._engines: list[Engine] = []

    def engine(
        self,
        port: int,
        limits: SpeechLimits | None = None,
        host: str = "127.0.0.1",
        scheme: str = "http",
        cache: SpeechCache | None = None,
        **dialing: Any,
    ) -> Engine:
        dialect = RealtimeDialect(f"{scheme}://{host}:{port}/v1", "voice-model")
        return self._engine(dialect, limits, cache, dialing)

    def tts(self, port: int, limits: SpeechLimits | None = None, cache: SpeechCache | None = None) -> Engine:
        return self._engine(TtsDialect(f"http://127.0.0.1:{port}/v1"), limits, cache, {})

    def _engine(
        self,
        dialect: Dialect,
        limits: SpeechLimits | None,
        cache: SpeechCache | None,
        dialing: dict[str, Any],
    ) -> Engine:
        self._dialers.append(Dialer(**dialing))
        self._engines.append(Engine(self._dialers[-1], dialect, limits or SpeechLimits(), cache))
        return self._engines[-1]

    @staticmethod
    def begin(
        engine: Engine, voice: Voice | None = None, key: str = CANARY, pacing: Pacing | None = None
    ) -> Talk:
        """Each sentence is a piece of its own, unless `pacing` says otherwise."""
        told: queue.SimpleQueue[tuple[float, Told]] = queue.SimpleQueue()

        def tell(event: Told) -> None:
            told.put((time.monotonic(), event))

        speaking = begin(engine, voice or Voice("ara"), Secret(key), tell, pacing or each_by_itself())
        return Talk(speaking, told)

    def speak(
        self,
        engine: Engine,
        *texts: str,
        within_s: float = 15.0,
        voice: Voice | None = None,
        key: str = CANARY,
    ) -> Talk:
        talk = self.begin(engine, voice, key)
        deadline = Deadline.after(within_s)
        for text in texts or ("Hello there.",):
            talk.speaking.say(text, deadline)
        talk.speaking.finish()
        return talk

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
        for dialer in self._dialers:
            dialer.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def journal(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[dict[str, str]]]]:
    """The `[X.AI TTS]` lines so far, each as its fields. Afterwards no record at all may hold the key."""
    caplog.set_level(logging.DEBUG)

    def lines() -> list[dict[str, str]]:
        ours = [r.getMessage() for r in caplog.records if r.getMessage().startswith("[X.AI TTS]")]
        return [dict(part.split("=", 1) for part in line.split()[2:]) for line in ours]

    yield lines
    formatter = logging.Formatter()
    for record in caplog.records:
        assert CANARY not in formatter.format(record) + repr(record.__dict__)


@pytest.fixture
def blackhole() -> Iterator[int]:
    """A port of every loopback address that answers no SYN: its queue of connections is full."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("0.0.0.0", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        for _ in range(3):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        yield port


class Authority:
    """Certificates made on the spot, and a client that trusts their maker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        now = datetime.datetime.now(datetime.UTC)
        self._long_ago, self._yesterday = now - datetime.timedelta(30), now - datetime.timedelta(1)
        self._tomorrow = now + datetime.timedelta(1)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._certificate = (
            self._builder(self._name, self._key.public_key(), self._tomorrow)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.pem)

    def server(self, host: str, *, expired: bool = False, unsigned: bool = False) -> ssl.SSLContext:
        """`unsigned`: by its own key and not by the authority's."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        until = self._yesterday if expired else self._tomorrow
        builder = self._builder(name, key.public_key(), until).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        )
        certificate = builder.sign(key if unsigned else self._key, hashes.SHA256())
        file = self._folder / f"{host}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, until: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._long_ago)
            .not_valid_after(until)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))
