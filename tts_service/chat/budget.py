"""What a client's day still pays for: its `daily_limit` held against what it has spent."""

from __future__ import annotations

import logging
import time

from tts_service.clients.client import Client
from tts_service.clients.spending import Spending
from tts_service.errors import BudgetExhausted, DatabaseUnavailable

log = logging.getLogger(__name__)

REFUSED_AT = 1.25  # times daily_limit: speech has stopped at 1.0, turns stop here (contract.md)


class DailyBudget:
    def __init__(self, spending: Spending) -> None:
        self._spending = spending

    def pays_for_voice(self, client: Client) -> bool:
        """Raises BudgetExhausted where the day pays for nothing, and DatabaseUnavailable: it fails closed."""
        limit, spent = client.daily_limit, self.spent(client)
        if limit is None or spent is None:
            return True
        if spent >= REFUSED_AT * limit:
            raise BudgetExhausted(retry_after_s=_seconds_to_utc_midnight())
        return spent < limit

    def spent(self, client: Client) -> float | None:
        """US dollars since 00:00 UTC; without a limit nothing is counted. Raises DatabaseUnavailable."""
        return None if client.daily_limit is None else self._spending.today(client.client_id)

    def charge(self, client: Client, dollars: float) -> None:
        if client.daily_limit is None or dollars == 0:
            return
        try:
            self._spending.add(client.client_id, dollars)
        except DatabaseUnavailable:
            # The reply stands. The limit still fails closed: the next turn cannot read the day's spending.
            log.error("event=spending_lost client_id=%s", client.client_id)


def _seconds_to_utc_midnight() -> int:
    return 86_400 - int(time.time()) % 86_400
