"""`tts-service demo`, where it does not come as far as its banner. The rest of it is in
tests/browser/test_dashboard_road.py, which goes the road that the banner opens.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from tts_service.cli.demo import demo

ROOT = Path(__file__).parents[2]


def refused(*arguments: str, **env: str) -> Result:
    result = CliRunner().invoke(demo, arguments, env=env, catch_exceptions=False)
    assert result.exit_code == 1
    return result


def test_elsewhere_than_in_the_projects_folder_it_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "project's folder" in refused().stderr


def test_live_without_a_key_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert "XAI_API_KEY" in refused("--live", "--port", "0", XAI_API_KEY="").stderr


def test_told_to_end_while_it_starts_it_leaves_nothing_running(tmp_path: Path) -> None:
    """As soon as the sandbox answers, before there is a service."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "tts_service.cli", "demo", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=env | {"TTS_INSTANCE": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        while not (sandbox := re.search(r"sandbox: (http\S+)", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGTERM)
        said += process.stdout.read()  # until the last child has closed it
        assert process.wait(60) == 0
    assert "Ctrl-C ends everything" not in said
    with socket.socket() as caller:
        assert caller.connect_ex(("127.0.0.1", urlsplit(sandbox[1]).port)) != 0
