"""One spoken reply as a state machine: text in, messages out; messages in, sound out. Pure.

Here is what every engine's conversation has in common: the states, how long the provider may take in each,
what is tolerated, what an ending means. What the messages look like is the dialect's: `realtime.py`,
`tts.py`.

Sound counts as complete when the provider says so; a cut sentence can say the opposite of what was meant, so
anything else is dropped (faults 3).
"""

from __future__ import annotations

import abc
import enum
from dataclasses import dataclass

import pybase64

from tts_service.errors import (
    SpeechBadAudio,
    SpeechClosed,
    SpeechError,
    SpeechIncomplete,
    SpeechPolicy,
    SpeechProtocol,
    SpeechRateLimited,
    SpeechTooLong,
    SpeechUpstreamError,
)
from tts_service.speech.audio import BYTES_PER_SAMPLE, Pcm

ASKED_RATE_HZ = 24_000

MAX_DELTA_CHARS = 1024 * 1024  # 16 s of sound; the documented ones hold 20 to 200 ms (faults 3c-18)
TOLERATED_ODDITIES = 3  # malformed or binary frames: one more is speech_protocol (faults 3c-20, 3c-21)

_CLOSED_AS: dict[int, type[SpeechError]] = {
    1002: SpeechProtocol,
    1003: SpeechProtocol,
    1007: SpeechProtocol,
    1008: SpeechPolicy,
    1009: SpeechProtocol,
    1011: SpeechUpstreamError,
    1013: SpeechRateLimited,
}


class State(enum.Enum):
    OPENING = "session"  # the session is being set up
    READY = "ready"
    WAITING = "first_audio"  # text is sent
    SPEAKING = "audio"
    SETTLING = "settle"  # the sound is complete, the provider's own end has not come yet
    SPOKEN = "spoken"  # `take()` has a piece


@dataclass(frozen=True)
class Patience:
    """How long the provider may go without progress."""

    first_audio_s: float = 12.0  # faults 3c-9; for the opening too
    idle_s: float = 10.0  # a pause inside speech is far shorter; the provider has stopped
    settle_s: float = 1.0  # faults 3c-16: audio complete, the end may still bring a failure


class Utterance(abc.ABC):
    """`max_speech_s` bounds the sound of the whole reply, over all its pieces."""

    def __init__(self, max_speech_s: float, patience: Patience) -> None:
        self._room_s, self._patience = max_speech_s, patience
        self.state = State.OPENING
        self.rate_hz = ASKED_RATE_HZ
        self.progress = 0  # grows with whatever may restart a wait: never with a ping or an unknown event
        self.notes: list[str] = []  # oddities survived, in words of our own, for the log
        self.transcript = ""  # of the piece under way, where the provider sends one
        self._held_bytes = 0
        self._oddities = 0
        self._fault: str | None = None

    @abc.abstractmethod
    def opening(self) -> list[bytes]:
        """What is sent when the connection stands; none where nothing needs to be agreed, then it is
        READY.
        """

    @abc.abstractmethod
    def hear(self, payload: bytes | bytearray) -> None:
        """One text message from the provider. Raises SpeechError when the reply cannot be spoken any more."""

    @abc.abstractmethod
    def _ask(self, text: str) -> list[bytes]:
        """The messages that have `text` spoken."""

    @abc.abstractmethod
    def _piece(self) -> bytes:
        """The sound of the piece just spoken, which is then forgotten."""

    @property
    def patience_s(self) -> float:
        """How long the provider may go without progress in this state."""
        if self.state is State.SPEAKING:
            return self._patience.idle_s
        return self._patience.settle_s if self.state is State.SETTLING else self._patience.first_audio_s

    @property
    def has_sound(self) -> bool:
        return self.state in (State.SPEAKING, State.SETTLING, State.SPOKEN)

    @property
    def stage(self) -> str:
        return "first_audio" if self.state is State.OPENING else self.state.value

    def resume(self) -> None:
        """Nothing needs to be agreed: the connection is kept from an earlier reply, or its URL says it
        all.
        """
        self._move(State.READY)

    def say(self, text: str) -> list[bytes]:
        """The messages that have `text` spoken. Only when READY: one piece is in flight at a time."""
        if self.state is not State.READY:
            raise RuntimeError(f"say() in state {self.state}")
        self._held_bytes, self._fault, self.transcript = 0, None, ""
        self._move(State.WAITING)
        return self._ask(text)

    def take(self) -> Pcm:
        """The sound of the piece just spoken; then READY for the next."""
        if self.state is not State.SPOKEN:
            raise RuntimeError(f"take() in state {self.state}")
        sound = self._piece()
        if len(sound) % BYTES_PER_SAMPLE:  # faults 3c-19: deltas may cut a sample, the whole may not
            sound = sound[:-1]
            self.notes.append("odd_tail")
        self._room_s -= len(sound) / (BYTES_PER_SAMPLE * self.rate_hz)
        self._move(State.READY)
        return Pcm(sound, self.rate_hz)

    def hear_binary(self) -> None:
        """A binary frame: nothing we asked for."""
        self._odd("binary")

    def lapsed(self) -> bool:
        """The patience of this state has run out: True if the piece is complete all the same."""
        if self.state is State.SETTLING:
            self._move(State.SPOKEN)
        return self.state is State.SPOKEN

    def closed(self, code: int) -> None:
        """The provider ended the connection; 1006 stands for an end without a close frame.

        Raises SpeechError unless the sound was complete (faults 3c-13 to 15).
        """
        if self.lapsed():
            return
        error = _CLOSED_AS.get(code)
        if error is None:
            error = SpeechIncomplete if self.state is State.SPEAKING and code < 4000 else SpeechClosed
        if self._fault is not None:
            raise SpeechUpstreamError(stage=self.stage, close_code=code, detail=self._fault)
        raise error(stage=self.stage, close_code=code)

    def _move(self, state: State) -> None:
        self.state = state
        self.progress += 1

    def _odd(self, note: str) -> None:
        self._oddities += 1
        if note not in self.notes:
            self.notes.append(note)
        if self._oddities > TOLERATED_ODDITIES:
            raise SpeechProtocol(stage=self.stage, detail=note)

    def _malformed(self, payload: bytes | bytearray) -> None:
        try:
            payload.decode()
        except UnicodeDecodeError as error:  # RFC 6455 8.1: text that is not UTF-8 fails the connection
            raise SpeechProtocol(stage=self.stage, detail="utf8") from error
        self._odd("malformed")

    def _hold(self, delta: object) -> bytes:
        """The sound in `delta`, counted as held where there is any. Raises SpeechBadAudio, SpeechTooLong."""
        if not isinstance(delta, str | bytes | bytearray) or len(delta) > MAX_DELTA_CHARS:
            raise SpeechBadAudio(stage=self.stage)
        try:
            sound = pybase64.b64decode(delta, validate=True)  # without it, noise decodes (faults L21)
        except ValueError as error:  # binascii.Error is one; so is a character outside ASCII
            raise SpeechBadAudio(stage=self.stage) from error
        if sound:
            self._held_bytes += len(sound)
            if self._held_bytes > self._room_s * self.rate_hz * BYTES_PER_SAMPLE:
                raise SpeechTooLong(stage=self.stage)
            self._move(State.SPEAKING)
        return sound

    def _failed(self, kind: str) -> None:
        """An error event. Most leave the session open (protocols 1.7): after the first sound the end
        decides.
        """
        if self.has_sound:
            self._fault = kind
            self.notes.append("error_event")
            return
        raise SpeechUpstreamError(stage=self.stage, detail=kind)
