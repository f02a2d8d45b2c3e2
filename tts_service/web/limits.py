"""How many turns one address, one address at one client, and one client may have.

RATE_LIMIT_IP, RATE_LIMIT_CLIENT_IP and RATE_LIMIT_CLIENT; nothing that a caller could make up anew counts
(faults T1). A moving window, so that nobody gets two minutes' worth around the full minute.
"""

from __future__ import annotations

import ipaddress
import math
from typing import Protocol

from limits import RateLimitItem, parse

from tts_service.errors import RateLimited


class Windows(Protocol):
    """Moving windows, in this process (web/windows.py) or shared by several (web/shared_windows.py)."""

    def take(self, key: str, limit: int, window_s: float) -> float:
        """Counts one for `key` and gives 0.0; or, with `limit` in the last `window_s` seconds, counts
        nothing and gives the seconds until there is room again."""

    def wait(self, key: str, limit: int, window_s: float) -> float:
        """What `take` would give, without counting: for what is known to count only afterwards."""


class TurnLimits:
    """Counts a turn once all cheap checks have passed, before the model is asked.

    Each limit as in the settings, such as "30/minute"; empty is off.
    """

    def __init__(
        self, windows: Windows, *, per_address: str = "", per_client_address: str = "", per_client: str = ""
    ) -> None:
        self._windows = windows
        self._per_address = parse(per_address) if per_address else None
        self._per_client_address = parse(per_client_address) if per_client_address else None
        self._per_client = parse(per_client) if per_client else None

    def count(self, address: str | None, client_id: str) -> None:
        """Raises RateLimited. What is counted for the address comes first: one flooding caller must not use
        up its client."""
        network = network_of(address)
        self._count(
            self._per_address,
            ("address", network),
            "Too many questions from this internet address. Please wait a moment and ask again.",
        )
        self._count(
            self._per_client_address,
            ("client_address", client_id, network),
            "This internet address has asked this assistant too many questions. Please try again later.",
        )
        self._count(
            self._per_client,
            ("client", client_id),
            "This assistant gets too many questions from all its visitors together. "
            "Please wait a moment and ask again.",
        )

    def _count(self, limit: RateLimitItem | None, who: tuple[str, ...], message: str) -> None:
        if limit is None:
            return
        window_s = limit.get_expiry()
        wait_s = self._windows.take(limit.key_for("turns", *who), limit.amount, window_s)
        if wait_s > 0:
            raise RateLimited(message, retry_after_s=min(math.ceil(wait_s), window_s))


def network_of(address: str | None) -> str:
    """What one caller holds: an IPv4 address, or a whole /64 of IPv6 (faults T1).

    What is no address at all (a Unix socket's peer) shares one count.
    """
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip), 64), strict=False))
    return str(ip)
