"""Webhook signatures: what we sign the standard's library verifies, and the other way round."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from interlock.domain.errors import ConfigurationError, Unauthenticated
from interlock.ingress.signatures import new_secret, sign, verify

BODY = '{"id":"task_1","state":"succeeded","note":"für €"}'.encode()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def now() -> datetime:
    return datetime.now(UTC)


def test_the_example_of_the_specification() -> None:
    """Message ID, time, body and signature as the Standard Webhooks libraries test them."""
    headers = sign(
        [SECRET],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        body=b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_library_verifies_what_we_sign() -> None:
    secret = new_secret()
    headers = sign([secret], message_id="msg_1", at=now(), body=BODY)
    Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)


def test_we_verify_what_the_library_signs() -> None:
    at = now()
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign("msg_1", at, BODY.decode()),
    }
    assert verify([SECRET], headers=headers, body=BODY) == "msg_1"


def test_during_a_rotation_either_secret_verifies() -> None:
    old, new = new_secret(), new_secret()
    headers = sign([new, old], message_id="msg_1", at=now(), body=BODY)
    Webhook(old).verify(BODY, headers)
    Webhook(new).verify(BODY, headers)
    assert verify([new_secret(), old], headers=headers, body=BODY) == "msg_1"


def test_a_time_in_another_zone_is_the_same_time() -> None:
    at = now()
    elsewhere = at.astimezone(timezone(timedelta(hours=-7)))
    assert sign([SECRET], message_id="m", at=at, body=b"") == sign([SECRET], message_id="m", at=elsewhere, body=b"")


@pytest.mark.parametrize("part", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed_and_covered(part: str) -> None:
    headers = sign([SECRET], message_id="msg_1", at=now(), body=BODY)
    with pytest.raises(Unauthenticated):
        verify([SECRET], headers={k: v for k, v in headers.items() if k != part}, body=BODY)
    changed = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(now().timestamp()) + 9),
        "webhook-signature": "v1,AA==",
    }
    with pytest.raises(Unauthenticated, match=r"(?i)no matching"):
        verify([SECRET], headers={**headers, part: changed[part]}, body=BODY)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_old_and_early_messages_are_refused(minutes: int) -> None:
    headers = sign([SECRET], message_id="msg_1", at=now() + timedelta(minutes=minutes), body=BODY)
    with pytest.raises(Unauthenticated, match="too"):
        verify([SECRET], headers=headers, body=BODY)


@pytest.mark.parametrize("signature", ["v1", "v1,%%%", "v1,ü", "v1,a", "v2,AAAA", ",", " ", "v1," + "A" * 5000])
def test_malformed_signatures_are_refused(signature: str) -> None:
    headers = {**sign([SECRET], message_id="msg_1", at=now(), body=BODY), "webhook-signature": signature}
    with pytest.raises(Unauthenticated):
        verify([SECRET], headers=headers, body=BODY)


def test_a_body_that_is_not_text_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        verify([SECRET], headers=sign([SECRET], message_id="m", at=now(), body=b""), body=b"\xff")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError):
        sign([secret], message_id="m", at=now(), body=b"")
    with pytest.raises(ConfigurationError):
        verify([secret], headers=sign([SECRET], message_id="m", at=now(), body=b""), body=b"")


def test_no_secret_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        sign([], message_id="m", at=now(), body=b"")
    with pytest.raises(ConfigurationError):
        verify([], headers={}, body=b"")


@pytest.mark.parametrize("message_id", ["", "a.b", "a\nb", "ü"])
def test_message_ids_that_would_be_ambiguous(message_id: str) -> None:
    with pytest.raises(ValueError, match="message ID"):
        sign([SECRET], message_id=message_id, at=now(), body=b"")


def test_secrets_are_long_and_fresh() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(len(base64.b64decode(s.removeprefix("whsec_"))) == 32 for s in secrets)
