"""Stored keys, sealed: AES-256-GCM under a key derived from SECRET_KEY.

Pure. A token is `v1.<key id>.<nonce, ciphertext and tag in base64url>`. The key id finds the right one of
several SECRET_KEYs during a rotation. The client's id and the field's name are authenticated with it, so that
a token copied into another row or column does not open (faults T11).
"""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tts_service.secret import Secret

_VERSION = "v1"
# Changing either label makes every stored key unreadable.
_KEY_LABEL = b"tts-service sealing key v1"
_ID_LABEL = b"tts-service sealing key id v1"
_NONCE_BYTES = 12  # NIST SP 800-38D 8.2: 96 bits; random, so safe for 2^32 tokens a key


class SealBroken(Exception):
    """The token does not open. The text says what the operator can do and holds neither token nor key."""


class Sealer:
    """Seals with the first key, opens with any of them."""

    def __init__(self, keys: tuple[Secret, ...]) -> None:
        if not keys:
            raise ValueError("a Sealer needs at least one SECRET_KEY")
        derived = [(_derived(key, _ID_LABEL, 6).hex(), _derived(key, _KEY_LABEL, 32)) for key in keys]
        self._ciphers = {key_id: AESGCM(key) for key_id, key in derived}
        self._writes_with = derived[0][0]

    def seal(self, client_id: str, field: str, secret: Secret) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._ciphers[self._writes_with]
        sealed = nonce + cipher.encrypt(nonce, secret.reveal().encode(), _place(client_id, field))
        return f"{_VERSION}.{self._writes_with}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, client_id: str, field: str, token: str) -> Secret:
        """Raises SealBroken: its key is not among ours, or it was altered or made for another place."""
        version, _, rest = token.partition(".")
        key_id, _, body = rest.partition(".")
        if version != _VERSION:
            raise SealBroken("it was sealed by another version of this service")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealBroken(
                "SECRET_KEY was changed without rotation; put the old one behind the new one "
                "(SECRET_KEY=new,old), or set the client's ai_api_key again"
            )
        try:
            sealed = base64.b64decode(body, altchars=b"-_", validate=True)
            nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return Secret(cipher.decrypt(nonce, ciphertext, _place(client_id, field)).decode())
        except (binascii.Error, ValueError, InvalidTag):
            raise SealBroken(
                "it was altered, or copied from another client; set the client's ai_api_key again"
            ) from None

    def needs_reseal(self, token: str) -> bool:
        """Whether the token was sealed with a key other than the first, and so stands in a rotation's way."""
        return not token.startswith(f"{_VERSION}.{self._writes_with}.")


def _derived(key: Secret, label: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=label).derive(key.reveal().encode())


def _place(client_id: str, field: str) -> bytes:
    """What the token is bound to. NUL is in neither part, so no two places read the same."""
    return f"{_VERSION}\0{client_id}\0{field}".encode()
