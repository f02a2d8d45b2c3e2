"""The link that makes the first account: printed once, when a service without accounts starts."""

from __future__ import annotations

import logging
from typing import TextIO

from tts_service.accounts.invitations import Invitations
from tts_service.errors import DatabaseUnavailable

_log = logging.getLogger(__name__)


def link(own_url: str, token: str) -> str:
    return f"{own_url}/dashboard/welcome/{token}"


def announce(invitations: Invitations, own_url: str, out: TextIO) -> None:
    """To `out` and not to the log: whoever reads the link within a day may be the first to use it."""
    try:
        token = invitations.issue_first()
    except DatabaseUnavailable:
        _log.warning("No set-up link: the database does not answer. Later: tts-service accounts link")
        return
    if token is not None:
        out.write(
            f"The dashboard has no account yet. Make the first one, within 24 hours: {link(own_url, token)}\n"
        )
        out.flush()
