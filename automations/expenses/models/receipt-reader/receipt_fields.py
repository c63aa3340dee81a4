"""From rows of text to fields: the one path that a receipt takes after its text is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from receipt_amounts import Amount, amounts
from receipt_country import country, currency
from receipt_dates import date_candidates
from receipt_layout import Box, PageText, Row, rows
from receipt_merchant import merchant_candidates
from receipt_number import receipt_number
from receipt_ranking import shares
from receipt_total import tax, total_candidates

Weights = Mapping[str, Mapping[str, float]]

LOGIT_MAX = 8.0
LARGER_MAX = 10


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A field's value before anybody said how sure it is.

    Attributes:
        evidence: what the confidence is worked out from: numbers by name for a ranked field.
        kind: the kind of evidence, for a field that rules find (currency, tax, receipt number); its measured rate is its confidence.
        support: independent reasons for a total (see `receipt_total`).
    """

    value: str
    page: int
    box: Box
    evidence: Mapping[str, float]
    kind: str = ""
    support: int = 0


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All fields of a receipt; None for what is not on it.

    `larger_amounts`: what is printed and larger than the total, ascending: cash tendered, a balance, or the total where ours is wrong.
    """

    merchant: Choice | None
    date: Choice | None
    total: Choice | None
    currency: Choice | None
    tax: Choice | None
    receipt_number: Choice | None
    larger_amounts: tuple[str, ...] = ()


def draft(pages: Sequence[PageText], weights: Weights) -> Draft:
    """Read the fields of a receipt of one or several pages."""
    lines = [row for page in pages for row in rows(page)]
    found = amounts(lines)
    total = _total(found, weights)
    paid = tax(found, lines, Decimal(total.value) if total else None)
    money = currency(lines)
    number = receipt_number(lines)
    return Draft(
        merchant=_merchant(lines, weights),
        date=_date(lines, weights),
        total=total,
        currency=Choice(value=money.code, page=money.page, box=money.box, evidence={}, kind=money.evidence)
        if money
        else None,
        tax=Choice(value=str(paid.value), page=paid.best.page, box=paid.best.piece.box, evidence={}, kind=paid.evidence)
        if paid
        else None,
        receipt_number=Choice(
            value=number.value,
            page=number.page,
            box=number.piece.box,
            evidence={},
            kind="beside" if number.beside else "paired",
        )
        if number
        else None,
        larger_amounts=_larger(found, total),
    )


def _larger(found: Sequence[Amount], total: Choice | None) -> tuple[str, ...]:
    """Amounts over the total, counts of goods left out; at most `LARGER_MAX`, the smallest first."""
    if total is None:
        return ()
    above = {amount.value for amount in found if amount.role != "quantity" and amount.value > Decimal(total.value)}
    return tuple(str(value) for value in sorted(above)[:LARGER_MAX])


def _total(found: Sequence[Amount], weights: Weights) -> Choice | None:
    candidates = total_candidates(found)
    if not candidates:
        return None
    parts = shares([candidate.features for candidate in candidates], weights["total"])
    share, chosen = max(zip(parts, candidates, strict=True), key=lambda pair: pair[0])
    return Choice(
        value=str(chosen.value),
        page=chosen.best.page,
        box=chosen.best.piece.box,
        support=chosen.support,
        evidence={
            "share": logit(share),
            "support": float(min(chosen.support, 3)),
            "unsupported": float(chosen.support == 0),
            "score": 1.0 - chosen.best.piece.score,
        },
    )


def _date(lines: Sequence[Row], weights: Weights) -> Choice | None:
    place = country(lines)
    candidates = date_candidates(lines, place[1] if place else None)
    if not candidates:
        return None
    parts = shares([candidate.features for candidate in candidates], weights["date"])
    share, chosen = max(zip(parts, candidates, strict=True), key=lambda pair: pair[0])
    return Choice(
        value=chosen.value.isoformat(),
        page=chosen.best.page,
        box=chosen.best.piece.box,
        kind="" if chosen.order_known else "order unknown",
        evidence={
            "share": logit(share),
            "score": 1.0 - chosen.best.piece.score,
            "short_year": float(not chosen.best.long_year),
            "compact": float(chosen.best.shape == "compact"),
            "printed_again": chosen.features.get("printed_again", 0.0),
        },
    )


def _merchant(lines: Sequence[Row], weights: Weights) -> Choice | None:
    candidates = merchant_candidates(lines)
    if not candidates:
        return None
    parts = shares([candidate.features for candidate in candidates], weights["merchant"])
    share, chosen = max(zip(parts, candidates, strict=True), key=lambda pair: pair[0])
    pieces = [piece for row in chosen.rows for piece in row.pieces]
    box = (
        min(piece.box[0] for piece in pieces),
        min(piece.box[1] for piece in pieces),
        max(piece.box[2] for piece in pieces),
        max(piece.box[3] for piece in pieces),
    )
    return Choice(
        value=chosen.name,
        page=chosen.rows[0].page,
        box=box,
        evidence={
            "share": logit(share),
            "score": 1.0 - min(piece.score for piece in pieces),
            "legal_form": chosen.features.get("legal_form", 0.0),
        },
    )


def logit(share: float) -> float:
    """Log odds, held within ±8: beyond it a share says nothing that a few hundred receipts could measure."""
    if share <= 0.0 or share >= 1.0:
        return math.copysign(LOGIT_MAX, share - 0.5)
    return max(-LOGIT_MAX, min(LOGIT_MAX, math.log(share / (1.0 - share))))
