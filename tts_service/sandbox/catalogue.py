"""The lists of the provider: voices and models (protocols 3.2, 4.3)."""

from __future__ import annotations

from aiohttp import web

from tts_service.sandbox import chat_request, voices
from tts_service.sandbox.door import dialect_is_xai
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.refusals import RefusalError


async def list_voices(_request: web.Request, visit: Visit) -> web.Response:
    """GET /v1/tts/voices."""
    if visit.switches.on("empty"):
        return web.json_response({"voices": []})
    return web.json_response({"voices": [voice.listing() for voice in voices.ROSTER.values()]})


async def one_voice(request: web.Request, _visit: Visit) -> web.Response:
    """GET /v1/tts/voices/{id}."""
    return web.json_response(known(request.match_info["voice_id"]).listing())


def known(voice_id: str) -> voices.Voice:
    """The voice, or RefusalError 404 with the roster."""
    voice = voices.find(voice_id)
    if voice is None:
        raise RefusalError(
            404,
            f"Voice {voice_id[:60]!r} not found. Expected one of: {', '.join(voices.ROSTER)}.",
            param="voice_id",
        )
    return voice


async def list_models(_request: web.Request, visit: Visit) -> web.Response:
    """GET /v1/models. The voice models are not in it (protocols 1.1)."""
    xai = dialect_is_xai(visit)
    ids = list(chat_request.XAI_MODELS) if xai else ["gpt-5.2", "gpt-5-mini", "gpt-realtime-2.1"]
    owner = "xai" if xai else "openai"
    rows = [{"id": one, "object": "model", "created": 0, "owned_by": owner} for one in ids]
    return web.json_response({"object": "list", "data": rows})
