"""What /proc tells of processes and cores. Linux only, like the benchmark."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

_CPUCLOCK_SCHED = 2
_RESET_PEAK = "5"  # proc(5), clear_refs


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_s(pids: list[int]) -> float:
    """User and system time of processes with all their threads, also of threads that have ended.

    The same as utime+stime of /proc/PID/stat, but in nanoseconds instead of ticks of 10 ms (see
    clock_getcpuclockid(3) for the number).
    """
    return sum(time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED) for pid in pids)


def forget_peaks(pids: list[int]) -> None:
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def peak_mb(pid: int) -> float:
    """The most memory a process had resident since `forget_peaks`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


@dataclass(frozen=True)
class CoreTimes:
    """Ticks since boot."""

    busy: int
    stolen: int
    total: int

    @classmethod
    def of(cls, core: int) -> CoreTimes:
        for line in Path("/proc/stat").read_text().splitlines():
            name, *fields = line.split()
            if name == f"cpu{core}":
                user, nice, system, idle, iowait, irq, softirq, steal = map(int, fields[:8])
                busy = user + nice + system + irq + softirq
                return cls(busy, steal, busy + idle + iowait + steal)
        raise RuntimeError(f"/proc/stat knows no core {core}")

    def since(self, before: CoreTimes) -> tuple[float, float]:
        """(busy, stolen) as shares from 0 to 1."""
        total = max(1, self.total - before.total)
        return (self.busy - before.busy) / total, (self.stolen - before.stolen) / total
