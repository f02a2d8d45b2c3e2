"""WebSocket /v1/realtime: who may open a session, and what its address asks for."""

from __future__ import annotations

from aiohttp import hdrs, web

from tts_service.sandbox import door, refusals, sockets
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.realtime.config import DEFAULT_MODEL
from tts_service.sandbox.realtime.session import Session
from tts_service.sandbox.refusals import RefusalError
from tts_service.sandbox.wire import Wire

_LATEST = "grok-voice-latest"


async def converse(request: web.Request, visit: Visit) -> web.StreamResponse:
    """The endpoint. `?model=` is not validated; it is resolved and reported (protocols 1.1)."""
    _refuse_strangers(request, visit)
    asked = request.query.get("model") or visit.caller.model or DEFAULT_MODEL
    visit.call.model = asked
    resume = _resume(request, visit)
    wire = Wire(request, visit)
    cap = int(visit.switches.number("max_sessions", visit.provider.max_sessions))
    async with sockets.admitted(visit, cap):
        await wire.open()
        model = asked if asked.startswith("grok-voice-") and asked != _LATEST else DEFAULT_MODEL
        await Session(wire, visit, model, resume).run()
        await wire.finish()
    return wire.response


def _refuse_strangers(request: web.Request, visit: Visit) -> None:
    if visit.caller.dialect == refusals.XAI:
        effort = request.query.get("reasoning.effort")
        if effort not in (None, "high", "none"):
            raise RefusalError(400, "Invalid `reasoning.effort`: expected high or none.")
        return
    if "openai-beta.realtime-v1" in door.offered_protocols(request):
        raise RefusalError(
            400, "The subprotocol openai-beta.realtime-v1 is refused; the beta has ended.",
            param=hdrs.SEC_WEBSOCKET_PROTOCOL,
        )  # fmt: skip
    raise RefusalError(
        400,
        "This sandbox speaks xAI's realtime dialect only: use a key that begins with xai-sandbox. "
        "For OpenAI it serves POST /v1/realtime/calls.",
    )


def _resume(request: web.Request, visit: Visit) -> tuple[str, list[dict[str, object]]] | None:
    wanted = request.query.get("conversation_id")
    if not wanted:
        return None
    kept = visit.provider.memory.recall(wanted, visit.caller.account)
    return None if kept is None else (wanted, kept)
