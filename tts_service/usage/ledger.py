"""Owns the thread that writes what the turns of this process were.

A turn only adds to numbers in memory, which takes microseconds; every second one transaction brings them to
the database. While that is away they go on adding up.
"""

from __future__ import annotations

import logging
import threading
import time

from tts_service.database.engine import Database
from tts_service.errors import DatabaseUnavailable
from tts_service.usage import exchanges
from tts_service.usage.books import enter
from tts_service.usage.tally import Tally
from tts_service.usage.turn import Turn

log = logging.getLogger(__name__)

WRITE_EVERY_S = 1.0
PURGE_EVERY_S = 15 * 60.0


class Ledger:
    """One for the process. Its thread begins with the first turn, or with `start`."""

    def __init__(
        self,
        database: Database,
        *,
        write_every_s: float = WRITE_EVERY_S,
        purge_every_s: float = PURGE_EVERY_S,
    ) -> None:
        self._database = database
        self._write_every_s, self._purge_every_s = write_every_s, purge_every_s
        self._tally = Tally()
        self._lock = threading.Lock()  # of the tally; held for microseconds
        self._writing = threading.Lock()
        self._recorded, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._is_behind = False

    def start(self) -> None:
        """Texts whose time is over are deleted from now on, also where nobody asks anything."""
        with self._lock:
            self._start()

    def record(self, turn: Turn) -> None:
        """Counts a finished turn. Never raises, never waits; after `close` it does nothing."""
        with self._lock:
            if self._closing.is_set():
                return
            is_first = not self._tally
            self._tally.add(turn)
            if is_first:
                self._start()
                self._recorded.set()

    def write(self) -> None:
        """Brings all that was recorded to the database. Raises DatabaseUnavailable, and keeps it then."""
        with self._writing:
            with self._lock:
                taken, self._tally = self._tally, Tally()
            if not taken:
                return
            try:
                with self._database.writing() as connection:
                    enter(connection, taken, _now_ms())
            except DatabaseUnavailable:
                with self._lock:
                    taken.merge(self._tally)
                    self._tally = taken
                raise
        if taken.lost_texts:
            log.warning("event=texts_lost count=%d", taken.lost_texts)

    def delete_texts(self, client_id: str) -> None:
        """Deletes all that was kept of a client's conversations. Raises DatabaseUnavailable.

        A turn that ended in another process less than a second ago is written after it.
        """
        with self._writing:
            with self._lock:
                self._tally.forget_texts(client_id)
            exchanges.delete_all(self._database, client_id)

    def close(self) -> None:
        """Writes what is left and ends the thread. A second call does nothing."""
        self._closing.set()
        self._recorded.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        try:
            self.write()
        except DatabaseUnavailable:
            log.error("event=usage_lost: the database does not answer, and the process ends.")

    def _start(self) -> None:
        if not self._closing.is_set() and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._keep, name="ledger", daemon=True)
            self._thread.start()

    def _keep(self) -> None:
        purge_at = time.monotonic() + self._purge_every_s
        while True:
            self._recorded.wait(max(0.0, purge_at - time.monotonic()))
            self._recorded.clear()
            if self._closing.wait(self._write_every_s):
                return
            self._try_to_write()
            if time.monotonic() >= purge_at:
                purge_at = time.monotonic() + self._purge_every_s
                self._try_to_purge()

    def _try_to_write(self) -> None:
        try:
            self.write()
        except DatabaseUnavailable:
            self._recorded.set()
            if not self._is_behind:
                log.warning("event=usage_waits: the database does not answer; usage adds up meanwhile.")
            self._is_behind = True
        except Exception:
            # Whatever it was would be so again: what was taken is given up, and the next turns count.
            log.exception("event=bug where=ledger")
        else:
            self._is_behind = False

    def _try_to_purge(self) -> None:
        try:
            exchanges.purge(self._database, _now_ms())
        except DatabaseUnavailable:
            log.warning("event=purge_failed: texts whose time is over are deleted at the next attempt.")


def _now_ms() -> int:
    return int(time.time() * 1000)
