"""The audit log's signing keys: the first follows from the master key, each later one was introduced by the key before it.

A checkpoint is accepted by one key only, the one that signed at its size. So a key that has been retired proves nothing newer, and a key
that nobody introduced proves nothing at all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from interlock.domain.errors import AuditBroken
from interlock.governance import checkpoints
from interlock.governance.checkpoints import Checkpoint
from interlock.infra.database import Connection
from interlock.infra.keys import AUDIT_KEY_NAME, Keys
from interlock.infra.settings import Settings

_KEYS: Final = "select number, public_key, from_size, introduction from audit_keys order by number"
_PRIVATE: Final = "select wrapped from audit_private_keys where number = %s"
_NONCE_BYTES: Final = 12
_TITLE: Final = "audit key"


@dataclass(frozen=True, kw_only=True)
class AuditKey:
    """A public key: its number from 0, the size from which it signs (exclusive), and its introduction by the key before it."""

    number: int
    public_key: Ed25519PublicKey
    from_size: int
    introduction: str | None


class KeyRing:
    """The public keys of a log, oldest first. One that holds only the first key needs no database."""

    def __init__(self, *, origin: str, key_name: str, first: Ed25519PublicKey) -> None:
        self.origin = origin
        self.key_name = key_name
        self.keys: tuple[AuditKey, ...] = (AuditKey(number=0, public_key=first, from_size=0, introduction=None),)

    async def load(self, conn: Connection) -> Self:
        """Take the later keys from the database, each behind its introduction.

        Raises:
            AuditBroken: an introduction does not hold.
        """
        rows = await (await conn.execute(_KEYS)).fetchall()
        return self.extended(rows)

    def extended(self, rows: Sequence[tuple[Any, ...]]) -> Self:
        keys = list(self.keys[:1])
        for number, public, from_size, introduction in rows:
            key = AuditKey(
                number=number, public_key=_public(number, public), from_size=from_size, introduction=introduction
            )
            before = keys[-1]
            if number != before.number + 1 or from_size <= before.from_size:
                raise AuditBroken(f"Signing key {number} of the audit log does not follow key {before.number}.")
            self._check_introduction(before, key)
            keys.append(key)
        self.keys = tuple(keys)
        return self

    @property
    def current(self) -> AuditKey:
        return self.keys[-1]

    def at(self, size: int) -> AuditKey:
        """Give the key that signs checkpoints of this size."""
        return next(key for key in reversed(self.keys) if key.from_size < size or key.number == 0)

    def verify(self, note: str) -> Checkpoint:
        """Check a note's signature by the key of its size. Raises AuditBroken for anything else."""
        lines = note.split("\n", 3)
        claimed = (
            int(lines[1]) if len(lines) > 2 and lines[1].isascii() and lines[1].isdigit() and len(lines[1]) < 20 else 0
        )
        return checkpoints.verify(note, self.key_name, self.at(claimed).public_key)

    def verifier(self, key: AuditKey) -> str:
        """Give a key as text for verifiers (C2SP signed-note)."""
        return checkpoints.verifier_key(self.key_name, key.public_key)

    def introduction(self, key: AuditKey) -> str:
        """Give the text that introduces a key: log, number, from which size, the key itself."""
        return f"{self.origin}\n{_TITLE} {key.number}\nfrom {key.from_size}\n{self.verifier(key)}\n"

    def introduce(self, key: AuditKey, old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> str:
        """Give the signed note by both keys: the old one vouches, the new one shows that somebody holds it."""
        return checkpoints.sign_text(self.introduction(key), self.key_name, old, new)

    def _check_introduction(self, before: AuditKey, key: AuditKey) -> None:
        for signer in (before, key):
            try:
                text = checkpoints.verify_text(key.introduction or "", self.key_name, signer.public_key)
            except AuditBroken as error:
                raise AuditBroken(
                    f"The introduction of signing key {key.number} does not hold: {error.detail}"
                ) from error
            if text != self.introduction(key):
                raise AuditBroken(f"The introduction of signing key {key.number} introduces another key.")


class PrivateKeys:
    """Where the current private key comes from: the first one is given, later ones lie wrapped in the database.

    Args:
        wrapping_key: 32 bytes that follow from the master key; without it only the first key can sign.
    """

    def __init__(self, first: Ed25519PrivateKey, wrapping_key: bytes | None) -> None:
        self._first = first
        self._cipher = None if wrapping_key is None else AESGCM(wrapping_key)
        self._known: tuple[int, Ed25519PrivateKey] = (0, first)

    @property
    def first(self) -> Ed25519PrivateKey:
        return self._first

    async def current(self, conn: Connection, ring: KeyRing) -> Ed25519PrivateKey:
        """Give the private key of the ring's newest key.

        Raises:
            AuditBroken: it is gone, was wrapped under another master key, or is another key's.
        """
        key = ring.current
        if self._known[0] != key.number:
            row = await (await conn.execute(_PRIVATE, (key.number,))).fetchone()
            self._known = (key.number, self._unwrap(key.number, None if row is None else bytes(row[0])))
        private = self._known[1]
        if private.public_key().public_bytes_raw() != key.public_key.public_bytes_raw():
            raise AuditBroken(
                f"The private key that is kept as number {key.number} is not the one that was introduced."
            )
        return private

    def wrap(self, number: int, key: Ed25519PrivateKey) -> bytes:
        if self._cipher is None:
            raise AuditBroken("There is no key to wrap the audit log's private keys with.")
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key.private_bytes_raw(), _bound(number))

    def _unwrap(self, number: int, wrapped: bytes | None) -> Ed25519PrivateKey:
        if number == 0:
            return self._first
        if wrapped is None or self._cipher is None:
            raise AuditBroken(
                f"The private key number {number} of the audit log is gone.", fix="Restore it from a backup."
            )
        try:
            raw = self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _bound(number))
        except (InvalidTag, ValueError) as error:
            raise AuditBroken(
                f"The private key number {number} of the audit log does not open.",
                fix="Set INTERLOCK_MASTER_KEY to the one that it was made under.",
            ) from error
        return Ed25519PrivateKey.from_private_bytes(raw)


def key_ring(settings: Settings) -> KeyRing:
    """Give the ring of the audit log's public keys; `load` adds the later ones."""
    keys = Keys.of(settings)
    return KeyRing(origin=keys.audit_origin, key_name=AUDIT_KEY_NAME, first=keys.audit_key.public_key())


def _bound(number: int) -> bytes:
    return f"interlock/audit-key/{number}".encode()


def _public(number: int, data: Any) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes(data))
    except ValueError as error:
        raise AuditBroken(f"Signing key {number} of the audit log is no key.") from error
