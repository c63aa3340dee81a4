"""From rows of text to fields: the one path that a receipt takes after its text is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from receipt_amounts import Amount, parse, unread_totals
from receipt_country import country, currency, own_amounts
from receipt_dates import DateCandidate, date_candidates, dates
from receipt_layout import Box, Look, PageText, Piece, Row, rows
from receipt_merchant import merchant_candidates
from receipt_number import receipt_number
from receipt_papers import by_paper, is_refund, parted, several
from receipt_ranking import Belief, Rankers
from receipt_total import tax, total_candidates

Again = Callable[[int, Piece], Sequence[Look]]
"""Looks again at a piece of a page (counted from 1). Nothing where the text is certain."""

Weights = Mapping[str, Mapping[str, float]]

LOGIT_MAX = 8.0
LARGER_MAX = 10
PRINTED_MAX = 60
DOUBT_DECADES = 4
C = TypeVar("C")


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
    `printed`: every amount with what it is called there, for holding a claim against.
    `several`: there is more than one receipt. `refund`: the paper calls itself one; then the total is below zero however it is printed.
    """

    merchant: Choice | None
    date: Choice | None
    total: Choice | None
    currency: Choice | None
    tax: Choice | None
    receipt_number: Choice | None
    larger_amounts: tuple[str, ...] = ()
    printed: tuple[tuple[str, str], ...] = ()
    several: bool = False
    refund: bool = False


def certain(_page: int, _piece: Piece) -> Sequence[Look]:
    """The `Again` of text that came with the file: there is nothing to look at twice."""
    return ()


def draft(pages: Sequence[PageText], rankers: Rankers, again: Again = certain) -> Draft:
    """Read the fields of a receipt of one or several pages; of several receipts, those of the one with most text."""
    lines = [row for page in pages for paper in parted(page) for row in rows(paper)]
    different = several(lines)
    if different:
        lines = max(by_paper(lines), key=lambda paper: sum(len(row.text) for row in paper))
    found = own_amounts(lines)
    total = _total(found, lines, rankers, again)
    refund = is_refund(lines)
    if refund and total is not None and not total.value.startswith("-") and Decimal(total.value):
        total = replace(total, value=f"-{total.value}")
    paid = tax(found, lines, Decimal(total.value) if total else None)
    money = currency(lines)
    number = receipt_number(lines)
    return Draft(
        merchant=_merchant(lines, rankers),
        date=_date(lines, rankers, again),
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
        printed=_printed(found),
        several=different,
        refund=refund,
    )


def _larger(found: Sequence[Amount], total: Choice | None) -> tuple[str, ...]:
    """Amounts over the total, counts of goods left out; at most `LARGER_MAX`, the smallest first."""
    if total is None:
        return ()
    above = {amount.value for amount in found if amount.role != "quantity" and amount.value > Decimal(total.value)}
    return tuple(str(value) for value in sorted(above)[:LARGER_MAX])


def _printed(found: Sequence[Amount]) -> tuple[tuple[str, str], ...]:
    """Each amount once with its role, in the order printed, at most `PRINTED_MAX`."""
    seen = {(str(amount.value), amount.role): None for amount in found if amount.role != "quantity"}
    return tuple(seen)[:PRINTED_MAX]


def _total(found: Sequence[Amount], lines: Sequence[Row], rankers: Rankers, again: Again) -> Choice | None:
    candidates = total_candidates(found)
    if not candidates:
        return None
    belief, rival, chosen = _chosen(rankers["total"].beliefs([c.features for c in candidates]), candidates)
    looks = again(chosen.best.page, chosen.best.piece)
    same = [any(value == chosen.value for value, *_ in parse(look.text)) for look in looks]
    return Choice(
        value=str(chosen.value),
        page=chosen.best.page,
        box=chosen.best.piece.box,
        support=chosen.support,
        evidence={
            **_evidence(belief, rival, chosen.best.piece, looks, same),
            "unread": float(bool(unread_totals(lines))),
            "support": float(min(chosen.support, 3)),
            "unsupported": float(chosen.support == 0),
            "score": 1.0 - chosen.best.piece.score,
        },
    )


