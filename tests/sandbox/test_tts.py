"""The dedicated TTS over HTTP and over its socket (protocols 3)."""

from __future__ import annotations

import base64
import io
import struct
import wave

import pytest

TEXT = "A short sentence to be spoken. And then another one, a bit longer than the first."
BODY = {"text": TEXT, "language": "en", "voice_id": "Rex"}


def speak(peer, **fields):
    body = {**BODY, "output_format": {"codec": "pcm"}, **fields}
    return peer.call("POST", "/tts", json=body)


CODECS = [
    ("pcm", "audio/pcm", 48_000),
    ("mulaw", "audio/basic", 24_000),
    ("alaw", "audio/alaw", 24_000),
]


@pytest.mark.parametrize(("codec", "content_type", "bytes_per_s"), CODECS)
def test_each_codec_has_its_type_and_its_size(peer, codec, content_type, bytes_per_s):
    answer = speak(peer, output_format={"codec": codec})

    assert answer.headers["Content-Type"] == content_type
    assert 4 < len(answer.content) / bytes_per_s < 8


def test_wav_is_a_wav_of_the_rate_asked_for(peer):
    answer = speak(peer, output_format={"codec": "wav", "sample_rate": 16000})

    with wave.open(io.BytesIO(answer.content)) as sound:
        assert sound.getparams()[:3] == (1, 2, 16_000)
        assert 4 < sound.getnframes() / 16_000 < 8
    assert struct.unpack("<I", answer.content[4:8])[0] == len(answer.content) - 8


def test_the_body_is_cut_in_the_middle_of_samples(peer):
    body = {**BODY, "output_format": {"codec": "pcm"}}
    with peer.call("POST", "/tts", json=body, stream=True) as answer:
        sizes = [len(part) for part in answer.raw.read_chunked()]

    assert any(size % 2 for size in sizes)
    assert sum(sizes) % 2 == 0


def test_timestamps_come_as_pairs_for_every_character(peer):
    answer = speak(peer, with_timestamps=True).json()

    times = answer["audio_timestamps"]["graph_times"]
    assert "".join(answer["audio_timestamps"]["graph_chars"]) == TEXT
    assert all(start <= end for start, end in times)
    assert times[-1][1] <= answer["duration"] + 0.01
    assert len(base64.b64decode(answer["audio"])) / 48_000 == pytest.approx(answer["duration"], abs=0.01)


REFUSED = [
    ({"language": None}, 400, "Missing field `language`"),
    ({"language": "klingon"}, 400, "`language`"),
    ({"text": ""}, 400, "`text`"),
    ({"text": "x" * 15_001}, 400, "15,000"),
    ({"voice_id": "nobody"}, 404, "ara"),
    ({"output_format": {}}, 400, "`output_format.codec`"),
    ({"output_format": {"codec": "flac"}}, 400, "`output_format.codec`"),
    ({"output_format": {"codec": "pcm", "sample_rate": 32000}}, 400, "sample_rate"),
    ({"output_format": {"codec": "mp3", "bit_rate": 1}}, 400, "bit_rate"),
    ({"speed": 1.6}, 400, "`speed`"),
    ({"voice": "ara"}, 400, "Unknown field `voice`"),
    ({"model": "x"}, 400, "Unknown field `model`"),
    ({"replace": {"a_b": "c"}}, 400, "replace"),
    ({"replace": {"sentence": "x" * 128}, "text": "sentence " * 600}, 400, "60,000"),
]


@pytest.mark.parametrize(("fields", "status", "within"), REFUSED)
def test_a_bad_request_names_the_field(peer, fields, status, within):
    answer = speak(peer, **fields)

    assert answer.status_code == status
    assert within in answer.json()["error"]


def test_the_list_of_voices_has_the_whole_roster_and_one_can_be_asked_for(peer):
    rows = peer.call("GET", "/tts/voices").json()["voices"]

    assert {"ara", "eve", "leo", "rex", "sal", "aurora", "liora", "zenith"} <= {
        row["voice_id"] for row in rows
    }
    assert len(rows) == 28
    assert all(row["language"] is None and row["name"] and row["gender"] for row in rows)
    assert peer.call("GET", "/tts/voices/EVE").json()["name"] == "Eve"
    assert peer.call("GET", "/tts/voices/nobody").status_code == 404


def test_mp3_is_the_default_and_is_mp3(peer, audio):
    answer = peer.call("POST", "/tts", json={"text": TEXT, "language": "en"})
    with peer.connect("/tts?language=en") as talk:
        streamed = audio(utter(talk, TEXT), "audio.delta")

    assert answer.headers["Content-Type"] == "audio/mpeg"
    for sound in (answer.content, streamed):
        assert sound[0] == 0xFF
        assert sound[1] & 0xE0 == 0xE0
        assert 30_000 < len(sound) < 130_000


