"""What a turn is estimated to cost, in US dollars. Pure.

An estimate for a limit, not a bill: prices move and are settings (protocols 9); tokens are counted as
characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tts_service.chat.completions import Said

CHARS_PER_TOKEN = 4.0
# For a price per minute that people can compare: English is spoken at 150 words, or 900 characters, a minute,
# and a long reply is cut into pieces of this length (speech/pacing.py).
CHARS_PER_SPOKEN_S = 15.0
CHARS_PER_PIECE = 200.0


@dataclass(frozen=True)
class Prices:
    """US dollars: a minute of realtime speech, an item spoken by it (protocols 1.7), a million characters
    of text to speech (3.3), a million tokens in and out of the model (4.3).
    """

    speech_minute: float
    speech_item: float
    tts_million_chars: float
    chat_million_in: float
    chat_million_out: float

    def chat(self, conversation: Sequence[Said], reply: str) -> float:
        read = sum(len(said.text) for said in conversation) / CHARS_PER_TOKEN
        written = len(reply) / CHARS_PER_TOKEN
        return (read * self.chat_million_in + written * self.chat_million_out) / 1_000_000

    def speech(self, engine: str, pieces: int, chars: int, audio_s: float) -> float:
        """`pieces` and `chars` that were asked for, also in vain; `audio_s` that came of them."""
        if engine == "tts":
            return chars * self.tts_million_chars / 1_000_000
        return pieces * self.speech_item + audio_s / 60 * self.speech_minute

    def per_minute(self, engine: str) -> float:
        """Of speech, on the assumptions above: what to show where an engine is chosen."""
        chars = 60 * CHARS_PER_SPOKEN_S
        if engine == "tts":
            return chars * self.tts_million_chars / 1_000_000
        return chars / CHARS_PER_PIECE * self.speech_item + self.speech_minute
