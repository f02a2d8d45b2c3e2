"""Child processes: each on a core of its own choice, its output in a file, ended by its process id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import meter

HOST = "127.0.0.1"
STOP_S = 4.0


def cores() -> tuple[int, int]:
    """(the server's, the rig's): two cores, since a rig on the server's core would measure itself."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("bench: two cores are needed, one for the server and one for the rig.")
    return allowed[0], allowed[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def child(
    command: Sequence[str], *, core: int, log: Path, env: dict[str, str] | None = None, pipe: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Pinned to `core`. With `pipe` its output can be read; its complaints are in `log` either way."""
    before = os.sched_getaffinity(0)
    with open(log, "ab") as output:
        os.sched_setaffinity(0, {core})  # inherited: there is no moment in which it runs elsewhere
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the runner alone, which ends its children
            )
        finally:
            os.sched_setaffinity(0, before)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    tree = meter.tree(process.pid) if process.poll() is None else []
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    for pid in tree:
        if pid != process.pid and not _is_running(pid):
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
