import io
import json
import logging
from collections.abc import Iterator

import pytest

from tts_service import logs

FORMS = pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])


class Lines:
    """A logger whose lines can be read back."""

    def __init__(self, as_json: bool) -> None:
        self.written = io.StringIO()
        self._handler = logging.StreamHandler(self.written)
        self._handler.setFormatter(logs.JsonLines() if as_json else logs.TextLines())
        self.logger = logging.Logger("tts_service.test")
        self.logger.addHandler(self._handler)

    @property
    def text(self) -> str:
        return self.written.getvalue()


@pytest.fixture
def request_id() -> Iterator[str]:
    token = logs.request_id.set("request-1")
    yield "request-1"
    logs.request_id.reset(token)


FORGERIES = [
    "\r\n2026-11-20 INFO [X.AI TTS] event=ok",
    "\x1b[2J\x1b[31mred",
    "a\u2028b\u2029c\x85d",
    "abc\u202egnp.exe\u2066\u200f",
    "\0\x07\x7f",
    "half \ud800 pair",
]


@FORMS
@pytest.mark.parametrize("text", FORGERIES, ids=ascii)
def test_nobody_writes_a_second_line_or_turns_one_around(as_json: bool, text: str) -> None:
    lines = Lines(as_json)
    lines.logger.warning("event=odd what=%s", text)
    line = lines.text.removesuffix("\n")
    assert line.splitlines() == [line]
    assert line.isprintable()


@FORMS
def test_the_speech_prefix_comes_only_from_our_constants(as_json: bool) -> None:
    lines = Lines(as_json)
    lines.logger.info("event=client name=%s", "[X.AI TTS] event=ok")
    assert logs.SPEECH_PREFIX not in lines.text
    lines.logger.info("[X.AI TTS] event=fail detail=%s", "[X.AI TTS] event=ok")
    assert lines.text.count(logs.SPEECH_PREFIX) == 1


@FORMS
@pytest.mark.parametrize(
    "secret",
    [
        "xai-0123456789abcdefABCDEF",
        "sk-proj-0123456789abcdef",
        "xai-realtime-client-secret-0123456789",
        "Bearer eyJhbGciOi.J9.abc_def-123",
        "https://api.example/v1?api_key=0123456789abcdef&x=1",
        "voice-ticket.abcdefghijklmnop",
    ],
)
def test_what_looks_like_a_key_is_cut_out(as_json: bool, secret: str) -> None:
    lines = Lines(as_json)
    lines.logger.info("event=odd said=%s", secret)
    assert "[redacted]" in lines.text
    for piece in ("0123456789", "eyJhbGciOi", "abcdefghijklmnop"):
        assert piece not in lines.text


@FORMS
def test_the_sandbox_key_and_the_route_of_live_voice_are_no_secrets(as_json: bool) -> None:
    lines = Lines(as_json)
    lines.logger.info("event=request route=/ws/xai-voice key=xai")
    assert "redacted" not in lines.text


@FORMS
def test_an_exception_is_told_by_place_and_class_never_by_its_text(as_json: bool) -> None:
    lines = Lines(as_json)
    try:
        try:
            raise KeyError("the visitor's words")
        except KeyError as cause:
            raise ValueError("the visitor's words") from cause
    except ValueError:
        lines.logger.exception("event=bug")
    assert "visitor" not in lines.text
    assert "ValueError" in lines.text
    assert "KeyError" in lines.text
    assert "test_logs.py" in lines.text
    assert lines.text.count("\n") == 1


@FORMS
def test_every_line_carries_the_request_it_belongs_to(as_json: bool, request_id: str) -> None:
    lines = Lines(as_json)
    lines.logger.info("event=any")
    assert request_id in lines.text


def test_json_lines_carry_their_fields_and_no_field_replaces_ours() -> None:
    lines = Lines(as_json=True)
    lines.logger.info("event=x", extra={"fields": {"status": 200, "route": "a\nb", "level": "forged"}})
    entry = json.loads(lines.text)
    assert (entry["status"], entry["route"], entry["level"]) == (200, "a\\u000ab", "info")


def test_configuring_twice_does_not_write_every_line_twice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(as_json=False)
    logs.configure(as_json=True)
    logging.getLogger("tts_service.test").info("event=once")
    assert capsys.readouterr().err.count("event=once") == 1
