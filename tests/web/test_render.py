import base64
import io
import json
import wave

from tts_service.chat.events import Reply, Spoken
from tts_service.errors import SpeechTimeout
from tts_service.speech.audio import Pcm
from tts_service.web import render

TIMINGS = {"llm_first_token": 1, "llm": 2, "speech_first_audio": 3, "speech": 4, "total": 6}
HOSTILE = '</script>"\\ \u2028 \x00 é 🎉'


def test_a_spoken_reply_is_the_contract_s_json() -> None:
    pcm = Pcm(b"\1\0" * 24_690, 24_000)
    body = json.loads(render.reply_json(Reply("c-1", HOSTILE, Spoken("ara", pcm, True, True), None, TIMINGS)))
    assert list(body) == ["conversation_id", "text", "audio_url", "audio", "audio_error", "timings_ms"]
    assert body["text"] == HOSTILE
    assert body["audio"] == {"voice": "ara", "duration_s": 1.029, "truncated": True, "cached": True}
    assert body["audio_error"] is None
    assert body["timings_ms"] == TIMINGS
    head, _, data = body["audio_url"].partition(",")
    assert head == "data:audio/wav;base64"
    with wave.open(io.BytesIO(base64.b64decode(data, validate=True))) as sound:
        assert sound.readframes(99_999) == pcm.data


def test_a_reply_whose_voice_failed_keeps_its_text() -> None:
    body = json.loads(render.reply_json(Reply("c-1", "Hello", None, SpeechTimeout(), TIMINGS)))
    assert (body["text"], body["audio_url"], body["audio"]) == ("Hello", None, None)
    error = {"code": "speech_timeout", "message": SpeechTimeout.message, "retryable": True}
    assert body["audio_error"] == error


def test_a_text_only_reply_has_neither_voice_nor_error() -> None:
    body = json.loads(render.reply_json(Reply("c-1", "Hello", None, None, TIMINGS)))
    assert (body["audio_url"], body["audio"], body["audio_error"]) == (None, None, None)


def test_server_timing_names_every_stage_with_its_duration() -> None:
    assert render.server_timing({"llm": 2, "total": 6}) == "llm;dur=2, total;dur=6"
