"""Whether a request that changes something was sent from the dashboard itself. Pure.

Two proofs, since each has had holes: where the browser says that the request comes from, and a token that
stands in the dashboard's own pages (faults 5-92 and 5-93).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from tts_service.errors import CsrfRejected
from tts_service.secret import Secret
from tts_service.web import origins

_LABEL = "tts-service dashboard form v1"


class FormTokens:
    """Tokens bound to one session. Made with the first of the SECRET_KEYs, taken if any of them made it."""

    def __init__(self, secret_keys: tuple[Secret, ...]) -> None:
        # A key for this purpose alone from each, so that no token of ours is another one's seal.
        self._keys = tuple(_signed(key.reveal().encode(), _LABEL).encode() for key in secret_keys)

    def make(self, session_digest: str) -> str:
        return _signed(self._keys[0], session_digest)

    def check(self, session_digest: str, given: str) -> None:
        """Raises CsrfRejected."""
        sent = given.encode(errors="replace")
        if not any(hmac.compare_digest(_signed(key, session_digest).encode(), sent) for key in self._keys):
            raise CsrfRejected


def check_sender(headers: Mapping[str, str], host: str, public_url: str | None, production: bool) -> None:
    """Raises CsrfRejected where the browser says that another site's page sent this.

    `host` as in `origins.is_own`. A page with the Referrer-Policy no-referrer sends `Origin: null`; then
    Sec-Fetch-Site alone has to speak. A program sends neither.
    """
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site not in (None, "same-origin", "none"):
        raise CsrfRejected
    if origin is None or (origin == "null" and site is not None):
        return
    if not origins.is_own(origin, host, public_url, production):
        raise CsrfRejected


def _signed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
