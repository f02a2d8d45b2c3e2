"""How many sockets one account may hold open at once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from tts_service.sandbox.provider import Visit
from tts_service.sandbox.refusals import RefusalError


@contextlib.asynccontextmanager
async def admitted(visit: Visit, cap: int) -> AsyncIterator[None]:
    """A place for one socket; RefusalError 429 when the account has none left."""
    record, surface, account = visit.provider.record, visit.switches.surface, visit.caller.account
    held = record.open_for(surface, account)
    if held >= cap:
        raise RefusalError(
            429,
            f"Too many concurrent sessions for this team (actual/limit): {held + 1}/{cap}. "
            "Close one, or start the sandbox with a higher --max-sessions.",
        )
    record.opened(surface, account)
    try:
        yield
    finally:
        record.shut(surface, account)
