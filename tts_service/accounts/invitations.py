"""One-time links: for the first account, for further people, and for a password that was forgotten.

A link's token is shown once and only its digest is kept. One for somebody sets their password, and makes
their account if there is none; one for nobody in particular lets its reader choose a name that is free.
"""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from tts_service import aside
from tts_service.accounts import token as tokens
from tts_service.accounts.account import checked_name, hashed
from tts_service.database.engine import Database
from tts_service.database.tables import accounts, invitations, sessions
from tts_service.errors import InvalidValue, LinkExpired

VALID_S = 24 * 3600
_ANYONE = ""
_SAME_START_S = 15  # the workers of one start come up within this time


@dataclass(frozen=True)
class Invitation:
    account_name: str  # empty: whoever opens it chooses


class Invitations:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def issue(self, name: str | None = None) -> str:
        """The token of a new link, which replaces the former one for the same person. Raises InvalidValue."""
        kept = _ANYONE if name is None else checked_name(name)
        try:
            return self._issue(kept)
        except IntegrityError:  # two at once for one person: the later one replaces
            return self._issue(kept)

    def issue_first(self) -> str | None:
        """A link for the first account. None where somebody has one, or where another worker of this same
        start has just made the link: of several only the last would work."""
        just_now = int(self._now()) + VALID_S - _SAME_START_S
        is_new = (invitations.c.account_name == _ANYONE) & (invitations.c.expires_at > just_now)
        in_the_way = select(
            exists(select(accounts.c.account_id)) | exists(select(invitations.c.token_digest).where(is_new))
        )
        with self._database.reading() as connection:
            if connection.execute(in_the_way).scalar():
                return None
        try:
            return self._issue(_ANYONE, older_than=just_now)
        except IntegrityError:  # another worker's is a moment older
            return None

    def look_up(self, token: str) -> Invitation:
        """Does not use it up: programs that look at links in letters open them, too. Raises LinkExpired."""
        query = select(invitations.c.account_name).where(self._is_valid(token))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise LinkExpired
        return Invitation(row.account_name)

    def redeem(self, token: str, name: str, password: str) -> str:
        """The account_id of the person whose `password` is now set; their former sessions end.

        `name` counts where the link is for nobody in particular. Raises LinkExpired, and InvalidValue with
        the link still good.
        """
        invitation = self.look_up(token)
        kept = invitation.account_name or checked_name(name)
        password_hash = aside.run(functools.partial(hashed, password, kept))
        try:
            with self._database.writing() as connection:
                # Of two who use it at once, one finds nothing to delete.
                if connection.execute(delete(invitations).where(self._is_valid(token))).rowcount == 0:
                    raise LinkExpired
                if not invitation.account_name:
                    return self._add(connection, kept, password_hash)
                return self._set_password(connection, kept, password_hash)
        except IntegrityError:
            raise InvalidValue("This name is taken. Choose another one.", param="name") from None

    def _issue(self, name: str, older_than: int | None = None) -> str:
        token, now = tokens.new(), int(self._now())
        former = invitations.c.account_name == name
        if older_than is not None:
            former &= invitations.c.expires_at <= older_than
        values = {"token_digest": tokens.digest(token), "account_name": name, "expires_at": now + VALID_S}
        with self._database.writing() as connection:
            connection.execute(delete(invitations).where(former | (invitations.c.expires_at <= now)))
            connection.execute(insert(invitations).values(values))
        return token

    def _is_valid(self, token: str) -> ColumnElement[bool]:
        return (invitations.c.token_digest == tokens.digest(token)) & (
            invitations.c.expires_at > int(self._now())
        )

    def _set_password(self, connection: Connection, name: str, password_hash: str) -> str:
        query = select(accounts.c.account_id).where(accounts.c.name == name)
        account_id = connection.execute(query).scalar_one_or_none()
        if account_id is None:
            return self._add(connection, name, password_hash)
        connection.execute(
            update(accounts).where(accounts.c.account_id == account_id).values(password_hash=password_hash)
        )
        connection.execute(delete(sessions).where(sessions.c.account_id == account_id))
        return str(account_id)

    def _add(self, connection: Connection, name: str, password_hash: str) -> str:
        account_id = str(uuid.uuid4())
        values = {
            "account_id": account_id,
            "name": name,
            "password_hash": password_hash,
            "created_at": int(self._now()),
        }
        connection.execute(insert(accounts).values(values))
        return account_id
