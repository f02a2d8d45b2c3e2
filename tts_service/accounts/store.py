"""The accounts in the database."""

from __future__ import annotations

from sqlalchemy import delete, exists, select

from tts_service.accounts.account import Account, normal_name
from tts_service.database.engine import Database
from tts_service.database.tables import accounts, invitations, sessions
from tts_service.errors import NotFound


class AccountStore:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Account]:
        """In the order of their names."""
        query = select(accounts).order_by(accounts.c.name)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [Account(r.account_id, r.name, r.password_hash is not None, r.created_at) for r in rows]

    def is_empty(self) -> bool:
        with self._database.reading() as connection:
            return not connection.execute(select(exists(select(accounts.c.account_id)))).scalar()

    def password_of(self, name: str) -> tuple[str, str | None] | None:
        """The account_id and the password's hash; None where nobody has this name."""
        query = select(accounts.c.account_id, accounts.c.password_hash).where(accounts.c.name == name)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.account_id, row.password_hash)

    def delete(self, name: str) -> None:
        """Removes the person, who is signed out at once, and their links. Raises NotFound."""
        kept = normal_name(name)
        with self._database.writing() as connection:
            query = select(accounts.c.account_id).where(accounts.c.name == kept)
            account_id = connection.execute(query).scalar_one_or_none()
            if account_id is None:
                raise NotFound("There is no account of this name.", param="name")
            connection.execute(delete(sessions).where(sessions.c.account_id == account_id))
            connection.execute(delete(invitations).where(invitations.c.account_name == kept))
            connection.execute(delete(accounts).where(accounts.c.account_id == account_id))
