"""What was said before in each conversation, in Redis, so that whichever instance is asked next knows it.

Without Redis, and for what Redis has lost, each process remembers what it has answered itself.
"""

from __future__ import annotations

import hashlib
import time

import orjson

from tts_service.chat.completions import Said
from tts_service.chat.history import CHARS_TOLD, IDLE_S, TURNS_TOLD, Histories, newest
from tts_service.deadline import Clock
from tts_service.shared_memory import SharedMemory, SharedMemoryAway

# A list of turns, each the JSON of [question, answer], oldest first. UTF-8 takes 4 bytes at most, JSON more
# only for control characters. The newest turn stays however long it is, as in the process's own memory.
_KEPT_BYTES = 4 * CHARS_TOLD
_READ_BYTES = 512 * 1024  # above what can be ours: a reply of 20,000 characters and a question of 4,000

_REMEMBER = """
if redis.call('TYPE', KEYS[1]).ok ~= 'list' then redis.call('DEL', KEYS[1]) end
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
local bytes = 0
local turns = redis.call('LRANGE', KEYS[1], 0, -1)
for i = #turns, 1, -1 do
  bytes = bytes + #turns[i]
  if bytes > tonumber(ARGV[3]) and i < #turns then
    redis.call('LTRIM', KEYS[1], i - #turns, -1)
    break
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
"""

_RECALL = """
if redis.call('TYPE', KEYS[1]).ok ~= 'list' then return {} end
local turns = redis.call('LRANGE', KEYS[1], -tonumber(ARGV[1]), -1)
local bytes = 0
for _, turn in ipairs(turns) do bytes = bytes + #turn end
if bytes > tonumber(ARGV[2]) then return {} end
return turns
"""


class SharedHistories(Histories):
    def __init__(self, memory: SharedMemory, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._memory = memory

    def recall(self, client_id: str, conversation_id: str) -> list[Said]:
        """Oldest first; nothing for a conversation unknown or too long idle."""
        try:
            turns = self._memory.run(_RECALL, key_of(client_id, conversation_id), TURNS_TOLD, _READ_BYTES)
        except SharedMemoryAway:
            turns = []
        return newest(_said(turns)) or super().recall(client_id, conversation_id)

    def remember(self, client_id: str, conversation_id: str, question: str, answer: str) -> None:
        """A turn that was answered. One that failed is not kept: the visitor will ask again."""
        super().remember(client_id, conversation_id, question, answer)
        turn = orjson.dumps([question, answer])
        limits = TURNS_TOLD, _KEPT_BYTES, int(IDLE_S * 1000)
        try:
            self._memory.run(_REMEMBER, key_of(client_id, conversation_id), turn, *limits)
        except SharedMemoryAway:
            return  # this process has it


def key_of(client_id: str, conversation_id: str) -> str:
    """Hashed: a caller chooses the conversation_id, and may have put words in it."""
    who = hashlib.sha256(f"{client_id} {conversation_id}".encode()).hexdigest()
    return f"tts:conversation:list:{who}"


def _said(turns: list[bytes]) -> list[Said]:
    """Nothing where any of it is not ours (faults T23)."""
    said: list[Said] = []
    for turn in turns:
        try:
            match orjson.loads(turn):
                case [str(question), str(answer)]:
                    said += [Said("user", question), Said("assistant", answer)]
                case _:
                    return []
        except orjson.JSONDecodeError:
            return []
    return said
