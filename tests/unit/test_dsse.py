"""Envelopes: the encoding of the specification, and every bit that is flipped in one is found."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.errors import ModelUntrusted
from interlock.governance import dsse

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
TRUSTED = {dsse.key_id(KEY.public_key()): KEY.public_key()}
TYPE = "application/vnd.in-toto+json"


def test_the_encoding_is_that_of_the_specification() -> None:
    # The example of the DSSE protocol document.
    wanted = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert dsse.encoding("http://example.com/HelloWorld", b"hello world") == wanted


def test_an_envelope_has_the_fields_of_the_specification_and_gives_its_payload() -> None:
    envelope = dsse.sign(TYPE, b"payload", KEY)
    body = json.loads(envelope)
    assert (body["payloadType"], base64.b64decode(body["payload"])) == (TYPE, b"payload")
    signature = base64.b64decode(body["signatures"][0]["sig"])
    KEY.public_key().verify(signature, b"DSSEv1 28 application/vnd.in-toto+json 7 payload")
    assert dsse.verify(envelope, TYPE, TRUSTED) == b"payload"


@given(st.data())
def test_any_bit_that_is_flipped_is_found_or_changes_nothing(data: st.DataObject) -> None:
    text = bytearray(dsse.sign(TYPE, b"payload", KEY).encode())
    bit = data.draw(st.integers(0, len(text) * 8 - 1))
    text[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ModelUntrusted):
        dsse.verify(text.decode("utf-8", "replace"), TYPE, TRUSTED)


def test_an_unknown_signer_another_type_and_no_signature_are_refused() -> None:
    with pytest.raises(ModelUntrusted, match="no key that is trusted here"):
        dsse.verify(dsse.sign(TYPE, b"payload", OTHER), TYPE, TRUSTED)
    with pytest.raises(ModelUntrusted, match="no envelope of the type"):
        dsse.verify(dsse.sign("text/plain", b"payload", KEY), TYPE, TRUSTED)
    body = json.loads(dsse.sign(TYPE, b"payload", KEY))
    with pytest.raises(ModelUntrusted, match="nobody"):
        dsse.verify(json.dumps(body | {"signatures": []}), TYPE, TRUSTED)
    with pytest.raises(ModelUntrusted, match="over 16"):
        dsse.verify(json.dumps(body | {"signatures": body["signatures"] * 17}), TYPE, TRUSTED)


def test_a_signature_under_a_trusted_name_must_hold() -> None:
    forged = json.loads(dsse.sign(TYPE, b"payload", OTHER))
    forged["signatures"][0]["keyid"] = dsse.key_id(KEY.public_key())
    with pytest.raises(ModelUntrusted, match="does not hold"):
        dsse.verify(json.dumps(forged), TYPE, TRUSTED)


def test_a_second_signature_by_a_stranger_is_passed_over() -> None:
    body = json.loads(dsse.sign(TYPE, b"payload", KEY))
    body["signatures"] += json.loads(dsse.sign(TYPE, b"payload", OTHER))["signatures"]
    assert dsse.verify(json.dumps(body), TYPE, TRUSTED) == b"payload"


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"payloadType": "application/vnd.in-toto+json"}'])
def test_what_is_no_envelope_is_refused(text: str) -> None:
    with pytest.raises(ModelUntrusted):
        dsse.verify(text, TYPE, TRUSTED)
