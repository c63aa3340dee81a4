"""Standard Webhooks signatures, for callbacks that go out and for hooks that come in.

https://www.standardwebhooks.com: HMAC-SHA256 over `id.timestamp.body`. The receiver refuses what is over five minutes old or
new, and drops an ID that it has seen: so a delivery keeps its ID across attempts, and gets a fresh time and signature on each.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook, WebhookVerificationError

from interlock.domain.errors import ConfigurationError, Unauthenticated

SECRET_BYTES: Final = 32
_PREFIX: Final = "whsec_"
_SECRET_BYTES_MIN: Final = 24
_SECRET_BYTES_MAX: Final = 64
_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_HEADER_CHARS_MAX: Final = 4_096


def new_secret() -> str:
    """Give a fresh signing secret: `whsec_` and the base64 of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(signing_secrets: Sequence[str], *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Give the three headers that sign a message.

    Args:
        signing_secrets: the current secret first; during a rotation the former one too, so that either verifies.
        message_id: the same on every attempt; receivers deduplicate by it. No dots, since they separate what is signed.
        at: time of this attempt, aware.
        body: exactly the bytes that are sent; UTF-8.

    Raises:
        ConfigurationError: no secret, or one that is none.
    """
    if not signing_secrets:
        raise ConfigurationError("A message has no signing secret.", fix="Give the subscription a whsec_… secret.")
    if not message_id or "." in message_id or not message_id.isascii() or not message_id.isprintable():
        raise ValueError("a message ID is printable ASCII without dots")
    # The library reads any datetime as if it were UTC, so it is made UTC first.
    at, text = at.astimezone(UTC), body.decode()
    signatures = [_webhook(secret).sign(message_id, at, text) for secret in signing_secrets]
    return dict(zip(_HEADERS, (message_id, str(int(at.timestamp())), " ".join(signatures)), strict=True))


def verify(signing_secrets: Sequence[str], *, headers: Mapping[str, str], body: bytes) -> str:
    """Check that one of the secrets signed this message within the last five minutes, and give the message ID.

    Raises:
        Unauthenticated: a header is missing, the time is off, or no signature holds. It does not say which bytes differ.
        ConfigurationError: no secret, or one that is none.
    """
    if not signing_secrets:
        raise ConfigurationError("The source has no signing secret.", fix="Give it a whsec_… secret.")
    given = {name.lower(): value for name, value in headers.items() if name.lower() in _HEADERS}
    if any(len(value) > _HEADER_CHARS_MAX for value in given.values()):
        raise Unauthenticated("A webhook header is over 4,096 characters.")
    why = "no matching signature"
    for secret in signing_secrets:
        webhook = _webhook(secret)
        try:
            webhook.verify(body, given, json_parse=False)
        except WebhookVerificationError as error:
            why = str(error)
        except (ValueError, TypeError):
            # A malformed signature or body makes the library stumble instead of refusing.
            why = "malformed signature or body"
        else:
            return given["webhook-id"]
    raise Unauthenticated(f"The webhook's signature does not hold: {why}.", fix="Sign it with the source's secret.")


def _webhook(secret: str) -> Webhook:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not _SECRET_BYTES_MIN <= len(key) <= _SECRET_BYTES_MAX:
        raise ConfigurationError(
            "A webhook secret is malformed.", fix="It is `whsec_` and the base64 of 24 to 64 random bytes."
        )
    return Webhook(key)
