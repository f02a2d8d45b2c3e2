"""POST /v1/tts (protocols 3.1)."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from tts_service.sandbox import container, door, fields, pcm_stream, tts_request
from tts_service.sandbox.pcm_stream import Chunk
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.refusals import RefusalError
from tts_service.sandbox.speech import respelled
from tts_service.sandbox.tts_request import Ask

_TIMES_REAL_TIME = 8
_FIRST_S = 0.15
# The body is cut anywhere, in the middle of a sample too (protocols 3.1).
_CUTS = (4_801, 4_799, 1_023, 9_601)


async def speak(request: web.Request, visit: Visit) -> web.StreamResponse:
    """The endpoint."""
    ask = tts_request.parse(fields.parse_object(request.content_type, await request.read()))
    if len(respelled(ask.text, ask.replace)) > tts_request.LONGEST_SPOKEN_CHARS:
        raise RefusalError(400, "Invalid `replace`: the text grows beyond 60,000 characters.")
    visit.call.voice = ask.manner.voice.voice_id
    visit.call.heard(ask.text)
    chunks = await _chunks(visit, ask)
    duration_s = sum(chunk.duration_s for chunk in chunks)
    visit.call.audio_ms = round(duration_s * 1000)
    await visit.wait(_FIRST_S)
    if ask.timestamps:
        return web.json_response(_timed(visit, ask, chunks, duration_s))
    return await _send(request, visit, ask, chunks, duration_s)


async def _chunks(visit: Visit, ask: Ask) -> list[Chunk]:
    stream = pcm_stream.spoken(visit.provider.speech, ask.text, ask.manner, ask.coding(), ask.replace)
    return [chunk async for chunk in stream]


def _body(ask: Ask, chunks: Sequence[Chunk]) -> bytes:
    data = b"".join(chunk.audio for chunk in chunks)
    return container.whole(data, ask.codec, ask.manner.rate_hz, ask.bit_rate)


def _timed(visit: Visit, ask: Ask, chunks: Sequence[Chunk], duration_s: float) -> dict[str, Any]:
    return {
        "audio": base64.b64encode(_body(ask, chunks)).decode(),
        "content_type": ask.content_type,
        "duration": round(duration_s, 3),
        "audio_timestamps": timestamps(chunks, visit.switches.text("timestamps") == "objects"),
    }


def timestamps(chunks: Sequence[Chunk], as_objects: bool, from_s: float = 0.0) -> dict[str, Any]:
    """Where each character is spoken, in seconds: pairs, or {start, end} objects."""
    characters: list[str] = []
    times: list[tuple[float, float]] = []
    start = from_s
    for chunk in chunks:
        step = chunk.duration_s / max(1, len(chunk.words))
        for index, character in enumerate(chunk.words):
            characters.append(character)
            times.append((round(start + index * step, 3), round(start + (index + 1) * step, 3)))
        start += chunk.duration_s
    shown: list[Any] = [list(pair) for pair in times]
    if as_objects:
        shown = [{"start": start, "end": end} for start, end in times]
    return {"graph_chars": characters, "graph_times": shown}


async def _send(
    request: web.Request, visit: Visit, ask: Ask, chunks: Sequence[Chunk], duration_s: float
) -> web.StreamResponse:
    body = b"" if visit.switches.on("empty") else _body(ask, chunks)
    response = web.StreamResponse(headers={"Content-Type": ask.content_type})
    await response.prepare(request)
    if visit.switches.on("drip"):
        for one in body:
            await response.write(bytes((one,)))
            await door.pause(door.DRIP_S)
        return response
    sent, cuts = 0, itertools.cycle(_CUTS)
    while sent < len(body):
        if visit.switches.on("cut") and sent > len(body) // 2:
            door.abort(request)
            return response
        part = body[sent : sent + next(cuts)]
        await response.write(part)
        sent += len(part)
        await visit.wait(duration_s * len(part) / len(body) / _TIMES_REAL_TIME)
    return response
