"""Redis as it should not be: a server that hangs, refuses or talks nonsense, and a relay that can be cut."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

_COMMAND = re.compile(rb"(?=\*\d+\r\n)")


@dataclass
class Trouble:
    """A server that is no good Redis; `answer` is all it ever says to a command: None for nothing at all,
    b"" for hanging up, a function for what depends on the command."""

    answer: bytes | Callable[[bytes], bytes] | None

    def __post_init__(self) -> None:
        self.calls = 0
        self._held: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            self._held.append(sock)
            self._threads.append(threading.Thread(target=self._converse, args=(sock,)))
            self._threads[-1].start()

    def _converse(self, sock: socket.socket) -> None:
        try:
            while (data := sock.recv(65_536)) and self.answer != b"":
                for command in _COMMAND.split(data)[1:]:
                    if self.answer is not None:
                        sock.sendall(self.answer(command) if callable(self.answer) else self.answer)
        except OSError:
            pass
        finally:
            sock.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for sock in self._held:
            with contextlib.suppress(OSError):  # it is closed already
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


FAULTS: dict[str, bytes | None] = {
    "hung": None,
    "hangs-up": b"",
    "out-of-memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "read-only": b"-READONLY You can't write against a read only replica.\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "not-redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "wrong-type": b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
}


class Relay:
    """Stands before the real Redis. While `frozen` it forwards no answer; `cut` ends what is connected and
    refuses whoever comes; `mend` undoes both."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self.frozen, self.is_cut = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = parts._replace(netloc=f"127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut.is_set():
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._ends += [near, far]
            for source, sink, is_answer in ((near, far, False), (far, near, True)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, sink, is_answer)))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65_536):
                if not (is_answer and self.frozen.is_set()):
                    sink.sendall(data)
        except OSError:
            return

    def cut(self) -> None:
        self.is_cut.set()
        self._end()

    def mend(self) -> None:
        self.is_cut.clear()
        self.frozen.clear()

    def _end(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._end()
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()
