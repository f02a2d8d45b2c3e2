"""Who speaks: a provider's endpoint with its limits, its sockets and what it has said before."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

from tts_service.deadline import Deadline
from tts_service.dial import Dialer, Lifeline
from tts_service.errors import SpeechBusy, SpeechError
from tts_service.retry import RetryBudget
from tts_service.secret import Secret
from tts_service.speech.audio import Pcm
from tts_service.speech.cache import SpeechCache, cache_key
from tts_service.speech.connection import Connection, Endpoint
from tts_service.speech.pool import WarmSockets
from tts_service.speech.utterance import Patience, Utterance
from tts_service.speech.voice import Voice

# Interrupt moderation, as network cards have it. Waking a thread for every frame of sound costs more than
# hearing it. From a hundred at once on, each leaves its sound to gather for a while before it reads again: a
# tenth of a turn's CPU for half a rest of delay (ARCHITECTURE.md). Fewer read at once.
REST_S_EACH = 0.000_2
LEAST_REST_S, MOST_REST_S = 0.02, 0.04  # frames come every 10 to 100 ms: a shorter rest would gather nothing


@dataclass(frozen=True)
class SpeechLimits:
    max_speech_s: float = 120.0
    max_concurrent: int = 512
    connect_s: float = 10.0  # name, TCP, TLS and upgrade together (faults 3)
    send_s: float = 10.0  # whoever does not take 60 kB of text in this time has stopped reading (3c-29)
    patience: Patience = field(default_factory=Patience)

    @property
    def budget_bytes(self) -> int:
        """What one conversation may send us: all its sound at the highest rate, in base64, in its
        envelopes.
        """
        return int(self.max_speech_s * 48_000 * 2 * 4 / 3 * 1.5) + 4 * 1024 * 1024


class Dialect(Protocol):
    """How one kind of endpoint is spoken to. `is_reusable`: its sockets may serve several replies."""

    name: str
    model: str
    is_reusable: bool

    def endpoint(self, voice: Voice) -> Endpoint: ...

    def utterance(self, voice: Voice, max_speech_s: float, patience: Patience) -> Utterance: ...

    def explained(self, error: SpeechError) -> SpeechError: ...


@dataclass
class Session:
    """An open connection and where its conversation stands."""

    connection: Connection
    utterance: Utterance


class Engine:
    """One for the process. `second` speaks instead where a client wants that after a drift."""

    def __init__(
        self, dialer: Dialer, dialect: Dialect, limits: SpeechLimits, cache: SpeechCache | None = None
    ) -> None:
        self.dialect, self.limits = dialect, limits
        self.retries = RetryBudget()
        self.second: Engine | None = None
        self._dialer, self._cache = dialer, cache
        self._warm = WarmSockets()
        self._lock = threading.Lock()
        self._slots_taken = 0

    def take_slot(self) -> None:
        """Raises SpeechBusy where as many replies as allowed are being spoken."""
        with self._lock:
            if self._slots_taken >= self.limits.max_concurrent:
                raise SpeechBusy(stage="connect")
            self._slots_taken += 1

    def give_slot(self) -> None:
        with self._lock:
            self._slots_taken -= 1

    @property
    def rest_s(self) -> float:
        """How long a conversation whose sound is flowing leaves it to gather before it reads again."""
        rest_s = self._slots_taken * REST_S_EACH
        return min(rest_s, MOST_REST_S) if rest_s >= LEAST_REST_S else 0.0

    def open(self, voice: Voice, key: Secret, deadline: Deadline, lifeline: Lifeline) -> Session:
        """A connection held by `lifeline`, warm where there is one. Raises SpeechError."""
        utterance = self.dialect.utterance(voice, self.limits.max_speech_s, self.limits.patience)
        connection = self._warm.take(_place(voice, key)) if self.dialect.is_reusable else None
        if connection is not None:
            connection.serve(lifeline, self.limits.budget_bytes)
            utterance.resume()
            return Session(connection, utterance)
        try:
            connection = Connection.open(
                self._dialer,
                self.dialect.endpoint(voice),
                key,
                deadline=deadline,
                lifeline=lifeline,
                budget_bytes=self.limits.budget_bytes,
                send_s=self.limits.send_s,
            )
        except SpeechError as error:
            raise self.dialect.explained(error) from None
        return Session(connection, utterance)

    def keep(self, session: Session, voice: Voice, key: Secret, lifeline: Lifeline) -> None:
        """The reply is over and nothing went wrong: the connection waits for the next, or is closed."""
        if not self.dialect.is_reusable:
            session.connection.close()
            return
        lifeline.release()
        self._warm.put(_place(voice, key), session.connection)

    def recalled(self, voice: Voice, text: str) -> Pcm | None:
        """The sound of exactly this, if it was bought before."""
        return self._cache.get(self._cache_key(voice, text)) if self._cache else None

    def remember(self, voice: Voice, text: str, pcm: Pcm) -> None:
        if self._cache:
            self._cache.put(self._cache_key(voice, text), pcm)

    def close(self) -> None:
        self._warm.close()

    def _cache_key(self, voice: Voice, text: str) -> str:
        return cache_key(
            engine=self.dialect.name,
            model=self.dialect.model,
            voice=voice.id,
            speed=voice.speed,
            language=voice.language,
            pronunciations=voice.pronunciations,
            text=text,
        )


def _place(voice: Voice, key: Secret) -> Hashable:
    manner = tuple(sorted(voice.pronunciations.items()))
    return (voice.id, voice.speed, voice.language, manner, key)
