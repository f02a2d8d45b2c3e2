"""`python -m bench`: starts everything, checks that all contenders give the same sound, measures, reports."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import report, visit
from bench.contender import BY_KEY, Contender, Running, started, tail, wait_until_ready
from bench.load import Measured, Plan
from bench.meter import CoreTimes
from bench.process import HOST, child, cores
from bench.report import Figures
from bench.visit import Heard

ALL, QUICK_ONES = "ours,gthread,b,a", "ours,b,a"
QUIET, SETTLE_AT_MOST_S = 0.1, 30.0  # a share of a core
FILES_WANTED = 8192  # 500 turns at once hold 500 callers, 500 models and 500 voices open


@dataclass(frozen=True)
class Size:
    """How much is measured: the whole takes under 6 minutes, `--quick` under one."""

    levels: tuple[int, ...] = (1, 50, 200, 500)
    warm_s: float = 3.0
    warm_at_most_s: float = 15.0
    window_s: float = 8.0
    visits: int = 7
    replies: int = 150  # read for the CPU per MB
    readings: int = 3  # of each program, taking turns, so that noise meets them all; the best counts


QUICK = Size(levels=(200,), warm_s=1.5, warm_at_most_s=4.0, window_s=2.0, visits=2, replies=30, readings=1)


class Rig:
    """The peer, the cores and the folder that all measurements share."""

    def __init__(self, opened: ExitStack, folder: Path, size: Size) -> None:
        self.opened, self.folder, self.size = opened, folder, size
        self.server_core, self.rig_core = cores()
        self.peer_log = folder / "peer.log"
        command = [sys.executable, "-m", "bench.peer"]
        peer = opened.enter_context(child(command, core=self.rig_core, log=self.peer_log, pipe=True))
        assert peer.stdout is not None
        ports = json.loads(peer.stdout.readline() or "{}")
        if not ports:
            raise SystemExit(f"bench: the peer did not start:\n{tail(self.peer_log)}")
        self.port: int = ports["port"]
        self._far_port: int = ports["far_port"]

    def near(self, script: str) -> str:
        return f"http://{HOST}:{self.port}/{script}/v1"

    def far(self, script: str) -> str:
        return f"http://{HOST}:{self._far_port}/{script}/v1"

    def start(self, opened: ExitStack, key: str, base_url: str) -> Running:
        contender: Contender = BY_KEY[key]
        folder = self.folder / f"{key}-{time.monotonic_ns()}"
        return opened.enter_context(started(contender, base_url, self.server_core, folder))

    def program(self, module: str, *arguments: str, core: int, within_s: float) -> str:
        """What a program of ours prints."""
        log = self.folder / "programs.log"
        command = [sys.executable, "-m", module, *arguments]
        with child(command, core=core, log=log, pipe=True) as process:
            try:
                output, _ = process.communicate(timeout=within_s)
            except subprocess.TimeoutExpired:
                raise SystemExit(f"bench: {module} took more than {within_s:.0f} s") from None
            if process.returncode:
                raise SystemExit(f"bench: {module} failed:\n{tail(log)}")
        return output.decode()


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


def measure(rig: Rig, keys: Sequence[str], figures: Figures) -> None:
    with ExitStack() as opened:
        say(f"starting {', '.join(keys)}")
        servers = [rig.start(opened, key, rig.near("load")) for key in keys]
        for server in servers:
            wait_until_ready(server)
            _check(rig, server)
        if "ours" in keys:
            _handshake(rig, servers[keys.index("ours")], figures)
        for level in rig.size.levels:
            for server in servers:
                _load(rig, server, level, figures)
    _visits(rig, keys, figures)
    if "ours" in keys:
        _reading(rig, figures)


def _check(rig: Rig, server: Running) -> None:
    spoken = f"spoken_{server.contender.engine}"
    before = visit.peer_stats(rig.port).get(spoken, 0)
    try:
        visit.check(server)
        if visit.peer_stats(rig.port).get(spoken, 0) != before + 1:
            raise visit.WrongAnswer(f"the peer was not asked to speak once at /{server.contender.engine}")
    except (visit.WrongAnswer, KeyError, ValueError) as error:
        raise SystemExit(
            f"bench: {server.contender.key} gives a wrong answer: {error}\n{tail(server.log)}"
        ) from None
    say(f"{server.contender.key}: the right sound, byte for byte")


def _settle(core: int) -> None:
    """Until the core is quiet: a server that was overrun goes on with turns whose visitors have left."""
    until = time.monotonic() + SETTLE_AT_MOST_S
    busy = 1.0
    while busy > QUIET and time.monotonic() < until:
        before = CoreTimes.of(core)
        time.sleep(0.5)
        busy, _ = CoreTimes.of(core).since(before)


def _load(rig: Rig, server: Running, level: int, figures: Figures) -> None:
    _settle(rig.server_core)
    plan = Plan(
        host=HOST,
        port=server.port,
        client_id=server.client_id,
        server_pid=server.pid,
        rig_core=rig.rig_core,
        server_core=rig.server_core,
        turns=level,
        warm_s=rig.size.warm_s,
        warm_at_most_s=rig.size.warm_at_most_s,
        window_s=rig.size.window_s,
    )
    within_s = rig.size.warm_at_most_s + rig.size.window_s + 20
    printed = rig.program("bench.load", json.dumps(asdict(plan)), core=rig.rig_core, within_s=within_s)
    measured = Measured(**json.loads(printed))
    key = server.contender.key
    figures.loads.setdefault(key, {})[level] = measured
    figures.problems += report.problems_of(key, level, measured)
    say(
        f"{key} at {level}: {report.turns_per_s(measured):.1f} turns/s, "
        f"added {report.added_ms(measured, 0.5):.1f} / {report.added_ms(measured, 0.99):.1f} ms p50 / p99, "
        f"{report.cpu_ms(measured):.2f} ms CPU a turn, {measured.worker_mb:.0f} MB, "
        f"cores: server {measured.server_busy:.0%}, rig {measured.rig_busy:.0%}, "
        f"stolen {measured.stolen:.1%}, errors {measured.errors or 'none'}"
    )


def _handshake(rig: Rig, at_once: Running, figures: Figures) -> None:
    """Each turn of one beside a turn of the other, so that both see the same machine."""
    with ExitStack() as opened:
        slow = rig.start(opened, "ours", rig.near("slow-handshake"))
        wait_until_ready(slow)
        with ThreadPoolExecutor(2) as pool:
            works = [pool.submit(visit.load_turns, server, rig.size.visits) for server in (at_once, slow)]
            figures.handshake_ms = {"at once": works[0].result(), "slow": works[1].result()}
    say(f"handshake at once / 150 ms later, the whole turn: {figures.handshake_ms}")


def _visits(rig: Rig, keys: Sequence[str], figures: Figures) -> None:
    """All at the same time: a turn needs some ms of CPU in 3 s, so they hardly meet."""
    # gthread waits for the same things as ours; its row shows load.
    far_keys = [key for key in keys if key != "gthread"]
    say("one visitor, 50 ms away, a model that writes 35 words a second")
    count = rig.size.visits
    with ExitStack() as opened:
        servers = [rig.start(opened, key, rig.far("long")) for key in far_keys]
        for server in servers:
            wait_until_ready(server)
        with ThreadPoolExecutor(2 * len(servers) + 2) as pool:
            whole = {s.contender.key: pool.submit(visit.json_turns, s, count) for s in servers}
            streams = {
                s.contender.key: pool.submit(visit.stream_turns, s, count)
                for s in servers
                if s.contender.is_ours
            }
            sockets = {n: pool.submit(_sockets, rig, n) for n in (1, 2)} if "ours" in keys else {}
            figures.heard = {key: visit.p50(_result(key, work)) for key, work in whole.items()}
            for key, work in streams.items():
                turns = _result(key, work)
                figures.streamed[key] = visit.p50(turns) if turns else None
            figures.sockets = {n: work.result() for n, work in sockets.items()}
    for key, heard in figures.heard.items():
        streamed = figures.streamed.get(key)
        first = f"{streamed.first_audio_ms:.0f} ms as event stream" if streamed else "with the whole reply"
        say(f"{key}: whole reply {heard.whole_ms:.0f} ms, first audio {first}")


def _result(key: str, work: Future[list[Heard]]) -> list[Heard]:
    try:
        return work.result()
    except visit.WrongAnswer as error:
        raise SystemExit(f"bench: {key} gives a wrong answer: {error}") from None


def _sockets(rig: Rig, sockets: int) -> Heard:
    arguments = (rig.far("long"), str(sockets), str(rig.size.visits))
    printed = rig.program("bench.sockets", *arguments, core=rig.server_core, within_s=60)
    return visit.p50([Heard(**json.loads(line)) for line in printed.splitlines()])


def _reading(rig: Rig, figures: Figures) -> None:
    arguments = (str(rig.port), str(rig.size.replies))
    programs = {
        "count": ("bench.reading", "count"),
        "decode": ("bench.reading", "decode"),
        "ours": ("bench.own_reading",),
    }
    for _ in range(rig.size.readings):
        for key, program in programs.items():
            printed = rig.program(*program, *arguments, core=rig.server_core, within_s=60)
            figures.us_per_mb[key] = min(float(printed), figures.us_per_mb.get(key, math.inf))
    say("reading a MB of audio, us: " + ", ".join(f"{k} {v:.0f}" for k, v in figures.us_per_mb.items()))


def _machine() -> str:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{models[0] if models else platform.machine()}, Python {platform.python_version()}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the service beside other ways to build it, on loopback, against a scripted "
        "provider. Prints Markdown on stdout and its progress on stderr.",
    )
    names = ", ".join(f"{key}: {contender.name.replace('**', '')}" for key, contender in BY_KEY.items())
    parser.add_argument("--only", help=f"of {names} (default: {ALL}; with --quick {QUICK_ONES})")
    parser.add_argument("--quick", action="store_true", help="small counts, under a minute: is all well?")
    parser.add_argument("--levels", help="turns at once, such as 1,50,200,500")
    parser.add_argument("--window", type=float, help="seconds measured at each level")
    parser.add_argument("--out", type=Path, help="write all raw figures to this file, as JSON")
    return parser.parse_args()


def _size(arguments: argparse.Namespace) -> Size:
    size = QUICK if arguments.quick else Size()
    levels = size.levels
    if arguments.levels:
        levels = tuple(int(level) for level in arguments.levels.split(","))
    return replace(size, levels=levels, window_s=arguments.window or size.window_s)


def _keys(arguments: argparse.Namespace) -> list[str]:
    keys = (arguments.only or (QUICK_ONES if arguments.quick else ALL)).split(",")
    for key in keys:
        if key not in BY_KEY:
            raise SystemExit(f"bench: there is no contender {key!r}; there are {', '.join(BY_KEY)}.")
    return keys


def _prepare() -> None:
    if not sys.platform.startswith("linux"):
        raise SystemExit("bench: it reads /proc and pins processes to cores, which only Linux has.")
    if not Path("wsgi.py").exists():
        raise SystemExit("bench: start it in the project's folder, where wsgi.py is.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def main() -> int:
    arguments = _arguments()
    size, keys = _size(arguments), _keys(arguments)
    _prepare()
    figures = Figures(machine=_machine())
    began = time.monotonic()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="tts-bench-")))
        rig = Rig(opened, folder, size)
        os.sched_setaffinity(0, {rig.rig_core})
        measure(rig, keys, figures)
        figures.peer = visit.peer_stats(rig.port)
    if figures.peer.get("protocol_errors") or figures.peer.get("refused"):
        figures.problems.append(f"the peer met protocol errors: {figures.peer}")
    if arguments.out:
        arguments.out.write_text(json.dumps(report.document(figures), indent=1))
    say(f"done in {time.monotonic() - began:.0f} s")
    print(report.markdown(figures))
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
