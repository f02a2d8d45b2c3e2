"""Owns Redis, the memory that several instances share so that they behave as one.

It answers within 100 ms or not at all (faults 3e). After a failure it is left alone for ten seconds, so that
not every turn pays those 100 ms, and then one caller tries it for all. Meanwhile everybody gets
`SharedMemoryAway` and goes on with what the process itself remembers.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from tts_service.deadline import Clock
from tts_service.settings import SettingsError

log = logging.getLogger(__name__)

TIMEOUT_S = 0.1  # for each step on the socket
REST_S = 10.0
MOST_IDLE = 32  # connections kept for the next command

Argument = str | bytes | int

# A read might succeed where writing is what fails (out of memory, a replica), so what is tried is a write.
_TRIAL = ("SET", "tts:trial", "1", "EX", 60)

# Of any type and size may be what stands there (T23), and GET alone would bring it all.
_GET = """
if redis.call('TYPE', KEYS[1]).ok ~= 'string' then return false end
if redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[1]) then return false end
return redis.call('GET', KEYS[1])
"""


class Connection(Protocol):
    """What is used of a connection of the redis library: it connects by itself with the first command."""

    def send_command(self, *arguments: Argument) -> object: ...

    def read_response(self) -> Any: ...

    def can_read(self) -> bool: ...

    def disconnect(self) -> object: ...


class SharedMemoryAway(Exception):
    """Redis does not answer, or refuses what it was asked."""


class SharedMemory:
    """Threads and greenlets share it; a process that was forked opens connections of its own.

    Keys begin with `tts:`, the purpose and how it is kept, since a key of another type is an error in Redis.
    Every key has a time to live. Every method raises SharedMemoryAway, soon after 100 ms at the latest.
    """

    def __init__(self, url: str, clock: Clock = time.monotonic, timeout_s: float = TIMEOUT_S) -> None:
        """Connects when it is first used. Raises SettingsError."""
        self._redis = _library()
        self._new_connection = _connections_to(self._redis, url, timeout_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._pid = os.getpid()
        self._rests_until: float | None = None

    def get(self, key: str, max_bytes: int) -> bytes | None:
        """None also for what is no string, or longer than `max_bytes`."""
        found = self.run(_GET, key, max_bytes)
        return found if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._ask("SET", key, value, "PX", int(ttl_s * 1000))

    def run(self, script: str, key: str, *arguments: Argument) -> Any:
        """What a Lua script answers, run in one step with `KEYS[1]` and `ARGV`: bytes, int, list or None."""
        return self._ask("EVAL", script, 1, key, *arguments)

    def answers(self) -> bool:
        """Whether it can be written to, as far as is known: while it rests it is not asked."""
        try:
            self._ask(*_TRIAL)
        except SharedMemoryAway:
            return False
        return True

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.disconnect()

    def _ask(self, *command: Argument) -> Any:
        is_trial = self._admit()
        try:
            if is_trial:
                self._exchange(_TRIAL)
            answer = self._exchange(command)
        except self._redis.DataError:
            raise  # what was asked is no command: our own mistake
        except self._redis.RedisError as error:
            self._rest(type(error).__name__)
            raise SharedMemoryAway from error
        if is_trial:
            self._welcome()
        return answer

    def _admit(self) -> bool:
        """True for the one who tries it after a rest. Raises SharedMemoryAway for all others meanwhile."""
        with self._lock:
            if self._rests_until is None:
                return False
            if self._clock() < self._rests_until:
                raise SharedMemoryAway
            self._rests_until = self._clock() + REST_S
            return True

    def _rest(self, why: str) -> None:
        with self._lock:
            is_new = self._rests_until is None
            self._rests_until = self._clock() + REST_S
        self.close()  # the others lead to the same place: none of them may cost the next trial
        if is_new:
            log.warning("event=redis_away why=%s rests_s=%d", why, REST_S)

    def _welcome(self) -> None:
        with self._lock:
            self._rests_until = None
        log.warning("event=redis_back")

    def _exchange(self, command: tuple[Argument, ...]) -> Any:
        connection = self._connection()
        try:
            connection.send_command(*command)
            answer = connection.read_response()
        except BaseException:
            # Whatever ended this, a killed greenlet too: the answer that may still come is nobody's, and on
            # a connection that is used again it would be taken for the next one's (CVE-2023-28858).
            connection.disconnect()
            raise
        self._keep(connection)
        return answer

    def _connection(self) -> Connection:
        """The one used last that is still good, or a new one."""
        while True:
            with self._lock:
                if self._pid != os.getpid():
                    self._pid, self._idle = os.getpid(), []  # the parent's
                if not self._idle:
                    break
                connection = self._idle.pop()
            if self._is_quiet(connection):
                return connection
            connection.disconnect()
        return self._new_connection()

    def _is_quiet(self, connection: Connection) -> bool:
        """Whether the server has neither closed it (a restart, an idle timeout) nor said more than asked."""
        try:
            return not connection.can_read()
        except (self._redis.RedisError, OSError):
            return False

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            if len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
                return
        connection.disconnect()


def open_shared_memory(url: str | None) -> SharedMemory | None:
    """None where no REDIS_URL is set. One that does not answer is told in the log, and is no reason to stop.

    Raises SettingsError.
    """
    if url is None:
        return None
    memory = SharedMemory(url, timeout_s=TIMEOUT_S)
    memory.answers()
    return memory


def _library() -> Any:
    """An extra, and 8 MB: imported only where REDIS_URL is set."""
    try:
        return importlib.import_module("redis")
    except ImportError:
        raise SettingsError(["REDIS_URL needs the redis extra: pip install 'tts-service[redis]'."]) from None


def _connections_to(redis: Any, url: str, timeout_s: float) -> Callable[[], Connection]:
    try:
        parts = urlsplit(url)
        if parts.scheme != "unix" and not (parts.path.strip("/") or "0").isdecimal():
            raise ValueError("the database is a number")
        options: dict[str, Any] = redis.connection.parse_url(url)
        kind = options.pop("connection_class", redis.Connection)
        timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        ours = {"protocol": 2, "decode_responses": False, "retry_on_timeout": False}
        new_connection: Callable[[], Connection] = partial(kind, **options | timeouts | ours)
        new_connection()  # opens nothing, and refuses what it does not know
    except (ValueError, TypeError, redis.RedisError):
        raise SettingsError(["REDIS_URL must look like redis://host:6379/0."]) from None
    return new_connection
