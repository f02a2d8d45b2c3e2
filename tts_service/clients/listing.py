"""Lists of clients for people and scripts: searched, in pages, in the order of their names.

Pure: pieces of SQL for `store.py`. A page begins after the last client of the page before it, be that one
still there or not, so clients added or deleted meanwhile make no other appear twice or not at all.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, literal, or_, true, tuple_

from tts_service.clients.client import Client
from tts_service.database.tables import clients
from tts_service.errors import InvalidValue

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_SEARCH = 100

ORDER = (func.lower(clients.c.name), clients.c.client_id)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # no database takes them in a parameter (faults L19)
_CURSOR = re.compile(r"([0-9a-f-]{36}) ([^\0]{1,100})", re.DOTALL)


@dataclass(frozen=True)
class Page:
    clients: list[Client]
    total: int  # of all that match, on every page
    next_cursor: str | None  # None: this was the last page


def matching(search: str) -> ColumnElement[bool]:
    """Part of a name in any case, or the beginning of a client_id. Raises InvalidValue."""
    if not search:
        return true()
    if len(search) > MAX_SEARCH or _UNSTORABLE.search(search):
        raise InvalidValue(f"search must be at most {MAX_SEARCH} characters, without NUL.", param="search")
    lowered = search.lower()
    return or_(
        func.lower(clients.c.name).contains(lowered, autoescape=True),
        clients.c.client_id.startswith(lowered, autoescape=True),
    )


def cursor_after(client: Client) -> str:
    return base64.urlsafe_b64encode(f"{client.client_id} {client.name}".encode()).decode().rstrip("=")


def after(cursor: str) -> ColumnElement[bool]:
    """What stands behind the client that `cursor` was made of, be it there or not. Raises InvalidValue."""
    if not cursor:
        return true()
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:  # what base64 and UTF-8 raise are its children
        text = ""
    place = _CURSOR.fullmatch(text)
    if place is None:
        raise InvalidValue("cursor must be the next_cursor of the page before.", param="cursor")
    client_id, name = place.groups()
    return tuple_(*ORDER) > tuple_(func.lower(literal(name)), literal(client_id))
