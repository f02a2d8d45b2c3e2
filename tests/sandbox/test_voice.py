"""The voice, by measurement: nobody can listen in a test."""

from __future__ import annotations

import asyncio
import itertools
import operator
import statistics
from concurrent.futures import ThreadPoolExecutor

import pytest

from tts_service.sandbox import espeak, sound, speech, voices
from tts_service.sandbox.speech import Manner

TEXT = (
    "Hello! I am the demo assistant. Ask me about our opening hours or our prices, "
    "and I will tell you everything I know."
)
RATE_HZ = 24_000


@pytest.fixture(scope="module", params=["espeak", "tone"])
def recordings(request):
    """The five classic voices saying the same words, by either engine."""
    return {voice: say(TEXT, voices.ROSTER[voice], engine=request.param) for voice in voices.CLASSIC}


def ran(work):
    """On a thread of its own: a browser's tests leave a running loop on the one that runs all tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def say(text, voice, *, engine="auto", language="auto", speed=1.0, rate_hz=RATE_HZ):
    engine = speech.Speech(engine)
    try:
        return ran(engine.pcm(text, Manner(voice, language, speed, rate_hz)))
    finally:
        engine.close()


def pitch_of(pcm):
    """The median fundamental in Hz, by autocorrelation of the loud 80 ms windows."""
    samples = sound.samples_of(sound.resample(pcm, RATE_HZ, 8_000))
    found = []
    for start in range(0, len(samples) - 640, 3_200):
        window = samples[start : start + 640]
        if sum(one * one for one in window) / 640 < 600**2:
            continue
        lags = range(8_000 // 400, 8_000 // 55)
        found.append(8_000 / max(lags, key=lambda lag: likeness(window, lag)))
    return statistics.median(found)


def likeness(window, lag):
    a, b = window[:400], window[lag : lag + 400]
    cross = sum(map(operator.mul, a, b))
    return cross / (1 + (sum(map(operator.mul, a, a)) * sum(map(operator.mul, b, b))) ** 0.5)


def test_every_voice_speaks_for_as_long_as_people_do(recordings):
    for voice, pcm in recordings.items():
        assert 5.5 < len(pcm) / 2 / RATE_HZ < 11, voice


def test_no_voice_is_faint_or_clipped(recordings):
    for voice, pcm in recordings.items():
        assert 1_000 < sound.loudness(pcm) < 6_000, voice
        assert max(map(abs, sound.samples_of(pcm))) < 31_000, voice


def test_no_voice_begins_with_a_long_silence(recordings):
    for voice, pcm in recordings.items():
        loud = next(n for n, one in enumerate(sound.samples_of(pcm)) if abs(one) > 500)
        assert loud / RATE_HZ < 0.1, voice


def test_the_five_classic_voices_are_told_apart_by_pitch(recordings):
    pitches = {voice: pitch_of(pcm) for voice, pcm in recordings.items()}

    steps = itertools.pairwise(sorted(pitches.values()))
    assert all(high / low > 1.06 for low, high in steps), pitches
    assert pitches["leo"] < pitches["sal"] < pitches["eve"]


def test_the_other_voices_of_the_roster_differ_from_each_other_and_stay_what_they_are():
    plans = {
        (v.accent, v.variant, v.words_per_minute, v.pitch, v.pitch_range) for v in voices.ROSTER.values()
    }

    assert len(voices.ROSTER) == 28
    assert len(plans) == 28
    assert (voices.ROSTER["orion"].variant, voices.ROSTER["orion"].pitch) == ("m2", 22)


def test_voice_ids_are_found_in_any_case_and_with_xais_prefix():
    assert voices.find("Ara") is voices.find("xai_ara") is voices.ROSTER["ara"]
    assert voices.find("nobody") is None


@pytest.mark.parametrize("language", ["fr", "de-DE", "es-MX", "it", "pt-BR"])
def test_a_language_is_spoken_by_its_own_voice(language):
    text = "Le chat et la maison de Paris, dix neuf cent."
    english = say(text, voices.ROSTER["ara"])
    native = say(text, voices.ROSTER["ara"], language=language)

    assert abs(len(native) - len(english)) > len(english) * 0.01
    manner = Manner(voices.ROSTER["ara"], language)
    assert speech.espeak_voice(manner) in ("fr", "de", "es", "it", "pt-br")


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_other_rates_last_as_long_and_are_as_loud(rate_hz):
    usual = say(TEXT, voices.ROSTER["rex"])
    other = say(TEXT, voices.ROSTER["rex"], rate_hz=rate_hz)

    assert len(other) / 2 / rate_hz == pytest.approx(len(usual) / 2 / RATE_HZ, rel=0.02)
    assert sound.loudness(other) == pytest.approx(sound.loudness(usual), rel=0.15)


def test_the_same_words_sound_the_same_while_they_are_remembered():
    engine = speech.Speech()
    manner = Manner(voices.ROSTER["sal"])

    async def twice():
        return await engine.pcm(TEXT, manner), await engine.pcm(TEXT, manner)

    first, second = ran(twice())
    engine.close()

    assert first is second


@pytest.mark.parametrize("text", ["", " ", "…", "🙂🙂", "[laugh]", "<whisper></whisper>"])
def test_what_has_no_words_is_a_short_silence(text):
    pcm = say(text, voices.ROSTER["ara"])

    assert set(pcm) == {0}
    assert len(pcm) == 4_800


def test_emoji_and_speech_tags_are_not_read_aloud():
    plain = len(say("Good morning to you", voices.ROSTER["leo"]))
    adorned = len(say("Good morning 🎉 <whisper>to you</whisper>", voices.ROSTER["leo"]))

    assert adorned == pytest.approx(plain, rel=0.06)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "One. " * 50,
        "word " * 300,
        "x" * 1_000,
        "  Leading and trailing.  ",
        "Line\nline\n\nline",
        "日本語です。はい。",
        "...",
        "Mr. Smith, e.g. this; 3.14!",
    ],
)
def test_the_pieces_of_a_text_joined_are_the_text(text):
    pieces = speech.pieces(text)

    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 275


def test_respelling_takes_whole_words_in_any_case_longest_first():
    replace = {"xAI": "ex a I", "xAI Voice": "the voice"}

    assert speech.respelled("XAI voice by xai, not xaiver.", replace) == ("the voice by ex a I, not xaiver.")


def test_a_data_path_too_long_for_the_library_is_reached_by_a_short_link(tmp_path):
    deep = tmp_path / ("d" * 80) / ("e" * 80)
    deep.mkdir(parents=True)
    (deep / "marker").touch()

    short = espeak.short_path(str(deep))

    assert len(short) < 100
    assert (type(deep)(short) / "marker").exists()
    assert espeak.short_path("/usr/share") == "/usr/share"
