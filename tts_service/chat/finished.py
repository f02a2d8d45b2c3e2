"""What is counted of a turn, and of speech without one, when it is over. Pure but for the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tts_service.chat.voicing import Voicing
from tts_service.clients.client import Client
from tts_service.errors import ReaderGone
from tts_service.speech.voice import Piece
from tts_service.usage.turn import Exchange, Turn

READER_GONE = ReaderGone.code


@dataclass(frozen=True, slots=True)
class Said:
    """What went to and fro in a turn; `answer` as far as it came."""

    conversation_id: str
    question: str
    answer: str


def turn(
    client: Client,
    voicing: Voicing,
    said: Said,
    *,
    dollars: float,
    failure: str | None,
    total_ms: int | None,
) -> Turn:
    """`failure` is what ended it without a reply; of a reply, `total_ms` says when it was complete."""
    speech_code = voicing.error.code if voicing.error else None
    return Turn(
        client_id=client.client_id,
        ended_at=time.time(),
        spoken_ms=_ms(voicing.pieces),
        cached_ms=_ms([piece for piece in voicing.pieces if piece.cached]),
        characters=len(said.answer),
        dollars=dollars,
        failure=failure or speech_code,
        total_ms=total_ms,
        exchange=_kept(client, said, speech_code),
    )


def speech(client: Client, voicing: Voicing, dollars: float) -> Turn:
    """Without a turn: a greeting, or a voice that somebody tries."""
    return Turn(
        client_id=client.client_id,
        ended_at=time.time(),
        spoken_ms=_ms(voicing.pieces),
        cached_ms=_ms([piece for piece in voicing.pieces if piece.cached]),
        dollars=dollars,
        failure=voicing.error.code if voicing.error else None,
        is_turn=False,
    )


def _kept(client: Client, said: Said, speech_code: str | None) -> Exchange | None:
    if client.retention_days == 0 or not said.answer:
        return None
    return Exchange(said.conversation_id, said.question, said.answer, speech_code)


def _ms(pieces: list[Piece]) -> int:
    return round(sum(piece.pcm.duration_s for piece in pieces) * 1000)
