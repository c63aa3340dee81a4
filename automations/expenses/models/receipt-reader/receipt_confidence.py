"""How sure a reading is, measured on labelled receipts and never made up.

Everything here comes from `calibration.json`, which scripts/calibrate_receipt_reader.py writes: ranked fields have a logistic
function of their evidence (Platt 1999), fields found by rules have the share of right answers seen for that kind of evidence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from receipt_fields import Choice, Draft, Weights, logit
from receipt_ocr import SETTINGS_VERSION


class CalibrationMismatch(ValueError):
    """The calibration belongs to other OCR settings; its numbers would be invented here."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Right answers of all seen."""

    right: int
    of: int

    @property
    def confidence(self) -> float:
        """Laplace's rule of succession: never 0 or 1, and one half where nothing was seen."""
        return (self.right + 1) / (self.of + 2)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The fitted numbers. `confidence` holds logistic weights by field, "joint" being date and total together."""

    ranking: Weights
    confidence: Weights
    rates: Mapping[str, Mapping[str, Rate]]
    trust_min: float

    def of(self, field: str, choice: Choice) -> float:
        """Confidence of one field, 0 to 1."""
        if field in self.confidence:
            return logistic(self.confidence[field], choice.evidence)
        return self.rates[field].get(choice.kind, Rate(right=0, of=0)).confidence

    def joint(self, reading: Draft) -> float:
        """Confidence that date and total are both right; 0 where one of them is missing."""
        if reading.date is None or reading.total is None:
            return 0.0
        return logistic(self.confidence["joint"], joint_evidence(self.confidence, reading.date, reading.total))


def load(path: Path) -> Calibration:
    """Read `calibration.json`.

    Raises:
        CalibrationMismatch: it was measured with other OCR settings. Run scripts/calibrate_receipt_reader.py again.
    """
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["ocr_settings"] != SETTINGS_VERSION:
        raise CalibrationMismatch(
            f"{path.name} was measured with OCR settings {stored['ocr_settings']}, the reader has {SETTINGS_VERSION}: "
            "run scripts/calibrate_receipt_reader.py."
        )
    return Calibration(
        ranking=stored["ranking"],
        confidence=stored["confidence"],
        rates={
            field: {kind: Rate(right=seen["right"], of=seen["of"]) for kind, seen in kinds.items()}
            for field, kinds in stored["rates"].items()
        },
        trust_min=stored["trust_min"],
    )


def logistic(weights: Mapping[str, float], evidence: Mapping[str, float]) -> float:
    """1 / (1 + e^-z) with z the weighted sum and an intercept."""
    z = weights["intercept"] + sum(weights.get(name, 0.0) * value for name, value in evidence.items())
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))


def joint_evidence(confidence: Weights, date: Choice, total: Choice) -> dict[str, float]:
    """What the joint confidence is worked out from."""
    return {
        "date": logit(logistic(confidence["date"], date.evidence)),
        "total": logit(logistic(confidence["total"], total.evidence)),
    }


def trust(calibration: Calibration, reading: Draft) -> tuple[bool, list[str]]:
    """Decide whether the reading may stand without a person, with every reason against it, or those for it."""
    against = []
    joint = calibration.joint(reading)
    against += [f"No {field} was found." for field in ("date", "total", "currency") if getattr(reading, field) is None]
    if reading.total is not None and reading.total.support == 0:
        against.append("Nothing else on the receipt confirms the total.")
    if reading.total is not None and float(reading.total.value) <= 0:
        against.append("The total is not above zero.")
    if reading.date is not None and reading.date.kind:
        against.append("Day and month of the date could be either way round.")
    if reading.date is not None and reading.total is not None and joint < calibration.trust_min:
        against.append(f"The confidence in date and total is {joint:.3f}, under {calibration.trust_min:.3f}.")
    if against:
        return False, against
    support = reading.total.support if reading.total else 0
    return True, [
        f"The confidence in date and total is {joint:.3f}, at least {calibration.trust_min:.3f}.",
        f"The total is confirmed in {support} independent way{'s' if support > 1 else ''}.",
    ]
