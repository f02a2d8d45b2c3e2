"""Who is signed in. A session is known by a random token in the person's cookie; only its digest is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from tts_service.accounts import token as tokens
from tts_service.database.engine import Database
from tts_service.database.tables import accounts, sessions

IDLE_S = 12 * 3600
LONGEST_S = 7 * 24 * 3600
_TOUCH_S = 60  # how exact `seen_at` is: one write a minute, not one a page
MAX_NOTICE = 300


@dataclass(frozen=True)
class Session:
    digest: str
    account_id: str
    name: str
    notice: str | None  # what the next page has to say


class Sessions:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def open(self, account_id: str, former_token: str | None = None) -> str:
        """The token of a new session. The former one ends: no token outlives a sign-in (session fixation)."""
        token, now = tokens.new(), int(self._now())
        over = (sessions.c.seen_at <= now - IDLE_S) | (sessions.c.created_at <= now - LONGEST_S)
        if former_token:
            over |= sessions.c.token_digest == tokens.digest(former_token)
        values = {
            "token_digest": tokens.digest(token),
            "account_id": account_id,
            "created_at": now,
            "seen_at": now,
        }
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(over))
            connection.execute(insert(sessions).values(values))
        return token

    def find(self, token: str) -> Session | None:
        """None for a token that is unknown, signed out, idle too long or too old."""
        now = int(self._now())
        query = (
            select(sessions, accounts.c.name)
            .join(accounts, accounts.c.account_id == sessions.c.account_id)
            .where(sessions.c.token_digest == tokens.digest(token))
            .where(sessions.c.seen_at > now - IDLE_S, sessions.c.created_at > now - LONGEST_S)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.seen_at <= now - _TOUCH_S:
            self._set(row.token_digest, seen_at=now)
        return Session(row.token_digest, row.account_id, row.name, row.notice)

    def tell(self, session: Session, notice: str | None) -> None:
        """What the next page has to say; None: nothing more."""
        self._set(session.digest, notice=notice and notice[:MAX_NOTICE])

    def close(self, session: Session) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.token_digest == session.digest))

    def _set(self, digest: str, **values: object) -> None:
        with self._database.writing() as connection:
            connection.execute(update(sessions).where(sessions.c.token_digest == digest).values(values))
