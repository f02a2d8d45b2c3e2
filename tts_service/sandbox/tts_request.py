"""What the dedicated TTS may be asked, by JSON and by query (protocols 3.1, 3.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tts_service.sandbox import catalogue, container, fields, sound, voices
from tts_service.sandbox.pcm_stream import Coding
from tts_service.sandbox.realtime.config import InvalidError, read_replace
from tts_service.sandbox.refusals import RefusalError
from tts_service.sandbox.speech import Manner

LONGEST_CHARS = 15_000
LONGEST_SPOKEN_CHARS = 60_000
RATES_HZ = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
BIT_RATES = (32_000, 64_000, 96_000, 128_000, 192_000)
LANGUAGES = (
    "auto", "en", "ar-EG", "ar-SA", "ar-AE", "bn", "zh", "fr", "de", "hi", "id", "it", "ja", "ko",
    "pt-BR", "pt-PT", "ru", "es-MX", "es-ES", "tr", "vi",
)  # fmt: skip
CONTENT_TYPES: Mapping[str, str] = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "mulaw": "audio/basic",
    "alaw": "audio/alaw",
}
_BY_LOWER = {tag.lower() for tag in LANGUAGES} | {tag.split("-")[0].lower() for tag in LANGUAGES}
_BY_LOWER |= {"en-us", "en-gb", "fr-fr", "de-de", "it-it", "es", "pt"}

_FORMAT = {
    "codec": fields.Field(
        f"one of {', '.join(CONTENT_TYPES)}", lambda value: value in CONTENT_TYPES, required=True
    ),
    "sample_rate": fields.one_of(*RATES_HZ),
    "bit_rate": fields.one_of(*BIT_RATES),
}
LANGUAGE = fields.Field(
    f"one of {', '.join(LANGUAGES)}",
    lambda value: isinstance(value, str) and value.lower() in _BY_LOWER,
    required=True,
)
_FIELDS = {
    "text": fields.Field(
        f"a string of 1 to {LONGEST_CHARS:,} characters",
        lambda value: isinstance(value, str) and 0 < len(value.strip()) <= LONGEST_CHARS,
        required=True,
    ),
    "language": LANGUAGE,
    "voice_id": fields.text(),
    "output_format": fields.mapping(),
    "speed": fields.decimal(0.7, 1.5),
    "optimize_streaming_latency": fields.one_of(0, 1, 2),
    "text_normalization": fields.flag(),
    "with_timestamps": fields.flag(),
    "replace": fields.mapping(),
}
_QUERY = {
    "language": LANGUAGE,
    "voice": fields.text(),
    "codec": fields.one_of(*CONTENT_TYPES, "ulaw"),
    "sample_rate": fields.one_of(*map(str, RATES_HZ)),
    "bit_rate": fields.one_of(*map(str, BIT_RATES)),
    "speed": fields.Field("a number from 0.7 to 1.5", lambda value: _speed(value) is not None),
    "optimize_streaming_latency": fields.one_of("0", "1", "2"),
    "text_normalization": fields.one_of("true", "false"),
    "with_timestamps": fields.one_of("true", "false"),
}


@dataclasses.dataclass(frozen=True)
class Ask:
    """A TTS request that passed every check; `text` is empty on the socket."""

    text: str
    manner: Manner
    codec: str
    bit_rate: int
    timestamps: bool
    replace: Mapping[str, str]

    @property
    def content_type(self) -> str:
        """The Content-Type of the whole body."""
        return CONTENT_TYPES[self.codec]

    def coding(self) -> Coding:
        """How samples become the bytes of that codec."""
        if self.codec in ("mulaw", "alaw"):
            return Coding(sound.ulaw if self.codec == "mulaw" else sound.alaw, 1)
        return Coding(lambda pcm: pcm, 2)


def parse(body: fields.Json) -> Ask:
    """The request of POST /v1/tts, or RefusalError 400 or 404."""
    fields.check(body, _FIELDS, bad_status=400)
    output = body.get("output_format")
    if output is not None:
        fields.check(output, _FORMAT, within="output_format.", bad_status=400)
    output = output or {"codec": "mp3"}
    try:
        replace = read_replace("replace", body.get("replace"))
    except InvalidError as problem:
        raise RefusalError(400, str(problem), param="replace") from problem
    manner = Manner(
        catalogue.known(body.get("voice_id") or voices.DEFAULT),
        body["language"],
        body.get("speed") or 1.0,
        output.get("sample_rate") or 24_000,
    )
    _check_encoder(output["codec"])
    bit_rate = output.get("bit_rate") or 128_000
    timed = bool(body.get("with_timestamps"))
    return Ask(body["text"], manner, output["codec"], bit_rate, timed, replace)


def parse_query(query: Mapping[str, str]) -> Ask:
    """The request of the TTS socket, or RefusalError 400 or 404, before the upgrade."""
    fields.check(dict(query), _QUERY, bad_status=400)
    codec = query.get("codec", "mp3")
    codec = "mulaw" if codec == "ulaw" else codec
    manner = Manner(
        catalogue.known(query.get("voice", voices.DEFAULT)),
        query["language"],
        float(query.get("speed", "1")),
        int(query.get("sample_rate", "24000")),
    )
    _check_encoder(codec)
    timed = query.get("with_timestamps") == "true"
    return Ask("", manner, codec, int(query.get("bit_rate", "128000")), timed, {})


def _check_encoder(codec: str) -> None:
    if codec == "mp3" and not container.HAS_MP3:
        raise RefusalError(
            400,
            "This sandbox cannot encode mp3 here, which is also the default codec. Expected "
            "codec wav, pcm, mulaw or alaw; or `pip install lameenc` and start it again.",
            param="output_format.codec",
        )


def _speed(value: str) -> float | None:
    try:
        speed = float(value)
    except ValueError:
        return None
    return speed if 0.7 <= speed <= 1.5 else None
