"""`tts-service say`: text into a WAV, through the same engine that speaks for the widget."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from tts_service import assembly, settings
from tts_service.deadline import Deadline
from tts_service.dial import Dialer
from tts_service.errors import InvalidRequest, SpeechAuth, SpeechError
from tts_service.speech.audio import Pcm, wav
from tts_service.speech.speaking import speak
from tts_service.speech.spoken import SpokenText
from tts_service.speech.voice import Ended, FirstSound, Opened, Piece, Told, Voice


@click.command()
@click.argument("text")
@click.option("--voice", default="ara", show_default=True, help="ara, rex, sal, eve, leo, or another id.")
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.7, 1.5))
@click.option(
    "--language", default="auto", show_default=True, help="Such as de or pt-BR; the tts engine heeds it."
)
@click.option(
    "--engine",
    default="realtime",
    show_default=True,
    type=click.Choice(["realtime", "tts"]),
    help="tts is cheaper; realtime is the agent that speaks in live conversation.",
)
@click.option(
    "--out",
    default="test_output.wav",
    show_default=True,
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
)
def say(text: str, voice: str, speed: float, language: str, engine: str, out: Path) -> None:
    """Speak TEXT into a WAV file and print where the time went. TEXT may be - for standard input.

    Markdown, links and emoji are said as in a reply of the widget.
    """
    if not out.parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.parent}", param_hint="--out")
    words = SpokenText(language)
    sentences = words.feed(sys.stdin.read() if text == "-" else text) + words.finish()
    if not sentences:
        raise InvalidRequest("There is nothing to say: TEXT has no words.")
    now = settings.load()
    if now.xai_api_key is None:
        raise SpeechAuth(
            "XAI_API_KEY is not set. With no account, start `tts-service sandbox` and set\n"
            "XAI_BASE_URL=http://127.0.0.1:9009/v1 XAI_API_KEY=xai-sandbox"
        )
    manner, deadline = Voice(voice.lower(), speed, language), Deadline.after(now.speech_deadline_s)
    dialer = Dialer()
    engines = assembly.open_engines(now, dialer)
    try:
        sound = _spoken(speak(engines[engine], manner, now.xai_api_key, sentences, deadline))
    finally:
        for each in engines.values():
            each.close()
        dialer.close()
    out.write_bytes(wav(sound))
    click.echo(f"{out}: {sound.duration_s:.2f} s of {voice.lower()}, {sound.rate_hz} Hz, 16-bit mono")


def _spoken(told: Iterator[Told]) -> Pcm:
    """The whole sound, printing each stage as it is reached. Raises SpeechError."""
    began = time.monotonic()
    pieces: list[Pcm] = []
    for event in told:
        match event:
            case Opened():
                _stage("connected", began)
            case FirstSound():
                _stage("first sound", began)
            case Piece(pcm=pcm):
                _stage("spoken", began)
                pieces.append(pcm)
            case Ended(error=SpeechError() as error):
                if not pieces:
                    raise error
                click.echo(f"The end is missing: {error.message} ({error.code})", err=True)
    _stage("closed", began)
    return Pcm(b"".join(pcm.data for pcm in pieces), pieces[0].rate_hz)


def _stage(name: str, began: float) -> None:
    click.echo(f"{name:<12}{(time.monotonic() - began) * 1000:>8.0f} ms", err=True)
