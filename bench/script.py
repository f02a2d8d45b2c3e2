"""What the scripted provider does and when: one `Script` a measurement. Pure.

The first part of a URL's path picks the script: `http://127.0.0.1:PORT/load/v1` is a provider of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.sound import BYTES_PER_S, DELTA_BYTES

LOAD_REPLY = "Order {0:06} left our shop this morning and will be at your door on Friday evening."
# 41 words in 3 sentences, as in ecosystem 3.
LONG_REPLY = (
    "Thank you for asking, your order number {0:06} left our shop early this morning. "
    "The parcel {0:06} travels by night train and should reach your town on Friday. "
    "Please write to us about {0:06} if it has not come by Monday."
)
LONG_REPLY_S = 12.7
_LONG_CHARS = len(LONG_REPLY.format(0))
_DELTA_S = DELTA_BYTES / BYTES_PER_S


@dataclass(frozen=True)
class Script:
    """Times in seconds. Each reply carries a number of its own, so that no cache can answer for the peer."""

    reply: str
    first_token_s: float
    words_per_s: float | None  # None: the whole reply at once
    handshake_s: float  # what the provider thinks before it answers the upgrade
    first_delta_s: float
    delta_every_s: float  # 0: all sound at once
    bytes_per_char: float | None  # None: FIXED_BYTES, however long the text

    def sound_bytes(self, text: str) -> int:
        if self.bytes_per_char is None:
            return FIXED_BYTES
        return 2 * round(len(text) * self.bytes_per_char / 2)


FIXED_BYTES = 40 * DELTA_BYTES  # 5 s of sound
LOAD_LLM_S, LOAD_SPEECH_S = 0.3, 1.0
LOAD_TURN_S = LOAD_LLM_S + LOAD_SPEECH_S  # what a turn takes if nothing else did
SLOW_HANDSHAKE_S = 0.15


def _load(handshake_s: float) -> Script:
    every_s = LOAD_SPEECH_S / (FIXED_BYTES // DELTA_BYTES)
    return Script(LOAD_REPLY, LOAD_LLM_S, None, handshake_s, every_s, every_s, None)


SCRIPTS = {
    "load": _load(0.0),
    "slow-handshake": _load(SLOW_HANDSHAKE_S),
    # A model and a voice as they are: first token 0.40 s, 35 words a second; sound after 0.30 s at 8x.
    "long": Script(LONG_REPLY, 0.40, 35.0, 0.0, 0.30, _DELTA_S / 8, LONG_REPLY_S * BYTES_PER_S / _LONG_CHARS),
    "burst": Script(LOAD_REPLY, 0.0, None, 0.0, 0.0, 0.0, None),
}
