"""What somebody who wants more can claim is named, and an honest claim is never suspected."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from automations.expenses import rules
from automations.expenses.schema import Claim, Printed, Reading
from automations.expenses.tests.cases import CLAIM, read
from hypothesis import given
from hypothesis import strategies as st

ROLES = ["cash", "card", "change", "tax", "subtotal", "total", "payable", "excluding", "saving", ""]
money = st.decimals(min_value="0.01", max_value="99999", places=2)
printed = st.lists(st.builds(Printed, value=money.map(str), role=st.sampled_from(ROLES)), max_size=8)
days = st.dates(dt.date(2015, 1, 1), dt.date(2030, 1, 1))
spellings = st.sampled_from(
    [
        "KEDAI KOPI SDN BHD",
        "Kedai Kopi",
        "kedai-kopi sdn. bhd.",
        "KEDA1 KOPI",
        "Kedai Kopi, Kuala Lumpur",
        "KEDAI K0PI SDN BHD",
    ]
)


def suspected(claim: dict[str, Any], reading: Reading) -> list[str]:
    return sorted(rules.suspicions(Claim.model_validate({**CLAIM, **claim}), reading))


@given(
    total=money,
    off=st.decimals(min_value="-0.05", max_value="0.05", places=2),
    beside=printed,
    tax=money,
    day=days,
    name=spellings,
)
def test_an_honest_claim_is_never_suspected(
    total: Decimal, off: Decimal, beside: list[Printed], tax: Decimal, day: dt.date, name: str
) -> None:
    """Whatever else is printed: what was paid, on that day, at that shop however it is spelt, to the five cents of rounded cash."""
    reading = read(total=str(total), tax=str(tax), date=str(day), printed=beside)
    claim = {"amount": max(total + off, Decimal("0.01")), "date": day, "merchant": name}
    assert suspected(claim, reading) == []


@given(total=money, less=money, beside=printed)
def test_who_claims_less_gains_nothing(total: Decimal, less: Decimal, beside: list[Printed]) -> None:
    reading = read(total=str(max(total, less)), printed=beside)
    assert suspected({"amount": min(total, less)}, reading) == []


@given(st.sampled_from([{}, {"amount": None}, {"date": None}, {"merchant": None}]), printed)
def test_what_was_not_read_or_not_claimed_is_not_suspected(claim: dict[str, Any], beside: list[Printed]) -> None:
    nothing = read(merchant=None, date=None, total=None, currency=None, tax=None, printed=beside)
    assert suspected({"merchant": "Hotel Ritz", "amount": "99.00", **claim}, nothing) == []
    assert suspected({"merchant": None, "date": None, "amount": None}, read(printed=beside)) == []


@given(total=money, more=money, beside=printed)
def test_cash_tendered_is_named_whatever_else_it_may_be(total: Decimal, more: Decimal, beside: list[Printed]) -> None:
    cash = total + max(more, Decimal("0.06"))
    reading = read(total=str(total), printed=[*beside, Printed(value=str(cash), role="cash")])
    assert suspected({"amount": cash}, reading) == ["cash-tendered"]


@given(total=money, tax=money.filter(lambda tax: tax > Decimal("0.05")), where=st.booleans())
def test_tax_added_once_more_is_named(total: Decimal, tax: Decimal, where: bool) -> None:
    found = {"tax": str(tax)} if where else {"tax": None, "printed": [Printed(value=str(tax), role="tax")]}
    assert suspected({"amount": total + tax}, read(total=str(total), **found)) == ["tax-twice"]


@given(total=money, more=money, role=st.sampled_from(["", "subtotal", "total", "card", "payable"]))
def test_another_amount_on_the_receipt_is_named(total: Decimal, more: Decimal, role: str) -> None:
    other = total + max(more, Decimal("0.06"))
    reading = read(total=str(total), tax=None, printed=[Printed(value=str(other), role=role)])
    assert suspected({"amount": other}, reading) == ["other-amount"]


@given(total=money.filter(lambda total: total >= 1), at=st.integers(0, 6), digit=st.integers(0, 9), added=st.booleans())
def test_a_digit_changed_or_added_is_named(total: Decimal, at: int, digit: int, added: bool) -> None:
    digits = str(int(total * 100))
    at = min(at, len(digits) if added else len(digits) - 1)
    changed = Decimal(digits[:at] + str(digit) + digits[at if added else at + 1 :]) / 100
    found = suspected({"amount": max(changed, Decimal("0.01"))}, read(total=str(total), tax=None))
    assert found == (["digit-changed"] if changed - total > rules.SAME_AMOUNT else [])


@pytest.mark.parametrize(
    ("claimed", "named"), [("21.30", True), ("13.20", True), ("112.30", True), ("123.00", True), ("19.99", False)]
)
def test_digits_moved(claimed: str, named: bool) -> None:
    assert suspected({"amount": claimed}, read(tax=None)) == (["digit-changed"] if named else [])


@given(day=days, later=st.integers(-400, 400))
def test_a_later_day_is_named_and_an_earlier_one_is_not(day: dt.date, later: int) -> None:
    claim = {"date": day + dt.timedelta(days=later)}
    assert suspected(claim, read(date=str(day))) == (["later-date"] if later > 0 else [])


@given(one=st.text(max_size=30), other=st.text(max_size=30))
def test_names_are_compared_both_ways_alike(one: str, other: str) -> None:
    assert rules.same_merchant(one, one)
    assert rules.same_merchant(one, other) == rules.same_merchant(other, one)


@pytest.mark.parametrize("name", ["Hotel Ritz", "KEDAI BUKU", "Petronas", "99 Speedmart"])
def test_another_merchant_is_named(name: str) -> None:
    assert suspected({"merchant": name}, read()) == ["other-merchant"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MR DIY", "MR. D.I.Y. (JOHOR) SDN BHD"),
        ("TESC0 ST0RES", "TESCO STORES (M) SDN BHD"),
        ("Starbucks", "星巴克"),
        ("AEON CO. (M) BHD", "Aeon"),
    ],
)
def test_another_spelling_is_no_other_merchant(one: str, other: str) -> None:
    assert rules.same_merchant(one, other)


def test_amounts_of_two_currencies_are_not_compared() -> None:
    assert suspected({"amount": "112.30", "currency": "USD"}, read()) == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", "12,3o", "1e999999", ""])
def test_a_printed_amount_that_is_none_is_passed_over(value: str) -> None:
    reading = read(
        tax=None, total="12.30", printed=[Printed(value=value, role="cash"), Printed(value="20.00", role="cash")]
    )
    assert suspected({"amount": "20.00"}, reading) == ["cash-tendered"]
    assert suspected({"amount": "20.00"}, read(total=value)) == []
