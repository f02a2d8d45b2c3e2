"""One spoken reply as a state machine: text in, messages out; messages in, sound out. Pure.

The conversation (protocols 1.2 to 1.8): `session.update`, then `session.updated`; for each piece of text one
`force_message`, then one response of the provider's. One response is in flight at a time, because a
force_message carries nothing by which its response could be told from another's: order is all there is.

Sound counts as complete when the provider says so, by `output_audio.done` or `response.done`; a cut sentence
can say the opposite of what was meant, so anything else is dropped (faults 3).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import pybase64

from tts_service.errors import (
    SpeechBadAudio,
    SpeechBadFormat,
    SpeechClosed,
    SpeechEmpty,
    SpeechError,
    SpeechIncomplete,
    SpeechPolicy,
    SpeechProtocol,
    SpeechRateLimited,
    SpeechTooLong,
    SpeechUpstreamError,
)
from tts_service.speech.audio import BYTES_PER_SAMPLE, Pcm
from tts_service.speech.events import (
    AudioDelta,
    AudioDone,
    Fault,
    Malformed,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    force_message,
    parse,
    session_update,
)

ASKED_RATE_HZ = 24_000
# What protocols 1.3 lists; a rate outside it would play at the wrong speed.
KNOWN_RATES_HZ = frozenset((8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000))

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
    OPENING = "session"  # session.update is sent
    READY = "ready"
    WAITING = "first_audio"  # force_message is sent
    SPEAKING = "audio"
    SETTLING = "settle"  # the sound is complete, the response not yet done
    SPOKEN = "spoken"  # `take()` has a piece


@dataclass(frozen=True)
class Patience:
    """How long the provider may go without progress."""

    first_audio_s: float = 12.0  # faults 3c-9; for `session.updated` too
    idle_s: float = 10.0  # a pause inside speech is far shorter; the provider has stopped
    settle_s: float = 1.0  # faults 3c-16: audio complete, response.done may still bring a failure


class Utterance:
    def __init__(
        self,
        voice: str,
        speed: float,
        pronunciations: Mapping[str, str],
        max_speech_s: float,
        patience: Patience = Patience(),
    ) -> None:
        self._voice, self._speed, self._pronunciations = voice, speed, pronunciations
        self._room_s, self._patience = max_speech_s, patience
        self.state = State.OPENING
        self.rate_hz = ASKED_RATE_HZ
        self.progress = 0  # grows with whatever may restart a wait: never with a ping or an unknown event
        self.notes: list[str] = []  # oddities survived, in words of our own, for the log
        self._oddities = 0
        self._response: str | None = None
        self._over: set[str] = set()  # responses of earlier pieces; what still comes of them is dropped
        self._sound: dict[str | None, list[bytes]] = {}  # by response, until it is known which is ours
        self._held_bytes = 0
        self._heard_events: set[str] = set()
        self._fault: str | None = None

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

    def opening(self) -> bytes:
        return session_update(self._voice, ASKED_RATE_HZ, self._speed, self._pronunciations)

    def say(self, text: str) -> bytes:
        """The message that has `text` spoken. Only when READY: one response in flight."""
        if self.state is not State.READY:
            raise RuntimeError(f"say() in state {self.state}")
        self._response, self._fault = None, None
        self._sound, self._held_bytes, self._heard_events = {}, 0, set()
        self._move(State.WAITING)
        return force_message(text)

    def take(self) -> Pcm:
        """The sound of the piece just spoken; then READY for the next."""
        if self.state is not State.SPOKEN:
            raise RuntimeError(f"take() in state {self.state}")
        sound = b"".join(self._sound.pop(self._response, []))
        if len(sound) % BYTES_PER_SAMPLE:  # faults 3c-19: deltas may cut a sample, the whole may not
            sound = sound[:-1]
            self.notes.append("odd_tail")
        if self._response is not None:
            self._over.add(self._response)
        self._room_s -= len(sound) / (BYTES_PER_SAMPLE * self.rate_hz)
        self._move(State.READY)
        return Pcm(sound, self.rate_hz)

    def hear(self, payload: bytes | bytearray) -> None:
        """One text message from the provider. Raises SpeechError when the reply cannot be spoken any more."""
        try:
            event = parse(payload)
        except Malformed:
            self._malformed(payload)
            return
        match event:
            case AudioDelta():
                self._audio(event)
            case SessionUpdated():
                self._updated(event)
            case ResponseCreated():
                self._created(event)
            case AudioDone():
                self._audio_done(event)
            case ResponseDone():
                self._done(event)
            case Fault():
                self._failed(event)

    def hear_binary(self) -> None:
        """A binary frame: nothing we asked for (output.transport is json)."""
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
        except (
            UnicodeDecodeError
        ) as error:  # RFC 6455 8.1: a text frame that is not UTF-8 fails the connection
            raise SpeechProtocol(stage=self.stage, detail="utf8") from error
        self._odd("malformed")

    def _updated(self, event: SessionUpdated) -> None:
        if event.codec not in (None, "audio/pcm", "pcm16", "pcm") or event.channels not in (None, 1):
            raise SpeechBadFormat(stage=self.stage)
        if event.rate_hz is not None:
            if event.rate_hz not in KNOWN_RATES_HZ:
                raise SpeechBadFormat(stage=self.stage)
            if self.state is State.OPENING:  # a rate that changed later would spoil the sound already held
                self.rate_hz = event.rate_hz
        if self.state is State.OPENING:
            self._move(State.READY)

    def _created(self, event: ResponseCreated) -> None:
        if self.state in (State.WAITING, State.SPEAKING) and event.response_id not in self._over:
            self._claim(event.response_id)

    def _claim(self, response_id: str | None) -> None:
        """This response is ours: the first one announced, or one that ends without having been announced."""
        if response_id is None and len(self._sound) == 1:
            response_id = next(iter(self._sound))
        if self._response is not None or response_id is None:
            return
        self._response = response_id
        # Of the sound that came before, only this response's is ours, and what names no response.
        ours = self._sound.get(None, []) + self._sound.get(response_id, [])
        self._sound, self._held_bytes = {response_id: ours}, sum(map(len, ours))

    def _is_ours(self, response_id: str | None) -> bool:
        if self.state not in (State.WAITING, State.SPEAKING, State.SETTLING) or response_id in self._over:
            return False
        return self._response is None or response_id is None or response_id == self._response

    def _audio(self, event: AudioDelta) -> None:
        if self.state is State.SETTLING or not self._is_ours(event.response_id):
            return
        if event.event_id is not None:
            if event.event_id in self._heard_events:  # sent twice (faults 3c-26)
                return
            self._heard_events.add(event.event_id)
        sound = self._decoded(event.delta)
        if not sound:
            return
        key = event.response_id if self._response is None else self._response
        self._sound.setdefault(key, []).append(sound)
        self._held_bytes += len(sound)
        if self._held_bytes > self._room_s * self.rate_hz * BYTES_PER_SAMPLE:
            raise SpeechTooLong(stage=self.stage)
        self._move(State.SPEAKING)

    def _decoded(self, delta: object) -> bytes:
        if not isinstance(delta, str) or len(delta) > MAX_DELTA_CHARS:
            raise SpeechBadAudio(stage=self.stage)
        try:
            return pybase64.b64decode(delta, validate=True)  # without it, noise decodes (faults L21)
        except ValueError as error:  # binascii.Error is one; so is a character outside ASCII
            raise SpeechBadAudio(stage=self.stage) from error

    def _audio_done(self, event: AudioDone) -> None:
        if self.state is not State.SPEAKING or not self._is_ours(event.response_id):
            return
        self._claim(event.response_id)
        self._move(State.SETTLING)

    def _done(self, event: ResponseDone) -> None:
        if not self._is_ours(event.response_id):
            return
        self._claim(event.response_id)
        if event.status not in (None, "completed"):
            raise SpeechUpstreamError(stage=self.stage, detail=self._fault or "response_status")
        if not self._sound.get(self._response):
            raise SpeechEmpty(stage=self.stage)
        self._move(State.SPOKEN)

    def _failed(self, event: Fault) -> None:
        # Most errors leave the session open (protocols 1.7): after the first sound only the end decides.
        if self.state in (State.SPEAKING, State.SETTLING, State.SPOKEN):
            self._fault = event.kind
            self.notes.append("error_event")
            return
        raise SpeechUpstreamError(stage=self.stage, detail=event.kind)
