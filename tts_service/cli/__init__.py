"""`tts-service`: the commands of contract.md.

Errors that the user can mend end as one line on stderr with exit code 2; anything else is a bug and keeps its
traceback.
"""

from __future__ import annotations

from typing import Any

import click

from tts_service.cli.accounts import accounts
from tts_service.cli.clients import clients
from tts_service.cli.db import db
from tts_service.cli.demo import demo
from tts_service.cli.doctor import doctor
from tts_service.cli.sandbox import sandbox
from tts_service.cli.say import say
from tts_service.errors import ServiceError
from tts_service.settings import SettingsError
from tts_service.version import __version__


class _Mendable(click.ClickException):
    exit_code = 2


class _Commands(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ServiceError as error:
            raise _Mendable(f"{error.message} ({error.code})") from None
        except SettingsError as error:
            raise _Mendable("\n".join(error.problems)) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tts-service")
def main() -> None:
    """The voice layer for a website's chat widget."""


for command in (say, clients, accounts, sandbox, demo, doctor, db):
    main.add_command(command)
