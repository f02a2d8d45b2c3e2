"""The caller's connection, as far as the server under us lets us reach it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import Any

# gunicorn's key, then that of Werkzeug's development server.
SLOW_READER_S = 30.0

_KEYS = ("gunicorn.socket", "werkzeug.socket")


class Connection:
    """Sees nothing and does nothing where the server shows no socket."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        found = (environ.get(key) for key in _KEYS)
        self._socket: socket.socket | None = next((sock for sock in found if sock is not None), None)

    def reader_gone(self) -> bool:
        """Whether the caller has hung up, so that nobody will hear what is made for it (faults 5-17).

        Takes no byte from the connection. Not to be called while another thread or greenlet reads from it.
        """
        sock = self._socket
        if sock is None:
            return False
        before = sock.gettimeout()
        try:
            # Not MSG_DONTWAIT alone: gevent's recv answers EWOULDBLOCK by waiting, unless the timeout is 0.
            sock.settimeout(0)
            return sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except ValueError:  # TLS sockets cannot peek
            return False
        except OSError:
            return True
        finally:
            with contextlib.suppress(OSError):  # closed meanwhile
                sock.settimeout(before)

    def limit_writes(self) -> None:
        """From now on a caller who does not take an answer's next part within SLOW_READER_S is given up."""
        if self._socket is not None:
            self._socket.settimeout(SLOW_READER_S)

    def stop_reading(self) -> None:
        """Ends a read that waits for the caller, in whatever thread or greenlet; answering stays possible."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # already closed
                self._socket.shutdown(socket.SHUT_RD)
