"""One turn: a question in, the reply's text and voice out, as they come.

Two threads work for a turn, one at the model and one at the voice; both put what they have into one queue.
The caller's thread empties it and is the clock: when a budget runs out it cuts the worker's sockets, so no
peer and no library can stretch a turn (faults 3).
"""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass

from tts_service.chat.completions import Said
from tts_service.chat.cost import Prices
from tts_service.chat.events import Event, Reply, Spoken, SpokenPiece, TextDelta
from tts_service.chat.history import Histories
from tts_service.chat.llm import ChatModel, ModelRoute
from tts_service.chat.route import Providers
from tts_service.clients.client import Client
from tts_service.clients.spending import Spending
from tts_service.deadline import Deadline
from tts_service.dial import Lifeline
from tts_service.errors import (
    BudgetExhausted,
    DatabaseUnavailable,
    ReaderGone,
    ServiceError,
    SpeechBudget,
    SpeechCancelled,
    SpeechError,
    SpeechTimeout,
    UpstreamError,
    UpstreamTimeout,
)
from tts_service.speech.audio import Pcm
from tts_service.speech.engine import Engine
from tts_service.speech.speaking import GRACE_S, Speaking, begin
from tts_service.speech.voice import Ended, FirstSound, Piece, Told, Voice

log = logging.getLogger(__name__)

READER_CHECK_S = 0.5  # how soon a reader who left while nothing was told is noticed

REFUSED_AT = 1.25  # times daily_limit: speech has stopped at 1.0, turns stop here (contract.md)


@dataclass(frozen=True)
class Question:
    """What a visitor asked of a client's widget; no conversation_id begins a new conversation."""

    client: Client
    message: str
    conversation_id: str | None = None


@dataclass(frozen=True)
class Budgets:
    """Wall-clock seconds: for the model with its second attempt, and for the voice from the first text on."""

    chat_s: float = 25.0
    speech_s: float = 30.0


@dataclass(frozen=True)
class _Thought:
    """The model has finished, or `error` ended it."""

    error: ServiceError | None = None


def _never() -> bool:
    return False


class Composer:
    """Makes replies. One for the process."""

    def __init__(
        self,
        *,
        model: ChatModel,
        engines: Mapping[str, Engine],
        providers: Providers,
        histories: Histories,
        spending: Spending,
        prices: Prices,
        budgets: Budgets,
    ) -> None:
        self.model, self.engines, self.providers = model, engines, providers
        self.histories, self.spending = histories, spending
        self.prices, self.budgets = prices, budgets
        self._lock = threading.Lock()
        self._running: set[_Turn] = set()
        self._is_draining = False

    def compose(
        self, question: Question, reader_gone: Callable[[], bool] = _never
    ) -> Generator[Event, None, None]:
        """The turn's events (chat/events.py). Raises ServiceError; closing the generator ends the turn.

        `reader_gone` is asked now and then while there is nothing to tell, and before money is spent on a
        voice that nobody would hear.
        """
        turn = _Turn(self, question, reader_gone)
        with self._lock:
            self._running.add(turn)
        try:
            yield from turn.run()
        finally:
            turn.stop()
            with self._lock:
                self._running.discard(turn)

    def hush(self) -> None:
        """The process is to end: every voice under way stops now and its turn is answered with the text."""
        self._is_draining = True
        with self._lock:
            turns = list(self._running)
        for turn in turns:
            turn.hush()

    @property
    def is_draining(self) -> bool:
        return self._is_draining

    def close(self) -> None:
        self.hush()
        self.model.close()
        for engine in self.engines.values():
            engine.close()


