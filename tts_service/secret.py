"""A value that must reach no log, page or exception text.

Pure. `str()` and `repr()` of it show that it is there, never what it is; `reveal()` is the one way out,
so a search for that word finds every place a key leaves us.
"""

from __future__ import annotations

import hashlib
import hmac


class Secret:
    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    @property
    def last4(self) -> str:
        """What people may see of a key; nothing of one so short that four characters would give it away."""
        return self._value[-4:] if len(self._value) >= 12 else ""

    @property
    def digest(self) -> bytes:
        """Tells keys apart where the key itself has no business. Keys are too long to be guessed from it."""
        return hashlib.blake2b(self._value.encode(), digest_size=16).digest()

    def matches(self, text: str) -> bool:
        """Whether `text` is it. A near miss takes as long as any other; digests hide the length as well."""
        ours, theirs = (
            hashlib.blake2b(word.encode("utf-8", "surrogatepass")).digest() for word in (self._value, text)
        )
        return hmac.compare_digest(ours, theirs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return int.from_bytes(hashlib.blake2b(self._value.encode(), digest_size=8).digest(), "big")

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__
