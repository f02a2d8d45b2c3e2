"""A person who may sign in, and what a name and a password may be. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from werkzeug.security import check_password_hash, generate_password_hash

from tts_service.errors import InvalidValue

MAX_NAME = 100
MIN_PASSWORD, MAX_PASSWORD = 10, 200

# Werkzeug's own measure: 32 MiB and about 60 ms, for which it goes aside (`aside.run`). OWASP's p=3 would be
# three times that; `Attempts` bounds how often it is.
_METHOD = "scrypt:32768:8:1"
# Of a password that nobody has: an unknown name costs the time of a known one (faults 5-95).
_NOBODY = f"{_METHOD}$nobodynobodynobo${'0' * 128}"

# No database takes them in a parameter (faults L19), and only a program can send them.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Account:
    account_id: str  # uuid4
    name: str
    has_password: bool
    created_at: int  # Unix seconds


def normal_name(text: str) -> str:
    """One spelling a person: what they type to sign in, however they type it. Never raises."""
    return " ".join(_UNSTORABLE.sub("?", unicodedata.normalize("NFKC", text)).casefold().split())


def checked_name(text: str) -> str:
    """The name as it is kept. Raises InvalidValue."""
    name = normal_name(text)
    unfit = _UNSTORABLE.search(text) or any(unicodedata.category(c) in ("Cc", "Cf") for c in name)
    if unfit or not 1 <= len(name) <= MAX_NAME:
        raise InvalidValue(f"A name has 1 to {MAX_NAME} characters without control characters.", param="name")
    return name


def hashed(password: str, name: str) -> str:
    """What is kept of a new password. Raises InvalidValue.

    Length is the only rule: rules of composition make people choose worse ones (NIST SP 800-63B 5.1.1.2).
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidValue(
            f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters. "
            "Four or five words that nobody else would put together are a good one.",
            param="password",
        )
    if normal_name(password) == name:
        raise InvalidValue("The password must be another one than the name.", param="password")
    return generate_password_hash(_one_spelling(password), _METHOD)


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password; takes as long where none is `kept`."""
    if len(password) > MAX_PASSWORD:
        password = ""
    is_right = check_password_hash(kept or _NOBODY, _one_spelling(password))
    return is_right and kept is not None


def _one_spelling(password: str) -> str:
    """Keyboards differ in how they compose letters (NIST SP 800-63B 5.1.1.2). Half a surrogate pair, which
    only a program can send, becomes a question mark."""
    return unicodedata.normalize("NFKC", password).encode(errors="replace").decode()
