"""`tts-service sandbox`: starts the provider's stand-in, which is a program of its own."""

from __future__ import annotations

import click

from tts_service.sandbox import main as program


@click.command(help=program.HELP)
@click.option("--host", default=program.DEFAULT_HOST, show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=program.DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help=program.HELP_PORT,
)
@click.option("--pace", default=1.0, show_default=True, type=click.FloatRange(0, 100), help=program.HELP_PACE)
@click.option("--fault", "faults", multiple=True, metavar="SPEC", help=program.HELP_FAULT)
@click.option(
    "--max-sessions",
    default=program.DEFAULT_MAX_SESSIONS,
    show_default=True,
    type=click.IntRange(1),
    help=program.HELP_MAX_SESSIONS,
)
@click.option("--voice", default="auto", show_default=True, help=program.HELP_VOICE)
def sandbox(
    host: str, port: int, pace: float, faults: tuple[str, ...], max_sessions: int, voice: str
) -> None:
    program.serve(host=host, port=port, pace=pace, faults=faults, max_sessions=max_sessions, voice=voice)
