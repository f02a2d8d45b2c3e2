"""The caller's side of the conversation: turns made of appended audio, by hand or by voice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tts_service.sandbox.provider import Visit
from tts_service.sandbox.realtime.config import Config, InvalidError, Json
from tts_service.sandbox.realtime.ear import Ear, Started
from tts_service.sandbox.realtime.events import event
from tts_service.sandbox.realtime.floor import Floor
from tts_service.sandbox.realtime.items import Items, new_id
from tts_service.sandbox.wire import Wire

_HEARD = "Hello."


class Listening:
    """Turns appended audio into the caller's messages. `answer` starts the model's reply."""

    def __init__(
        self,
        wire: Wire,
        visit: Visit,
        conversation: Items,
        floor: Floor,
        answer: Callable[[], None],
    ) -> None:
        self._wire = wire
        self._visit = visit
        self._items = conversation
        self._floor = floor
        self._answer = answer
        self._ear = Ear()
        self._item_id = new_id("item")
        self._config = Config()
        self._quiet_since = time.monotonic()
        self._changed = asyncio.Event()

    def configure(self, config: Config) -> None:
        """Takes a new configuration into account, from the next audio on."""
        self._config = config
        self._quiet_since = time.monotonic()
        self._changed.set()

    async def append(self, data: bytes, config: Config) -> None:
        """Appended audio; thrown away while an uninterruptible reply is being said (1.8)."""
        if self._floor.active is not None and not self._floor.active.interruptible:
            return
        for noticed in self._ear.append(data, config.hears, config.turn_detection):
            self._quiet_since = time.monotonic()
            if isinstance(noticed, Started):
                await self._started(noticed.at_ms)
            else:
                await self._stopped(noticed.at_ms)

    async def commit(self) -> None:
        """The buffer becomes a message of the caller's. Raises InvalidError when it is empty."""
        if self._ear.buffered_ms <= 0:
            raise InvalidError("input_audio_buffer.commit", "appended audio; the buffer is empty")
        await self._take_turn()

    async def clear(self) -> None:
        """Empties the buffer."""
        self._ear.take()
        await self._wire.send(event("input_audio_buffer.cleared"))

    async def watch_silence(self) -> None:
        """Under server_vad with idle_timeout_ms: the model speaks up after that long a silence."""
        while True:
            limit_ms = (self._config.turn_detection or {}).get("idle_timeout_ms")
            if limit_ms is None:
                await self._changed.wait()
                self._changed.clear()
                continue
            if self._floor.busy or self._ear.speaking:
                self._quiet_since = time.monotonic()
            left_s = self._quiet_since + limit_ms / 1000 - time.monotonic()
            if left_s <= 0:
                await self._timed_out()
            else:
                await asyncio.sleep(min(left_s, 0.1))

    async def _started(self, at_ms: int) -> None:
        await self._wire.send(
            event("input_audio_buffer.speech_started", item_id=self._item_id, audio_start_ms=at_ms)
        )
        self._floor.cancel()  # the caller barges in; nothing to cut off is fine

    async def _stopped(self, at_ms: int) -> None:
        await self._wire.send(
            event("input_audio_buffer.speech_stopped", item_id=self._item_id, audio_end_ms=at_ms)
        )
        await self._take_turn()
        self._answer()

    async def _timed_out(self) -> None:
        self._quiet_since = time.monotonic()
        now_ms = round(self._ear.total_ms)
        held_ms = round(self._ear.take())
        await self._wire.send(
            event(
                "input_audio_buffer.timeout_triggered",
                item_id=self._item_id,
                previous_item_id=self._items.last_id(),
                audio_start_ms=now_ms - held_ms,
                audio_end_ms=now_ms,
            )
        )
        self._item_id = new_id("item")
        self._answer()

    async def _take_turn(self) -> None:
        """committed, the item, its transcript (protocols 1.6)."""
        self._ear.take()
        item_id, self._item_id = self._item_id, new_id("item")
        transcript = self._visit.switches.text("hears") or _HEARD
        previous = self._items.add(_spoken_by_caller(item_id, transcript))
        await self._wire.send(
            event("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        )
        await self._wire.send(
            event(
                "conversation.item.added",
                previous_item_id=previous,
                item=_spoken_by_caller(item_id, None),
            )
        )
        await self._transcribe(item_id, transcript)

    async def _transcribe(self, item_id: str, transcript: str) -> None:
        kind = "conversation.item.input_audio_transcription"
        # `.updated` is cumulative, and comes only with this model (protocols 1.3).
        if (self._config.transcription or {}).get("model") == "grok-transcribe":
            words = transcript.split()
            for count in range(1, len(words) + 1):
                so_far = " ".join(words[:count])
                await self._wire.send(event(f"{kind}.updated", item_id=item_id, transcript=so_far))
        await self._wire.send(event(f"{kind}.completed", item_id=item_id, transcript=transcript))


def _spoken_by_caller(item_id: str, transcript: str | None) -> Json:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": transcript}],
    }
