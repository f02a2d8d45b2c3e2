"""One spoken reply: the events of a response from created to done, in the provider's order."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from typing import Any

from tts_service.sandbox import pcm_stream, voices
from tts_service.sandbox.pcm_stream import Chunk, Coding
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.realtime import ear, items
from tts_service.sandbox.realtime.config import Config, Json
from tts_service.sandbox.realtime.events import alias, error, event, scripted_error
from tts_service.sandbox.speech import Manner
from tts_service.sandbox.wire import Wire

_FIRST_DELTA_S = 0.15
_TIMES_REAL_TIME = 8
_DRIP_DELTA_S = 0.02
_INDEXED = {"output_index": 0, "content_index": 0}


@dataclasses.dataclass
class Job:
    """Something to be said. `metadata` is None for what the server begins by itself."""

    text: str
    metadata: Json | None = None
    interruptible: bool = True
    item_id: str = dataclasses.field(default_factory=lambda: items.new_id("item"))
    response_id: str = dataclasses.field(default_factory=lambda: items.new_id("resp"))
    cancelled: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    previous_item_id: str | None = None


class Reply:
    """The performance of one job. `perform` runs it from the first event to the last."""

    def __init__(self, wire: Wire, visit: Visit, config: Config, job: Job) -> None:
        self._wire = wire
        self._visit = visit
        self._switches = visit.switches
        self._config = config
        self._job = job
        self._sent_s = 0.0
        self._deltas = 0
        self._said = ""
        self._began = time.monotonic()

    async def perform(self) -> None:
        """Says it all, up to response.done, unless the tester wants it otherwise."""
        code = self._switches.text("error_before_audio")
        if code is not None:
            await self._wire.send(scripted_error(code))
            return
        await self._open()
        if self._switches.on("function_call"):
            await self._function_call()
            return
        if not self._switches.on("no_audio"):
            await self._speak()
        await self._end()

    async def _open(self) -> None:
        switches, job = self._switches, self._job
        if switches.on("delta_first"):
            await self._send_delta(Chunk(bytes(960), "", 0.02), response_id="resp_stray")
        if switches.on("item_added_first"):
            await self._announce()
        await self._wire.send(event("response.created", response=self._response("in_progress")))
        if switches.on("silence"):
            await asyncio.Event().wait()
        if switches.on("unknown_events"):
            await self._wire.send(event("response.mood.changed", mood="cheerful", extra=[{}]))
        item = items.assistant(job.item_id, None, "in_progress")
        if not switches.on("function_call"):
            await self._say("response.output_item.added", output_index=0, item=item)
            if not switches.on("item_added_first"):
                await self._announce()
            await self._part("response.content_part.added", {"type": "audio"})
        if switches.on("close_before_audio"):
            await self._wire.close(int(switches.number("close_before_audio", 1000)))
        await self._wire.send_junk()

    async def _announce(self) -> None:
        for _ in range(2 if self._switches.on("duplicate_items") else 1):
            await self._wire.send(
                event(
                    "conversation.item.added",
                    previous_item_id=self._job.previous_item_id,
                    item=items.assistant(self._job.item_id, None, "in_progress"),
                )
            )

    async def _speak(self) -> None:
        while True:
            stream = pcm_stream.spoken(
                self._visit.provider.speech,
                self._job.text,
                self._manner(),
                self._coding(),
                self._config.replace,
            )
            async with contextlib.aclosing(stream):
                async for chunk in stream:
                    await self._until_due()
                    if self._job.cancelled.is_set():
                        return
                    await self._send_chunk(chunk)
            if not self._switches.on("endless"):
                break
        if self._switches.on("odd_total"):
            await self._send_delta(Chunk(b"\x7f", "", 0))

    async def _until_due(self) -> None:
        """Holds the next delta back until its time, or until the reply is cancelled."""
        if self._switches.on("drip_ms"):
            wait_s = self._switches.number("drip_ms", 0) / 1000
        else:
            due = self._began + self._visit.pace * (_FIRST_DELTA_S + self._sent_s / _TIMES_REAL_TIME)
            wait_s = due - time.monotonic()
        if wait_s <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._job.cancelled.wait(), wait_s)

    async def _send_chunk(self, chunk: Chunk) -> None:
        switches = self._switches
        if switches.on("two_responses"):
            await self._send_delta(Chunk(bytes(4_800), "", 0.1), response_id="resp_other")
        await self._send_delta(chunk)
        self._deltas += 1
        self._sent_s += chunk.duration_s
        self._visit.call.audio_ms = round(self._visit.call.audio_ms + chunk.duration_s * 1000)
        if chunk.words:
            words = self._drifted(chunk.words)
            self._said += words
            await self._say("response.output_audio_transcript.delta", **_INDEXED, delta=words)
        code = switches.text("error_after_audio")
        if code is not None and self._deltas == 2:
            await self._wire.send(scripted_error(code))

    async def _send_delta(self, chunk: Chunk, response_id: str | None = None) -> None:
        if self._config.speaks_transport == "binary":
            await self._wire.send_audio(chunk.audio)
            return
        own = response_id is None
        message = event(
            self._name("response.output_audio.delta"),
            response_id=response_id or self._job.response_id,
            item_id=self._job.item_id if own else f"item_of_{response_id}",
            **_INDEXED,
            delta=self._wire.base64_of(chunk.audio),
        )
        await self._wire.send_audio(message)
        if own and self._deltas == 0 and self._switches.on("duplicate_events"):
            await self._wire.send(message)

    async def _end(self) -> None:
        switches = self._switches
        cancelled = self._job.cancelled.is_set()
        status = switches.text("status") or ("cancelled" if cancelled else "completed")
        if not switches.on("no_audio_done"):
            await self._say("response.output_audio.done", **self._indexes())
        if switches.on("close_after_done"):
            await self._wire.close(int(switches.number("close_after_done", 1000)))
        await self._say("response.output_audio_transcript.done", **self._indexes(), transcript=self._said)
        await self._part("response.content_part.done", {"type": "audio", "transcript": self._said})
        item_status = "incomplete" if status == "failed" else status
        item = items.assistant(self._job.item_id, self._said, item_status)
        await self._say("response.output_item.done", output_index=0, item=item)
        if not switches.on("no_response_done"):
            await self._done(status, [item])
        for _ in range(2 if switches.on("late_deltas") else 0):
            self._deltas += 1
            await self._send_delta(Chunk(bytes(4_800), "", 0.1))

    async def _function_call(self) -> None:
        call = {
            "id": self._job.item_id,
            "object": "realtime.item",
            "type": "function_call",
            "status": "completed",
            "name": "look_up",
            "call_id": "call_1",
            "arguments": "{}",
        }
        await self._say("response.output_item.added", output_index=0, item=call)
        await self._say(
            "response.function_call_arguments.done",
            item_id=self._job.item_id,
            output_index=0,
            call_id="call_1",
            name="look_up",
            arguments="{}",
        )
        await self._say("response.output_item.done", output_index=0, item=call)
        await self._done("completed", [call])

    async def _done(self, status: str, output: list[Json]) -> None:
        words = len(self._job.text.split())
        usage = {
            "input_tokens": words + 10,
            "output_tokens": round(self._sent_s * 20),
            "total_tokens": words + 10 + round(self._sent_s * 20),
        }
        response = self._response(status) | {"output": output}
        extra: Json = {}
        match self._switches.text("usage"):
            case None:
                response["usage"] = usage
            case "top":
                extra["usage"] = usage
            case "empty":
                response["usage"] = {}
        if status == "failed":
            failure = error("internal_error", "Asked for: failed.")["error"]
            response["status_details"] = {"type": "failed", "error": failure}
        await self._wire.send(event("response.done", response=response, **extra))

    async def _part(self, kind: str, part: Json) -> None:
        await self._say(kind, **(_INDEXED if kind.endswith("added") else self._indexes()), part=part)

    async def _say(self, kind: str, **fields: Any) -> None:
        if not kind.startswith("response.output_item") and "item_id" not in fields:
            fields = {"item_id": self._job.item_id, **fields}
        fields = {"response_id": self._job.response_id, **fields}
        if self._switches.on("bare_indexes") and "transcript" in kind:
            fields = {key: value for key, value in fields.items() if not key.endswith("_index")}
        await self._wire.send(event(self._name(kind), **fields))

    def _response(self, status: str) -> Json:
        return {
            "id": self._job.response_id,
            "object": "realtime.response",
            "status": status,
            "output": [],
            "metadata": self._job.metadata,
        }

    def _indexes(self) -> Json:
        return {} if self._switches.on("bare_indexes") else dict(_INDEXED)

    def _name(self, kind: str) -> str:
        return alias(kind) if self._switches.on("alias_names") else kind

    def _drifted(self, words: str) -> str:
        drift = self._switches.on("transcript_drift") and not self._said
        return "Well, " + words if drift else words

    def _manner(self) -> Manner:
        # An unknown voice is accepted and the default one speaks (protocols 1.3).
        voice = voices.find(self._config.voice) or voices.ROSTER["ara"]
        hint = (self._config.transcription or {}).get("language_hint") or "auto"
        return Manner(voice, hint, self._config.speed, self._config.speaks.rate_hz)

    def _coding(self) -> Coding:
        speaks = self._config.speaks
        delta_s = _DRIP_DELTA_S if self._switches.on("drip_ms") else pcm_stream.DELTA_S
        return Coding(
            lambda pcm: ear.encode(pcm, speaks),
            speaks.sample_bytes,
            delta_s,
            self._switches.on("odd_bytes"),
        )
