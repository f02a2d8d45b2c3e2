"""Owns alembic: the ways from one revision of the schema to the next.

It takes 11 MB, so it is imported only where there is something to change (schema.py).
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

UnknownRevision = CommandError
"""The database's revision is none of this release's."""


def known() -> set[str]:
    return {entry.revision for entry in ScriptDirectory.from_config(_config()).walk_revisions()}


def upgrade(connection: Connection, revision: str) -> None:
    """In the transaction under way. Raises UnknownRevision."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """The same; `revision` may be relative: -1. Raises UnknownRevision."""
    command.downgrade(_config(connection), revision)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
