"""WebSocket /v1/tts: text comes in as it is written, sound goes out (protocols 3.3)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncGenerator
from typing import Any

import orjson
from aiohttp import web

from tts_service.sandbox import container, pcm_stream, sockets, speech, tts_request, tts_rest
from tts_service.sandbox.pcm_stream import Chunk
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.realtime.config import InvalidError, read_replace
from tts_service.sandbox.realtime.items import new_id
from tts_service.sandbox.tts_request import LONGEST_CHARS, LONGEST_SPOKEN_CHARS, Ask
from tts_service.sandbox.wire import OverError, Wire

_MAX_SESSIONS = 50
_LIFETIME_S = 600
_TIMES_REAL_TIME = 8
_FIRST_S = 0.15
_ENOUGH_CHARS = 60

Json = dict[str, Any]


async def speak(request: web.Request, visit: Visit) -> web.StreamResponse:
    """The endpoint. Everything in the query is checked before the upgrade."""
    ask = tts_request.parse_query(request.query)
    visit.call.voice = ask.manner.voice.voice_id
    wire = Wire(request, visit)
    async with sockets.admitted(visit, int(visit.switches.number("max_sessions", _MAX_SESSIONS))):
        await wire.open()
        await Speaker(wire, visit, ask).run()
        await wire.finish()
    return wire.response


class Speaker:
    """One TTS socket: any number of utterances, one after the other."""

    def __init__(self, wire: Wire, visit: Visit, ask: Ask) -> None:
        self._wire = wire
        self._visit = visit
        self._switches = visit.switches
        self._ask = ask
        self._replace: dict[str, str] = {}
        self._utterance: Utterance | None = None
        # Utterances are spoken in the order they were begun, on one task.
        self._line: asyncio.Queue[Utterance] = asyncio.Queue()

    async def run(self) -> None:
        """Serves the socket until either side ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._perform())
                group.create_task(self._cut_at_lifetime())
        except* OverError:
            pass

    async def _cut_at_lifetime(self) -> None:
        await asyncio.sleep(self._switches.number("lifetime_s", _LIFETIME_S))
        await self._wire.close(1000, "session lifetime")

    async def _listen(self) -> None:
        await self._wire.mute()
        if self._switches.on("stop_reading"):
            await self._wire.stop_reading()
        while True:
            message = await self._wire.receive()
            try:
                await self._take(message)
            except InvalidError as problem:
                await self._wire.send({"type": "error", "message": str(problem)})

    async def _take(self, message: str | bytes) -> None:
        try:
            heard = orjson.loads(message)
        except orjson.JSONDecodeError:
            heard = None
        kind = heard.get("type") if isinstance(heard, dict) else None
        handler = {
            "text.delta": self._delta,
            "text.done": self._done,
            "text.clear": self._clear,
            "session.update": self._update,
        }.get(str(kind))
        if handler is None or heard is None:
            raise InvalidError("type", "text.delta, text.done, text.clear or session.update")
        self._visit.call.count(str(kind))
        await handler(heard)

    async def _delta(self, heard: Json) -> None:
        delta = heard.get("delta")
        if not isinstance(delta, str) or len(delta) > LONGEST_CHARS:
            raise InvalidError("delta", f"a string of up to {LONGEST_CHARS:,} characters")
        self._visit.call.heard(delta)
        if self._utterance is None:
            self._utterance = Utterance(dict(self._replace))
            self._line.put_nowait(self._utterance)
        grown = len(speech.respelled(self._utterance.text + delta, self._utterance.replace))
        if self._utterance.replace and grown > LONGEST_SPOKEN_CHARS:
            message = f"Invalid replace: the text grows beyond {LONGEST_SPOKEN_CHARS:,} characters."
            await self._wire.send({"type": "error", "message": message})
            await self._wire.close(1008, "text too long")
        self._utterance.write(delta)

    async def _done(self, _heard: Json) -> None:
        if self._utterance is None:
            self._utterance = Utterance({})
            self._line.put_nowait(self._utterance)
        self._utterance.finish()
        self._utterance = None

    async def _clear(self, _heard: Json) -> None:
        """Always safe; everything unsaid is forgotten."""
        self._utterance = None
        while not self._line.empty():
            self._line.get_nowait()
        if self._speaking is not None:
            self._speaking.clear()
        await self._wire.send({"type": "audio.clear"})

    async def _update(self, heard: Json) -> None:
        self._replace = read_replace("replace", heard.get("replace"))
        await self._wire.send({"type": "session.updated", "replace": self._replace})

    _speaking: Utterance | None = None

    async def _perform(self) -> None:
        while True:
            self._speaking = await self._line.get()
            await self._misbehave()
            await self._say(self._speaking)
            self._speaking = None

    async def _misbehave(self) -> None:
        message = self._switches.text("error")
        if message is not None:
            await self._wire.send({"type": "error", "message": message})
            await self._wire.close(1011, "error")
        if self._switches.on("close_before_audio"):
            await self._wire.close(int(self._switches.number("close_before_audio", 1000)))
        await self._wire.send_junk()

    async def _say(self, utterance: Utterance) -> None:
        began, sent_s, pace = time.monotonic(), 0.0, self._visit.pace
        silent = self._switches.on("no_audio")
        async with contextlib.aclosing(self._chunks(utterance)) as stream:
            async for chunk in stream:
                if silent:
                    continue
                due = began + pace * (_FIRST_S + sent_s / _TIMES_REAL_TIME)
                drip_ms = self._switches.number("drip_ms", 0)
                wait_s = drip_ms / 1000 if drip_ms else due - time.monotonic()
                await asyncio.sleep(max(0.0, wait_s))
                if utterance.cleared:
                    return
                await self._send(chunk, sent_s)
                sent_s += chunk.duration_s
        if not utterance.cleared:
            await self._end()

    async def _end(self) -> None:
        if self._switches.on("odd_total"):
            await self._wire.send_audio({"type": "audio.delta", "delta": "fw=="})
        if not self._switches.on("no_audio_done"):
            await self._wire.send({"type": "audio.done", "trace_id": new_id("trace")})
        if self._switches.on("close_after_done"):
            await self._wire.close(int(self._switches.number("close_after_done", 1000)))

    async def _chunks(self, utterance: Utterance) -> AsyncGenerator[Chunk, None]:
        coding = self._ask.coding()
        if self._switches.on("odd_bytes"):
            coding = dataclasses.replace(coding, odd=True)
        if self._switches.on("drip_ms"):
            coding = dataclasses.replace(coding, delta_s=0.02)
        ask = self._ask
        packed = container.Container(ask.codec, ask.manner.rate_hz, ask.bit_rate)
        async for text in utterance.parts():
            stream = pcm_stream.spoken(
                self._visit.provider.speech, text, self._ask.manner, coding, utterance.replace
            )
            async for chunk in stream:
                yield dataclasses.replace(chunk, audio=packed.add(chunk.audio))
        rest = packed.finish()
        if rest:
            yield Chunk(rest, "", 0.0)

    async def _send(self, chunk: Chunk, from_s: float) -> None:
        self._visit.call.audio_ms += round(chunk.duration_s * 1000)
        event: Json = {"type": "audio.delta", "delta": self._wire.base64_of(chunk.audio)}
        if self._ask.timestamps:
            as_objects = self._switches.text("timestamps") == "objects"
            event["audio_timestamps"] = tts_rest.timestamps([chunk], as_objects, from_s)
            event["audio_duration"] = round(chunk.duration_s, 3)
        await self._wire.send_audio(event)


class Utterance:
    """The text of one utterance as it comes in; `replace` is the map in force when it began."""

    def __init__(self, replace: dict[str, str]) -> None:
        self.replace = replace
        self.text = ""
        self.cleared = False
        self._taken = 0
        self._finished = False
        self._news = asyncio.Event()

    def write(self, text: str) -> None:
        """More text."""
        self.text += text
        self._news.set()

    def finish(self) -> None:
        """No more text will come."""
        self._finished = True
        self._news.set()

    def clear(self) -> None:
        """Nothing more of it shall be said."""
        self.cleared = True
        self.finish()

    async def parts(self) -> AsyncGenerator[str, None]:
        """Whole sentences as soon as enough text is there, then the rest."""
        while not self.cleared:
            waiting = self.text[self._taken :]
            if self._finished:
                if waiting:
                    yield waiting
                return
            *sentences, _open = speech.pieces(waiting) if waiting else [""]
            ready = "".join(sentences)
            if len(ready) >= _ENOUGH_CHARS:
                self._taken += len(ready)
                yield ready
                continue
            await self._news.wait()
            self._news.clear()
