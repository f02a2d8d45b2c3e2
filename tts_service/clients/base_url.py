"""Where a client's own language model may stand (faults 2 row 7, 5-98). Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tts_service.addresses import Reach, may_name
from tts_service.errors import UrlNotAllowed

MAX_CHARS = 500


class NotABaseUrl(ValueError):
    """It is not, or can be read in two ways."""


def normalised(text: str) -> str:
    """The URL with its scheme and host in lower case, and no slash at its end. Raises NotABaseUrl.

    Only what cannot be read in two ways: no user, no backslash, no query.
    """
    if not re.fullmatch(rf"[!-~]{{1,{MAX_CHARS}}}", text) or set(text) & set('\\?#@"<>'):
        raise NotABaseUrl
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise NotABaseUrl from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise NotABaseUrl
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def check(url: str, reach: Reach) -> None:
    """Raises UrlNotAllowed where a `normalised` URL cannot be within `reach`.

    What a name resolves to is not asked: it may be another address tomorrow. The Dialer asks, every time.
    """
    parts = urlsplit(url)
    in_the_clear = parts.scheme != "https" or parts.port not in (None, 443)
    if (reach is Reach.PUBLIC and in_the_clear) or not may_name(parts.hostname or "", reach):
        raise UrlNotAllowed(param="ai_base_url")
