"""Words to samples: picks the engine and the voice, cuts long texts, and remembers results."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import dataclasses
import re
from collections.abc import Mapping

from tts_service.sandbox import espeak, sound, tone, voices

ENGINES = ("auto", "espeak", "tone")
_CACHED = 128
_PIECE_CHARS = 220
# espeak reads emoji by their names and markup as it stands (ecosystem 1); the provider does neither.
_UNSPOKEN = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u200d\ufe0f\U000e0020-\U000e007f]|</?[a-z-]+>|\\[[a-z-]+\\]"
)
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’)\]]*(?=\s|\Z)|[。！？]+|\n|\Z)\s*", re.DOTALL)
_LANGUAGES = {"de": "de", "es": "es", "fr": "fr", "it": "it", "pt": "pt", "pt-br": "pt-br"}


@dataclasses.dataclass(frozen=True)
class Manner:
    """How a text is spoken: the voice, `language` as BCP-47 or "auto", speed 0.7 to 1.5, rate."""

    voice: voices.Voice
    language: str = "auto"
    speed: float = 1.0
    rate_hz: int = 24_000


class Speech:
    """The sandbox's voice. Owns one worker thread; `close` ends it."""

    def __init__(self, engine: str = "auto") -> None:
        self._espeak = _engine(engine)
        self.name = "tone" if self._espeak is None else f"espeak-ng {self._espeak.version}"
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "sandbox-voice")
        self._worker.submit(int)  # starts the thread now, so that leak checks see it from the start
        self._cache: collections.OrderedDict[tuple[str, Manner], bytes] = collections.OrderedDict()

    async def pcm(self, text: str, manner: Manner) -> bytes:
        """PCM s16 mono at the manner's rate. The same words sound the same while cached."""
        key = (text, manner)
        known = self._cache.get(key)
        if known is not None:
            self._cache.move_to_end(key)
            return known
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(self._worker, self._render, text, manner)
        made = self._cache.setdefault(key, made)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return made

    def close(self) -> None:
        """Ends the worker thread."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _render(self, text: str, manner: Manner) -> bytes:
        words = _UNSPOKEN.sub(" ", text)
        if not any(one.isalnum() for one in words):
            return bytes(2 * (manner.rate_hz // 10))
        pace = round(manner.voice.words_per_minute * manner.speed)
        if self._espeak is None:
            made = tone.synthesize(words, base_hz=_base_hz(manner.voice), words_per_minute=pace)
            return sound.resample(made, tone.RATE_HZ, manner.rate_hz)
        made = self._espeak.synthesize(
            words,
            f"{espeak_voice(manner)}+{manner.voice.variant}",
            words_per_minute=pace,
            pitch=manner.voice.pitch,
            pitch_range=manner.voice.pitch_range,
        )
        return sound.resample(made, self._espeak.rate_hz, manner.rate_hz)


def pieces(text: str) -> list[str]:
    """The text cut at sentence ends, each piece at most 220 characters; joined, it is the text."""
    cut: list[str] = []
    for found in _SENTENCE.findall(text):
        if cut and len(cut[-1]) + len(found) <= _PIECE_CHARS // 4:
            cut[-1] += found
        else:
            cut.extend(_at_spaces(found))
    return cut or [text]


def respelled(text: str, replace: Mapping[str, str]) -> str:
    """The text as it sounds: whole words and phrases of the map, in any case, the longest first."""
    if not replace:
        return text
    spelled = {phrase.lower(): spoken for phrase, spoken in replace.items()}
    longest = sorted(spelled, key=len, reverse=True)
    pattern = r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w)"
    return re.sub(pattern, lambda found: spelled[found[0].lower()], text, flags=re.IGNORECASE)


def espeak_voice(manner: Manner) -> str:
    """The espeak language for a manner: the voice's own accent unless another one is asked for."""
    wanted = manner.language.lower()
    return _LANGUAGES.get(wanted) or _LANGUAGES.get(wanted.split("-")[0]) or manner.voice.accent


def _at_spaces(sentence: str) -> list[str]:
    parts: list[str] = []
    while len(sentence) > _PIECE_CHARS:
        space = sentence.rfind(" ", 1, _PIECE_CHARS)
        end = space + 1 if space > 0 else _PIECE_CHARS
        parts.append(sentence[:end])
        sentence = sentence[end:]
    return [*parts, sentence]


def _engine(engine: str) -> espeak.Engine | None:
    if engine == "tone":
        return None
    try:
        return espeak.start()
    except espeak.UnavailableError:
        if engine == "espeak":
            raise
        return None


def _base_hz(voice: voices.Voice) -> float:
    return (80.0 if voice.gender == "male" else 130.0) + voice.pitch * 1.4
