"""What a client's widget says before anybody has asked: bought once, then spoken from the cache."""

from __future__ import annotations

from tts_service.chat import finished
from tts_service.chat.events import Reply
from tts_service.chat.turn import Composer, voice_of
from tts_service.chat.voicing import Voicing
from tts_service.clients.client import Client
from tts_service.deadline import Deadline
from tts_service.errors import SpeechError
from tts_service.speech.speaking import speak
from tts_service.speech.spoken import SpokenText


def greet(composer: Composer, client: Client) -> Reply:
    """The greeting's text and voice; no conversation. Raises BudgetExhausted, DatabaseUnavailable."""
    words = SpokenText(client.language)
    text = " ".join(words.feed(client.greeting) + words.finish())
    voicing = Voicing()
    if text and client.speaks:
        voicing = _voiced(composer, client, text)
        cost = voicing.cost(composer.prices, client.speech_engine)
        composer.charge(client, cost)
        composer.record(finished.greeting(client, voicing, cost))
    spoken = voicing.spoken()
    return Reply("", client.greeting, spoken, None if spoken else voicing.error)


def _voiced(composer: Composer, client: Client, text: str) -> Voicing:
    try:
        key = composer.admit_voice(client)
        told = speak(
            composer.engines[client.speech_engine],
            voice_of(client),
            key,
            [text],
            Deadline.after(composer.budgets.speech_s),
        )
        return Voicing.heard(client.voice, told)
    except SpeechError as error:
        return Voicing(error)
