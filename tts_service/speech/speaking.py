"""One reply being spoken: the thread that holds its conversation with the provider.

The connection is opened while the language model still thinks and then waits for text, so that opening it
adds nothing to the turn. What is said when is `Pacing`'s business, how it is said the engine's; here are the
clock, the second attempt and the report.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Iterator, Sequence

from tts_service import metrics, threads
from tts_service.deadline import Deadline
from tts_service.dial import Lifeline
from tts_service.errors import (
    SpeechBusy,
    SpeechCancelled,
    SpeechClosed,
    SpeechError,
    SpeechTimeout,
    SpeechTooLong,
    SpeechUnavailable,
)
from tts_service.retry import WORTH_S, pause_s
from tts_service.secret import Secret
from tts_service.speech.audio import Pcm
from tts_service.speech.engine import Engine, Session
from tts_service.speech.frames import Message, Opcode, close_code
from tts_service.speech.pacing import Pacing
from tts_service.speech.utterance import State
from tts_service.speech.verbatim import is_verbatim
from tts_service.speech.voice import Asked, Ended, FirstSound, Opened, Piece, Tell, Told, Voice

log = logging.getLogger(__name__)

# After a deadline, for the conversation's own clock to end it, before its owner cuts the socket (faults 4).
GRACE_S = 0.25


def begin(engine: Engine, voice: Voice, key: Secret, tell: Tell, pacing: Pacing | None = None) -> Speaking:
    """Opens a connection now, before there is text. Raises SpeechBusy."""
    try:
        engine.take_slot()
        try:
            return Speaking(engine, voice, key, tell, pacing or Pacing())
        except RuntimeError as error:  # the machine gives no more threads
            engine.give_slot()
            raise SpeechBusy(stage="connect") from error
    except SpeechBusy as error:
        _report(engine, error, 0.0, 0.0, [])
        raise


def speak(
    engine: Engine,
    voice: Voice,
    key: Secret,
    sentences: Sequence[str],
    deadline: Deadline,
    lifeline: Lifeline | None = None,
) -> Iterator[Told]:
    """`sentences` as one reply, for callers that have it whole; one sentence that is in the cache needs no
    connection. A sentence goes whole or not at all.

    The last of what it tells is `Ended`. Cutting `lifeline` cancels it. Raises SpeechBusy.
    """
    if len(sentences) == 1 and (pcm := engine.recalled(voice, sentences[0])) is not None:
        yield from (FirstSound(), Piece(0, sentences[0], pcm, cached=True), Ended())
        return
    told: queue.SimpleQueue[Told] = queue.SimpleQueue()
    speaking = begin(engine, voice, key, told.put)
    if lifeline is not None:
        lifeline.on_cut(speaking.cancel)
    for sentence in sentences:
        speaking.say(sentence, deadline)
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


def probe(engine: Engine, voice: Voice, key: Secret, deadline: Deadline) -> int:
    """Milliseconds to open a session, which is closed again: says and buys nothing. Raises SpeechError."""
    told: queue.SimpleQueue[Told] = queue.SimpleQueue()
    speaking = begin(engine, voice, key, told.put)
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
    """One reply on its way: `say` its sentences, then `finish`. `cancel` at any time, from any thread.

    `tell` is called on the conversation's own thread; the last call is always `Ended`, after the socket is
    closed or kept for the next reply.
    """

    def __init__(self, engine: Engine, voice: Voice, key: Secret, tell: Tell, pacing: Pacing) -> None:
        self._engine, self._voice, self._key, self._tell = engine, voice, key, tell
        self._written: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._pacing = pacing
        self._deadline: Deadline | None = None
        self._lifeline = Lifeline()
        self._cancelled: SpeechError | None = None
        self._session: Session | None = None
        self._wanted = False  # text has been given
        self._told_pieces = 0
        self._sounded = False
        self._audio_s = 0.0
        self._notes: list[str] = []
        threads.start(self._run)

    def say(self, sentence: str, deadline: Deadline) -> None:
        """Speak `sentence` after what came before. The first call's deadline holds for the whole reply."""
        self._deadline = self._deadline or deadline
        self._wanted = True
        self._written.put(sentence)

    def finish(self) -> None:
        """There is no more text."""
        self._written.put(None)

    def cancel(self, reason: SpeechError | None = None) -> None:
        """End now: the socket is cut and `Ended(reason)` follows at once.

        Without a reason and before `say`, nobody waits for this voice any more: no line tells of it.
        """
        self._cancelled = self._cancelled or reason or SpeechCancelled()
        self._wanted = self._wanted or reason is not None
        self._lifeline.cut()
        self._written.put(None)

    # On the thread.

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
            self._part(in_peace=error is None and self._cancelled is None)
            self._engine.give_slot()
        if self._cancelled:  # where nothing was to be said, that it was cut short is no fault
            error = self._cancelled if self._wanted else None
        if self._wanted or error:
            _report(self._engine, error, time.monotonic() - began, self._audio_s, self._notes)
        self._tell(Ended(error))

    def _converse(self) -> None:
        session = self._open()
        while (text := self._next_piece()) is not None:
            pcm = self._engine.recalled(self._voice, text)
            if pcm is not None and pcm.rate_hz == session.utterance.rate_hz:
                self._hand_on(text, pcm, cached=True)
                continue
            session = self._still_open(session)
            self._hand_on(text, self._bought(session, text))

    def _still_open(self, session: Session) -> Session:
        """A provider that closed while there was nothing to say is asked again; one that complained is
        heard.
        """
        for message in session.connection.meanwhile(self._limit()):
            if message.opcode is Opcode.CLOSE:
                return self._open_again(SpeechClosed(stage="ready"))
            _hear(session, message)
        return session

    def _next_piece(self) -> str | None:
        """Waits for text; None when there is no more."""
        pacing = self._pacing
        while not self._cancelled:
            self._gather()
            text = pacing.take(time.monotonic(), self._speech_left_s(), self._limit().remaining_s)
            if text is not None or pacing.is_over:
                return text
            with contextlib.suppress(queue.Empty):
                self._note_written(self._written.get(timeout=pacing.wait_s(time.monotonic())))
        return None

    def _speech_left_s(self) -> float:
        return self._engine.limits.max_speech_s - self._audio_s

    def _gather(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._note_written(self._written.get_nowait())

    def _note_written(self, sentence: str | None) -> None:
        if sentence is None:
            self._pacing.finish()
        else:
            self._pacing.add(sentence)

    def _hand_on(self, text: str, pcm: Pcm, cached: bool = False) -> None:
        # The utterance stops an endless piece; here are those of the cache and of an earlier connection too.
        if pcm.duration_s > self._speech_left_s():
            raise SpeechTooLong(stage="audio")
        self._note_first_sound()
        self._audio_s += pcm.duration_s
        self._pacing.spoken(pcm.duration_s, time.monotonic())
        self._tell(Piece(self._told_pieces, text, pcm, cached))
        self._told_pieces += 1

    def _bought(self, session: Session, text: str) -> Pcm:
        for message in session.utterance.say(text):
            session.connection.send(message, self._limit())
        self._tell(Asked(text))
        self._listen(session, State.SPOKEN)
        pcm = session.utterance.take()
        if is_verbatim(text, session.utterance.transcript):
            self._engine.remember(self._voice, text, pcm)
            return pcm
        return self._after_drift(text, pcm)

    def _after_drift(self, text: str, pcm: Pcm) -> Pcm:
        """The provider said other words than it was given (faults 3c-28): counted, told without them."""
        metrics.DRIFTS.labels(self._engine.dialect.name).inc()
        self._notes.append("transcript_drift")
        second = self._engine.second
        if not self._voice.retries_drift or second is None:
            return pcm
        again: Pcm | None = None
        with contextlib.suppress(SpeechBusy):  # reported where it was raised; there is sound all the same
            for event in speak(second, self._voice, self._key, [text], self._limit(), self._lifeline):
                if isinstance(event, Asked):
                    self._tell(event)
                elif isinstance(event, Piece) and event.pcm.rate_hz == pcm.rate_hz:
                    again = event.pcm
        if again is None:
            return pcm
        self._notes.append("second_engine")
        return again

    def _open(self) -> Session:
        self._engine.retries.attempted()
        opening = Deadline.after(self._engine.limits.connect_s)
        try:
            return self._connect(opening)
        except (SpeechUnavailable, SpeechClosed) as error:
            if opening.remaining_s < WORTH_S:
                raise
            return self._open_again(error)

    def _open_again(self, error: SpeechError) -> Session:
        """The one second attempt, made only while no piece is in flight: nothing is bought twice."""
        if self._cancelled or not self._engine.retries.take():
            raise error
        self._part(in_peace=False)
        time.sleep(pause_s())
        return self._connect(Deadline.after(self._engine.limits.connect_s))

    def _connect(self, deadline: Deadline) -> Session:
        began = time.monotonic()
        within = self._limit().within(deadline.remaining_s)
        session = self._session = self._engine.open(self._voice, self._key, within, self._lifeline)
        session.utterance.notes = self._notes
        if session.utterance.state is State.OPENING:  # a warm socket has agreed on everything before
            for message in session.utterance.opening():
                session.connection.send(message, self._limit())
        self._listen(session, State.READY)
        self._tell(Opened(int((time.monotonic() - began) * 1000)))
        return session

    def _part(self, in_peace: bool) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        if in_peace and session.utterance.state is State.READY:
            self._engine.keep(session, self._voice, self._key, self._lifeline)
        else:
            session.connection.close()

    def _listen(self, session: Session, until: State) -> None:
        utterance = session.utterance
        progress, limit = -1, self._limit()
        while utterance.state is not until:
            if utterance.progress != progress:  # only progress restarts a wait; a ping does not (faults 3c-9)
                progress, limit = utterance.progress, self._limit().within(utterance.patience_s)
            try:
                messages = session.connection.receive(limit)
            except TimeoutError:
                if utterance.lapsed():
                    return
                raise SpeechTimeout(stage=utterance.stage) from None
            for message in messages:
                if message.opcode is Opcode.TEXT:
                    utterance.hear(message.payload)
                else:
                    _hear(session, message)
            if utterance.has_sound:
                self._note_first_sound()
            if utterance.state is State.SPEAKING and (rest_s := self._engine.rest_s):
                time.sleep(rest_s)

    def _note_first_sound(self) -> None:
        if not self._sounded:
            self._sounded = True
            self._tell(FirstSound())

    def _limit(self) -> Deadline:
        return self._deadline or Deadline.after(self._engine.limits.patience.first_audio_s)


def _hear(session: Session, message: Message) -> None:
    if message.opcode is Opcode.TEXT:
        session.utterance.hear(message.payload)
    elif message.opcode is Opcode.BINARY:
        session.utterance.hear_binary()
    else:
        session.utterance.closed(close_code(message.payload))


def _report(
    engine: Engine, error: SpeechError | None, took_s: float, audio_s: float, notes: list[str]
) -> None:
    """The one line of a reply's speech; only figures and words of our own lists (faults 3, invariants)."""
    metrics.attempted(engine.dialect.name, error.code if error else None)
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
