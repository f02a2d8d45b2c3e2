"""How many turns one address and one client may have: RATE_LIMIT_IP and RATE_LIMIT_CLIENT.

A moving window, so that nobody gets two minutes' worth around the full minute. The windows are kept by
whatever has `acquire_entry` and `get_moving_window`: `MemoryWindows` here, or a storage of the `limits`
library (Redis) where several processes must count together.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from typing import Protocol

from limits import RateLimitItem, parse

from tts_service.deadline import Clock
from tts_service.errors import RateLimited

_MAX_KEYS = 20_000  # about 20 MB at 30 entries each; beyond it the longest unused is forgotten


class Windows(Protocol):
    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Counts `amount` against `key` unless that makes more than `limit` in the last `expiry` seconds."""

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest counted entry came (Unix time), and how many are in the window."""


class MemoryWindows:
    """The windows of one process.

    `limits.storage.MemoryStorage` would do, but it keeps every address for ever, starts a thread for most
    hits and trusts the wall clock (faults T18, T27).
    """

    def __init__(self, clock: Clock = time.monotonic, max_keys: int = _MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._entries: OrderedDict[str, list[float]] = OrderedDict()  # least recently counted first
        self._expiries: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        with self._lock:
            entries = self._current(key, expiry)
            if len(entries) + amount > limit:
                return False
            self._entries[key] = entries + [self._clock()] * amount
            self._entries.move_to_end(key)
            self._expiries[key] = expiry
            self._forget()
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        with self._lock:
            entries = self._current(key, expiry)
        age_s = self._clock() - entries[0] if entries else 0.0
        return time.time() - age_s, len(entries)

    def _current(self, key: str, expiry: int) -> list[float]:
        since = self._clock() - expiry
        return [at for at in self._entries.get(key, ()) if at > since]

    def _forget(self) -> None:
        while self._entries:
            key, entries = next(iter(self._entries.items()))
            if len(self._entries) <= self._max_keys and entries[-1] + self._expiries[key] > self._clock():
                return
            del self._entries[key], self._expiries[key]


class TurnLimits:
    """Counts a turn once all cheap checks have passed, before the model is asked."""

    def __init__(self, per_address: str, per_client: str, windows: Windows) -> None:
        self._per_address = parse(per_address) if per_address else None
        self._per_client = parse(per_client) if per_client else None
        self._windows = windows

    def count(self, address: str | None, client_id: str) -> None:
        """Raises RateLimited. The address comes first: one flooding caller must not use up its client."""
        self._count(self._per_address, "address", network_of(address))
        self._count(self._per_client, "client", client_id)

    def _count(self, limit: RateLimitItem | None, kind: str, who: str) -> None:
        if limit is None:
            return
        key, seconds = limit.key_for("turns", kind, who), limit.get_expiry()
        if self._windows.acquire_entry(key, limit.amount, seconds):
            return
        oldest_at, _ = self._windows.get_moving_window(key, limit.amount, seconds)
        wait_s = math.ceil(oldest_at + seconds - time.time())
        raise RateLimited(retry_after_s=min(max(1, wait_s), seconds))


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
