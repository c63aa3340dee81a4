"""Claims that employees might hand in with a receipt: the honest one, and those of somebody who would like a little more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, Protocol

SAME_AMOUNT = Decimal("0.05")  # as the automation's rules have it
LATER_DAYS = (1, 7, 30)
Kind = Literal["honest", "printed", "digit", "tax-twice", "other-day"]


class Read(Protocol):
    """A field as it was read."""

    @property
    def value(self) -> str: ...


class Reading(Protocol):
    """What a claim is held against; `receipt_fields.Draft` is one."""

    @property
    def total(self) -> Read | None: ...
    @property
    def date(self) -> Read | None: ...
    @property
    def tax(self) -> Read | None: ...
    @property
    def printed(self) -> Sequence[tuple[str, str]]: ...


class Truth(Protocol):
    """What was really paid, and when; an amount as a decimal string, a date in ISO 8601."""

    @property
    def total(self) -> str | None: ...
    @property
    def date(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """One claim: an amount in the receipt's currency and a day in ISO 8601."""

    kind: Kind
    amount: Decimal
    day: str

    def agrees(self, reading: Reading) -> bool:
        """Whether the reading says the same, as the automation compares them."""
        return (
            reading.total is not None
            and reading.date is not None
            and abs(Decimal(reading.total.value) - self.amount) <= SAME_AMOUNT
            and reading.date.value == self.day
        )


def honest(truth: Truth) -> Claimed | None:
    """Give the claim of what was paid; None where the truth is not known."""
    if truth.total is None or truth.date is None:
        return None
    return Claimed(kind="honest", amount=Decimal(truth.total), day=truth.date)


def inflated(truth: Truth, reading: Reading) -> list[Claimed]:
    """Give claims of more than was paid, or of another day.

    Each amount on the receipt that is larger by more than 0.05 (cash tendered, a subtotal before a coupon), a digit more at either
    end or the first one twice, the tax added twice, and later days; also day and month exchanged.
    """
    fair = honest(truth)
    if fair is None or fair.amount <= 0:
        return []
    amounts: dict[Decimal, Kind] = {}
    for value, _ in reading.printed:
        amounts.setdefault(Decimal(value), "printed")
    text = f"{fair.amount:.2f}"
    for more in (f"1{text}", f"{text[0]}{text}", f"{fair.amount * 10:.2f}"):
        amounts.setdefault(Decimal(more), "digit")
    if reading.tax is not None:
        amounts.setdefault(fair.amount + Decimal(reading.tax.value), "tax-twice")
    claims = [
        Claimed(kind=kind, amount=amount, day=fair.day)
        for amount, kind in amounts.items()
        if amount - fair.amount > SAME_AMOUNT
    ]
    return claims + [Claimed(kind="other-day", amount=fair.amount, day=day) for day in _other_days(fair.day)]


def _other_days(day: str) -> list[str]:
    bought = date.fromisoformat(day)
    days = [bought + timedelta(days=more) for more in LATER_DAYS]
    if bought.day <= 12 and bought.day != bought.month:
        days.append(date(bought.year, bought.day, bought.month))
    return sorted({one.isoformat() for one in days})
