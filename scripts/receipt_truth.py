"""What is right on the SROIE receipts, as their annotators saw it, with the candidates that the reader finds there."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path

from rapidfuzz.distance import Levenshtein

MODEL_FOLDER = Path(__file__).parents[1] / "automations" / "expenses" / "models" / "receipt-reader"
if str(MODEL_FOLDER) not in sys.path:  # where the process runtime puts it, too
    sys.path.insert(0, str(MODEL_FOLDER))

from receipt_country import country, own_amounts  # noqa: E402
from receipt_dates import date_candidates  # noqa: E402
from receipt_fields import Draft  # noqa: E402
from receipt_layout import PageText, rows  # noqa: E402
from receipt_merchant import merchant_candidates  # noqa: E402
from receipt_ranking import Features  # noqa: E402
from receipt_total import total_candidates  # noqa: E402

from receipt_folds import stored  # noqa: E402
from sroie_readings import Labelled, SecondLooks, labelled, readings  # noqa: E402

SAME_AMOUNT = Decimal("0.05")  # the labels are inconsistent about cash rounding
SAME_NAME = 0.9
_SHAPES = (
    *("%d/%m/%Y", "%d/%m/%y", "%Y/%m/%d", "%d%m%Y", "%Y%m%d", "%d/%b/%Y", "%d/%b/%y", "%d/%B/%Y", "%m/%d/%Y"),
    *("%d %b %Y", "%d %B %Y", "%b %d %Y", "%d %b %y"),
)
_SUFFIX = re.compile(r"\b(SDN|BHD|BERHAD|S B|PTE|PTY|LTD|LIMITED|LLC|INC|CORP|CO|GMBH|PLC)\b")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A receipt with what is right, in the reader's own notation, and the candidates of each ranked field."""

    receipt: Labelled
    pages: list[PageText] = field(repr=False)
    total: str | None
    date: str | None
    fold: int
    candidates: Mapping[str, list[tuple[str, Features]]] = field(repr=False)

    @property
    def again(self) -> SecondLooks:
        return SecondLooks(self.receipt.picture, self.pages)


def plain_name(name: str) -> str:
    """Upper case, without punctuation and company suffixes."""
    return " ".join(_SUFFIX.sub(" ", " ".join(re.sub(r"[^A-Z0-9]", " ", name.upper()).split())).split())


@cache
def same_name(one: str, other: str) -> bool:
    """Whether two spellings are one name: normalised edit similarity of at least 0.9."""
    mine, theirs = plain_name(one), plain_name(other)
    return Levenshtein.normalized_similarity(mine, theirs) >= SAME_NAME


def right(name: str, value: str, example: Example) -> bool:
    """Whether a value is what the annotators saw."""
    if name == "total":
        return example.total is not None and abs(Decimal(value) - Decimal(example.total)) <= SAME_AMOUNT
    if name == "date":
        return value == example.date
    if name == "currency":
        return value == "MYR"  # all receipts of the data set were printed in Malaysia
    return same_name(value, example.receipt.company)


def both_right(example: Example, reading: Draft) -> bool:
    """Whether date and total are right."""
    return all(
        (c := getattr(reading, name)) is not None and right(name, c.value, example) for name in ("date", "total")
    )


def true_total(text: str) -> str | None:
    """The label's amount as a decimal string."""
    try:
        return str(Decimal(re.sub(r"RM|\$|,|\s", "", text)).quantize(Decimal("0.01")))
    except InvalidOperation:
        return None


def true_date(text: str) -> str | None:
    """The label's date in ISO 8601; labels have the day first, as the receipts do."""
    text = re.sub(r"\s+", " ", text.strip(" ()").title().replace(",", " "))
    for shape in _SHAPES:
        for sign in "/-.":
            try:
                return datetime.strptime(text, shape.replace("/", sign)).date().isoformat()
            except ValueError:
                continue
    return None


def candidates(pages: Sequence[PageText]) -> dict[str, list[tuple[str, Features]]]:
    """Values and features of each ranked field's candidates."""
    lines = [row for page in pages for row in rows(page)]
    place = country(lines)
    return {
        "total": [(str(item.value), item.features) for item in total_candidates(own_amounts(lines))],
        "date": [(i.value.isoformat(), i.features) for i in date_candidates(lines, place[1] if place else None)],
        "merchant": [(item.name, item.features) for item in merchant_candidates(lines)],
    }


def examples(folder: Path) -> list[Example]:
    """Load the labelled receipts with their text and folds.

    Raises:
        FileNotFoundError: the data set is not at `folder`.
    """
    receipts, fold_of = labelled(folder), stored()
    if not receipts:
        raise FileNotFoundError(f"The SROIE data set is not at {folder}.")
    return [
        Example(
            receipt=receipt,
            pages=pages,
            total=true_total(receipt.total),
            date=true_date(receipt.date),
            fold=fold_of[receipt.name],
            candidates=candidates(pages),
        )
        for receipt, pages in zip(receipts, readings([receipt.picture for receipt in receipts]), strict=True)
    ]
