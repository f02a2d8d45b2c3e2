"""What a client's widget says before anybody has asked: bought once, then spoken from the cache."""

from __future__ import annotations

from tts_service.chat import saying
from tts_service.chat.events import Reply
from tts_service.chat.turn import Composer
from tts_service.chat.voicing import Voicing
from tts_service.clients.client import Client


def greet(composer: Composer, client: Client) -> Reply:
    """The greeting's text and voice; no conversation. Raises BudgetExhausted, DatabaseUnavailable."""
    words = saying.words_of(client, client.greeting)
    voicing = Voicing()
    if words and client.speaks:
        voicing = saying.say(composer, client, words)
        saying.account(composer, client, voicing)
    spoken = voicing.spoken()
    return Reply("", client.greeting, spoken, None if spoken else voicing.error)
