"""Make receipts that look real, with what is printed on them and what employees claim for them.

    python scripts/generate_receipts.py --out DIR --count 24 --seed 7

Writes the receipts, `truth.json` (a list, one entry a file) and `claims.json`: honest claims, some that ask for too much, one
receipt handed in twice, one without a claim. The same seed and the same packages give the same bytes. The reader is measured on
these and never fitted.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sys
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from generated_facts import Facts, invent
from generated_layouts import LAYOUTS
from generated_paper import (
    photographed,
    picture_bytes,
    scanned,
    scanned_pdf,
    set_in_type,
    typefaces,
    written_pdf,
)

COUNT_MAX = 10_000
EMPLOYEES = ("user:amir", "user:siti", "user:jonas", "user:mei")  # of automations/expenses/data/people.toml
SUBMITTED_AFTER_DAYS_MAX = 30
_PURPOSES = {
    "meals": ("Lunch with a customer", "Team dinner", "Breakfast on the road"),
    "travel": ("Visit to a customer", "Way to the airport", "Site inspection"),
    "office": ("Material for a workshop", "Replacement at the desk"),
    "lodging": ("Trade fair", "Project week on site"),
}
_PAGES = frozenset({"invoice", "folio"})


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One generated file with the truth about it; amounts are decimal strings, the date is ISO 8601."""

    file: str
    layout: str
    medium: str
    merchant: str
    date: str
    total: str
    currency: str
    tax: str
    receipt_number: str
    category: str


def generate(count: int, seed: int, out: Path) -> list[Sample]:
    """Write `count` receipts, `truth.json` and `claims.json` into `out`, which is created.

    Raises:
        ValueError: `count` is not between 1 and 10,000.
    """
    if not 1 <= count <= COUNT_MAX:
        raise ValueError(f"count is {count}; it must be between 1 and {COUNT_MAX}")
    out.mkdir(parents=True, exist_ok=True)
    samples = []
    for index in range(count):
        rng = random.Random(f"{seed}/{index}")  # a receipt does not depend on how many others there are
        facts = invent(rng)
        layout = rng.choice([name for name in LAYOUTS if name != "folio" or facts.category == "lodging"])
        medium, suffix, data = _written(facts, layout, rng)
        name = f"receipt-{index + 1:03}.{suffix}"
        (out / name).write_bytes(data)
        samples.append(
            Sample(
                file=name,
                layout=layout,
                medium=medium,
                merchant=facts.merchant,
                date=facts.day.isoformat(),
                total=f"{facts.total:.2f}",
                currency=facts.region.currency,
                tax=f"{facts.tax:.2f}",
                receipt_number=facts.number,
                category=facts.category,
            )
        )
    _write_json(out / "truth.json", [asdict(sample) for sample in samples])
    _write_json(out / "claims.json", claims(samples, seed))
    return samples


def _written(facts: Facts, layout: str, rng: random.Random) -> tuple[str, str, bytes]:
    """Put the facts on paper: medium, suffix of the file, content."""
    lines = LAYOUTS[layout](facts, rng)
    if layout in _PAGES and rng.random() < 0.5:
        return "written-pdf", "pdf", written_pdf(lines)
    possible = [name for name in typefaces() if facts.mark != "£" or name == "printer" or "/" in name]
    wide = layout in _PAGES
    width = rng.randint(1150, 1400) if wide else rng.randint(520, 760)
    type_px = width // 52 if wide else width // rng.randint(21, 25)
    pages = set_in_type(lines, rng.choice(possible), width, type_px)
    if len(pages) > 1 or rng.random() < 0.08:
        return "scanned-pdf", "pdf", scanned_pdf([scanned(page, rng) for page in pages])
    if rng.random() < 0.3:
        return "scan", "png", picture_bytes(scanned(pages[0], rng), "png", rng)
    picture = photographed(pages[0], rng, hard=rng.random())
    return "photo", "jpg", picture_bytes(picture, "jpg", rng, exif_turn=rng.random() < 0.2)


def claims(samples: list[Sample], seed: int) -> list[dict[str, Any]]:
    """What employees hand in: `file`, `kind` (honest, inflated, duplicate, missing) and `claim` (None where it is missing).

    A claim has the fields that the expenses automation takes.

    From four receipts on there is one missing claim and one duplicate; about one in six asks for more than was paid.
    """
    rng = random.Random(f"{seed}/claims")
    handed_in: list[dict[str, Any]] = []
    missing = rng.randrange(1, len(samples)) if len(samples) >= 4 else None
    for index, sample in enumerate(samples):
        if index == missing:
            handed_in.append({"file": sample.file, "kind": "missing", "claim": None})
            continue
        inflated = index > 0 and rng.random() < 1 / 6
        amount = Decimal(sample.total)
        if inflated:
            amount = (amount * Decimal(rng.choice(("1.10", "1.25", "2")))).quantize(Decimal("0.01"))
        claim = {
            "employee": rng.choice(EMPLOYEES),
            "amount": str(amount),
            "currency": sample.currency,
            "date": sample.date,
            "category": sample.category,
            "purpose": rng.choice(_PURPOSES[sample.category]),
            "submitted_on": _days_after(sample.date, rng.randint(1, SUBMITTED_AFTER_DAYS_MAX)),
        }
        handed_in.append({"file": sample.file, "kind": "inflated" if inflated else "honest", "claim": claim})
    if len(samples) >= 4:
        honest = [entry for entry in handed_in if entry["kind"] == "honest"]
        if honest:
            first = honest[0]
            others = [employee for employee in EMPLOYEES if employee != first["claim"]["employee"]]
            again = {**first["claim"], "employee": rng.choice(others)}
            handed_in.append({"file": first["file"], "kind": "duplicate", "claim": again})
    return handed_in


def _days_after(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make receipts that look real, with the truth about them.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; created")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=None, help="printed; give it again for the same receipts")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    try:
        samples = generate(options.count, seed, options.out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"seed {seed}: {len(samples)} receipts in {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
