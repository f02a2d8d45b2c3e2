"""The widget on its client's own page of the dashboard: a signed leave to ask without being on the list.

The service's own origin is in no client's allowed_origins, and cookies are not looked at under /api. So the
page, which only somebody who is signed in can open, carries a token that the widget there sends along. It
remembers no conversation, so that after a change nothing said before colours the answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from itsdangerous import BadSignature, TimestampSigner

from tts_service.settings import Settings
from tts_service.web import origins

HEADER = "X-Widget-Preview"
"""Not among the headers that CORS allows: pages of other origins cannot send it."""
LASTS_S = 3600

# Part of the signature's key, so that a token is a token of ours for this purpose alone.
_SALT = "tts-service widget preview v1"


class Previews:
    """Tokens bound to one client. Made with the first of the SECRET_KEYs, taken if any of them made it."""

    def __init__(self, settings: Settings, lasts_s: int = LASTS_S) -> None:
        self._settings = settings
        self._lasts_s = lasts_s
        keys = [key.reveal() for key in reversed(settings.secret_keys)]  # itsdangerous signs with the last
        self._signer = TimestampSigner(keys, salt=_SALT, key_derivation="hmac", digest_method=hashlib.sha256)

    def token(self, client_id: str) -> str:
        """Good for `lasts_s` from now."""
        return self._signer.sign(client_id).decode()

    def admits(self, client_id: str, headers: Mapping[str, str], host: str) -> bool:
        """Whether a page of our own sent this, with leave for this client. `host` as in `origins.is_own`."""
        now = self._settings
        return origins.is_own(
            headers.get("Origin", ""), host, now.public_url, now.production
        ) and self._holds(headers.get(HEADER, ""), client_id)

    def _holds(self, token: str, client_id: str) -> bool:
        try:
            return self._signer.unsign(token, max_age=self._lasts_s) == client_id.encode()
        except BadSignature:
            return False
