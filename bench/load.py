"""Visitors who each ask again as soon as they are answered: `turns` of them at once, on open connections.

Run as a process of its own, `python -m bench.load '{...}'`; prints one JSON object. They come one by one, so
that their turns do not march in step, and are counted once every one of them has been answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

import orjson
import uvloop

from bench import meter
from bench.script import FIXED_BYTES, LOAD_TURN_S

DRAIN_S = 2.0
LEAST_BODY = FIXED_BYTES * 4 // 3  # bytes of an answer that has its sound in it


@dataclass(frozen=True)
class Plan:
    host: str
    port: int
    client_id: str
    server_pid: int
    rig_core: int
    server_core: int
    turns: int
    warm_s: float
    warm_at_most_s: float  # a server slower than this is measured as it is
    window_s: float


@dataclass
class Measured:
    turns: int
    window_s: float
    latencies_ms: list[float]
    errors: dict[str, int]
    cpu_s: float
    worker_mb: float
    all_mb: float
    rig_busy: float
    server_busy: float
    stolen: float


@dataclass
class _Tally:
    is_open: bool = True
    latencies_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    answered: set[int] = field(default_factory=set)
    buffer: bytearray = field(default_factory=lambda: bytearray(1 << 18))  # one for all: bodies are counted


class Visitor(asyncio.BufferedProtocol):
    def __init__(self, number: int, plan: Plan, tally: _Tally) -> None:
        self._number, self._plan, self._tally = number, plan, tally
        self._head, self._began = b"", 0.0
        self._length = 0
        self._left: int | None = None  # of the body
        self.transport: asyncio.Transport | None = None
        self.is_waiting = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.is_waiting:
            self._tally.errors["connection lost"] += 1
            self.is_waiting = False
        if self._tally.is_open:
            asyncio.get_running_loop().call_later(0.1, self._again)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._tally.buffer

    def buffer_updated(self, size: int) -> None:
        if self._left is None:
            self._head += memoryview(self._tally.buffer)[:size]
            size = self._end_head()
        if self._left is not None:
            self._left -= size
            if self._left == 0:
                self._answered()

    def _end_head(self) -> int:
        """Sets `_left` once the head is whole; how many bytes of the body came with it."""
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return 0
        self._head = head
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self._length = self._left = int(value)
        return len(body)

    def _answered(self) -> None:
        tally, status = self._tally, self._head[9:12].decode()
        if status != "200":
            tally.errors[f"status {status}"] += 1
        elif self._length < LEAST_BODY:
            tally.errors["no sound"] += 1
        else:
            tally.latencies_ms.append((time.perf_counter() - self._began) * 1000)
        tally.answered.add(self._number)
        self.is_waiting = False
        if tally.is_open:
            self._ask()

    def _ask(self) -> None:
        body = orjson.dumps(
            {
                "client_id": self._plan.client_id,
                "message": "Where is my order?",
                "conversation_id": f"visitor-{self._number}",
            }
        )
        self._head, self._left, self.is_waiting = b"", None, True
        self._began = time.perf_counter()
        assert self.transport is not None
        self.transport.write(
            b"POST /api/chat HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    def _again(self) -> None:
        self.connecting = asyncio.get_running_loop().create_task(self.connect())

    async def connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, self._plan.host, self._plan.port)
        except OSError:
            self._tally.errors["connection refused"] += 1
            if self._tally.is_open:
                asyncio.get_running_loop().call_later(0.1, self._again)


async def run(plan: Plan) -> Measured:
    tally = _Tally()
    visitors = [Visitor(number, plan, tally) for number in range(plan.turns)]
    began = time.monotonic()
    for number, visitor in enumerate(visitors):
        await asyncio.sleep(max(0.0, began + LOAD_TURN_S * number / plan.turns - time.monotonic()))
        await visitor.connect()
    await asyncio.sleep(max(0.0, began + plan.warm_s - time.monotonic()))
    while len(tally.answered) < plan.turns and time.monotonic() - began < plan.warm_at_most_s:
        await asyncio.sleep(0.05)
    measured = await _window(plan, tally)
    tally.is_open = False
    drained_at = time.monotonic() + DRAIN_S
    while any(visitor.is_waiting for visitor in visitors) and time.monotonic() < drained_at:
        await asyncio.sleep(0.05)
    for visitor in visitors:
        visitor.is_waiting = False
        if visitor.transport:
            visitor.transport.abort()
    return measured


async def _window(plan: Plan, tally: _Tally) -> Measured:
    # Errors of the warm-up count too: nothing may go wrong unseen.
    tally.latencies_ms.clear()
    pids = meter.tree(plan.server_pid)
    meter.forget_peaks(pids)
    rig, server = meter.CoreTimes.of(plan.rig_core), meter.CoreTimes.of(plan.server_core)
    cpu_s, began = meter.cpu_s(pids), time.monotonic()
    await asyncio.sleep(plan.window_s)
    took_s, cpu_s = time.monotonic() - began, meter.cpu_s(pids) - cpu_s
    rig_busy, rig_stolen = meter.CoreTimes.of(plan.rig_core).since(rig)
    server_busy, server_stolen = meter.CoreTimes.of(plan.server_core).since(server)
    peaks_mb = [meter.peak_mb(pid) for pid in pids]
    return Measured(
        turns=len(tally.latencies_ms),
        window_s=took_s,
        latencies_ms=sorted(tally.latencies_ms),
        errors=dict(tally.errors),
        cpu_s=cpu_s,
        worker_mb=max(peaks_mb),
        all_mb=sum(peaks_mb),
        rig_busy=rig_busy,
        server_busy=server_busy,
        stolen=max(rig_stolen, server_stolen),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(Plan(**json.loads(sys.argv[1])))))))
