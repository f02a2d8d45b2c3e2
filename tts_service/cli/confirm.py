"""The question before something that cannot be taken back."""

from __future__ import annotations

import sys

import click

from tts_service.errors import InvalidRequest


def confirm(question: str, yes: bool) -> None:
    """Returns if `yes` or a person says so; ends the command otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidRequest("Nobody is there to be asked: the input is no terminal. Say --yes to go ahead.")
    click.confirm(question, abort=True, err=True)
