"""A realtime session: the opening, the client's events and what each of them sets in motion."""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
from collections.abc import Awaitable, Callable, Mapping

import orjson

from tts_service.sandbox import replies, voices
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.realtime import config, items
from tts_service.sandbox.realtime.config import Config, Format, InvalidError, Json
from tts_service.sandbox.realtime.events import error, event
from tts_service.sandbox.realtime.floor import Floor
from tts_service.sandbox.realtime.listening import Listening
from tts_service.sandbox.realtime.pulse import Pulse
from tts_service.sandbox.realtime.reply import Job, Reply
from tts_service.sandbox.wire import OverError, Wire

_METADATA_PAIRS, _METADATA_KEY, _METADATA_VALUE = 16, 64, 512


class Session:
    """One connection's conversation. `resume` is a conversation id and its kept items."""

    def __init__(self, wire: Wire, visit: Visit, model: str, resume: tuple[str, list[Json]] | None) -> None:
        self._wire = wire
        self._visit = visit
        self._switches = visit.switches
        self._config = Config(model=model)
        self._id = items.new_id("sess")
        self._conversation_id, kept = resume or (items.new_id("conv"), [])
        self._replay = list(kept)
        self._items = items.Items(kept)
        self._floor = Floor(self._perform)
        self._listening = Listening(wire, visit, self._items, self._floor, self._answer)
        self._pulse = Pulse(wire, visit.switches)
        self._handlers: Mapping[str, Callable[[Json], Awaitable[None]]] = {
            "session.update": self._update,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "pong": self._ignore,
        }

    async def run(self) -> None:
        """Serves the conversation until either side ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._converse())
                group.create_task(self._floor.run())
                group.create_task(self._listening.watch_silence())
                group.create_task(self._pulse.limits())
        except* OverError:
            pass
        finally:
            # Also when the line just dropped, which is what resumption is for.
            if self._config.resumption:
                self._visit.provider.memory.keep(
                    self._conversation_id, self._visit.caller.account, self._items.as_list()
                )

    async def _converse(self) -> None:
        await self._wire.mute()
        if self._switches.on("json_pings"):
            await asyncio.gather(self._pulse.beat(0.1), self._wire.unheard())
        await self._open()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pulse.beat_forever())
            while True:
                await self._take(await self._wire.receive())

    async def _open(self) -> None:
        """session.created, conversation.created, ping (protocols 1.2)."""
        if not self._switches.on("legacy_open"):
            await self._wire.send(event("session.created", session=self._config.snapshot(self._id)))
        conversation = {"id": self._conversation_id, "object": "realtime.conversation"}
        await self._wire.send(event("conversation.created", conversation=conversation))
        await self._pulse.ping()

    async def _take(self, message: str | bytes) -> None:
        self._pulse.heard()
        if isinstance(message, bytes):
            self._visit.call.count("(binary audio)")
            await self._listening.append(message, self._config)
            return
        try:
            heard = orjson.loads(message)
        except orjson.JSONDecodeError:
            heard = None
        if not isinstance(heard, dict) or not isinstance(heard.get("type"), str):
            await self._complain(InvalidError("event", 'a JSON object with a string "type"'), None)
            return
        await self._dispatch(heard)

    async def _dispatch(self, heard: Json) -> None:
        kind = heard["type"]
        handler = self._handlers.get(kind)
        if handler is None:
            self._visit.call.count("(unknown)")
            message = f"Unsupported event type {kind!r:.80}. Expected: {', '.join(self._handlers)}."
            await self._wire.send(
                error("invalid_event", message, param="type", event_id=heard.get("event_id"))
            )
            return
        self._visit.call.count(kind)
        try:
            await handler(heard)
        except InvalidError as problem:
            await self._complain(problem, heard.get("event_id"))

    async def _complain(self, problem: InvalidError, event_id: object) -> None:
        await self._wire.send(
            error(
                "invalid_request_error",
                str(problem),
                code=problem.code,
                param=problem.param,
                event_id=event_id,
            )
        )

    async def _ignore(self, _heard: Json) -> None:
        """A pong needs no answer."""

    # The configuration.

    async def _update(self, heard: Json) -> None:
        resumed_before = self._config.resumption
        updated = config.merge(self._config, heard.get("session"))
        self._config = self._distorted(updated)
        self._listening.configure(self._config)
        self._visit.call.voice = self._config.voice
        if self._switches.on("no_session_updated"):
            return
        await self._wire.send(event("session.updated", session=self._config.snapshot(self._id)))
        if self._config.resumption and not resumed_before:
            await self._replay_turns()
        if self._switches.on("stop_reading"):
            await self._wire.stop_reading()

    def _distorted(self, updated: Config) -> Config:
        """The configuration confirmed, when the tester wants another one than was asked for."""
        codec, rate = self._switches.text("format"), self._switches.text("rate")
        if codec is not None:
            updated = dataclasses.replace(updated, speaks=Format(f"audio/{codec}", 8_000))
        if rate is not None:
            updated = dataclasses.replace(updated, speaks=Format("audio/pcm", int(rate)))
        if self._switches.on("voice_echo") and voices.find(updated.voice) is None:
            updated = dataclasses.replace(updated, voice=config.DEFAULT_VOICE)
        return updated

    async def _replay_turns(self) -> None:
        previous = None
        for item in self._replay:
            await self._wire.send(event("conversation.item.created", previous_item_id=previous, item=item))
            previous = item["id"]
        self._replay = []

    # The conversation.

    async def _create_item(self, heard: Json) -> None:
        value = heard.get("item")
        if isinstance(value, dict) and value.get("type") == "force_message":
            self._force(value)
            return
        item = items.read_item(value)
        if self._items.holds(item["id"]):
            raise InvalidError("item.id", "an id no other item of this conversation has")
        previous = self._items.add(item, heard.get("previous_item_id"))
        self._visit.call.items_created += 1
        if item["type"] == "message":
            self._visit.call.heard(self._items.messages("")[-1][1])
        for _ in range(2 if self._switches.on("duplicate_items") else 1):
            await self._wire.send(event("conversation.item.added", previous_item_id=previous, item=item))

    def _force(self, value: Json) -> None:
        """Verbatim speech: its own response, with no response.create (protocols 1.8)."""
        text = items.read_forced(value, self._switches.on("content_text"))
        self._visit.call.items_created += 1
        self._visit.call.heard(text)
        job = Job(text, interruptible=value.get("interruptible", True))
        wanted = value.get("id")
        if isinstance(wanted, str) and not self._items.holds(wanted):
            job.item_id = wanted
        self._floor.queue(job)

    async def _delete_item(self, heard: Json) -> None:
        self._items.delete(heard.get("item_id"))
        await self._wire.send(event("conversation.item.deleted", item_id=heard["item_id"]))

    async def _truncate_item(self, heard: Json) -> None:
        item = self._items.find(heard.get("item_id"))
        end_ms = heard.get("audio_end_ms")
        if type(end_ms) is not int or end_ms < 0:
            raise InvalidError("audio_end_ms", "milliseconds as an integer of 0 or more")
        if item.get("role") != "assistant":
            raise InvalidError("item_id", "the id of an assistant message")
        transcript = item["content"][0].get("transcript", "")
        await self._wire.send(
            event(
                "conversation.item.truncated",
                item_id=item["id"],
                content_index=0,
                audio_end_ms=end_ms,
                transcript=transcript[: end_ms * 15 // 1000],
            )
        )

    # Replies.

    async def _create_response(self, heard: Json) -> None:
        asked = heard.get("response")
        if asked is not None and not isinstance(asked, dict):
            raise InvalidError("response", "an object")
        asked = asked or {}
        instructions = asked.get("instructions")
        if instructions is not None and not isinstance(instructions, str):
            raise InvalidError("response.instructions", "a string")
        metadata = _metadata(asked.get("metadata"))
        if self._floor.busy:
            raise InvalidError(
                "response",
                "no reply in progress",
                message="Conversation already has an active response in progress. Wait for "
                "response.done or send response.cancel.",
            )
        self._answer(metadata, instructions)

    def _answer(self, metadata: Json | None = None, instructions: str | None = None) -> None:
        """The model's own reply. Per-response instructions replace the session's (1.4)."""
        prompt = self._config.instructions if instructions is None else instructions
        text = replies.reply_to(self._items.messages(prompt))
        self._floor.queue(Job(text or "…", metadata))

    async def _perform(self, job: Job) -> None:
        """One reply, and its place in the conversation."""
        job.previous_item_id = self._items.add(items.assistant(job.item_id, job.text, "completed"))
        await Reply(self._wire, self._visit, self._config, job).perform()
        self._pulse.heard()

    async def _cancel_response(self, heard: Json) -> None:
        active = self._floor.active
        wanted = heard.get("response_id")
        other = wanted is not None and (active is None or active.response_id != wanted)
        if other or not self._floor.cancel():
            raise InvalidError(
                "response_id",
                "a reply in progress",
                message="Cancellation failed: no active response found.",
            )

    # Sound.

    async def _append(self, heard: Json) -> None:
        audio = heard.get("audio")
        if not isinstance(audio, str):
            raise InvalidError("audio", "base64 text")
        try:
            data = base64.b64decode(audio, validate=True)
        except binascii.Error:
            raise InvalidError("audio", "strict base64", "invalid_audio") from None
        await self._listening.append(data, self._config)

    async def _commit(self, _heard: Json) -> None:
        if self._config.turn_detection is not None:
            raise InvalidError(
                "input_audio_buffer.commit",
                "turn_detection null; under server_vad the server commits by itself",
            )
        await self._listening.commit()

    async def _clear(self, _heard: Json) -> None:
        await self._listening.clear()


def _metadata(value: object) -> Json | None:
    if value is None:
        return None
    fits = isinstance(value, dict) and len(value) <= _METADATA_PAIRS
    if not fits or not all(
        isinstance(text, str) and len(key) <= _METADATA_KEY and len(text) <= _METADATA_VALUE
        for key, text in value.items()  # type: ignore[attr-defined]
    ):
        raise InvalidError(
            "response.metadata",
            f"up to {_METADATA_PAIRS} pairs, keys to {_METADATA_KEY} characters, string values to "
            f"{_METADATA_VALUE}",
        )
    return value  # type: ignore[return-value]