class _Turn:
    def __init__(self, composer: Composer, question: Question, reader_gone: Callable[[], bool]) -> None:
        self._composer, self._client, self._question = composer, question.client, question
        self._reader_gone = reader_gone
        self._conversation_id = question.conversation_id or str(uuid.uuid4())
        self._told: queue.SimpleQueue[str | _Thought | Told] = queue.SimpleQueue()
        self._thinking = Lifeline()
        self._speaking: Speaking | None = None
        self._voice_error: SpeechError | None = None
        self._ended: Ended | None = None
        self._pieces: list[Piece] = []
        self._text = ""
        self._conversation: list[Said] = []
        self._began = time.monotonic()
        self._spoken_from = self._began
        self._timings = dict.fromkeys(("llm_first_token", "llm", "speech_first_audio", "speech", "total"), 0)

    def run(self) -> Iterator[Event]:
        route = self._composer.providers.model_for(self._client)
        self._check_budget()
        self._open_voice()  # before the model is asked: the handshake hides behind its thinking
        yield from self._think(route)
        yield from self._speak()
        self._timings["total"] = self._ms_since(self._began)
        yield self._reply()

    def stop(self) -> None:
        """Ends whatever still runs: the turn is over, or its reader has gone."""
        self._thinking.cut()
        if self._speaking:
            self._speaking.cancel()
        self._account()

    def hush(self) -> None:
        if self._speaking:
            self._speaking.cancel(SpeechCancelled(stage="drain"))

    def _check_budget(self) -> None:
        limit = self._client.daily_limit
        if limit is None:
            return
        spent = self._composer.spending.today(self._client.client_id)
        if spent >= REFUSED_AT * limit:
            raise BudgetExhausted(retry_after_s=_seconds_to_utc_midnight())
        if spent >= limit:
            self._voice_error = SpeechBudget()

    def _open_voice(self) -> None:
        client = self._client
        if not client.speaks or self._voice_error:
            return
        voice = Voice(client.voice, client.speed, client.language, client.pronunciations)
        try:
            if self._composer.is_draining:
                raise SpeechCancelled(stage="drain")
            key = self._composer.providers.speech_key_for(client)
            engine = self._composer.engines[client.speech_engine]
            self._speaking = begin(engine, voice, key, self._told.put)
        except SpeechError as error:
            self._voice_error = error
        if self._composer.is_draining:  # since just now: hush() found nothing to stop yet
            self.hush()

    def _think(self, route: ModelRoute) -> Iterator[Event]:
        self._conversation = self._prompt()
        deadline = Deadline.after(self._composer.budgets.chat_s)
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._ask, route, deadline), name="think", daemon=True).start()
        while True:
            if deadline.expired:  # nor does a word every now and then keep it waiting
                self._thinking.cut()
            told = self._next(deadline.remaining_s + GRACE_S)
            if told is None:
                raise UpstreamTimeout
            if isinstance(told, str):
                if not self._text:
                    self._timings["llm_first_token"] = self._ms_since(self._began)
                self._text += told
                yield TextDelta(told)
            elif isinstance(told, _Thought):
                if told.error:
                    raise told.error
                break
            else:
                self._hear(told)
        self._timings["llm"] = self._ms_since(self._began)
        self._composer.histories.remember(
            self._client.client_id, self._conversation_id, self._question.message, self._text
        )

    def _ask(self, route: ModelRoute, deadline: Deadline) -> None:
        """On a thread of its own."""
        error: ServiceError | None = None
        try:
            for part in self._composer.model.ask(route, self._conversation, deadline, self._thinking):
                self._told.put(part)
        except UpstreamError as raised:
            error = UpstreamTimeout() if deadline.expired else raised
        except Exception:
            log.exception("event=bug where=llm")
            error = ServiceError()
        self._told.put(_Thought(error))

    def _prompt(self) -> list[Said]:
        system = self._client.system_prompt
        past = self._composer.histories.recall(self._client.client_id, self._conversation_id)
        return [
            *([Said("system", system)] if system else []),
            *past,
            Said("user", self._question.message),
        ]

    def _speak(self) -> Iterator[Event]:
        if self._speaking is None:
            return
        self._spoken_from = time.monotonic()
        deadline = Deadline.after(self._composer.budgets.speech_s)
        if self._reader_gone():  # nothing is bought for nobody (faults 5-17)
            self._ended = self._ended or Ended(SpeechCancelled(stage="ready"))
        elif self._ended is None:
            self._speaking.say(self._text, deadline)
            self._speaking.finish()
        while self._ended is None:
            told = self._next(deadline.remaining_s + GRACE_S)
            if told is None:  # its own clock has failed to end it, as TLS dripped byte by byte can
                self._speaking.cancel(SpeechTimeout(stage="deadline"))
                self._ended = Ended(SpeechTimeout(stage="deadline"))
            elif not isinstance(told, str | _Thought):
                self._hear(told)
                if isinstance(told, Piece):
                    yield SpokenPiece(told.seq, told.text, told.pcm)
        self._timings["speech"] = self._ms_since(self._spoken_from)

    def _next(self, wait_s: float) -> str | _Thought | Told | None:
        """The next thing told, or None when `wait_s` is over. Raises ReaderGone."""
        until = Deadline.after(wait_s)
        while not until.expired:
            try:
                return self._told.get(timeout=min(until.remaining_s, READER_CHECK_S))
            except queue.Empty:
                if self._reader_gone():
                    raise ReaderGone from None
        return None

    def _hear(self, told: Told) -> None:
        match told:
            case FirstSound():
                self._timings["speech_first_audio"] = self._ms_since(self._spoken_from)
            case Piece():
                self._pieces.append(told)
            case Ended():
                self._ended = told

    def _reply(self) -> Reply:
        error = self._voice_error or (self._ended.error if self._ended else None)
        spoken = self._spoken(truncated=error is not None) if self._pieces else None
        return Reply(
            conversation_id=self._conversation_id,
            text=self._text,
            spoken=spoken,
            audio_error=None if spoken else error,
            timings_ms=self._timings,
        )

    def _spoken(self, truncated: bool) -> Spoken:
        sound = Pcm(b"".join(piece.pcm.data for piece in self._pieces), self._pieces[0].pcm.rate_hz)
        return Spoken(self._client.voice, sound, truncated)

    def _account(self) -> None:
        if self._client.daily_limit is None or not self._conversation:
            return
        prices, audio_s = self._composer.prices, sum(piece.pcm.duration_s for piece in self._pieces)
        dollars = prices.chat(self._conversation, self._text) + prices.speech(len(self._pieces), audio_s)
        try:
            self._composer.spending.add(self._client.client_id, dollars)
        except DatabaseUnavailable:
            # The reply stands. The limit still fails closed: the next turn cannot read the day's spending.
            log.error("event=spending_lost client_id=%s", self._client.client_id)

    def _ms_since(self, moment: float) -> int:
        return int((time.monotonic() - moment) * 1000)


def _seconds_to_utc_midnight() -> int:
    return 86_400 - int(time.time()) % 86_400
