"""Long computing beside the greenlets, in a process that gevent has patched as gunicorn's worker does."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tts_service import aside

SCRIPT = """
import gevent
from gevent import monkey
from tts_service import aside

answered = monkey.get_original("_thread", "allocate_lock")()
answered.acquire()
gevent.spawn_later(0.01, answered.release)  # another greenlet, while the work blocks its thread
assert aside.run(lambda: answered.acquire(timeout=10)), "every greenlet stood still"
try:
    aside.run(lambda: 1 // 0)
except ZeroDivisionError:
    print("both ran")
"""


def test_the_other_greenlets_go_on_and_a_failure_comes_back() -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        f"from gevent import monkey; monkey.patch_all()\n{SCRIPT}",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout.strip(), ended.returncode) == ("both ran", 0), ended.stderr


def test_without_gevent_the_work_runs_where_it_is_asked_for() -> None:
    assert aside.run(threading.get_ident) == threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        aside.run(lambda: 1 // 0)
