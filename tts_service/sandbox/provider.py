"""What every endpoint of one running sandbox shares, and what one call to it is made of."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Sequence

from aiohttp import web

from tts_service.sandbox import faults, keys, record, refusals
from tts_service.sandbox.realtime import memory
from tts_service.sandbox.speech import Speech


class FaultBoard:
    """The faults in force for everybody: those of the command line, and those of PUT."""

    def __init__(self, standing: Sequence[faults.Spec]) -> None:
        self.standing = tuple(standing)
        self.asked: tuple[faults.Spec, ...] = ()
        self.times: int | None = None

    def put(self, asked: Iterable[faults.Spec], times: int | None) -> None:
        """Replaces what was asked for; `times` None means until further notice."""
        self.asked, self.times = tuple(asked), times

    def take(self, surface: str, own: Iterable[faults.Spec]) -> tuple[faults.Spec, ...]:
        """The specs for one call, the caller's own last so that they win. Uses up one of `times`."""
        asked = tuple(spec for spec in self.asked if spec.applies_to(surface))
        if asked and self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.put((), None)
        return tuple(s for s in (*self.standing, *asked, *own) if s.applies_to(surface))


@dataclasses.dataclass(frozen=True)
class Provider:
    """One running sandbox. `pace` multiplies every delay; 0 removes them."""

    speech: Speech
    board: FaultBoard
    pace: float = 1.0
    max_sessions: int = 100
    keyring: keys.Keyring = dataclasses.field(default_factory=keys.Keyring)
    record: record.Record = dataclasses.field(default_factory=record.Record)
    memory: memory.Memory = dataclasses.field(default_factory=memory.Memory)


PROVIDER = web.AppKey("provider", Provider)


@dataclasses.dataclass(frozen=True)
class Visit:
    """One call let in: who, with which faults, and where it is written down."""

    provider: Provider
    caller: keys.Caller
    switches: faults.Switches
    call: record.Call
    pace: float

    async def wait(self, seconds: float) -> None:
        """Sleeps that long at pace 1; always lets others run."""
        await asyncio.sleep(seconds * self.pace)

    def refused(self, error: refusals.RefusalError) -> dict[str, object]:
        """The refusal's body as this caller's client expects it."""
        return error.body(self.caller.dialect, old_codes=self.switches.on("old_codes"))
