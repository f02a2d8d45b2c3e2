"""`tts-service accounts`: the people who may sign in to the dashboard. Links and names go to stdout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from tts_service import settings
from tts_service.accounts.first_run import link as welcome_link
from tts_service.accounts.invitations import Invitations
from tts_service.accounts.store import AccountStore
from tts_service.cli.confirm import confirm
from tts_service.database.engine import Database, open_database


@click.group()
def accounts() -> None:
    """The people who may sign in to the dashboard."""


@accounts.command()
@click.option("--name", help="For whom: a new person, or one whose password is to be set anew.")
def link(name: str | None) -> None:
    """Print a one-time link that sets a password. It replaces the former link for the same person."""
    now = settings.load()
    with _database(now.database_url) as database:
        token = Invitations(database).issue(name)
    click.echo(welcome_link(now.own_url, token))
    click.echo("It works once, within 24 hours. Whoever opens it first has the account.", err=True)


@accounts.command("list")
def show() -> None:
    """Print all names, and since when they are there."""
    with _database(settings.load().database_url) as database:
        found = AccountStore(database).all()
    for account in found:
        click.echo(f"{account.name}  since {datetime.fromtimestamp(account.created_at, UTC):%Y-%m-%d}")
    if not found:
        click.echo("There are no accounts yet. Make one: tts-service accounts link", err=True)


@accounts.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete an account; the person is signed out at once."""
    with _database(settings.load().database_url) as database:
        confirm(f"Delete the account {name!r}?", yes)
        AccountStore(database).delete(name)
    click.echo("Deleted.", err=True)


@contextmanager
def _database(url: str) -> Iterator[Database]:
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()
