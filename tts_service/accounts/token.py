"""Random tokens that prove something by being known; only their digests are kept. Pure."""

from __future__ import annotations

import hashlib
import secrets

_BYTES = 32


def new() -> str:
    """43 characters that are safe in a URL and in a cookie."""
    return secrets.token_urlsafe(_BYTES)


def digest(token: str) -> str:
    """64 hexadecimal digits. No salt: 256 random bits cannot be guessed from it."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
