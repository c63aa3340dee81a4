"""Candidates for what was to pay, and the tax in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from receipt_amounts import CENT, PAID_ROLES, PAYABLE_ROLES, Agreements, Amount, agreements, letters
from receipt_layout import Row

CANDIDATES_MAX = 40
SHARE_MAX = Decimal("0.35")  # no tax on a purchase is a larger part of what was paid
_RATE = re.compile(r"(?<![\d.,])(\d{1,2}(?:[.,]\d{1,2})?)\s?%")
_STEP = Decimal("0.05")  # what totals are rounded to where small coins are gone


@dataclass(frozen=True, kw_only=True)
class TotalCandidate:
    """One value that may be the total, with the best place where it is printed.

    `support` counts the independent reasons for it: each kind of arithmetic, and being named as what is to pay at least twice.
    """

    value: Decimal
    best: Amount
    support: int
    features: dict[str, float]


def total_candidates(found: Sequence[Amount]) -> list[TotalCandidate]:
    """List the values that may be the total, each once, with features for ranking."""
    by_value: dict[Decimal, list[Amount]] = defaultdict(list)
    for amount in found:
        by_value[amount.value].append(amount)
    if not by_value:
        return []
    agreed = agreements(found)
    named = [amount for amount in found if amount.role in PAYABLE_ROLES and not amount.in_table and amount.value > 0]
    highest_named = max((amount.value for amount in named), default=None)
    highest = max(
        (amount.value for amount in found if amount.role not in PAID_ROLES | {"points"}), default=max(by_value)
    )
    last_named_row = max((amount.row for amount in named), default=-1)
    tallest = max(amount.piece.height for amount in found)
    rounded_away = {amount.value for amount in named if any(_rounds_to(amount.value, other.value) for other in named)}
    candidates = [
        _candidate(value, places, agreed, highest, highest_named, last_named_row, tallest, value in rounded_away)
        for value, places in by_value.items()
    ]
    candidates.sort(key=lambda item: (-len(item.features), -item.value))
    return candidates[:CANDIDATES_MAX]


def _candidate(
    value: Decimal,
    places: Sequence[Amount],
    agreed: Agreements,
    highest: Decimal,
    highest_named: Decimal | None,
    last_named_row: int,
    tallest: float,
    rounded_away: bool,
) -> TotalCandidate:
    roles = {("table_" if place.in_table else "") + (place.role or "unnamed") for place in places}
    named = [place for place in places if place.role in PAYABLE_ROLES and not place.in_table]
    best = max(
        places,
        key=lambda place: (place in named, place.role == "payable", not place.in_table, place.piece.score, place.y),
    )
    features: dict[str, float] = {f"role_{role}": 1.0 for role in roles}
    features |= {
        "named_again": float(min(len(named), 3) - 1) if named else 0.0,
        "printed_again": float(min(len(places), 4) - 1),
        "highest": float(value == highest),
        "highest_named": float(value == highest_named),
        "last_named": float(any(place.row == last_named_row for place in named)),
        "paid_less_change": float(value in agreed.paid),
        "built_from_parts": float(value in agreed.built),
        "sum_of_items": float(value in agreed.items),
        "rounded_away": float(rounded_away),
        "on_step": float(value % _STEP == 0),
        "marked": float(any(place.mark for place in places)),
        "tallest": float(any(place.piece.height >= 0.97 * tallest for place in places)),
        "height": max(place.piece.height for place in places) - 1.0,
        "y": max(place.y for place in places),
        "zero": float(value == 0),
        "negative": float(value < 0),
        "share_of_highest": float(max(value / highest, Decimal(-1))) if highest > 0 and value < 2 * highest else 0.0,
        "says_total": float(any("total" in letters(place.label) for place in named)),
    }
    if PAID_ROLES & roles and not named:
        features["only_paid"] = 1.0
    support = agreed.count(value) + (len(named) >= 2) + bool(named and PAID_ROLES & roles)
    return TotalCandidate(
        value=value, best=best, support=support, features={name: v for name, v in features.items() if v}
    )


def _rounds_to(value: Decimal, other: Decimal) -> bool:
    """Whether `other` is `value` rounded to small coins, and not the other way round."""
    return value != other and value % _STEP != 0 and other % _STEP == 0 and abs(value - other) < _STEP


@dataclass(frozen=True, kw_only=True)
class Tax:
    """The tax in the total; `evidence` is "rate" (a printed rate gives it), "parts" (it and a net amount make the total) or "name"."""

    value: Decimal
    evidence: str
    best: Amount


def tax(found: Sequence[Amount], rows: Sequence[Row], total: Decimal | None) -> Tax | None:
    """Read the tax.

    Of the amounts that are called tax, stand in the table of taxes or beside a rate, the one that arithmetic supports; else the last
    that is called tax. Of two rates on one receipt only one is read.
    """
    named = [amount for amount in found if amount.role == "tax" and not amount.in_table]
    table = [amount for amount in found if amount.in_table]
    beside_rate = [
        amount for amount in found if amount.role == "" and not amount.in_table and _RATE.search(rows[amount.row].text)
    ]
    possible = [
        amount
        for amount in (*named, *table, *beside_rate)
        if amount.value >= 0 and (total is None or amount.value < total * SHARE_MAX)
    ]
    if not possible:
        return None
    if total is not None and total > 0:
        rates = {Decimal(rate.replace(",", ".")) for row in rows for rate in _RATE.findall(row.text)}
        nets = {amount.value for amount in found if amount.value < total}
        for amount in possible:
            if amount.value and any(_is_rate_of(amount.value, total, rate) for rate in rates if 0 < rate < 35):
                return Tax(value=amount.value, evidence="rate", best=amount)
        for amount in possible:
            if amount in beside_rate:
                continue
            if amount.value and any(abs(net + amount.value - total) < _STEP for net in nets):
                return Tax(value=amount.value, evidence="parts", best=amount)
    if named:
        usable = [amount for amount in named if amount in possible]
        if usable:
            return Tax(value=usable[-1].value, evidence="name", best=usable[-1])
    return None


def _is_rate_of(tax_value: Decimal, total: Decimal, rate: Decimal) -> bool:
    """Whether the tax is what `rate` per cent gives, in the total or on top of the net; small coins may have been rounded."""
    inside = (total * rate / (100 + rate)).quantize(CENT, ROUND_HALF_UP)
    return abs(inside - tax_value) <= CENT * 2
