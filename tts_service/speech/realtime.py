"""Speaks one reply through the provider's realtime agent, over a connection of its own (protocols 1).

The connection is opened while the language model still thinks, on a thread of its own, and then waits for
text, so that opening it adds nothing to the turn. What is said is `Utterance`'s business; here are the clock,
the second attempt and the report.
"""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tts_service.deadline import Deadline
from tts_service.dial import Dialer, Lifeline
from tts_service.errors import (
    SpeechBusy,
    SpeechCancelled,
    SpeechClosed,
    SpeechError,
    SpeechTimeout,
    SpeechUnavailable,
)
from tts_service.retry import WORTH_S, RetryBudget, pause_s
from tts_service.secret import Secret
from tts_service.speech.connection import Connection, Endpoint
from tts_service.speech.frames import Message, Opcode, close_code
from tts_service.speech.utterance import Patience, State, Utterance
from tts_service.speech.voice import Ended, FirstSound, Opened, Piece, Tell, Told, Voice

log = logging.getLogger(__name__)

# After a deadline, for the conversation's own clock to end it, before its owner cuts the socket (faults 4).
GRACE_S = 0.25


@dataclass(frozen=True)
class SpeechLimits:
    max_speech_s: float = 120.0
    max_concurrent: int = 512
    connect_s: float = 10.0  # name, TCP, TLS and upgrade together (faults 3)
    send_s: float = 10.0  # whoever does not take 60 kB of text in this time has stopped reading (3c-29)
    patience: Patience = field(default_factory=Patience)

    @property
    def budget_bytes(self) -> int:
        """What one conversation may send us: all its sound at the highest rate, in base64, with its
        envelopes.
        """
        return int(self.max_speech_s * 48_000 * 2 * 4 / 3 * 1.5) + 4 * 1024 * 1024


class RealtimeEngine:
    """Speaks through `<base_url>/realtime`. One for the process."""

    def __init__(self, dialer: Dialer, base_url: str, model: str, limits: SpeechLimits) -> None:
        self.dialer = dialer
        self.endpoint = Endpoint.at(base_url, "/realtime", {"model": model})
        self.limits = limits
        self.retries = RetryBudget()
        self._slots = threading.BoundedSemaphore(limits.max_concurrent)

    def begin(self, voice: Voice, key: Secret, tell: Tell) -> Speaking:
        """Opens a connection now, before there is text. Raises SpeechBusy."""
        if not self._slots.acquire(blocking=False):
            raise _busy()
        try:
            return Speaking(self, voice, key, tell, self._slots.release)
        except RuntimeError as error:  # the machine gives no more threads
            self._slots.release()
            raise _busy() from error

    def speak(self, voice: Voice, key: Secret, text: str, deadline: Deadline) -> Iterator[Told]:
        """`text` as one piece, for callers that have it whole. The last of what it tells is `Ended`."""
        told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        speaking = self.begin(voice, key, told.put)
        speaking.say(text, deadline)
        speaking.finish()
        try:
            while True:
                event = told.get(timeout=deadline.remaining_s + GRACE_S)
                yield event
                if isinstance(event, Ended):
                    return
        except queue.Empty:
            late = SpeechTimeout(stage="deadline")
            speaking.cancel(late)
            yield Ended(late)
        finally:
            speaking.cancel()

    def probe(self, voice: Voice, key: Secret, deadline: Deadline) -> int:
        """Milliseconds to open a session, which is closed again: says nothing, buys nothing. Raises
        SpeechError.
        """
        told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        speaking = self.begin(voice, key, told.put)
        try:
            event = told.get(timeout=deadline.remaining_s)
        except queue.Empty:
            raise SpeechTimeout(stage="connect") from None
        finally:
            speaking.cancel()
        if isinstance(event, Opened):
            return event.took_ms
        raise (event.error if isinstance(event, Ended) else None) or SpeechUnavailable()


