"""`POST /api/greeting`: what a client's widget says when it is opened. Ours, contract.md has none."""

from __future__ import annotations

from flask import Blueprint, Response, request

from tts_service.chat.greeting import greet
from tts_service.chat.turn import Composer
from tts_service.clients.store import ClientStore
from tts_service.web import body, chat_request, guard, render
from tts_service.web.connection import Connection
from tts_service.web.limits import TurnLimits
from tts_service.web.previews import Previews

PATH = "/api/greeting"


def blueprint(store: ClientStore, previews: Previews, composer: Composer, limits: TurnLimits) -> Blueprint:
    routes = Blueprint("greeting", __name__)

    @routes.post(PATH)
    def greeting() -> Response:
        client = guard.admit(store, previews, chat_request.read_client_id(body.read_json(request)))
        limits.count(request.remote_addr, client.client_id)
        Connection(request.environ).limit_writes()
        return Response(render.greeting_json(greet(composer, client)), content_type="application/json")

    return routes
