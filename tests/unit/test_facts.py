"""Facts for policies: what converts, and that nothing is rounded or guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.decisions import Answer, Entity
from interlock.governance.facts import PolicyError, cedar_json, ref


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("text", "text"),
        (True, True),
        (2**63 - 1, 2**63 - 1),
        (Decimal("12.3"), {"__extn": {"fn": "decimal", "arg": "12.3000"}}),
        (Decimal("12"), {"__extn": {"fn": "decimal", "arg": "12.0000"}}),
        (Decimal("-0.00"), {"__extn": {"fn": "decimal", "arg": "0.0000"}}),
        (Decimal("1E+3"), {"__extn": {"fn": "decimal", "arg": "1000.0000"}}),
        (Decimal("922337203685477.5807"), {"__extn": {"fn": "decimal", "arg": "922337203685477.5807"}}),
        (date(2018, 3, 4), {"__extn": {"fn": "datetime", "arg": "2018-03-04"}}),
        (datetime(2018, 3, 4, 1, tzinfo=UTC), {"__extn": {"fn": "datetime", "arg": "2018-03-04T01:00:00.000Z"}}),
        (
            datetime(2018, 3, 4, 1, tzinfo=timezone(timedelta(hours=2))),
            {"__extn": {"fn": "datetime", "arg": "2018-03-03T23:00:00.000Z"}},
        ),
        ({"a": None, "b": [1, {"c": None}]}, {"b": [1, {}]}),
        (Entity(type="User", id="x"), {"__entity": {"type": "User", "id": "x"}}),
        (ref("User", "x"), {"type": "User", "id": "x"}),
        (Answer.ALLOW, "allow"),
        (("a", "b"), ["a", "b"]),
    ],
)
def test_converts(value: Any, wanted: Any) -> None:
    assert cedar_json(value) == wanted


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (1.5, "a Decimal"),
        (2**63, "64 bits"),
        (Decimal("0.00001"), "four decimal places"),
        (Decimal("922337203685477.5808"), "not a decimal that Cedar can hold"),
        (Decimal("NaN"), "not a decimal that Cedar can hold"),
        (Decimal("1E+999999"), "not a decimal that Cedar can hold"),
        (Decimal("1E-999999"), "four decimal places"),
        (datetime(2018, 3, 4), "time zone"),
        ([None], "NoneType"),
        ({"__extn": {"fn": "decimal", "arg": "1.0"}}, "`__`"),
        ({1: "x"}, "Keys are text"),
        (object(), "object"),
    ],
)
def test_refuses_what_a_policy_could_misread(value: Any, names: str) -> None:
    with pytest.raises(PolicyError) as caught:
        cedar_json({"amount": value})
    assert names in str(caught.value)
    assert "context.amount" in caught.value.detail


def test_refuses_deep_nesting() -> None:
    deep: dict[str, Any] = {}
    for _ in range(17):
        deep = {"deeper": deep}
    with pytest.raises(PolicyError, match="16 levels"):
        cedar_json(deep)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**14), max_value=10**14))
def test_a_decimal_keeps_its_value(value: Decimal) -> None:
    assert Decimal(cedar_json(value)["__extn"]["arg"]) == value
