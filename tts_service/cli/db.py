"""`tts-service db`: the schema of the database, for operators of a server. SQLite needs none of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from tts_service import settings
from tts_service.cli.confirm import confirm
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import Database
from tts_service.settings import Settings


@click.group()
def db() -> None:
    """The database's schema. On SQLite it is brought up to date without being asked."""


@db.command()
def upgrade() -> None:
    """Bring the schema up to date, and seal stored keys again after SECRET_KEY was rotated."""
    with _database() as (now, database):
        database.upgrade()
        resealed = ClientStore(database, Sealer(now.secret_keys)).reseal()
        click.echo(f"The schema is at revision {database.revision()}.")
    if resealed:
        click.echo(f"Stored keys sealed again with the first SECRET_KEY: {resealed}.")


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(yes: bool) -> None:
    """Take the newest revision back, with all data that only it can hold."""
    with _database() as (_, database):
        confirm(f"Take revision {database.revision()} back? Data that only it can hold is lost.", yes)
        database.downgrade()
        click.echo(f"The schema is at revision {database.revision() or 'none'}.")


@db.command()
def current() -> None:
    """Print the schema's revision."""
    with _database() as (_, database):
        click.echo(database.revision() or "none")
        if not database.is_current():
            click.echo("It is older than this release. Run: tts-service db upgrade", err=True)


@contextmanager
def _database() -> Iterator[tuple[Settings, Database]]:
    now = settings.load()
    database = Database(now.database_url)
    try:
        yield now, database
    finally:
        database.close()
