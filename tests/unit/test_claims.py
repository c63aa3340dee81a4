"""Claims that the reader is measured with: the honest one agrees with a right reading, none of the inflated ones does."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

SCRIPTS = Path(__file__).parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from claims import honest, inflated  # noqa: E402


@dataclass(frozen=True)
class Value:
    value: str


@dataclass(frozen=True)
class Receipt:
    """Truth and a right reading of it."""

    paid: Decimal
    day: date
    amounts: list[Decimal] = field(default_factory=list)

    @property
    def total(self) -> str:
        return str(self.paid)

    @property
    def date(self) -> str:
        return self.day.isoformat()


@dataclass(frozen=True)
class Reading:
    total: Value | None
    date: Value | None
    tax: Value | None
    printed: list[tuple[str, str]]


def right_reading(receipt: Receipt) -> Reading:
    printed = [(str(amount), "") for amount in receipt.amounts]
    return Reading(total=Value(receipt.total), date=Value(receipt.date), tax=Value("1.20"), printed=printed)


MONEY = st.decimals(Decimal("0.50"), Decimal("9999.99"), places=2)
RECEIPTS = st.builds(
    Receipt, paid=MONEY, day=st.dates(date(2015, 1, 1), date(2030, 1, 1)), amounts=st.lists(MONEY, max_size=8)
)


@given(RECEIPTS)
def test_a_right_reading_supports_the_honest_claim_and_no_inflated_one(receipt: Receipt) -> None:
    reading = right_reading(receipt)
    fair = honest(receipt)
    assert fair is not None
    assert fair.agrees(reading)
    asked = inflated(receipt, reading)
    assert len(asked) >= 5
    assert not any(claim.agrees(reading) for claim in asked)
    # By amount: one that is also printed on the receipt is called so, and asked once.
    asked_amounts = {claim.amount for claim in asked}
    assert {receipt.paid + Decimal("1.20"), Decimal(f"1{receipt.paid}"), receipt.paid * 10} <= asked_amounts
    assert "other-day" in {claim.kind for claim in asked}


def test_a_reading_of_the_cash_supports_the_claim_of_the_cash() -> None:
    receipt = Receipt(paid=Decimal("21.85"), day=date(2018, 3, 1), amounts=[Decimal("50.00"), Decimal("21.85")])
    fooled = Reading(
        total=Value("50.00"), date=Value("2018-03-01"), tax=None, printed=[("50.00", "cash"), ("21.85", "total")]
    )
    assert [claim.kind for claim in inflated(receipt, fooled) if claim.agrees(fooled)] == ["printed"]
