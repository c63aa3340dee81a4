"""The canonical form has one spelling, whichever way it is made."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain import canonical
from interlock.domain.effects import Kind
from interlock.governance import audit
from interlock.sdk.task import input_digest

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_leaves: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | _texts
    | st.decimals(allow_nan=False, allow_infinity=False)
)
_keys = _texts | st.integers(-9, 9) | st.booleans()
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4), max_leaves=20
)


@given(_values)
def test_both_gives_what_plain_and_dumps_give(value: Any) -> None:
    try:
        plain = canonical.plain(value)
    except TypeError:
        with pytest.raises(TypeError):
            canonical.both(value)
        return
    assert canonical.both(value) == (plain, canonical.dumps(plain))


def test_a_key_that_is_no_string_is_one_with_its_spelling() -> None:
    plain, text = canonical.both({1: "first", "1": "second"})
    assert len(plain) == 1
    assert text == canonical.dumps(plain)


class Colour(Enum):
    RED = "red"


def test_both_knows_what_json_lacks() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert canonical.both({"a": Decimal("1.50"), "b": at, "c": Colour.RED})[1] == (
        b'{"a":"1.50","b":"2026-01-02T00:00:00.000000Z","c":"red"}'
    )
    with pytest.raises(TypeError):
        canonical.both({"a": {1}})


@given(
    st.datetimes(),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))) | st.just(UTC),
    st.booleans(),
)
def test_a_time_is_written_in_utc_to_the_microsecond(naive: datetime, zone: timezone, whole: bool) -> None:
    at = naive.replace(tzinfo=zone, microsecond=0 if whole else naive.microsecond)
    try:
        expected = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except OverflowError:  # before year 1 or after 9999 in UTC
        return
    assert canonical.rfc3339(at) == expected


@given(st.binary(max_size=130), st.binary(min_size=16, max_size=16), st.lists(st.none() | _texts, max_size=6))
def test_a_commitment_is_the_hmac_over_salt_and_lengths_and_texts(
    key: bytes, salt: bytes, parts: list[str | None]
) -> None:
    message = salt
    for part in parts:
        data = (part or "").encode()
        message += (0 if part is None else len(data) + 1).to_bytes(8, "big") + data
    assert audit.commit(key, salt, parts) == hmac.new(key, message, "sha256").hexdigest()


@given(st.sampled_from(Kind), _texts, _texts, _values.filter(lambda value: value is not None))
def test_an_input_digest_is_over_the_canonical_list(kind: Kind, name: str, target: str, value: Any) -> None:
    try:
        plain, text = canonical.both(value)
    except TypeError:
        return
    listed = canonical.dumps([kind.value, name, target, plain])
    assert input_digest(kind, name, target, text) == hashlib.sha256(listed).digest()
