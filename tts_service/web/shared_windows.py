"""Moving windows that several instances count together, in Redis.

Not the storage of the `limits` library: it takes each instance's own clock for the time (a window is wrong by
their difference, faults 3e), needs two steps for a refusal, and fails on a key of another type.
"""

from __future__ import annotations

from tts_service.shared_memory import SharedMemory, SharedMemoryAway
from tts_service.web.windows import MemoryWindows

# A list of times in Redis's own milliseconds, newest first. Answers 0 when counted, or the milliseconds until
# there is room; or FORGOTTEN when this process alone has counted more than Redis knows of, and more than its
# share: it was flushed, or is a new one.
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
        share = min(limit, max(1, limit // self._processes))
        own = self._own.counted(key, window_s * _CERTAIN)
        window_ms = int(window_s * 1000)
        try:
            wait_ms = self._memory.run(_TAKE, f"tts:window:{key}", limit, window_ms, own, share)
        except SharedMemoryAway:
            wait_ms = _FORGOTTEN
        if wait_ms == _FORGOTTEN:
            return self._own.take(key, share, window_s)
        if wait_ms == 0:
            self._own.take(key, limit, window_s)
        return float(wait_ms) / 1000
