"""The voices as the provider lists them now (protocols 1.9, 3.2); the classic five if it cannot be asked."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tts_service.addresses import Reach
from tts_service.deadline import Clock, Deadline
from tts_service.errors import (
    SpeechAuth,
    SpeechError,
    SpeechRateLimited,
    SpeechTls,
    SpeechUnavailable,
    UpstreamAuth,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from tts_service.secret import Secret
from tts_service.upstream import Upstream

KEPT_S = 300.0
KEPT_LISTS = 64  # of different keys
MAX_VOICES = 500  # 28 in September 2026; what follows these is dropped

# The provider's words for each (contract.md). The ids it lists beside them have none.
_CLASSIC = {
    "ara": ("Ara", "warm"),
    "rex": ("Rex", "confident"),
    "sal": ("Sal", "balanced"),
    "eve": ("Eve", "upbeat"),
    "leo": ("Leo", "authoritative"),
}
_RANK = {voice_id: rank for rank, voice_id in enumerate(_CLASSIC)}
_VOICE_ID = re.compile("[A-Za-z0-9_-]{1,64}", re.ASCII)  # what a client's `voice` may hold
_MAX_WORD_CHARS = 60

_IN_OTHER_WORDS: dict[type[UpstreamError], type[SpeechError]] = {
    UpstreamAuth: SpeechAuth,
    UpstreamRateLimited: SpeechRateLimited,
    UpstreamTls: SpeechTls,
    UpstreamUnreachable: SpeechUnavailable,
    UpstreamUnavailable: SpeechUnavailable,
}
_NO_KEY = "There is no key for the voice. Set XAI_API_KEY, or the client's ai_api_key."
_TOO_LATE = "The voice provider did not list its voices in time."
_NO_LIST = "The voice provider did not list its voices. Check XAI_BASE_URL."


@dataclass(frozen=True)
class ListedVoice:
    """`language` is None for a voice that speaks them all. `about` is a word such as warm, or empty."""

    voice_id: str  # lower case, as a client keeps it
    name: str
    language: str | None = None
    gender: str | None = None
    about: str = ""


@dataclass(frozen=True)
class Voices:
    """`problem` says why the list is not the provider's of this moment, and is None where it is."""

    rows: tuple[ListedVoice, ...]
    problem: str | None = None

    @property
    def is_live(self) -> bool:
        return self.problem is None

    def including(self, voice_id: str) -> tuple[ListedVoice, ...]:
        """The rows, and `voice_id` behind them if it is none of these: a custom voice is in no list, and a
        client that has one must still find it.
        """
        if any(row.voice_id == voice_id for row in self.rows):
            return self.rows
        return (*self.rows, ListedVoice(voice_id, voice_id))


CLASSIC_FIVE = tuple(ListedVoice(each, name, about=about) for each, (name, about) in _CLASSIC.items())


class Roster:
    """One for the process. Keeps each key's list for KEPT_S; a failure is not kept, so a mended key shows at
    once.
    """

    def __init__(self, upstream: Upstream, base_url: str) -> None:
        self._upstream = upstream
        self._url = f"{base_url}/tts/voices"
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[Deadline, Voices]] = OrderedDict()

    def voices(self, key: Secret | None, deadline: Deadline) -> Voices:
        """Never raises for what the provider does."""
        if key is None:
            return Voices(CLASSIC_FIVE, _NO_KEY)
        kept = self._kept_for(key)
        if kept is not None:
            return kept
        try:
            rows = _rows(self._upstream.get_json(self._url, key, Reach.ANYWHERE, deadline))
        except UpstreamError as error:
            return Voices(CLASSIC_FIVE, _problem(error))
        if not rows:
            return Voices(CLASSIC_FIVE, _NO_LIST)
        return self._keep(key, Voices(rows), deadline.clock)

    def _kept_for(self, key: Secret) -> Voices | None:
        with self._lock:
            kept = self._kept.get(key.digest)
        return None if kept is None or kept[0].expired else kept[1]

    def _keep(self, key: Secret, voices: Voices, clock: Clock) -> Voices:
        with self._lock:
            self._kept[key.digest] = (Deadline.after(KEPT_S, clock), voices)
            self._kept.move_to_end(key.digest)
            if len(self._kept) > KEPT_LISTS:
                self._kept.popitem(last=False)
        return voices


def _problem(error: UpstreamError) -> str:
    if isinstance(error, UpstreamTimeout):
        return _TOO_LATE
    ours = _IN_OTHER_WORDS.get(type(error))
    return _NO_LIST if ours is None else ours.message


def _rows(answer: Any) -> tuple[ListedVoice, ...]:
    listed = answer.get("voices") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        return ()
    found = {row.voice_id: row for row in map(_row, listed[:MAX_VOICES]) if row is not None}
    return tuple(sorted(found.values(), key=lambda row: (_RANK.get(row.voice_id, len(_RANK)), row.name)))


def _row(listed: object) -> ListedVoice | None:
    """None for what no client could choose."""
    if not isinstance(listed, dict):
        return None
    voice_id = listed.get("voice_id")
    if not isinstance(voice_id, str) or not _VOICE_ID.fullmatch(voice_id):
        return None
    lower = voice_id.lower()
    _, about = _CLASSIC.get(lower, ("", ""))
    name = _word(listed, "name") or voice_id.capitalize()
    return ListedVoice(lower, name, _word(listed, "language"), _word(listed, "gender"), about)


def _word(listed: Mapping[str, object], field: str) -> str | None:
    """Text for a page, or None where it is missing or no such text."""
    value = listed.get(field)
    fits = isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= _MAX_WORD_CHARS
    return str(value).strip() if fits else None
