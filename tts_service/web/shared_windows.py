"""Moving windows that several instances count together, in Redis.

Not the storage of the `limits` library: it takes each instance's own clock for the time (a window is wrong by
their difference, faults 3e), needs two steps for a refusal, and fails on a key of another type.
"""

from __future__ import annotations

from tts_service.shared_memory import SharedMemory, SharedMemoryAway
from tts_service.web.windows import MemoryWindows

# A list of times in Redis's own milliseconds, newest first; counts as many as ARGV[5] says, 1 or 0. Answers 0
# when there is room, or the milliseconds until then; or FORGOTTEN when this process alone has counted more
# than Redis knows of, and its share or more: Redis was flushed, or is a new one.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local own, share = tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('TYPE', KEYS[1]).ok ~= 'list' then redis.call('DEL', KEYS[1]) end
local oldest = tonumber(redis.call('LINDEX', KEYS[1], -1))
while oldest and oldest <= now - window do
  redis.call('RPOP', KEYS[1])
  oldest = tonumber(redis.call('LINDEX', KEYS[1], -1))
end
if not (oldest and oldest < now + window) then redis.call('DEL', KEYS[1]) end
local counted = redis.call('LLEN', KEYS[1])
if counted >= limit then return counted > 0 and oldest + window - now or window end
if own > counted and own >= share then return -1 end
if ARGV[5] == '0' then return 0 end
redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], window)
return 0
"""
_FORGOTTEN = -1

# Of the window, when what this process counted is compared with what Redis knows: an entry is written there a
# moment earlier, so near the window's end it is gone there first.
_CERTAIN = 0.9


class SharedWindows:
    """Without Redis each process has its share of every limit, at least 1: never more, and never none.

    `processes`: how many share a limit.
    """

    def __init__(self, memory: SharedMemory, own: MemoryWindows, processes: int) -> None:
        self._memory, self._own, self._processes = memory, own, processes

    def take(self, key: str, limit: int, window_s: float) -> float:
        """0.0 when counted, else the seconds until there is room (web/limits.py, `Windows`)."""
        wait_ms = self._ask(key, limit, window_s, count=1)
        if wait_ms == _FORGOTTEN:
            return self._own.take(key, self._share(limit), window_s)
        if wait_ms == 0:
            self._own.take(key, limit, window_s)
        return wait_ms / 1000

    def wait(self, key: str, limit: int, window_s: float) -> float:
        """What `take` would give, without counting."""
        wait_ms = self._ask(key, limit, window_s, count=0)
        if wait_ms == _FORGOTTEN:
            return self._own.wait(key, self._share(limit), window_s)
        return wait_ms / 1000

    def _ask(self, key: str, limit: int, window_s: float, count: int) -> int:
        own = self._own.counted(key, window_s * _CERTAIN)
        arguments = limit, int(window_s * 1000), own, self._share(limit), count
        try:
            wait_ms: int = self._memory.run(_TAKE, f"tts:window:{key}", *arguments)
        except SharedMemoryAway:
            return _FORGOTTEN
        return wait_ms

    def _share(self, limit: int) -> int:
        return min(limit, max(1, limit // self._processes))
