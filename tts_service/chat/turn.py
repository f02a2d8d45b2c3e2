"""One turn: a question in, the reply's text and voice out, as they come.

Two threads work for a turn, one at the model and one at the voice; both put what they have into one queue.
The caller's thread empties it and is the clock: when a budget runs out it cuts the worker's sockets, so no
peer and no library can stretch a turn (faults 3).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass

from tts_service import threads
from tts_service.chat import finished
from tts_service.chat.budget import DailyBudget
from tts_service.chat.completions import Said
from tts_service.chat.cost import Prices
from tts_service.chat.events import Event, Reply, SpokenPiece, TextDelta
from tts_service.chat.history import Histories
from tts_service.chat.llm import ChatModel, ModelRoute
from tts_service.chat.route import Providers
from tts_service.chat.voicing import Voicing
from tts_service.clients.client import Client
from tts_service.deadline import Deadline
from tts_service.dial import Lifeline
from tts_service.errors import (
    ReaderGone,
    ServiceError,
    SpeechBudget,
    SpeechCancelled,
    SpeechError,
    UpstreamError,
    UpstreamTimeout,
)
from tts_service.secret import Secret
from tts_service.speech.engine import Engine
from tts_service.speech.speaking import GRACE_S
from tts_service.speech.voice import Piece, Told, Voice
from tts_service.usage.turn import Record

log = logging.getLogger(__name__)

READER_CHECK_S = 0.5  # how soon a reader who left while nothing was told is noticed


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
        budget: DailyBudget,
        record: Record,
        prices: Prices,
        budgets: Budgets,
    ) -> None:
        self.model, self.engines, self.providers = model, engines, providers
        self.histories, self.budget, self.record = histories, budget, record
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
        failure: str | None = finished.READER_GONE  # unless it ends in another way
        try:
            yield from turn.run()
            failure = None
        except ServiceError as error:
            failure = error.code
            raise
        except Exception:
            failure = ServiceError.code
            raise
        finally:
            turn.stop(failure)
            with self._lock:
                self._running.discard(turn)

    def admit_voice(self, client: Client) -> Secret:
        """The key to speak with. Raises BudgetExhausted, and SpeechError where there will be no voice."""
        if not self.budget.pays_for_voice(client):
            raise SpeechBudget
        if self._is_draining:
            raise SpeechCancelled(stage="drain")
        return self.providers.speech_key_for(client)

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
        for engine in self.engines.values():
            engine.close()


class _Turn:
    def __init__(self, composer: Composer, question: Question, reader_gone: Callable[[], bool]) -> None:
        self._composer, self._client, self._question = composer, question.client, question
        self._reader_gone = reader_gone
        self._conversation_id = question.conversation_id or str(uuid.uuid4())
        self._told: queue.SimpleQueue[str | _Thought | Told] = queue.SimpleQueue()
        self._thinking = Lifeline()
        self._voicing = Voicing()
        self._text = ""
        self._conversation: list[Said] = []
        self._began = time.monotonic()
        self._timings = dict.fromkeys(("llm_first_token", "llm", "speech_first_audio", "speech", "total"), 0)
        self._total_ms: int | None = None  # of the whole reply, once there is one

    def run(self) -> Iterator[Event]:
        route = self._composer.providers.model_for(self._client)
        self._voicing = self._voice()  # before the model is asked: the handshake hides behind its thinking
        deadline = Deadline.after(self._composer.budgets.chat_s)
        self._start_thinking(route, deadline)
        yield from self._text_and_sound(deadline)
        yield from self._rest_of_sound()
        yield self._reply()

    def stop(self, failure: str | None) -> None:
        """Ends whatever still runs: the turn is over, by `failure` or well, or its reader has gone."""
        self._thinking.cut()
        self._voicing.cancel()
        self._account(failure)

    def hush(self) -> None:
        self._voicing.cancel(SpeechCancelled(stage="drain"))

    def _voice(self) -> Voicing:
        composer, client = self._composer, self._client
        if not client.speaks:
            composer.budget.pays_for_voice(client)  # refuses a turn that it does not pay for
            return Voicing()
        try:
            key = composer.admit_voice(client)
        except SpeechError as error:
            return Voicing(error)
        engine, voice = composer.engines[client.speech_engine], voice_of(client)
        return Voicing.opened(engine, voice, key, composer.budgets.speech_s, self._told.put)

    def _start_thinking(self, route: ModelRoute, deadline: Deadline) -> None:
        if self._composer.is_draining:  # since just now: hush() found no voice to stop yet
            self.hush()
        self._conversation = self._prompt()
        threads.start(lambda: self._ask(route, deadline))

    def _text_and_sound(self, deadline: Deadline) -> Iterator[Event]:
        """Until the text is complete. Raises what ended the model."""
        while True:
            if deadline.expired:  # nor does a word every now and then keep it waiting
                self._thinking.cut()
            told = self._next(deadline.remaining_s + GRACE_S)
            match told:
                case None:
                    raise UpstreamTimeout
                case str():
                    yield self._written(told)
                case _Thought(error=ServiceError() as error):
                    raise error
                case _Thought():
                    self._thought()
                    return
                case _:
                    yield from self._heard(told)

    def _rest_of_sound(self) -> Iterator[Event]:
        while not self._voicing.is_over:
            told = self._next(self._voicing.remaining_s + GRACE_S)
            if told is None:
                self._voicing.give_up()
            elif not isinstance(told, str | _Thought):
                yield from self._heard(told)

    def _written(self, delta: str) -> TextDelta:
        if not self._text:
            self._timings["llm_first_token"] = self._ms()
        self._text += delta
        if not self._voicing.is_over and self._voicing.write(delta):
            self._check_reader()
        return TextDelta(delta)

    def _thought(self) -> None:
        self._timings["llm"] = self._ms()
        self._composer.histories.remember(
            self._client.client_id, self._conversation_id, self._question.message, self._text
        )
        if not self._voicing.is_over:
            self._check_reader()
            self._voicing.finish()

    def _heard(self, told: Told) -> Iterator[Event]:
        self._voicing.hear(told)
        if isinstance(told, Piece):
            yield SpokenPiece(told.seq, told.text, told.pcm)

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

    def _next(self, wait_s: float) -> str | _Thought | Told | None:
        """The next thing told, or None when `wait_s` is over. Raises ReaderGone."""
        while wait_s > 0:
            try:
                return self._told.get(timeout=min(wait_s, READER_CHECK_S))
            except queue.Empty:
                wait_s -= READER_CHECK_S
                self._check_reader()
        return None

    def _check_reader(self) -> None:
        """Nothing is bought for nobody (faults 5-17)."""
        if self._reader_gone():
            raise ReaderGone

    def _reply(self) -> Reply:
        voicing, spoken = self._voicing, self._voicing.spoken()
        self._timings |= {
            "speech_first_audio": voicing.first_audio_ms,
            "speech": voicing.total_ms,
            "total": self._ms(),
        }
        self._total_ms = self._timings["total"]
        return Reply(
            conversation_id=self._conversation_id,
            text=self._text,
            spoken=spoken,
            audio_error=None if spoken else voicing.error,
            timings_ms=self._timings,
        )

    def _account(self, failure: str | None) -> None:
        composer, dollars = self._composer, 0.0
        if self._conversation:
            chat = composer.prices.chat(self._conversation, self._text)
            dollars = chat + self._voicing.cost(composer.prices, self._client.speech_engine)
            composer.budget.charge(self._client, dollars)
        said = finished.Said(self._conversation_id, self._question.message, self._text)
        if self._total_ms is not None:  # a reader may have left it unread, but there was a reply
            failure = None
        composer.record(
            finished.turn(
                self._client, self._voicing, said, dollars=dollars, failure=failure, total_ms=self._total_ms
            )
        )

    def _ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000)


def voice_of(client: Client) -> Voice:
    return Voice(client.voice, client.speed, client.language, client.pronunciations, client.retry_on_drift)
