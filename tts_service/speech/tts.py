"""The text-to-speech dialect: text in, sound out, over `<base_url>/tts` (protocols 3.3). Pure.

Cheaper than the realtime agent, verbatim by design, and without a transcript. A socket takes one utterance
after another and nothing of one is left in the next, so it is kept for the next reply of the same voice.
"""

from __future__ import annotations

from typing import Any

import orjson

from tts_service.errors import SpeechAuth, SpeechEmpty, SpeechError, SpeechProtocol
from tts_service.speech import sound_apart
from tts_service.speech.connection import Endpoint
from tts_service.speech.utterance import ASKED_RATE_HZ, Patience, State, Utterance
from tts_service.speech.voice import Voice

DELTA_CHARS = 15_000  # of one text.delta; more is an error (protocols 3.3)


class TtsDialect:
    """`<base_url>/tts`. What a voice needs is in the URL, so a socket serves one voice at one speed."""

    name = "tts"
    model = ""
    is_reusable = True

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def endpoint(self, voice: Voice) -> Endpoint:
        query = {
            "voice": voice.id,
            "language": voice.language,
            "codec": "pcm",
            "sample_rate": str(ASKED_RATE_HZ),
        }
        if voice.speed != 1.0:
            query["speed"] = f"{voice.speed:g}"
        return Endpoint.at(self._base_url, "/tts", query)

    def utterance(self, voice: Voice, max_speech_s: float, patience: Patience) -> Utterance:
        return TtsUtterance(voice, max_speech_s, patience)

    def explained(self, error: SpeechError) -> SpeechError:
        """An unknown voice or language is refused before the upgrade here; the realtime agent would speak
        in another.
        """
        if error.http_status == 404:
            message = "The voice provider does not know this voice. Choose one that it lists."
            return SpeechProtocol(message, stage=error.stage, http_status=404)
        if error.http_status == 400:  # a wrong key as much as an unknown language (protocols 3.3, 4.4)
            message = "The voice provider refused the key, or does not speak this language. Check both."
            return SpeechAuth(message, stage=error.stage, http_status=400)
        return error


class TtsUtterance(Utterance):
    def __init__(self, voice: Voice, max_speech_s: float, patience: Patience) -> None:
        super().__init__(max_speech_s, patience)
        self._pronunciations = voice.pronunciations
        self._sound: list[bytes] = []

    def opening(self) -> list[bytes]:
        if self._pronunciations:
            return [_message("session.update", replace=dict(self._pronunciations))]
        self.resume()  # the provider greets nobody: text may come at once
        return []

    def _ask(self, text: str) -> list[bytes]:
        self._sound = []
        cuts = range(0, len(text), DELTA_CHARS)
        deltas = [_message("text.delta", delta=text[cut : cut + DELTA_CHARS]) for cut in cuts]
        return [*deltas, _message("text.done")]

    def _piece(self) -> bytes:
        return b"".join(self._sound)

    def hear(self, payload: bytes | bytearray) -> None:
        try:
            event = sound_apart.loads(payload)
            kind = event["type"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            event = kind = None
        if not isinstance(kind, str):
            self._malformed(payload)
            return
        match kind:
            case "audio.delta":
                self._audio(event.get("delta"))
            case "audio.done":
                self._done()
            case "session.updated":
                if self.state is State.OPENING:
                    self.resume()
            case "error":
                self._failed("other")  # flat, and its text is the provider's (protocols 9)

    def _audio(self, delta: object) -> None:
        if delta is None or self.state not in (State.WAITING, State.SPEAKING):
            return  # a delta may hold timestamps alone
        if sound := self._hold(delta):
            self._sound.append(sound)

    def _done(self) -> None:
        if self.state is State.WAITING:
            raise SpeechEmpty(stage=self.stage)
        if self.state is State.SPEAKING:
            self._move(State.SPOKEN)


def _message(kind: str, **fields: Any) -> bytes:
    return orjson.dumps({"type": kind, **fields})
