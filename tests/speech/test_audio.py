"""What leaves as a WAV: true sizes, the confirmed rate, readable by others."""

from __future__ import annotations

import base64
import io
import wave

import pytest

from tts_service.speech.audio import Pcm, data_url, wav

SOUND = bytes(range(256)) * 4


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("data", [b"", b"\x01\x02", SOUND], ids=len)
def test_the_standard_library_reads_the_wav_back(data: bytes, rate_hz: int) -> None:
    with wave.open(io.BytesIO(wav(Pcm(data, rate_hz)))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (rate_hz, 1, 2)
        assert file.getnframes() == len(data) // 2
        assert file.readframes(file.getnframes()) == data


def test_the_header_is_byte_for_byte_that_of_the_standard_library() -> None:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(SOUND)
    assert wav(Pcm(SOUND, 24_000)) == written.getvalue()


def test_both_sizes_in_the_header_are_true() -> None:
    file = wav(Pcm(SOUND, 24_000))
    assert int.from_bytes(file[4:8], "little") == len(file) - 8
    assert int.from_bytes(file[40:44], "little") == len(SOUND)


def test_the_data_url_decodes_to_the_wav_and_needs_no_escaping_in_json() -> None:
    url = data_url(b"audio/wav", wav(Pcm(SOUND, 24_000)))
    head, _, body = url.partition(b",")
    assert head == b"data:audio/wav;base64"
    assert base64.b64decode(body, validate=True) == wav(Pcm(SOUND, 24_000))
    assert not set(url) & set(b'"\\\x7f')
    assert min(url) >= 0x20


def test_the_duration_counts_samples_at_the_confirmed_rate() -> None:
    assert Pcm(b"\0" * 48_000, 24_000).duration_s == 1.0
    assert Pcm(b"\0" * 48_000, 16_000).duration_s == 1.5
