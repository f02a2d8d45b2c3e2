"""`tts-service clients`: add, change, list and delete clients. Answers go to stdout, remarks to stderr."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from tts_service import settings
from tts_service.cli.confirm import confirm
from tts_service.clients import origin
from tts_service.clients.client import Client, from_text
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import open_database
from tts_service.errors import InvalidRequest

_SET = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Any field of a client, as often as needed. ai_api_key=- reads the key from stdin.",
)
_ORIGIN = click.option(
    "--origin",
    "origins",
    multiple=True,
    help="A page that may call, such as https://www.example.com; as often as needed. Replaces the list.",
)


@click.group()
def clients() -> None:
    """The widgets' owners: their voice, model, key and pages."""


@clients.command()
@click.option("--name", required=True, help="What people call this client.")
@_SET
@_ORIGIN
def add(name: str, assignments: tuple[str, ...], origins: tuple[str, ...]) -> None:
    """Make a client and print its client_id."""
    changes = _changes(("name=" + name, *assignments), origins)
    with _store() as store:
        client = store.add(changes)
    click.echo(client.client_id)
    _remark_on_origins(client)


@clients.command("set")
@click.argument("client_id")
@_SET
@_ORIGIN
def change(client_id: str, assignments: tuple[str, ...], origins: tuple[str, ...]) -> None:
    """Change fields of a client; the service uses them from the next turn on."""
    changes = _changes(assignments, origins)
    if not changes:
        raise InvalidRequest("Nothing to change: give --set FIELD=VALUE or --origin ORIGIN.")
    with _store() as store:
        had_key = store.get(client_id).has_api_key
        client = store.change(client_id, changes)
    click.echo(f"Changed: {', '.join(changes)}.", err=True)
    if had_key and not client.has_api_key and "ai_api_key" not in changes:
        click.echo(
            "The stored key was removed, because it belonged to the former provider or URL. "
            "Set the new one: --set ai_api_key=-",
            err=True,
        )
    if "allowed_origins" in changes:
        _remark_on_origins(client)


@clients.command("list")
@click.option("--json", "as_json", is_flag=True, help="Every field but the key, as a JSON array.")
def show(as_json: bool) -> None:
    """Print all clients, without their keys."""
    with _store() as store:
        found = store.all()
    if as_json:
        click.echo(json.dumps([client.shown() for client in found], indent=2))
    elif found:
        click.echo("\n".join(_aligned([_HEADINGS, *(_cells(client) for client in found)])))
    else:
        click.echo("There are no clients yet. Make one: tts-service clients add --name NAME", err=True)


@clients.command()
@click.argument("client_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(client_id: str, yes: bool) -> None:
    """Delete a client with its key; its widgets stop at once."""
    with _store() as store:
        name = store.get(client_id).name
        confirm(f"Delete the client {name!r} and its key?", yes)
        store.delete(client_id)
    click.echo("Deleted.", err=True)


@contextmanager
def _store() -> Iterator[ClientStore]:
    now = settings.load()
    sealer = Sealer(now.secret_keys)
    database = open_database(now.database_url)
    try:
        yield ClientStore(database, sealer, production=now.production, vouches_for_urls=True)
    finally:
        database.close()


def _changes(assignments: Sequence[str], origins: Sequence[str]) -> dict[str, object]:
    changes: dict[str, object] = {}
    for assignment in assignments:
        field, equals, value = assignment.partition("=")
        if not equals:
            raise InvalidRequest("--set takes FIELD=VALUE, for example --set voice=ara")
        if field in changes:
            raise InvalidRequest(f"{field} is set twice; set it once.", param=field)
        changes[field] = from_text(field, _key(value) if field == "ai_api_key" else value)
    if origins:
        if "allowed_origins" in changes:
            raise InvalidRequest("Give either --origin or --set allowed_origins=..., not both.")
        changes["allowed_origins"] = list(origins)
    return changes


def _key(value: str) -> str:
    """A key given as `-` comes from stdin, hidden when it is typed."""
    if value != "-":
        if value.lower() not in ("null", "none"):
            click.echo(
                "Note: this key now stands in your shell's history. --set ai_api_key=- reads it from stdin.",
                err=True,
            )
        return value
    if sys.stdin.isatty():
        return str(click.prompt("ai_api_key", hide_input=True, err=True)).strip()
    key = sys.stdin.readline().strip()
    if not key:
        raise InvalidRequest("ai_api_key=- reads the key from stdin, and nothing came.", param="ai_api_key")
    return key


def _remark_on_origins(client: Client) -> None:
    if not client.allowed_origins:
        click.echo(
            "No web page may call this client yet. Allow one: "
            f"tts-service clients set {client.client_id} --origin https://www.example.com",
            err=True,
        )
    elif origin.ANY in client.allowed_origins:
        click.echo("Note: * lets every website use this client and spend its money.", err=True)


_HEADINGS = ("CLIENT_ID", "NAME", "ENABLED", "PROVIDER", "SPEAKS", "VOICE", "KEY", "ORIGINS")


def _cells(client: Client) -> tuple[str, ...]:
    key = "-" if client.key_last4 is None else f"***{client.key_last4}"
    return (
        client.client_id,
        client.name,
        "yes" if client.enabled else "no",
        client.ai_provider,
        "yes" if client.speaks else "no",
        client.voice,
        "unreadable" if client.lost_key_last4 is not None else key,
        " ".join(client.allowed_origins) or "-",
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    """How many columns a terminal gives it: two for a wide character, none for a combining one."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.category(c) in ("Mn", "Me", "Cf") for c in text)
