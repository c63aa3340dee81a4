"""Signed tree heads: C2SP tlog-checkpoint in a C2SP signed-note, with Ed25519.

A checkpoint says: the log of this name had this many records, and this root over them. Anyone who holds the public key can check it
offline, and two checkpoints that contradict each other convict the log. https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from interlock.domain.errors import AuditBroken
from interlock.governance.merkle import HASH_BYTES

NOTE_BYTES_MAX: Final = 16 * 1024
SIGNATURES_MAX: Final = 64
_ED25519: Final = b"\x01"
_SIGNATURE_BYTES: Final = 64
_DASH: Final = "\u2014 "


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state of a log: its unique name, its number of records, the Merkle root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or any(ord(c) < 0x20 or ord(c) == 0x7F for c in self.origin):
            raise ValueError("the origin of a checkpoint is one line of text")
        if not 0 <= self.size < 2**63 or len(self.root) != HASH_BYTES:
            raise ValueError("a checkpoint has a size from 0 and a root of 32 bytes")

    def body(self) -> str:
        """Give the text that is signed: three lines, each with its newline."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_id(key_name: str, public_key: Ed25519PublicKey) -> bytes:
    """Give the 4 bytes that tell keys of one name apart: SHA-256(name, newline, algorithm 0x01, key)."""
    return hashlib.sha256(_name(key_name).encode() + b"\n" + _ED25519 + public_key.public_bytes_raw()).digest()[:4]


def verifier_key(key_name: str, public_key: Ed25519PublicKey) -> str:
    """Give the key as text for verifiers: `NAME+ID+BASE64` (C2SP signed-note)."""
    encoded = base64.b64encode(_ED25519 + public_key.public_bytes_raw()).decode()
    return f"{key_name}+{key_id(key_name, public_key).hex()}+{encoded}"


def sign(checkpoint: Checkpoint, key_name: str, private_key: Ed25519PrivateKey) -> str:
    """Give the note: the checkpoint's text, an empty line, one signature line."""
    return sign_text(checkpoint.body(), key_name, private_key)


def sign_text(body: str, key_name: str, *private_keys: Ed25519PrivateKey) -> str:
    """Give the signed note over a text that ends in a newline: the text, an empty line, a signature line for each key."""
    lines = [
        f"{_DASH}{key_name} {base64.b64encode(key_id(key_name, key.public_key()) + key.sign(body.encode())).decode()}\n"
        for key in private_keys
    ]
    return f"{body}\n{''.join(lines)}"


def verify(note: str, key_name: str, public_key: Ed25519PublicKey) -> Checkpoint:
    """Check the note's signature by this key, and read the checkpoint in it.

    Signatures by other keys (witnesses) are passed over, as the specification asks; one by this key must be there.

    Raises:
        AuditBroken: anything else than such a note, to the byte; a text that `sign` would not have written.
    """
    return _parse(verify_text(note, key_name, public_key))


def verify_text(note: str, key_name: str, public_key: Ed25519PublicKey) -> str:
    """Check a note's signature by this key and give its text; raises as `verify` does, whatever the text is."""
    if len(note.encode(errors="replace")) > NOTE_BYTES_MAX:
        raise AuditBroken("The checkpoint is over 16 KiB.")
    body, gap, block = note.rpartition("\n\n")
    if not gap or not block.endswith("\n"):
        raise AuditBroken("The checkpoint is not a signed note: text, an empty line, signatures.")
    body += "\n"
    lines = block[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise AuditBroken(f"The checkpoint has over {SIGNATURES_MAX} signatures.")
    wanted = (_name(key_name), key_id(key_name, public_key))
    ours = [signature for name, id_, signature in map(_signature, lines) if (name, id_) == wanted]
    if not ours:
        raise AuditBroken(f"The checkpoint has no signature by {verifier_key(key_name, public_key)}.")
    for signature in ours:
        try:
            public_key.verify(signature, body.encode())
        except (InvalidSignature, UnicodeEncodeError) as error:
            raise AuditBroken(f"The checkpoint's signature by {key_name} does not hold.") from error
    return body


def _signature(line: str) -> tuple[str, bytes, bytes]:
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2:
        raise AuditBroken("A signature line of the checkpoint is malformed.")
    name, encoded = parts
    data = _base64(encoded)
    if len(data) <= 4:
        raise AuditBroken("A signature of the checkpoint is too short.")
    return name, data[:4], data[4:]


def _parse(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) != 4:
        raise AuditBroken("The checkpoint does not have the three lines origin, size and root.")
    origin, size, encoded, _ = lines
    if not (size.isascii() and size.isdigit()) or len(size) > 19 or (size != "0" and size.startswith("0")):
        raise AuditBroken("The checkpoint's size is not a plain decimal number.")
    try:
        return Checkpoint(origin=origin, size=int(size), root=_base64(encoded))
    except ValueError as error:
        raise AuditBroken(f"The checkpoint cannot be: {error}.") from error


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AuditBroken("The checkpoint holds malformed base64.") from error
    # One spelling only: stray bits after the last byte would let two texts carry one signature.
    if base64.b64encode(data).decode() != text:
        raise AuditBroken("The checkpoint holds base64 that is not canonical.")
    return data


def _name(key_name: str) -> str:
    if not key_name or "+" in key_name or any(c.isspace() for c in key_name) or not key_name.isprintable():
        raise ValueError("a key name is text without spaces and plus signs")
    return key_name
