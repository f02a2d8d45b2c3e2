"""The one door of the admin API: ADMIN_TOKEN in the Authorization header, and no other header or cookie."""

from __future__ import annotations

from limits import RateLimitItem, parse

from tts_service.errors import RateLimited, Unauthorized
from tts_service.secret import Secret
from tts_service.web.limits import network_of
from tts_service.web.windows import MemoryWindows

WRONG_TOKENS = parse("10/minute")  # of one address; then even the right one has to wait


class Bearer:
    def __init__(
        self, token: Secret, windows: MemoryWindows, wrong_tokens: RateLimitItem = WRONG_TOKENS
    ) -> None:
        self._token = token
        self._windows = windows
        self._wrong_tokens = wrong_tokens

    def check(self, authorization: str | None, address: str | None) -> None:
        """Raises Unauthorized or RateLimited.

        A missing token is no guess and is not counted: any website could send requests without one from
        its visitor's address, and shut the visitor out.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized
        key, seconds = (
            self._wrong_tokens.key_for("wrong tokens", network_of(address)),
            self._wrong_tokens.get_expiry(),
        )
        if self._windows.counted(key, seconds) >= self._wrong_tokens.amount:
            raise RateLimited("Too many wrong tokens. Wait, then try again.", retry_after_s=seconds)
        if not self._token.matches(token.strip()):
            self._windows.take(key, self._wrong_tokens.amount, seconds)
            raise Unauthorized