# The socket.

PATH = "/tts?language=en&codec=pcm&voice=leo"


def utter(talk, *texts):
    talk.send(*({"type": "text.delta", "delta": text} for text in texts), {"type": "text.done"})
    return talk.until("audio.done", "error")


def test_the_socket_speaks_one_utterance_after_the_other(peer, audio):
    with peer.connect(PATH) as talk:
        first = utter(talk, TEXT[:20], TEXT[20:])
        second = utter(talk, "Something short.")

    assert {event["type"] for event in first[:-1]} == {"audio.delta"}
    assert first[-1]["trace_id"] != second[-1]["trace_id"]
    assert 0 < len(audio(second, "audio.delta")) < len(audio(first, "audio.delta"))


def test_wav_on_the_socket_is_one_header_and_then_samples(peer, audio):
    with peer.connect("/tts?language=en&codec=wav") as talk:
        data = audio(utter(talk, TEXT), "audio.delta")

    assert data.startswith(b"RIFF\xff\xff\xff\xffWAVE")
    assert data.count(b"RIFF") == 1


def test_speech_starts_before_the_text_is_done(peer):
    with peer.connect(PATH) as talk:
        talk.send({"type": "text.delta", "delta": TEXT + " And it goes on"})
        assert talk.receive()["type"] == "audio.delta"


def test_clear_is_safe_when_idle_and_drops_what_was_not_said(peer):
    with peer.connect(PATH, key="xai-sandbox+pace=1") as talk:
        talk.send({"type": "text.clear"})
        assert talk.receive() == {"type": "audio.clear"}
        talk.send({"type": "text.delta", "delta": TEXT * 4}, {"type": "text.done"})
        talk.receive()
        talk.send({"type": "text.clear"})
        cleared = talk.until("audio.clear", "audio.done")
        events = utter(talk, "New words.")

    assert cleared[-1]["type"] == "audio.clear"
    assert events[-1]["type"] == "audio.done"
    assert len(events) < 30


def test_a_replace_map_holds_from_the_next_utterance_on(peer, audio):
    with peer.connect(PATH) as talk:
        plain = audio(utter(talk, "I like xAI."), "audio.delta")
        talk.send({"type": "session.update", "replace": {"xAI": "ex a eye and then some"}})
        assert talk.receive()["replace"] == {"xAI": "ex a eye and then some"}
        spelled = audio(utter(talk, "I like xAI."), "audio.delta")
        talk.send({"type": "session.update", "replace": {"!": "x"}})
        assert "replace" in talk.receive()["message"]
        talk.send({"type": "session.update", "replace": {"xAI": "y" * 128}})
        talk.receive()
        talk.send({"type": "text.delta", "delta": "xAI " * 600})
        ended = talk.until("never")

    assert len(spelled) > len(plain) * 1.2
    assert "60,000" in ended[0]["message"]
    assert ended[-1] == 1008


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "text.delta", "delta": "x" * 15_001},
        {"type": "text.delta"},
        {"type": "nonsense"},
        {"delta": "x"},
    ],
)
def test_a_bad_event_gets_a_flat_error_and_the_socket_stays(peer, sent):
    with peer.connect(PATH) as talk:
        talk.send(sent)
        error = talk.receive()
        events = utter(talk, "Fine.")

    assert error["type"] == "error"
    assert "expected" in error["message"]
    assert set(error) == {"type", "message"}
    assert events[-1]["type"] == "audio.done"


@pytest.mark.parametrize(
    ("query", "status", "within"),
    [
        ("", 400, "Missing field `language`"),
        ("?language=xx", 400, "`language`"),
        ("?language=en&voice=nobody&codec=pcm", 404, "nobody"),
        ("?language=en&voice_id=ara", 400, "`voice_id`"),
        ("?language=en&codec=ogg", 400, "`codec`"),
        ("?language=en&codec=pcm&sample_rate=32000", 400, "sample_rate"),
        ("?language=en&codec=pcm&speed=fast", 400, "`speed`"),
        ("?language=en&codec=pcm&with_timestamps=True", 400, "true, false"),
    ],
)
def test_a_bad_query_is_refused_before_the_upgrade(peer, query, status, within):
    got, body, _ = peer.refused("/tts" + query)

    assert got == status
    assert within in body["error"]


def test_a_bare_get_of_a_socket_says_that_an_upgrade_was_expected(peer):
    answer = peer.call("GET", "/tts?language=en&codec=pcm")

    assert answer.status_code == 426
    assert "Upgrade: websocket" in answer.json()["error"]