class Speaking:
    """One reply on its way: `say` its pieces, then `finish`. `cancel` at any time, from any thread.

    `tell` is called on the conversation's own thread; the last call is always `Ended`, after the socket is
    closed.
    """

    def __init__(
        self, engine: RealtimeEngine, voice: Voice, key: Secret, tell: Tell, release: Callable[[], None]
    ) -> None:
        self._engine, self._voice, self._key = engine, voice, key
        self._tell, self._release = tell, release
        self._texts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._deadline: Deadline | None = None
        self._lifeline = Lifeline()
        self._cancelled: SpeechError | None = None
        self._connection: Connection | None = None
        self._utterance = self._new_utterance()
        self._wanted = False  # text has been given
        self._said = 0  # pieces sent to the provider
        self._sounded = False
        self._audio_s = 0.0
        # A copied context: log lines of this thread carry the request's id.
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run,), name="speech", daemon=True).start()

    def say(self, text: str, deadline: Deadline) -> None:
        """Speak `text` after what was said before. The first call's deadline holds for the whole reply."""
        self._deadline = self._deadline or deadline
        self._wanted = True
        self._texts.put(text)

    def finish(self) -> None:
        """There is no more text."""
        self._texts.put(None)

    def cancel(self, reason: SpeechError | None = None) -> None:
        """End now: the socket is cut and `Ended(reason)` follows at once.

        Without a reason and before `say`, nobody waits for this voice any more: no line tells of it.
        """
        self._cancelled = self._cancelled or reason or SpeechCancelled()
        self._wanted = self._wanted or reason is not None
        self._lifeline.cut()
        self._texts.put(None)

    def _run(self) -> None:
        began = time.monotonic()
        error: SpeechError | None = None
        try:
            self._converse()
        except SpeechError as raised:
            error = raised
        except Exception:  # a bug of ours must not cost the text: the turn waits for Ended
            log.exception("[X.AI TTS] event=bug")
            error = SpeechUnavailable()
        finally:
            if self._connection:
                self._connection.close()
            self._release()
        if self._cancelled and self._wanted:
            error = self._cancelled
        if self._wanted or (error and not self._cancelled):
            _report(error, time.monotonic() - began, self._audio_s, self._utterance.notes)
        self._tell(Ended(error))

    def _converse(self) -> None:
        connection = self._open()
        text = self._texts.get()
        if text is not None and connection.ended_meanwhile(self._limit()):
            connection = self._open_again(SpeechClosed(stage="ready"))
        while text is not None:
            self._tell(self._speak(connection, text))
            text = self._texts.get()

    def _speak(self, connection: Connection, text: str) -> Piece:
        seq, self._said = self._said, self._said + 1
        connection.send(self._utterance.say(text), self._limit())
        self._listen(connection, State.SPOKEN)
        pcm = self._utterance.take()
        self._audio_s += pcm.duration_s
        return Piece(seq, text, pcm)

    def _open(self) -> Connection:
        self._engine.retries.attempted()
        opening = Deadline.after(self._engine.limits.connect_s)
        try:
            return self._connect(opening)
        except (SpeechUnavailable, SpeechClosed) as error:
            if opening.remaining_s < WORTH_S:
                raise
            return self._open_again(error)

    def _open_again(self, error: SpeechError) -> Connection:
        """The one second attempt, made only while nothing was said: nothing is bought twice."""
        if self._cancelled or not self._engine.retries.take():
            raise error
        if self._connection:
            self._connection.close()
        time.sleep(pause_s())
        return self._connect(Deadline.after(self._engine.limits.connect_s))

    def _connect(self, deadline: Deadline) -> Connection:
        began = time.monotonic()
        engine = self._engine
        self._utterance = self._new_utterance()
        connection = self._connection = Connection.open(
            engine.dialer,
            engine.endpoint,
            self._key,
            deadline=self._limit().within(deadline.remaining_s),
            lifeline=self._lifeline,
            budget_bytes=engine.limits.budget_bytes,
            send_s=engine.limits.send_s,
        )
        connection.send(self._utterance.opening(), self._limit())
        self._listen(connection, State.READY)
        self._tell(Opened(int((time.monotonic() - began) * 1000)))
        return connection

    def _listen(self, connection: Connection, until: State) -> None:
        utterance = self._utterance
        progress, limit = -1, self._limit()
        while utterance.state is not until:
            if utterance.progress != progress:  # only progress restarts a wait; a ping does not (faults 3c-9)
                progress, limit = utterance.progress, self._limit().within(utterance.patience_s)
            try:
                messages = connection.receive(limit)
            except TimeoutError:
                if utterance.lapsed():
                    return
                raise SpeechTimeout(stage=utterance.stage) from None
            for message in messages:
                self._hear(message)
            if utterance.has_sound and not self._sounded:
                self._sounded = True
                self._tell(FirstSound())

    def _hear(self, message: Message) -> None:
        if message.opcode is Opcode.TEXT:
            self._utterance.hear(message.payload)
        elif message.opcode is Opcode.BINARY:
            self._utterance.hear_binary()
        else:
            self._utterance.closed(close_code(message.payload))

    def _limit(self) -> Deadline:
        return self._deadline or Deadline.after(self._engine.limits.patience.first_audio_s)

    def _new_utterance(self) -> Utterance:
        voice, limits = self._voice, self._engine.limits
        return Utterance(voice.id, voice.speed, voice.pronunciations, limits.max_speech_s, limits.patience)


def _busy() -> SpeechBusy:
    error = SpeechBusy(stage="connect")
    _report(error, 0, 0.0, [])
    return error


def _report(error: SpeechError | None, took_s: float, audio_s: float, notes: list[str]) -> None:
    """The one line of a reply's speech; only figures and words of our own lists (faults 3, invariants)."""
    log.log(
        logging.WARNING if error else logging.INFO,
        "[X.AI TTS] event=%s code=%s stage=%s ms=%d close=%s http=%s audio_ms=%d detail=%s notes=%s",
        "fail" if error else "ok",
        error.code if error else "-",
        (error and error.stage) or "-",
        took_s * 1000,
        (error and error.close_code) or "-",
        (error and error.http_status) or "-",
        audio_s * 1000,
        (error and error.detail) or "-",
        ",".join(notes) or "-",
    )
