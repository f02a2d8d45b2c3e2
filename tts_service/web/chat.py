"""`POST /api/chat`: a question in; the reply, and its voice, out."""

from __future__ import annotations

from collections.abc import Callable, Generator

from flask import Blueprint, Response, request

from tts_service.chat.events import Event, fold
from tts_service.chat.turn import Composer, Question
from tts_service.clients.store import ClientStore
from tts_service.web import body, chat_request, event_stream, guard, idempotency, render
from tts_service.web.connection import Connection
from tts_service.web.idempotency import Answer, Answers
from tts_service.web.limits import TurnLimits
from tts_service.web.previews import Previews

PATH = "/api/chat"

ReaderGone = Callable[[], bool]
Turn = Generator[Event, None, None]


def blueprint(
    store: ClientStore, previews: Previews, composer: Composer, limits: TurnLimits, answers: Answers
) -> Blueprint:
    routes = Blueprint("chat", __name__)

    @routes.post(PATH)
    def chat() -> Response:
        asked = chat_request.read(body.read_json(request))
        client = guard.admit(store, previews, asked.client_id)
        question = Question(client, asked.message, asked.conversation_id)
        caller = Connection(request.environ)
        caller.limit_writes()

        def turn(reader_gone: ReaderGone) -> Turn:
            limits.count(request.remote_addr, client.client_id)
            return composer.compose(question, reader_gone)

        if event_stream.is_wanted(request):
            return event_stream.respond(turn(caller.reader_gone), asked.audio_format)
        if (key := request.headers.get("Idempotency-Key")) is None:
            return _respond(_folded(turn(caller.reader_gone), asked.audio_format))
        once = idempotency.once(key, f"{client.client_id} {PATH}", repr(asked).encode())
        # Nobody listening does not end such a turn: its answer is kept for the retry.
        return _respond(answers.give(once, lambda: _folded(turn(lambda: False), asked.audio_format)))

    return routes


def _folded(turn: Turn, audio_format: str) -> Answer:
    reply = fold(turn)
    return Answer(render.reply_json(reply, audio_format), render.server_timing(reply.timings_ms))


def _respond(answer: Answer) -> Response:
    response = Response(answer.body, content_type="application/json")
    response.headers["Server-Timing"] = answer.server_timing
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