def _date(lines: Sequence[Row], rankers: Rankers, again: Again) -> Choice | None:
    place = country(lines)
    candidates = date_candidates(lines, place[1] if place else None)
    if not candidates:
        return None
    beliefs = rankers["date"].beliefs([c.features for c in candidates])
    belief, rival, chosen = _chosen(*_free_standing(beliefs, candidates))
    looks = again(chosen.best.page, chosen.best.piece)
    same = [
        any(chosen.value in (found.value, found.swapped) for found in dates([_only(look.text, chosen.best.piece)]))
        for look in looks
    ]
    return Choice(
        value=chosen.value.isoformat(),
        page=chosen.best.page,
        box=chosen.best.piece.box,
        kind="" if chosen.order_known else "order unknown",
        evidence={
            **_evidence(belief, rival, chosen.best.piece, looks, same),
            "score": 1.0 - chosen.best.piece.score,
            "short_year": float(not chosen.best.long_year),
            "compact": float(chosen.best.shape == "compact"),
            "printed_again": chosen.features.get("printed_again", 0.0),
        },
    )


def _merchant(lines: Sequence[Row], rankers: Rankers) -> Choice | None:
    candidates = merchant_candidates(lines)
    if not candidates:
        return None
    belief, rival, chosen = _chosen(rankers["merchant"].beliefs([c.features for c in candidates]), candidates)
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
            **_evidence(belief, rival, pieces[0], (), ()),
            "score": 1.0 - min(piece.score for piece in pieces),
            "legal_form": chosen.features.get("legal_form", 0.0),
        },
    )


def _free_standing(
    beliefs: Sequence[Belief], candidates: Sequence[DateCandidate]
) -> tuple[list[Belief], list[DateCandidate]]:
    """Leave out dates glued to letters where there are others: article numbers, which no ranker can know of a brand it has not seen."""
    kept = [index for index, one in enumerate(candidates) if not one.features.get("glued")]
    kept = kept or list(range(len(candidates)))
    whole = sum(beliefs[index].share for index in kept)
    shares = [beliefs[index].share / whole for index in kept]
    return [replace(beliefs[i], share=s) for i, s in zip(kept, shares, strict=True)], [candidates[i] for i in kept]


def _chosen(beliefs: Sequence[Belief], candidates: Sequence[C]) -> tuple[Belief, Belief | None, C]:
    """Give the best candidate with its belief, and the belief in the next best."""
    order = sorted(range(len(candidates)), key=lambda index: -beliefs[index].share)
    return beliefs[order[0]], beliefs[order[1]] if len(order) > 1 else None, candidates[order[0]]


def _evidence(
    belief: Belief, rival: Belief | None, piece: Piece, looks: Sequence[Look], same: Sequence[bool]
) -> dict[str, float]:
    """What the rankers, the first look and further ones say of a choice; certain text counts as seen the same.

    `doubt` is 0 where no look gave another digit more than 0.0001, and 4 where one was as good as sure of another.
    """
    return {
        "share": logit(belief.share),
        "alone": logit(belief.alone),
        "rival": logit(rival.alone) if rival else -LOGIT_MAX,
        "apart": belief.apart,
        "doubt": DOUBT_DECADES + math.log10(max([10.0**-DOUBT_DECADES, piece.doubt, *(look.doubt for look in looks)])),
        "reread_differs": float(sum(not one for one in same)) / len(same) if same else 0.0,
    }


def _only(text: str, piece: Piece) -> Row:
    """A row of one piece with another text."""
    return Row(page=1, y=0.0, pieces=(replace(piece, text=text),))


def logit(share: float) -> float:
    """Log odds, held within ±8: beyond it a share says nothing that a few hundred receipts could measure."""
    if share <= 0.0 or share >= 1.0:
        return math.copysign(LOGIT_MAX, share - 0.5)
    return max(-LOGIT_MAX, min(LOGIT_MAX, math.log(share / (1.0 - share))))
