"""Samples in and out: G.711 against its published values, resampling against arithmetic."""

from __future__ import annotations

import array
import math

import pytest

from tts_service.sandbox import sound


def sine(hz, rate_hz, count, loud=10_000):
    return array.array(
        "h", [round(loud * math.sin(2 * math.pi * hz * n / rate_hz)) for n in range(count)]
    ).tobytes()


# Reference values of ITU-T G.711 (as in the tables of G.191 and Sun's g711.c).
@pytest.mark.parametrize(
    ("sample", "byte"),
    [(0, 0xFF), (32_767, 0x80), (-32_768, 0x00), (1_000, 0xCE), (-1_000, 0x4E), (8, 0xFE)],
)
def test_mu_law_matches_the_standard(sample, byte):
    assert sound.ulaw(array.array("h", [sample]).tobytes()) == bytes([byte])


@pytest.mark.parametrize(
    ("sample", "byte"),
    [(0, 0xD5), (-1, 0x55), (32_767, 0xAA), (-32_768, 0x2A), (1_000, 0xFA), (-1_000, 0x7A)],
)
def test_a_law_matches_the_standard(sample, byte):
    assert sound.alaw(array.array("h", [sample]).tobytes()) == bytes([byte])


@pytest.mark.parametrize(("encode", "decode"), [(sound.ulaw, sound.from_ulaw), (sound.alaw, sound.from_alaw)])
def test_a_code_decodes_to_a_sample_that_codes_to_it_again(encode, decode):
    codes = bytes(code for code in range(256) if code != 0x7F)  # mu-law has two zeros
    assert encode(decode(codes)) == codes


@pytest.mark.parametrize(("encode", "decode"), [(sound.ulaw, sound.from_ulaw), (sound.alaw, sound.from_alaw)])
def test_speech_survives_the_telephone(encode, decode):
    pcm = sine(440, 8_000, 800)
    back = sound.samples_of(decode(encode(pcm)))
    errors = [abs(a - b) for a, b in zip(sound.samples_of(pcm), back, strict=True)]

    assert max(errors) < 400


@pytest.mark.parametrize("to_hz", [8_000, 11_025, 16_000, 24_000, 32_000, 44_100, 48_000])
def test_resampling_keeps_the_length_and_the_wave(to_hz):
    made = sound.resample(sine(300, 22_050, 22_050), 22_050, to_hz)
    ideal = sound.samples_of(sine(300, to_hz, len(made) // 2))
    errors = [abs(a - b) for a, b in zip(sound.samples_of(made), ideal, strict=True)]

    assert len(made) / 2 / to_hz == pytest.approx(1, abs=0.002)
    assert max(errors[3:-3]) < 300


def test_going_down_does_not_fold_high_tones_into_the_speech():
    high = sound.resample(sine(7_500, 22_050, 22_050), 22_050, 8_000)

    assert sound.loudness(high) < 2_500  # of 7,071


def test_an_odd_last_byte_is_dropped():
    assert list(sound.samples_of(b"\x01\x00\x02")) == [1]
