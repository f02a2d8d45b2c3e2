"""What leaves as a WAV: true sizes, the confirmed rate, readable by others."""

from __future__ import annotations

import base64
import io
import wave

import pytest

from tts_service.speech.audio import Pcm, wav, wav_base64

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


@pytest.mark.parametrize("sound", [SOUND, SOUND[:2], SOUND[:4], SOUND[:6], b""], ids=len)
def test_the_wav_in_base64_is_the_wav_and_needs_no_escaping_in_json(sound: bytes) -> None:
    written = b"".join(wav_base64(Pcm(sound, 24_000)))
    assert base64.b64decode(written, validate=True) == wav(Pcm(sound, 24_000))
    assert not set(written) & set(b'"\\\x7f')
    assert min(written) >= 0x20


def test_the_duration_counts_samples_at_the_confirmed_rate() -> None:
    assert Pcm(b"\0" * 48_000, 24_000).duration_s == 1.0
    assert Pcm(b"\0" * 48_000, 16_000).duration_s == 1.5
