"""Receipts and readings for the tests of this automation, and the harness around it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automations.expenses.automation import expenses
from automations.expenses.schema import Reading, Text

from interlock.testing import Answered, Harness

FOLDER = Path(__file__).resolve().parents[1]
DOCUMENT: dict[str, Any] = {
    "id": "doc_" + "0" * 32,
    "filename": "receipt.jpg",
    "media_type": "image/jpeg",
    "size_bytes": 1000,
    "sha256": "a" * 64,
    "pages": 1,
}
CLAIM: dict[str, Any] = {
    "employee": "user:amir",
    "amount": "12.30",
    "currency": "MYR",
    "date": "2018-03-04",
    "category": "meals",
    "submitted_on": "2018-03-10",
}
START = dt.datetime(2018, 3, 10, 9, tzinfo=dt.UTC)


def read(**changed: Any) -> Reading:
    """Give a good reading, with fields changed; a field set to None was not found."""
    fields = {
        "merchant": "KEDAI KOPI SDN BHD",
        "date": "2018-03-04",
        "total": "12.30",
        "currency": "MYR",
        "tax": "0.70",
        "receipt_number": "A-100",
    }
    known = {**fields, **{k: v for k, v in changed.items() if k in fields}}
    rest = {k: v for k, v in changed.items() if k not in fields}
    texts = {
        k: Text(value=v, confidence=0.98, page=1, box=(0.1, 0.1, 0.5, 0.2)) for k, v in known.items() if v is not None
    }
    return Reading(**{"confidence": 0.97, "trusted": True, **texts, **rest})


def expense(
    claim: Mapping[str, Any] | None = CLAIM, *, picture: str = DOCUMENT["sha256"], **changed: Any
) -> dict[str, Any]:
    """Give an input: one document, and the claim with fields changed, or none."""
    stated = None if claim is None else {**claim, **changed}
    return {"documents": [{**DOCUMENT, "sha256": picture}], "claim": stated}


def harness(
    reading: Reading | Callable[[], Reading] | None = None,
    *,
    reviews: Sequence[Answered | str] = (),
    ledger: Path | None = None,
    submitted_by: str = "user:amir",
    **options: Any,
) -> Harness:
    """Give the automation with its real policy and steps, and a reader that answers with the reading, or with one after another."""
    return Harness(
        automation=expenses,
        predictors={"receipt-reader": lambda request: reading() if callable(reading) else reading or read()},
        policy=FOLDER / "policy",
        reviews={"approve-expense": list(reviews)} if reviews else {},
        config={"ledger": str(ledger)} if ledger else {"ledger": ":memory:"},
        start=START,
        submitted_by=submitted_by,
        **options,
    )
