"""The realtime agent's dialect: `session.update`, then one `force_message` for each piece (protocols 1).
Pure.

One response is in flight at a time, because a force_message carries nothing by which its response could be
told from another's: order is all there is.
"""

from __future__ import annotations

from tts_service.errors import SpeechBadFormat, SpeechEmpty, SpeechError, SpeechUpstreamError
from tts_service.speech.connection import Endpoint
from tts_service.speech.events import (
    AudioDelta,
    AudioDone,
    Fault,
    Malformed,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    TranscriptDelta,
    force_message,
    named,
    parse,
    session_update,
)
from tts_service.speech.utterance import ASKED_RATE_HZ, Patience, State, Utterance
from tts_service.speech.voice import Voice

# What protocols 1.3 lists; a rate outside it would play at the wrong speed.
KNOWN_RATES_HZ = frozenset((8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000))


class RealtimeDialect:
    """`<base_url>/realtime`. A session keeps what was said in it, so each reply has one of its own."""

    name = "realtime"
    is_reusable = False

    def __init__(self, base_url: str, model: str) -> None:
        self.model = model
        self._endpoint = Endpoint.at(base_url, "/realtime", {"model": model})

    def endpoint(self, voice: Voice) -> Endpoint:
        return self._endpoint

    def utterance(self, voice: Voice, max_speech_s: float, patience: Patience) -> Utterance:
        return RealtimeUtterance(voice, max_speech_s, patience)

    def explained(self, error: SpeechError) -> SpeechError:
        return error


class RealtimeUtterance(Utterance):
    def __init__(self, voice: Voice, max_speech_s: float, patience: Patience) -> None:
        super().__init__(max_speech_s, patience)
        self._voice = voice
        self._response: str | None = None
        self._over: set[str] = set()  # responses of earlier pieces; what still comes of them is dropped
        self._sound: dict[str | None, list[bytes]] = {}  # by response, until it is known which is ours
        self._heard_events: set[str] = set()

    def opening(self) -> list[bytes]:
        voice = self._voice
        return [session_update(voice.id, ASKED_RATE_HZ, voice.speed, voice.pronunciations)]

    def _ask(self, text: str) -> list[bytes]:
        self._response = None
        self._sound, self._heard_events = {}, set()
        return [force_message(text)]

    def _piece(self) -> bytes:
        if self._response is not None:
            self._over.add(self._response)
        return b"".join(self._sound.pop(self._response, []))

    def hear(self, payload: bytes | bytearray) -> None:
        try:
            event = parse(payload)
        except Malformed:
            self._malformed(payload)
            return
        match event:
            case AudioDelta():
                self._audio(event)
            case TranscriptDelta(response_id, text):
                if self._is_ours(response_id):
                    self.transcript += text
            case SessionUpdated():
                self._updated(event)
            case ResponseCreated():
                self._created(event)
            case AudioDone():
                self._audio_done(event)
            case ResponseDone():
                self._done(event)
            case Fault(kind):
                self._failed(kind)

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
        response_id, event_id, delta = event
        if self.state is not State.SPEAKING or response_id != self._response or response_id is None:
            response_id = named(response_id)
            if self.state is State.SETTLING or not self._is_ours(response_id):
                return
            response_id = self._response or response_id
        if isinstance(event_id, str) and event_id:
            if event_id in self._heard_events:  # sent twice (faults 3c-26)
                return
            self._heard_events.add(event_id)
        if sound := self._hold(delta):
            self._sound.setdefault(response_id, []).append(sound)

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
