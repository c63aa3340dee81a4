"""Audit leaves: what is written of each recorded effect and state change, in its own transaction.

A leaf holds no personal data and no bare digest of it: content is committed to by HMAC-SHA256 under the erasable key of the
task's subject, with a random salt. So a leaf proves what the content was as long as the key exists, and nothing after.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from interlock.domain import canonical

SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


def new_salt() -> bytes:
    return os.urandom(SALT_BYTES)


def commit(key: bytes, salt: bytes, parts: Sequence[str | None]) -> str:
    """Commit to texts: HMAC-SHA256 (hex) over the salt and each text's length and bytes; None differs from empty."""
    mac = hmac.new(key, salt, hashlib.sha256)
    for part in parts:
        data = b"" if part is None else part.encode()
        mac.update((0 if part is None else len(data) + 1).to_bytes(8, "big") + data)
    return mac.hexdigest()


def leaf(kind: str, *, tenant: str, at: datetime, facts: Mapping[str, Any]) -> str:
    """Give the canonical text of a leaf. `facts` must hold neither personal data nor digests of it."""
    return canonical.dumps({"v": 1, "kind": kind, "tenant": tenant, "at": at, **facts}).decode()


class SubjectKeys:
    """Wraps the keys of subjects under the deployment's master key (AES-256-GCM; the subject is authenticated too)."""

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(master_key)

    def new(self, tenant: str, subject: str) -> tuple[bytes, bytes]:
        """Give a fresh key and its wrapped form."""
        key = os.urandom(KEY_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        return key, nonce + self._cipher.encrypt(nonce, key, _bound(tenant, subject))

    def unwrap(self, tenant: str, subject: str, wrapped: bytes) -> bytes:
        """Give the key; raises cryptography's InvalidTag where it was wrapped for another subject or master key."""
        data = bytes(wrapped)
        return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound(tenant, subject))


def _bound(tenant: str, subject: str) -> bytes:
    return canonical.dumps([tenant, subject])
