"""The roster of voices (protocols 1.9), and how the offline synthesiser imitates each."""

from __future__ import annotations

import dataclasses
import hashlib

DEFAULT = "eve"
CLASSIC = ("ara", "eve", "leo", "rex", "sal")


@dataclasses.dataclass(frozen=True)
class Voice:
    """One voice. `variant` is espeak's timbre; wpm, pitch and range are espeak's own units."""

    voice_id: str
    gender: str
    accent: str
    variant: str
    words_per_minute: int
    pitch: int
    pitch_range: int

    @property
    def name(self) -> str:
        """The name people read."""
        return self.voice_id.capitalize()

    def listing(self) -> dict[str, str | None]:
        """The row of GET /v1/tts/voices; `language` is null there for voices that speak them all."""
        return {
            "voice_id": self.voice_id,
            "name": self.name,
            "language": None,
            "gender": self.gender,
        }


# Five voices nobody confuses: ecosystem 1, with ara and eve moved apart in pitch.
_FIVE = (
    Voice("ara", "female", "en-us", "f3", 170, 50, 55),
    Voice("rex", "male", "en-us", "m3", 160, 38, 45),
    Voice("sal", "neutral", "en-us", "f5", 165, 23, 35),
    Voice("eve", "female", "en", "f2", 185, 76, 70),
    Voice("leo", "male", "en-gb-x-rp", "m1", 150, 26, 40),
)
_WOMEN = ("aurora", "carina", "celeste", "helios", "iris", "liora", "lumen", "luna", "lux", "ursa")
_MEN = (
    "altair", "atlas", "castor", "cosmo", "helix", "kepler", "naksh", "orion", "perseus", "rigel",
    "sirius", "zagan", "zenith",
)  # fmt: skip


def _derived(voice_id: str, gender: str) -> Voice:
    """A stable variation of its own: the digest of the id picks timbre, pace and pitch."""
    digest = hashlib.sha256(voice_id.encode()).digest()
    variants = ("f1", "f2", "f3", "f4") if gender == "female" else ("m1", "m2", "m3", "m7")
    low = 48 if gender == "female" else 22
    return Voice(
        voice_id,
        gender,
        ("en-us", "en", "en-gb-x-rp")[digest[0] % 3],
        variants[digest[1] % 4],
        150 + digest[2] % 40,
        low + digest[3] % 24,
        35 + digest[4] % 35,
    )


ROSTER: dict[str, Voice] = {
    voice.voice_id: voice
    for voice in sorted(
        (
            *_FIVE,
            *(_derived(one, "female") for one in _WOMEN),
            *(_derived(one, "male") for one in _MEN),
        ),
        key=lambda voice: voice.voice_id,
    )
}


def find(voice_id: str) -> Voice | None:
    """The voice of that id in any case, `xai_ara` included; None when the roster lacks it."""
    return ROSTER.get(voice_id.lower().removeprefix("xai_"))
