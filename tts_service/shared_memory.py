"""Owns the connection to Redis, by which several instances share what one process would know alone.

A convenience for caches and a necessity for limits: so it answers within 100 ms or not at all (faults 3e).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tts_service.settings import SettingsError

try:
    import redis
except ImportError:  # an extra: one process needs none
    redis = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from redis import Redis

TIMEOUT_S = 0.1

ERRORS: tuple[type[Exception], ...] = (redis.RedisError,) if redis else ()


def connect(url: str) -> Redis:
    """A client that connects when it is first used. Raises SettingsError."""
    if redis is None:
        raise SettingsError(["REDIS_URL needs the redis extra: pip install 'tts-service[redis]'."])
    try:
        return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except ValueError as error:
        raise SettingsError(["REDIS_URL must look like redis://host:6379/0."]) from error
