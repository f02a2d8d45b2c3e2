from __future__ import annotations

from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from tts_service.cli import main
from tts_service.sandbox.main import start_in_thread


def test_a_file_that_cannot_be_written_is_told_before_speech_is_bought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTS_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.setenv("XAI_API_KEY", "xai-sandbox")
    with start_in_thread(voice="tone") as base_url:
        monkeypatch.setenv("XAI_BASE_URL", base_url)
        told = CliRunner().invoke(main, ["say", "Hello.", "--out", str(tmp_path / "no folder" / "x.wav")])
        record = requests.get(base_url.replace("/v1", "/sandbox/calls"), timeout=60).json()
    assert told.exit_code == 2
    assert "no folder" in told.stderr
    assert record["calls"] == []
