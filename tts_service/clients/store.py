"""The clients in the database. Keys go in sealed and come out as Secrets; nothing else here knows that."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update

from tts_service.clients import listing
from tts_service.clients.client import Client, checked, revised
from tts_service.clients.listing import Page
from tts_service.clients.sealing import SealBroken, Sealer
from tts_service.database import tables
from tts_service.database.engine import Database
from tts_service.errors import ClientNotFound, EditConflict, InvalidRequest, InvalidValue
from tts_service.secret import Secret

_log = logging.getLogger(__name__)

KNOWN_AT_MOST = 256  # clients kept between turns; each is some kilobytes, with its prompt

_SEALED, _LAST4 = "ai_api_key_sealed", "ai_api_key_last4"
_KEY_FIELD = "ai_api_key"
_PLAIN = tuple(c.name for c in tables.clients.c if c.name not in (_SEALED, _LAST4))
_COLUMNS = (*(tables.clients.c[name] for name in _PLAIN), tables.clients.c[_SEALED], tables.clients.c[_LAST4])
_ROW_OF = tables.clients.c.client_id == bindparam("wanted")
_SELECT_ALL: Select[*tuple[Any, ...]] = select(*_COLUMNS)
_SELECT_ONE = _SELECT_ALL.where(_ROW_OF)
# Two changes at once would each write all columns, and lose one. SQLite's own lock is enough there.
_SELECT_TO_CHANGE = _SELECT_ONE.with_for_update()
# The client first: whoever writes about it holds its row meanwhile (usage/books.py).
_TABLES_OF_CLIENT = (
    tables.clients,
    tables.spending,
    tables.usage_days,
    tables.usage_failures,
    tables.usage_times,
    tables.exchanges,
)
_DAY_MS = 86_400_000
_Row = Row[*tuple[Any, ...]]
_CLIENT_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ClientStore:
    """Every method raises DatabaseUnavailable; those that take a `client_id` raise ClientNotFound."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        *,
        production: bool = False,
        vouches_for_urls: bool = False,  # whoever changes clients through it may have us call private hosts
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._production = production
        self._vouches_for_urls = vouches_for_urls
        self._told: set[str] = set()  # clients whose broken seal is in the log already
        self._known: dict[str, tuple[int, Client]] = {}  # by id, with the version of the database they are of

    def add(self, changes: Mapping[str, object]) -> Client:
        """A new client. Raises UnknownField and InvalidRequest."""
        if "name" not in changes:
            raise InvalidRequest("name is required: 1 to 100 characters.", param="name")
        client = self.revised(Client(client_id=str(uuid.uuid4()), name=""), changes)
        with self._database.writing() as connection:
            connection.execute(insert(tables.clients).values(self._row(client, kept_token=None)))
            return self._client(_found(connection, client.client_id))

    def get(self, client_id: str) -> Client:
        """This runs on every turn: one SELECT by primary key, and none where the database can tell that
        all is as it was at the last.
        """
        version = self._database.version()  # before the row is read, so a change in between is seen next time
        known_at, client = self._known.get(client_id, (None, None))
        if client is not None and known_at == version:
            return client
        with self._database.reading() as connection:
            client = self._client(_found(connection, client_id))
        if version is not None:
            if len(self._known) >= KNOWN_AT_MOST:
                self._known.clear()
            self._known[client_id] = (version, client)
        return client

    def all(self) -> list[Client]:
        """Every client, in the order of their names."""
        query = _SELECT_ALL.order_by(tables.clients.c.name, tables.clients.c.client_id)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [self._client(row) for row in rows]

    def page(self, search: str = "", *, limit: int = listing.DEFAULT_LIMIT, cursor: str = "") -> Page:
        """The next `limit` clients after `cursor` that match `search`: see `listing`. Raises InvalidValue."""
        matching = listing.matching(search)
        query = _SELECT_ALL.where(matching, listing.after(cursor)).order_by(*listing.ORDER).limit(limit + 1)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            total = connection.execute(
                select(func.count()).select_from(tables.clients).where(matching)
            ).scalar_one()
        shown = [self._client(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(shown, total, listing.cursor_after(shown[-1]) if more else None)

    def change(
        self, client_id: str, changes: Mapping[str, object], *, if_match: Set[str] | None = None
    ) -> Client:
        """The client after `changes`; see `client.revised`. Raises UnknownField and InvalidRequest, and
        EditConflict where the client has none of the versions `if_match` any more."""
        changes = checked(changes)  # what can never fit is told before anything else
        with self._database.writing() as connection:
            row = _found(connection, client_id, _SELECT_TO_CHANGE)
            before = self._unchanged(row, if_match)
            client = self.revised(before, changes)
            values = self._row(client, kept_token=None if _KEY_FIELD in changes else row.ai_api_key_sealed)
            connection.execute(update(tables.clients).where(_ROW_OF).values(values), {"wanted": client_id})
            if client.retention_days < before.retention_days:
                _shorten_retention(connection, client)
            return self._client(_found(connection, client_id))

    def delete(self, client_id: str, *, if_match: Set[str] | None = None) -> None:
        """Removes the client with its key, its usage and what was said. Raises EditConflict."""
        with self._database.writing() as connection:
            self._unchanged(_found(connection, client_id, _SELECT_TO_CHANGE), if_match)
            for table in _TABLES_OF_CLIENT:
                connection.execute(delete(table).where(table.c.client_id == client_id))

    def allowed_origins(self) -> frozenset[str]:
        """Every origin that some enabled client allows: a preflight names no client."""
        query = select(tables.clients.c.allowed_origins).where(tables.clients.c.enabled)
        with self._database.reading() as connection:
            return frozenset(origin for (origins,) in connection.execute(query) for origin in origins)

    def reseal(self) -> int:
        """Seals every stored key again that an older SECRET_KEY sealed, and says how many. After it, the
        older one can be taken out of SECRET_KEY. Keys that do not open stay as they are."""
        query = _SELECT_ALL.where(tables.clients.c[_SEALED].is_not(None)).with_for_update()
        with self._database.writing() as connection:
            renewed = list(self._renewed(connection.execute(query).all()))
            for client_id, token in renewed:
                connection.execute(
                    update(tables.clients).where(_ROW_OF).values({_SEALED: token}), {"wanted": client_id}
                )
        return len(renewed)

    def revised(self, client: Client, changes: Mapping[str, object]) -> Client:
        """`client` as it would be after `changes`; nothing is stored. See `client.revised`."""
        after = revised(client, changes, vouches=self._vouches_for_urls)
        plain = any(origin.startswith("http://") for origin in after.allowed_origins)
        if self._production and plain and "allowed_origins" in changes:  # faults 5-100
            raise InvalidValue(
                "allowed_origins must begin with https:// when ENV=production.", param="allowed_origins"
            )
        return after

    def _unchanged(self, row: _Row, if_match: Set[str] | None) -> Client:
        client = self._client(row)
        if if_match is not None and client.version not in if_match:
            raise EditConflict
        return client

    def _renewed(self, rows: Sequence[_Row]) -> Iterator[tuple[str, str]]:
        for row in rows:
            client, token = self._client(row), row.ai_api_key_sealed
            if client.ai_api_key is not None and self._sealer.needs_reseal(token):
                yield client.client_id, self._sealer.seal(client.client_id, _KEY_FIELD, client.ai_api_key)

    def _row(self, client: Client, kept_token: str | None) -> dict[str, object]:
        """The columns of `client`. `kept_token` stays if it is still the client's key, readable or lost."""
        values = {name: getattr(client, name) for name in _PLAIN}
        values["allowed_origins"] = list(client.allowed_origins)
        values[_LAST4] = client.key_last4
        if client.ai_api_key is not None and (kept_token is None or self._sealer.needs_reseal(kept_token)):
            values[_SEALED] = self._sealer.seal(client.client_id, _KEY_FIELD, client.ai_api_key)
        else:
            values[_SEALED] = kept_token if client.has_api_key else None
        return values

    def _client(self, row: _Row) -> Client:
        *plain, token, last4 = row
        values: dict[str, Any] = dict(zip(_PLAIN, plain, strict=True))
        values["allowed_origins"] = tuple(values["allowed_origins"])
        key = None if token is None else self._opened(values["client_id"], token)
        lost = last4 if token is not None and key is None else None
        return Client(**values, ai_api_key=key, lost_key_last4=lost, stored=tuple(row))

    def _opened(self, client_id: str, token: str) -> Secret | None:
        """The key, or None where it does not open: a turn goes on without it, and the log says why, once."""
        try:
            return self._sealer.open(client_id, _KEY_FIELD, token)
        except SealBroken as broken:
            if client_id not in self._told:
                self._told.add(client_id)
                _log.error("The stored key of client %s cannot be opened: %s.", client_id, broken)
            return None


def _shorten_retention(connection: Connection, client: Client) -> None:
    """What was said and is now too old goes at once, with the change; without retention everything does."""
    exchanges = tables.exchanges
    query = delete(exchanges).where(exchanges.c.client_id == client.client_id)
    if client.retention_days > 0:
        query = query.where(exchanges.c.at_ms <= int(time.time() * 1000) - client.retention_days * _DAY_MS)
    connection.execute(query)


def _found(connection: Connection, client_id: str, query: Select[*tuple[Any, ...]] = _SELECT_ONE) -> _Row:
    # Anything but the canonical form cannot be there, and might hold what a database refuses (faults L19).
    row = None
    if _CLIENT_ID.fullmatch(client_id):
        row = connection.execute(query, {"wanted": client_id}).one_or_none()
    if row is None:
        raise ClientNotFound(param="client_id")
    return row
