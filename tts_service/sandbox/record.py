"""What was asked of the sandbox: the last calls and the counters, for testers to read."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import time

KEPT = 1_000
TEXTS_KEPT_PER_CALL = 200


@dataclasses.dataclass
class Call:
    """One request or one socket. `credential` is a kind ("API key"), never a value."""

    surface: str
    credential: str = "none"
    status: int | None = None
    model: str | None = None
    voice: str | None = None
    closed: str | None = None
    faults: list[str] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)
    characters: int = 0
    items_created: int = 0
    audio_ms: int = 0
    events: dict[str, int] = dataclasses.field(default_factory=dict)
    started_at: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat()
    )
    duration_ms: int | None = None
    _began: float = dataclasses.field(default_factory=time.monotonic, repr=False)

    def heard(self, text: str) -> None:
        """A text the caller sent to be answered or spoken."""
        if len(self.texts) < TEXTS_KEPT_PER_CALL:
            self.texts.append(text)
        self.characters += len(text)

    def count(self, event_type: str) -> None:
        """One event of that type came from the caller."""
        self.events[event_type] = self.events.get(event_type, 0) + 1

    def end(self, closed: str) -> None:
        """The first reason given is the one kept."""
        if self.duration_ms is None:
            self.duration_ms = round((time.monotonic() - self._began) * 1000)
        self.closed = self.closed or closed

    def as_json(self) -> dict[str, object]:
        """What GET /sandbox/calls shows."""
        shown = dataclasses.asdict(self)
        del shown["_began"]
        shown["text_lengths"] = [len(text) for text in self.texts]
        return shown


class Record:
    """The last KEPT calls, and counters since the start or the last reset."""

    def __init__(self) -> None:
        self._calls: collections.deque[Call] = collections.deque(maxlen=KEPT)
        self._forgotten = collections.Counter[str]()
        self._open: collections.Counter[tuple[str, str]] = collections.Counter()

    def begin(self, surface: str) -> Call:
        """A new call, in the record from its first moment."""
        if len(self._calls) == KEPT:
            self._forgotten.update(_sums(self._calls[0]))
        call = Call(surface)
        self._calls.append(call)
        return call

    def opened(self, surface: str, account: str) -> None:
        """A socket was let in."""
        self._open[surface, account] += 1

    def shut(self, surface: str, account: str) -> None:
        """A socket is gone."""
        self._open[surface, account] -= 1
        self._open += collections.Counter()  # drops the zeros

    def open_for(self, surface: str, account: str) -> int:
        """How many sockets an account holds now."""
        return self._open[surface, account]

    def reset(self) -> None:
        """Forget everything but the sockets still open."""
        self._calls.clear()
        self._forgotten.clear()

    def as_json(self) -> dict[str, object]:
        """The whole record, oldest call first."""
        sums = collections.Counter(self._forgotten)
        for call in self._calls:
            sums.update(_sums(call))
        counters = {name: sums[name] for name in _COUNTERS}
        for surface in ("realtime", "tts_ws"):
            counters[f"{surface}_sessions_open"] = sum(
                n for (where, _), n in self._open.items() if where == surface
            )
        return {"counters": counters, "calls": [call.as_json() for call in self._calls]}


_COUNTERS = ("calls", "realtime_sessions", "tts_ws_sessions", "items_created", "characters", "audio_ms")


def _sums(call: Call) -> dict[str, int]:
    socket = call.surface in ("realtime", "tts_ws") and call.status == 101
    return {
        "calls": 1,
        f"{call.surface}_sessions": int(socket),
        "items_created": call.items_created,
        "characters": call.characters,
        "audio_ms": call.audio_ms,
    }
