"""Which revision of the schema a database has, and whether it is enough.

Nearly every start finds the newest one and needs no more than to see that.
"""

from __future__ import annotations

import importlib
from typing import Any

from sqlalchemy import Connection, column, inspect, select, table

HEAD = "0004"  # the newest under migrations/versions; a test fails where it is not

_VERSIONS = table("alembic_version", column("version_num"))


def revision(connection: Connection) -> str | None:
    """None for a database without our tables."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    found: str | None = connection.execute(select(_VERSIONS.c.version_num)).scalar_one_or_none()
    return found


def suffices(revision: str | None) -> bool:
    """Whether a database at this revision has all that this release needs: at the newest one, or at one made
    by a newer release.
    """
    return revision == HEAD or (revision is not None and revision not in revisions().known())


def revisions() -> Any:
    """The module that changes them, imported when it is needed."""
    return importlib.import_module("tts_service.database.revisions")
