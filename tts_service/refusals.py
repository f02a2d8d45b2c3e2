"""What a provider's HTTP status means: one of our errors (faults 3a). Pure.

Of the body only known words are looked at, and none is repeated: it may hold the key.
"""

from __future__ import annotations

import email.utils
import time

from tts_service.errors import (
    UpstreamAuth,
    UpstreamConfig,
    UpstreamError,
    UpstreamQuota,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)


def refusal(status: int, body: bytes, retry_after: str | None = None) -> UpstreamError:
    """What a status other than 200 means (faults 3a). Of the body only known words are looked at."""
    words = body[:4096].decode("utf-8", "replace").lower()
    if status == 402 or (status == 429 and _is_quota(words)):
        return UpstreamQuota()
    if status == 429:
        return UpstreamRateLimited(retry_after_s=retry_after_s(retry_after))
    if status in (401, 403) or (status == 400 and any(mark in words for mark in _KEY_MARKS)):
        return UpstreamAuth()
    if status == 404:
        return UpstreamConfig()
    if status == 408 or status >= 500:
        return UpstreamUnavailable(retry_after_s=retry_after_s(retry_after) if retry_after else None)
    return UpstreamRejected()


# The provider answers 400 to a wrong key, and 429 both to haste and to an empty account (protocols 4.4,
# 7.11); only these words of the captured answers tell them apart.
_KEY_MARKS = ("api key", "api_key", "apikey")
_QUOTA_MARKS = ("quota", "credit", "billing", "spending limit")
# Both providers advertise billing in the answer to haste, so haste is looked for first.
_HASTE_MARKS = ("rate_limit_exceeded", "requests per", "tokens per")


def _is_quota(words: str) -> bool:
    if any(mark in words for mark in _HASTE_MARKS):
        return False
    return any(mark in words for mark in _QUOTA_MARKS)


RETRY_AFTER_DEFAULT_S = 5
RETRY_AFTER_MOST_S = 60


def retry_after_s(header: str | None) -> int:
    """Seconds from a Retry-After header, 1 to 60; a date is understood, nonsense is 5."""
    if header is None:
        return RETRY_AFTER_DEFAULT_S
    header = header.strip()
    if header.isascii() and header.removeprefix("-").isdecimal():
        seconds = int(header[:12])
    else:
        try:
            seconds = int(email.utils.parsedate_to_datetime(header).timestamp() - time.time())
        except (ValueError, OverflowError):
            return RETRY_AFTER_DEFAULT_S
    return min(max(seconds, 1), RETRY_AFTER_MOST_S)
