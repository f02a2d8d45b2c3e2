"""`POST /api/chat`: a question in; the reply, and its voice, out."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request

from tts_service.chat.events import fold
from tts_service.chat.turn import Composer, Question
from tts_service.clients.store import ClientStore
from tts_service.web import body, chat_request, event_stream, guard, idempotency, render
from tts_service.web.connection import Connection
from tts_service.web.idempotency import Answer, Answers
from tts_service.web.limits import TurnLimits

PATH = "/api/chat"


def blueprint(store: ClientStore, composer: Composer, limits: TurnLimits, answers: Answers) -> Blueprint:
    routes = Blueprint("chat", __name__)

    @routes.post(PATH)
    def chat() -> Response:
        asked = chat_request.read(body.read_json(request))
        client = guard.admit(store, asked.client_id)
        question = Question(client, asked.message, asked.conversation_id)
        caller = Connection(request.environ)
        caller.limit_writes()

        def answer(reader_gone: Callable[[], bool]) -> Answer:
            limits.count(request.remote_addr, client.client_id)
            reply = fold(composer.compose(question, reader_gone))
            return Answer(render.reply_json(reply), render.server_timing(reply.timings_ms))

        if event_stream.is_wanted(request):
            limits.count(request.remote_addr, client.client_id)
            return event_stream.respond(composer.compose(question, caller.reader_gone))
        if (key := request.headers.get("Idempotency-Key")) is None:
            return _respond(answer(caller.reader_gone))
        once = idempotency.once(key, f"{client.client_id} {PATH}", repr(asked).encode())
        # Nobody listening does not end such a turn: its answer is kept for the retry.
        return _respond(answers.give(once, lambda: answer(lambda: False)))

    return routes


def _respond(answer: Answer) -> Response:
    response = Response(answer.body, content_type="application/json")
    response.headers["Server-Timing"] = answer.server_timing
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
