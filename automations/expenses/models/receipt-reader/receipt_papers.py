"""Tell receipts apart that came together: pages of one file, papers on one picture, or side by side on the glass of a scanner.

Several receipts are never one reading. They are read one at a time by a person; what is shown is the largest of them.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations

from receipt_amounts import PAYABLE_ROLES, amounts
from receipt_dates import dates
from receipt_layout import PageText, Row, TextBox, rows
from receipt_number import receipt_number

GUTTER_MIN = 0.5  # of a line's height: the empty strip between two receipts that lie beside each other
GAP_MIN = 2.5  # heights of a line between two receipts that lie below each other
CUTS_MAX = 12  # of each direction, the widest first
LINES_MIN = 4

_NOT_LETTERS = re.compile(r"[^a-zà-ÿ]+")
# Titles of papers on which money goes back; compared with a whole line, so that "no refund without receipt" is none.
_REFUND = re.compile(
    r"^(sales?|customer|cash|card|tax)?(refunds?(receipt|note|voucher|slip)?|creditnote|creditmemo|returnreceipt|salesreturn|"
    r"gutschrift|stornorechnung|avoir|notadicredito|notadecredito|notadecrédito|creditnota|notakredit|void(ed)?(sale|transaction)?)$"
)


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What a paper says of itself: its days, its number, what was to pay."""

    page: int
    days: frozenset[str]
    number: str | None
    payable: frozenset[Decimal]


def several(lines: Sequence[Row]) -> bool:
    """Whether two papers are receipts of their own.

    Two that each have a day and something to pay are where no day is common to both, or their numbers differ: the pages of one
    invoice repeat both. Two papers on one picture are also where no amount to pay is common to both; a slip of the card repeats it.
    """
    said = [_said(paper) for paper in by_paper(lines)]
    return any(_differ(one, other) for one, other in combinations(said, 2))


def by_paper(lines: Sequence[Row]) -> list[list[Row]]:
    """The lines of each paper."""
    places = sorted({(row.page, row.part) for row in lines})
    return [[row for row in lines if (row.page, row.part) == place] for place in places]


def _said(paper: Sequence[Row]) -> _Said:
    number = receipt_number(paper)
    return _Said(
        page=paper[0].page,
        days=frozenset(d.isoformat() for found in dates(paper) for d in (found.value, found.swapped) if d is not None),
        number=number.value if number else None,
        payable=frozenset(
            a.value for a in amounts(paper) if a.role in PAYABLE_ROLES and a.value > 0 and not a.in_table
        ),
    )


def _differ(one: _Said, other: _Said) -> bool:
    if not one.payable or not other.payable:
        return False
    if one.page == other.page and not one.payable & other.payable:
        return True
    if not one.days or not other.days:
        return False
    return not one.days & other.days or (
        one.number is not None and other.number is not None and one.number != other.number
    )


def parted(page: PageText) -> list[PageText]:
    """Part a page whose text is that of two receipts, beside or below each other; else give it as it is.

    An empty strip alone says nothing, every receipt has one between its items and their prices. Both sides have to say a day and
    something to pay, and not the same.
    """
    if len(page.boxes) < 2 * LINES_MIN:
        return [page]
    height = statistics.median(box.height for box in page.boxes) or 1.0
    beside = _cuts(page.boxes, lambda box: _span(box, 0), GUTTER_MIN * height)
    below = _cuts(page.boxes, lambda box: _span(box, 1), GAP_MIN * height)
    for axis, places in ((0, beside), (1, below)):
        for place in places:
            halves: list[PageText] = []
            for number, first in enumerate((True, False)):
                boxes = tuple(box for box in page.boxes if (sum(_span(box, axis)) / 2 < place) == first)
                halves.append(replace(page, boxes=boxes, part=page.part * 2 + number))
            if min(len(half.boxes) for half in halves) >= LINES_MIN and _are_two(halves):
                return halves
    return [page]


def _are_two(halves: Sequence[PageText]) -> bool:
    said = [_said(lines) for half in halves if (lines := rows(half))]
    return (
        len(said) == 2
        and all(one.days and one.payable for one in said)
        and not said[0].payable & said[1].payable
        and _differ(*said)
    )


def _span(box: TextBox, axis: int) -> tuple[float, float]:
    ends = [corner[axis] for corner in box.quad]
    return min(ends), max(ends)


def _cuts(boxes: Sequence[TextBox], span: Callable[[TextBox], tuple[float, float]], least: float) -> list[float]:
    """The middles of the strips that no box reaches into, the widest first."""
    spans = sorted(span(box) for box in boxes)
    found, reached = [], spans[0][1]
    for start, end in spans[1:]:
        if start - reached >= least:
            found.append((start - reached, (start + reached) / 2))
        reached = max(reached, end)
    return [place for _, place in sorted(found, reverse=True)[:CUTS_MAX]]


def is_refund(lines: Sequence[Row]) -> bool:
    """Whether the paper says in a line of its own that money went back."""
    return any(_REFUND.match(_NOT_LETTERS.sub("", row.text.lower())) for row in lines)
