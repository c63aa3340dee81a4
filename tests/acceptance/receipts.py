"""Generated receipts and what an employee claims for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generate_receipts import Sample


@dataclass(frozen=True)
class Receipt:
    """A generated receipt, with what is printed on it."""

    file: Path
    sample: Sample

    def claim(self, **changed: str) -> list[str]:
        """Give the options of an honest claim for it."""
        stated = {
            "employee": "user:amir",
            "amount": self.sample.total,
            "currency": self.sample.currency,
            "date": self.sample.date,
            "submitted_on": self.sample.date,
            "category": self.sample.category,
        }
        return [word for name, value in (stated | changed).items() for word in ("--set", f"claim.{name}={value}")]
