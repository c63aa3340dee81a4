"""Signed checkpoints: the specification's example key and note, and every byte changed once."""

from __future__ import annotations

import base64
from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.errors import AuditBroken
from interlock.governance.checkpoints import NOTE_BYTES_MAX, Checkpoint, key_id, sign, verifier_key, verify

NAME = "interlock.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
POINT = Checkpoint(origin=NAME, size=1_234, root=bytes(range(100, 132)))
NOTE = sign(POINT, NAME, KEY)

# The example of golang.org/x/mod/sumdb/note, the origin of the format, and the key of Go's checksum database.
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def public_key(text: str) -> tuple[str, Ed25519PublicKey]:
    name, _, encoded = text.split("+", 2)
    return name, Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])


@pytest.mark.parametrize("text", [EXAMPLE_KEY, SUMDB_KEY])
def test_key_ids_are_those_of_the_specification(text: str) -> None:
    name, public = public_key(text)
    assert key_id(name, public).hex() == text.split("+")[1]
    assert verifier_key(name, public) == text


def test_the_example_note_is_signed_but_no_checkpoint() -> None:
    name, public = public_key(EXAMPLE_KEY)
    with pytest.raises(AuditBroken, match="three lines"):
        verify(EXAMPLE_NOTE, name, public)
    with pytest.raises(AuditBroken, match="does not hold"):
        verify(EXAMPLE_NOTE.replace("your", "my"), name, public)


def test_the_note_is_what_the_specification_shows() -> None:
    body, empty, signature = NOTE.split("\n")[:3], NOTE.split("\n")[3], NOTE.split("\n")[4]
    assert body == [NAME, "1234", base64.b64encode(POINT.root).decode()]
    assert empty == ""
    assert signature.startswith(f"\u2014 {NAME} ")
    assert NOTE.endswith("\n")
    assert verify(NOTE, NAME, PUBLIC) == POINT


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_what_was_signed_is_read(size: int, root: bytes) -> None:
    point = Checkpoint(origin="log", size=size, root=root)
    assert verify(sign(point, NAME, KEY), NAME, PUBLIC) == point


def test_every_changed_byte_is_seen() -> None:
    data = bytearray(NOTE.encode())
    for at, change in product(range(len(data)), (0x01, 0x20, 0x80)):
        data[at] ^= change
        with pytest.raises(AuditBroken):
            verify(data.decode(errors="surrogateescape"), NAME, PUBLIC)
        data[at] ^= change


def test_every_lost_or_doubled_character_is_seen() -> None:
    for at in range(len(NOTE)):
        for changed in (NOTE[:at] + NOTE[at + 1 :], NOTE[:at] + NOTE[at] + NOTE[at:]):
            with pytest.raises(AuditBroken):
                verify(changed, NAME, PUBLIC)


def signed(body: str) -> str:
    data = key_id(NAME, PUBLIC) + KEY.sign(body.encode())
    return f"{body}\n\u2014 {NAME} {base64.b64encode(data).decode()}\n"


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "body",
    [
        f"log\n01\n{ROOT}\n",
        f"log\n-1\n{ROOT}\n",
        f"log\n1_0\n{ROOT}\n",
        f"log\n\u0661\n{ROOT}\n",
        f"log\n{2**63}\n{ROOT}\n",
        f"log\n{10**30}\n{ROOT}\n",
        f"log\n1\n{ROOT}\nextension\n",
        "log\n1\n",
        f"\n1\n{ROOT}\n",
        f"lo\tg\n1\n{ROOT}\n",
        f"log\n1\n{ROOT[:-2]}B=\n",
        f"log\n1\n{base64.b64encode(bytes(31)).decode()}\n",
    ],
)
def test_a_signature_over_something_else_is_no_checkpoint(body: str) -> None:
    assert verify(signed(f"log\n1\n{ROOT}\n"), NAME, PUBLIC).size == 1
    with pytest.raises(AuditBroken):
        verify(signed(body), NAME, PUBLIC)


def test_another_key_or_name_does_not_pass() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(AuditBroken, match="no signature by"):
        verify(NOTE, NAME, other.public_key())
    with pytest.raises(AuditBroken, match="no signature by"):
        verify(NOTE, "somebody.example/log", PUBLIC)


def test_witnesses_are_passed_over_but_a_false_second_signature_is_not() -> None:
    witness = sign(POINT, "witness.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    assert verify(NOTE + witness.rpartition("\n\n")[2], NAME, PUBLIC) == POINT
    false = base64.b64encode(key_id(NAME, PUBLIC) + bytes(64)).decode()
    with pytest.raises(AuditBroken, match="does not hold"):
        verify(f"{NOTE}\u2014 {NAME} {false}\n", NAME, PUBLIC)


def test_limits() -> None:
    with pytest.raises(AuditBroken, match="16 KiB"):
        verify("x" * NOTE_BYTES_MAX + NOTE, NAME, PUBLIC)
    with pytest.raises(AuditBroken, match="over 64 signatures"):
        verify(NOTE + "\u2014 w AAAAAAA=\n" * 64, NAME, PUBLIC)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\x00b"])
def test_names_that_the_format_cannot_hold(name: str) -> None:
    with pytest.raises(ValueError, match="key name"):
        sign(POINT, name, KEY)


@pytest.mark.parametrize(
    ("origin", "size", "root"), [("", 1, bytes(32)), ("a\nb", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 1, b"")]
)
def test_checkpoints_that_cannot_be(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        Checkpoint(origin=origin, size=size, root=root)
