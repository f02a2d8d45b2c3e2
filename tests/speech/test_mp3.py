"""MP3 that players take: whole frames, as long as the sound, small; and a plain refusal without the extra."""

from __future__ import annotations

import math
import random
import struct
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tts_service.speech.audio import Pcm
from tts_service.speech.mp3 import BIT_RATE_KBIT, check_available, mp3

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]  # protocols 1.3

# ISO 11172-3 and 13818-3, Layer III: by the header's version bits, 3 = MPEG-1, 2 = MPEG-2, 0 = MPEG-2.5.
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBIT = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class Frames:
    count: int
    rate_hz: int
    samples: int  # of one frame
    kbit: set[int]
    is_mono: bool

    @property
    def duration_s(self) -> float:
        return self.count * self.samples / self.rate_hz


def frames(data: bytes) -> Frames:
    """Walks from header to header; a byte out of place fails the walk."""
    at = count = 0
    kbits, kinds = set(), set()
    while at < len(data):
        (head,) = struct.unpack_from(">I", data, at)
        version, layer = head >> 19 & 3, head >> 17 & 3
        assert head >> 21 == 0x7FF, f"no frame sync at {at}"
        assert layer == 1, "not Layer III"
        kbit = _KBIT[3 if version == 3 else 2][head >> 12 & 15]
        rate_hz, samples = _RATES[version][head >> 10 & 3], 1152 if version == 3 else 576
        at += samples // 8 * kbit * 1000 // rate_hz + (head >> 9 & 1)
        kbits.add(kbit)
        kinds.add((rate_hz, samples, head >> 6 & 3 == 3))
        count += 1
    assert at == len(data), "the last frame is cut"
    [(rate_hz, samples, is_mono)] = kinds
    return Frames(count, rate_hz, samples, kbits, is_mono)


def speech_like(seconds: float, rate_hz: int) -> Pcm:
    chance = random.Random(1)
    samples = (
        int(9_000 * math.sin(at * 2 * math.pi * 180 / rate_hz) + chance.gauss(0, 900))
        for at in range(int(seconds * rate_hz))
    )
    return Pcm(b"".join(struct.pack("<h", sample) for sample in samples), rate_hz)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_it_is_whole_mono_frames_as_long_as_the_sound(rate_hz: int) -> None:
    found = frames(mp3(speech_like(1.5, rate_hz)))
    assert found.is_mono
    assert found.kbit == {BIT_RATE_KBIT}
    # An encoder adds its delay at the start and fills its last frame.
    assert 1.5 <= found.duration_s < 1.5 + 4 * found.samples / found.rate_hz


def test_at_the_providers_rate_it_is_an_eighth_of_the_wav() -> None:
    pcm = speech_like(4.0, 24_000)
    assert len(mp3(pcm)) < len(pcm.data) / 7.5


@pytest.mark.parametrize(
    "data",
    [bytes(48_000), b"\xff\x7f" * 24_000, b"\x00\x80" * 24_000, b"\x01\x00"],
    ids=["silence", "highest", "lowest", "one-sample"],
)
def test_silence_and_extremes_and_a_single_sample_are_sound_too(data: bytes) -> None:
    found = frames(mp3(Pcm(data, 24_000)))
    assert found.duration_s >= len(data) / 48_000


def test_no_sound_is_no_error() -> None:
    assert isinstance(mp3(Pcm(b"", 24_000)), bytes)


def test_it_writes_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    mp3(speech_like(0.2, 24_000))
    assert capfd.readouterr() == ("", "")


def test_it_is_available_here() -> None:
    check_available()


def test_without_the_extra_the_refusal_says_what_to_do_and_nothing_else_breaks() -> None:
    program = (
        "import sys; sys.modules['lameenc'] = None\n"  # an import of it now fails
        "from tts_service.errors import InvalidRequest\n"
        "from tts_service.speech.mp3 import check_available\n"
        "try: check_available()\n"
        "except InvalidRequest as error: print(error.code, error.status, error.param, error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    code, status, param, message = done.stdout.split(" ", 3)
    assert (code, status, param) == ("invalid_request", "400", "audio_format")
    assert "wav" in message
    assert "mp3 extra" in message
