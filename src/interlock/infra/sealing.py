"""Values at rest under a key (AES-256-GCM, NIST SP 800-38D), each bound to what it belongs to: moved elsewhere, it opens no more."""

from __future__ import annotations

import os
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from interlock.domain import canonical

_NONCE_BYTES: Final = 12


class Sealing:
    """Seals and opens under one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, value: bytes, *bound: Any) -> bytes:
        """Give a fresh nonce and the encrypted value; `bound` is authenticated, and must be given again to open it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, canonical.dumps(list(bound)))

    def open(self, sealed: bytes, *bound: Any) -> bytes:
        """Give the value; raises cryptography's InvalidTag where key or `bound` are others, or it was changed."""
        data = bytes(sealed)
        return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], canonical.dumps(list(bound)))
