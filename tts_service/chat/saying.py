"""A short text in a client's voice, outside of any conversation: as the voice of its replies would say it."""

from __future__ import annotations

from tts_service.chat import finished
from tts_service.chat.turn import Composer, voice_of
from tts_service.chat.voicing import Voicing
from tts_service.clients.client import Client
from tts_service.deadline import Deadline
from tts_service.errors import EmptyMessage, MessageTooLong, SpeechError
from tts_service.speech.speaking import speak
from tts_service.speech.spoken import SpokenText

MAX_CHARS = 1_000


def words_of(client: Client, text: str) -> str:
    """What a voice says of `text`, which may be nothing: a picture, a line."""
    words = SpokenText(client.language)
    return " ".join(words.feed(text) + words.finish())


def say(composer: Composer, client: Client, words: str) -> Voicing:
    """From the cache where it was said before. What it costs is still to be entered: see `account`.
    Raises BudgetExhausted, DatabaseUnavailable.
    """
    try:
        key = composer.admit_voice(client)
        engine, deadline = composer.engines[client.speech_engine], Deadline.after(composer.budgets.speech_s)
        return Voicing.heard(client.voice, speak(engine, voice_of(client), key, [words], deadline))
    except SpeechError as error:
        return Voicing(error)


def account(composer: Composer, client: Client, voicing: Voicing) -> None:
    """Charges the client, and counts it as speech without a turn."""
    dollars = voicing.cost(composer.prices, client.speech_engine)
    composer.budget.charge(client, dollars)
    composer.record(finished.speech(client, voicing, dollars))


def sample(composer: Composer, client: Client, text: str) -> Voicing:
    """`text` for somebody who tries a voice: whole, or its `error`; a client that is not stored yet (one
    without an id) is charged nothing. Raises EmptyMessage and MessageTooLong, and what `say` does.
    """
    if len(text) > MAX_CHARS:
        raise MessageTooLong(f"A voice is tried with at most {MAX_CHARS:,} characters.")
    words = words_of(client, text)
    if not words:
        raise EmptyMessage("There is nothing in this text that a voice could say.")
    voicing = say(composer, client, words)
    if client.client_id:
        account(composer, client, voicing)
    return voicing
