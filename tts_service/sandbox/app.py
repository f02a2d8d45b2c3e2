"""The map of paths of the sandbox."""

from __future__ import annotations

from aiohttp import web

from tts_service.sandbox import (
    catalogue,
    chat,
    control,
    keys,
    secrets_endpoint,
    tts_rest,
    tts_socket,
    webrtc_calls,
)
from tts_service.sandbox import door as doors
from tts_service.sandbox.provider import PROVIDER, Provider
from tts_service.sandbox.realtime import endpoint as realtime
from tts_service.sandbox.refusals import RefusalError


def build(provider: Provider) -> web.Application:
    """The whole map of paths."""
    app = web.Application(client_max_size=1_048_576)
    app[PROVIDER] = provider
    app.router.add_post("/v1/chat/completions", doors.behind("chat", chat.complete))
    app.router.add_post("/v1/realtime/client_secrets", doors.behind("secrets", secrets_endpoint.mint))
    app.router.add_get("/v1/realtime", doors.behind("realtime", realtime.converse))
    app.router.add_post("/v1/realtime/calls", doors.behind("calls", webrtc_calls.answer_call))
    app.router.add_post("/v1/tts", doors.behind("tts", tts_rest.speak))
    app.router.add_get("/v1/tts", doors.behind("tts_ws", tts_socket.speak))
    app.router.add_get("/v1/tts/voices", doors.behind("voices", catalogue.list_voices))
    app.router.add_get("/v1/tts/voices/{voice_id}", doors.behind("voices", catalogue.one_voice))
    app.router.add_get("/v1/models", doors.behind("models", catalogue.list_models))
    app.router.add_get("/", control.front_page)
    app.router.add_get("/health", control.health)
    app.router.add_get("/sandbox/faults", control.show_faults)
    app.router.add_put("/sandbox/faults", control.put_faults)
    app.router.add_delete("/sandbox/faults", control.delete_faults)
    app.router.add_get("/sandbox/calls", control.show_calls)
    app.router.add_delete("/sandbox/calls", control.delete_calls)
    app.router.add_route("*", "/sandbox/landing", control.landing)
    app.middlewares.append(_no_such_path)
    return app


@web.middleware
async def _no_such_path(request: web.Request, handler: doors.Handler) -> web.StreamResponse:
    """404, 405 and 413 of the router in the provider's shape."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        dialect = keys.dialect_of(doors.credential_of(request))
        paths = sorted({r.canonical for r in request.app.router.resources() if r.canonical != "/"})
        message = f"{error.reason}: {request.method} {request.path[:100]}."
        if error.status == 404:
            message += f" Expected one of: {', '.join(paths)}."
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return doors.refusal(RefusalError(error.status, message, headers=allow), dialect)
