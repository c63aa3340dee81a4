"""Signed statements: DSSE envelopes (Dead Simple Signing Envelope, v1) with Ed25519.

What is signed is the pre-authentication encoding of type and payload, so an envelope of one type is none of another.
https://github.com/secure-systems-lab/dsse
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from interlock.domain import canonical
from interlock.domain.errors import ModelUntrusted

ENVELOPE_CHARS_MAX: Final = 4 * 1024 * 1024
SIGNATURES_MAX: Final = 16


def key_id(key: Ed25519PublicKey) -> str:
    """Give the name under which an envelope points to a key: SHA-256 (hex) of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def encoding(payload_type: str, payload: bytes) -> bytes:
    """Give the bytes that are signed (PAE): `DSSEv1`, then length and bytes of the type and of the payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, key: Ed25519PrivateKey) -> str:
    """Give the envelope as JSON text, with one signature."""
    return canonical.dumps(
        {
            "payloadType": payload_type,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [
                {
                    "keyid": key_id(key.public_key()),
                    "sig": base64.b64encode(key.sign(encoding(payload_type, payload))).decode(),
                }
            ],
        }
    ).decode()


def verify(envelope: str, payload_type: str, keys: Mapping[str, Ed25519PublicKey]) -> bytes:
    """Give the payload of an envelope that one of these keys (by `key_id`) signed.

    Signatures by other keys are passed over; one by a trusted key must be there, and each by a trusted key must hold.

    Raises:
        ModelUntrusted: it is no envelope of this type, nobody trusted signed it, or a signature does not hold.
    """
    body = _object(envelope)
    signatures = body.get("signatures")
    if body.get("payloadType") != payload_type or not isinstance(signatures, list):
        raise ModelUntrusted(f"The statement is no envelope of the type {payload_type}.")
    if len(signatures) > SIGNATURES_MAX:
        raise ModelUntrusted(f"The statement has over {SIGNATURES_MAX} signatures.")
    payload = _base64(body.get("payload"))
    signers = [s for s in signatures if isinstance(s, dict) and s.get("keyid") in keys]
    if not signers:
        named = ", ".join(str(s.get("keyid"))[:12] for s in signatures if isinstance(s, dict)) or "nobody"
        raise ModelUntrusted(f"The statement is signed by no key that is trusted here, but by {named}.")
    for signer in signers:
        try:
            keys[signer["keyid"]].verify(_base64(signer.get("sig")), encoding(payload_type, payload))
        except InvalidSignature as error:
            raise ModelUntrusted(
                f"The statement's signature by the key {signer['keyid'][:12]} does not hold."
            ) from error
    return payload


def _object(envelope: str) -> dict[str, Any]:
    if len(envelope) > ENVELOPE_CHARS_MAX:
        raise ModelUntrusted(f"The statement has over {ENVELOPE_CHARS_MAX} characters.")
    try:
        body = orjson.loads(envelope)
    except orjson.JSONDecodeError as error:
        raise ModelUntrusted("The statement is no JSON.") from error
    if not isinstance(body, dict):
        raise ModelUntrusted("The statement is no JSON object.")
    return body


def _base64(text: Any) -> bytes:
    try:
        if not isinstance(text, str):
            raise TypeError("not text")
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ModelUntrusted("The statement holds malformed base64.") from error
    if base64.b64encode(data).decode() != text:
        raise ModelUntrusted("The statement holds base64 that is not canonical.")
    return data
