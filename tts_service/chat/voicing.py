"""The voice of one turn: what is handed to it while the text grows, and what has come of it.

Without a voice (a text-only client, no key, no budget) it takes everything and says nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from tts_service.chat.cost import Prices
from tts_service.chat.events import Spoken
from tts_service.deadline import Deadline
from tts_service.errors import SpeechError, SpeechTimeout
from tts_service.secret import Secret
from tts_service.speech.audio import Pcm
from tts_service.speech.engine import Engine
from tts_service.speech.speaking import Speaking, begin
from tts_service.speech.spoken import SpokenText
from tts_service.speech.voice import Asked, Ended, FirstSound, Piece, Tell, Told, Voice

# Text in which no sentence can have ended is read with what follows, for the same result and less work.
UNREAD_CHARS = 80
# What may end a sentence does so for certain a little later, at most a word behind an abbreviation.
CERTAIN_CHARS = 24
_MAY_END = re.compile(r"[.!?…:;。！？：；\n]")


class Voicing:
    """`error` says why there is no voice, or why it ended early; `pieces` what was spoken whole."""

    def __init__(self, error: SpeechError | None = None) -> None:
        self.error = error
        self.pieces: list[Piece] = []
        self.asked: list[str] = []  # of the provider, whether or not it was spoken
        self._deadline: Deadline | None = None
        self.first_audio_ms = self.total_ms = 0
        self._voice_id = ""
        self._speaking: Speaking | None = None
        self._words = SpokenText()
        self._unread = ""
        self._uncertain_chars = 0
        self._budget_s = 0.0
        self._from = 0.0

    @classmethod
    def opened(cls, engine: Engine, voice: Voice, key: Secret, budget_s: float, tell: Tell) -> Voicing:
        """Its connection is being opened now. `budget_s` counts from the first text on."""
        voicing = cls()
        voicing._words, voicing._budget_s, voicing._voice_id = SpokenText(voice.language), budget_s, voice.id
        try:
            voicing._speaking = begin(engine, voice, key, tell)
        except SpeechError as error:
            voicing.error = error
        return voicing

    @classmethod
    def heard(cls, voice_id: str, told: Iterable[Told]) -> Voicing:
        """What an engine told of a text that was complete from the start."""
        voicing = cls()
        voicing._voice_id = voice_id
        for event in told:
            voicing.hear(event)
        return voicing

    @property
    def is_over(self) -> bool:
        return self._speaking is None

    @property
    def remaining_s(self) -> float:
        return self._deadline.remaining_s if self._deadline else 0.0

    def write(self, delta: str) -> bool:
        """More of the reply's text; True if that gave the voice something to say."""
        self._unread += delta
        if _MAY_END.search(delta):
            self._uncertain_chars = CERTAIN_CHARS
        elif self._uncertain_chars > 0:
            self._uncertain_chars -= len(delta)
        elif len(self._unread) < UNREAD_CHARS:
            return False
        unread, self._unread = self._unread, ""
        return self._say(self._words.feed(unread))

    def finish(self) -> None:
        """The text is complete."""
        self._say(self._words.feed(self._unread) + self._words.finish())
        if self._speaking is None:
            return
        if self._deadline is None:  # nothing of it can be said: a picture, a line; nobody waits for its end
            self._speaking.cancel()
            self._end(None)
            return
        self._speaking.finish()

    def hear(self, told: Told) -> None:
        match told:
            case FirstSound():
                self.first_audio_ms = self._ms()
            case Asked(text):
                self.asked.append(text)
            case Piece():
                self.pieces.append(told)
            case Ended(error):
                self._end(error)

    def cancel(self, reason: SpeechError | None = None) -> None:
        """The engine ends it at once, and tells so."""
        if self._speaking:
            self._speaking.cancel(reason)

    def give_up(self) -> None:
        """Its own clock has failed to end it, as TLS dripped byte by byte can: nobody waits any longer."""
        late = SpeechTimeout(stage="deadline")
        self.cancel(late)
        self._end(late)

    def spoken(self) -> Spoken | None:
        """All that was said; truncated where something went wrong after the first piece."""
        if not self.pieces:
            return None
        sound = Pcm(b"".join(piece.pcm.data for piece in self.pieces), self.pieces[0].pcm.rate_hz)
        cached = all(piece.cached for piece in self.pieces)
        return Spoken(self._voice_id, sound, self.error is not None, cached)

    def cost(self, prices: Prices, engine: str) -> float:
        bought_s = sum(piece.pcm.duration_s for piece in self.pieces if not piece.cached)
        return prices.speech(engine, len(self.asked), sum(map(len, self.asked)), bought_s)

    def _say(self, sentences: list[str]) -> bool:
        if self._speaking is None or not sentences:
            return False
        if self._deadline is None:
            self._from, self._deadline = time.monotonic(), Deadline.after(self._budget_s)
        for sentence in sentences:
            self._speaking.say(sentence, self._deadline)
        return True

    def _end(self, error: SpeechError | None) -> None:
        self.error, self.total_ms = error, self._ms()
        self._speaking = None

    def _ms(self) -> int:
        return int((time.monotonic() - self._from) * 1000) if self._from else 0
