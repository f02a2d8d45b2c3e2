"""The scripted provider's WebSockets: `/realtime` (protocols 1.2 to 1.8) and `/tts` (protocols 3.3)."""

from __future__ import annotations

import abc
import asyncio
import itertools
import struct
import time
from collections import Counter, deque

import orjson

from bench.script import Script
from bench.sound import deltas

_ids = itertools.count(1)
_CLOSE, _PING, _PONG, _TEXT = 0x88, 0x89, 0x8A, 0x81


def frame(payload: bytes, first: int = _TEXT) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


class Socket(abc.ABC):
    """Reads frames, and sends sound in the script's time."""

    def __init__(self, transport: asyncio.Transport, script: Script, stats: Counter[str]) -> None:
        self._transport, self._script, self._stats = transport, script, stats
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[str] = deque()
        self._is_speaking = False

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while (message := self._frame()) is not None:
            first, payload = message
            if first == _TEXT:
                self._hear(orjson.loads(payload))
            elif first == _PING:
                self._transport.write(frame(payload, _PONG))
            elif first == _CLOSE:
                self._transport.write(frame(payload[:2], _CLOSE))
                self._transport.close()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._is_speaking or self._waiting:
            self._stats["left_while_speaking"] += 1

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 6:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(buffer[2 : 2 + width], "big"), 2 + width
        end = start + 4 + size
        if len(buffer) < end:
            return None
        mask = bytes(buffer[start : start + 4]) * (size // 4 + 1)
        masked = int.from_bytes(buffer[start + 4 : end], "little")
        payload = (masked ^ int.from_bytes(mask[:size], "little")).to_bytes(size, "little")
        first = buffer[0]
        del buffer[:end]
        return first, payload

    @abc.abstractmethod
    def _hear(self, event: dict) -> None: ...

    @abc.abstractmethod
    def _begin(self, text: str) -> None: ...

    @abc.abstractmethod
    def _delta(self, number: int, sound: bytes) -> bytes: ...

    @abc.abstractmethod
    def _end(self) -> bytes: ...

    def _send(self, **event: object) -> None:
        self._transport.write(_event(**event))

    def _speak(self, text: str) -> None:
        """One text after the other (protocols 8: queued ones play in order)."""
        if self._is_speaking:
            self._waiting.append(text)
            return
        self._is_speaking = True
        self._stats[f"spoken_{type(self).__name__.lower()}"] += 1
        self._begin(text)
        sounds = deltas(self._script.sound_bytes(text))
        if not self._script.delta_every_s:
            self._transport.write(b"".join(self._delta(n, sound) for n, sound in enumerate(sounds)))
            self._ended()
            return
        self._pace(sounds, 0, self._loop.time() + self._script.first_delta_s)

    def _pace(self, sounds: tuple[bytes, ...], number: int, at: float) -> None:
        # Against the first one's time, so that a late timer makes no later one late.
        self._timer = self._loop.call_at(
            at + number * self._script.delta_every_s, self._tick, sounds, number, at
        )

    def _tick(self, sounds: tuple[bytes, ...], number: int, at: float) -> None:
        self._transport.write(self._delta(number, sounds[number]))
        if number + 1 < len(sounds):
            self._pace(sounds, number + 1, at)
        else:
            self._ended()

    def _ended(self) -> None:
        self._transport.write(self._end())
        self._is_speaking = False
        if self._waiting:
            self._speak(self._waiting.popleft())


def _event(**event: object) -> bytes:
    return frame(orjson.dumps({"event_id": f"event_{next(_ids):012}", **event}))


class Realtime(Socket):
    def __init__(self, transport: asyncio.Transport, script: Script, stats: Counter[str]) -> None:
        super().__init__(transport, script, stats)
        self._configured = False
        self._text = self._response = self._item = ""
        session = {"id": f"sess_{next(_ids)}", "object": "realtime.session", "model": "scripted"}
        conversation = {"id": f"conv_{next(_ids)}", "object": "realtime.conversation"}
        self._send(type="session.created", session={**session, "turn_detection": {"type": None}})
        self._send(type="conversation.created", conversation=conversation)
        self._send(type="ping", timestamp=int(time.time() * 1000))

    def _hear(self, event: dict) -> None:
        kind = event.get("type")
        if kind == "session.update":
            self._configured = True
            self._send(type="session.updated", session={"object": "realtime.session", **event["session"]})
        elif kind == "conversation.item.create" and self._configured:
            self._item_created(event["item"])
        elif kind not in ("pong", "response.cancel"):
            self._wrong(f"unexpected {kind}")

    def _item_created(self, item: dict) -> None:
        parts = item.get("content") or [{}]
        if item.get("type") != "force_message" or parts[0].get("type") != "output_text":
            self._wrong("only force_message is spoken here")
        elif not parts[0].get("text"):
            self._wrong("empty text")
        else:
            self._speak(parts[0]["text"])

    def _wrong(self, message: str) -> None:
        self._stats["protocol_errors"] += 1
        error = {"type": "invalid_request_error", "code": "invalid_request_error", "message": message}
        self._send(type="error", error=error)

    def _begin(self, text: str) -> None:
        number = next(_ids)
        self._text, self._response, self._item = text, f"resp_{number:08}", f"item_{number:08}"
        response = {"id": self._response, "object": "realtime.response", "status": "in_progress"}
        item = {"id": self._item, "type": "message", "status": "in_progress", "role": "assistant"}
        place = {"response_id": self._response, "item_id": self._item, "output_index": 0, "content_index": 0}
        self._transport.write(
            _event(type="response.created", response={**response, "output": [], "metadata": None})
            + _event(type="response.output_item.added", response_id=self._response, output_index=0, item=item)
            + _event(type="response.content_part.added", **place, part={"type": "audio"})
            + _event(type="response.output_audio_transcript.delta", **place, delta=text)
        )

    def _delta(self, number: int, sound: bytes) -> bytes:
        return frame(
            b'{"type":"response.output_audio.delta","event_id":"event_%b_%d","response_id":"%b","item_id":"%b",'
            b'"output_index":0,"content_index":0,"delta":"%b"}'
            % (self._item.encode(), number, self._response.encode(), self._item.encode(), sound)
        )

    def _end(self) -> bytes:
        place = {"response_id": self._response, "item_id": self._item, "output_index": 0, "content_index": 0}
        item = {"id": self._item, "type": "message", "status": "completed", "role": "assistant"}
        done = {"id": self._response, "object": "realtime.response", "status": "completed", "usage": {}}
        return (
            _event(type="response.output_audio.done", **place)
            + _event(type="response.output_audio_transcript.done", **place, transcript=self._text)
            + _event(type="response.content_part.done", **place, part={"type": "audio"})
            + _event(type="response.output_item.done", response_id=self._response, output_index=0, item=item)
            + _event(type="response.done", response={**done, "metadata": None})
        )


class Tts(Socket):
    """Speaks at `text.done`; the real one may begin sooner."""

    _text = ""

    def _hear(self, event: dict) -> None:
        kind = event.get("type")
        if kind == "text.delta":
            self._text += event["delta"]
        elif kind == "text.done":
            text, self._text = self._text, ""
            self._speak(text)
        elif kind == "text.clear":
            self._text = ""
            self._transport.write(frame(b'{"type":"audio.clear"}'))
        elif kind == "session.update":
            replace = event.get("session", event).get("replace")
            self._transport.write(frame(orjson.dumps({"type": "session.updated", "replace": replace})))
        else:
            self._stats["protocol_errors"] += 1
            self._transport.write(frame(b'{"type":"error","message":"unexpected event"}'))

    def _begin(self, text: str) -> None:
        pass

    def _delta(self, number: int, sound: bytes) -> bytes:
        return frame(b'{"type":"audio.delta","delta":"%b"}' % sound)

    def _end(self) -> bytes:
        return frame(b'{"type":"audio.done","trace_id":"scripted"}')
