"""What the campaign hands in: expense claims with their receipts, all of it decided by the seed."""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from PIL import Image
from PIL.PngImagePlugin import PngInfo

Kind = Literal["honest", "unsure", "duplicate", "cancelled"]
Answer = Literal["approve", "amend", "reject"]
# The first of each kind comes early, so that the smallest campaign has them all.
FIRST_KINDS: Final[tuple[Kind, ...]] = ("honest", "unsure", "duplicate", "cancelled", "honest", "unsure")
WEIGHTS: Final[dict[Kind, int]] = {"honest": 55, "unsure": 20, "duplicate": 17, "cancelled": 8}
DUPLICATE_OF_LAST = 8
DAY = "2025-03-04"
BOX = [0.1, 0.1, 0.5, 0.2]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim: how it is handed in, and what a manager answers if one is asked."""

    number: int
    kind: Kind
    receipt: int
    amount: Decimal
    answer: Answer
    callback: bool

    @property
    def as_input(self) -> dict[str, Any]:
        """The claim as the automation takes it."""
        return {
            "employee": ("user:amir", "user:siti")[self.receipt % 2],
            "amount": str(self.amount),
            "currency": "MYR",
            "date": DAY,
            "submitted_on": DAY,
            "category": "travel",
        }

    @property
    def answer_body(self) -> dict[str, Any]:
        """The body of the manager's answer."""
        if self.answer == "amend":
            return {"values": {"total": str(self.amount + 1)}, "reason": "the total was misread"}
        return {"reason": "seen"}


def claim(seed: int, number: int) -> Claim:
    """Give claim `number` of a seed; it does not depend on how many others there are."""
    rng = random.Random(f"{seed}/claim/{number}")
    kinds = list(WEIGHTS)
    kind = FIRST_KINDS[number] if number < len(FIRST_KINDS) else rng.choices(kinds, list(WEIGHTS.values()))[0]
    callback = rng.random() < 0.5
    if kind == "duplicate":
        first = claim(seed, rng.randrange(max(0, number - DUPLICATE_OF_LAST), number))
        verdict: Answer = rng.choice(("approve", "reject"))
        return Claim(
            number=number, kind=kind, receipt=first.receipt, amount=first.amount, answer=verdict, callback=callback
        )
    return Claim(
        number=number,
        kind=kind,
        receipt=number,
        amount=Decimal(rng.randrange(500, 20_000)) / 100,
        answer=rng.choice(("approve", "amend", "reject")) if kind == "unsure" else "approve",
        callback=callback,
    )


def receipt(seed: int, one: Claim) -> bytes:
    """Make the receipt: a PNG with pixels of its own, and the reading in a text chunk for the quick reader."""
    rng = random.Random(f"{seed}/receipt/{one.receipt}")
    sure = claim(seed, one.receipt).kind == "honest"

    def field(value: str) -> dict[str, Any]:
        return {"value": value, "confidence": 0.99 if sure else 0.4, "page": 1, "box": BOX}

    reading: dict[str, Any] = {
        "merchant": field(f"Kedai {one.receipt} Sdn Bhd"),
        "date": field(DAY),
        "total": field(str(one.amount)),
        "currency": field("MYR"),
        "tax": None,
        "receipt_number": field(f"R-{one.receipt:06}"),
        "confidence": 0.98 if sure else 0.4,
        "trusted": sure,
        "reasons": [],
        "larger_amounts": [],
    }
    notes = PngInfo()
    notes.add_text("reading", json.dumps(reading))
    out = io.BytesIO()
    Image.frombytes("L", (24, 24), rng.randbytes(576)).save(out, "PNG", pnginfo=notes)
    return out.getvalue()
