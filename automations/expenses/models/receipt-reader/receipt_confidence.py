"""How sure a reading is, measured on labelled receipts and never made up; and when that is enough.

All numbers come from `calibration.json`, which scripts/train_receipt_reader.py writes. Ranked fields have a logistic function of
their evidence (Platt 1999), fields found by rules the share of right answers seen for that kind of evidence. Two gates stand on
top: `trusted` (Learn-then-Test, see `interlock.autonomy.risk.choose_gate`) says that a reading may stand alone at a stated
risk, `supports_claim` (conformal risk control, `control_risk`) that a claim may be believed that says the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from receipt_fields import DOUBT_DECADES, Choice, Draft, Weights, logit
from receipt_ocr import SETTINGS_VERSION

from interlock.autonomy.risk import Gate

# Another digit held for a twentieth as likely is one too many; on the scale of `receipt_fields`, 0 (1 in 10,000) to 4 (certain).
DOUBT_MAX = DOUBT_DECADES + math.log10(0.05)


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
    """The fitted numbers.

    Attributes:
        confidence: logistic weights by field, "joint" being date and total together.
        rates: of fields found by rules, by kind of evidence.
        gate: on `standing_alone`; None, or a gate without a threshold, trusts nothing.
        claim_min: the least `claim_score` that supports a claim; None supports none.
    """

    confidence: Weights
    rates: Mapping[str, Mapping[str, Rate]] = field(default_factory=dict)
    gate: Gate | None = None
    claim_min: float | None = None

    def of(self, name: str, choice: Choice) -> float:
        """Confidence of one field, 0 to 1."""
        if name in self.confidence:
            return logistic(self.confidence[name], choice.evidence)
        return self.rates.get(name, {}).get(choice.kind, Rate(right=0, of=0)).confidence

    def joint(self, reading: Draft) -> float:
        """Confidence that date and total are both right; 0 where one of them is missing."""
        if reading.date is None or reading.total is None:
            return 0.0
        return logistic(self.confidence["joint"], joint_evidence(self.confidence, reading))

    def trust(self, reading: Draft) -> tuple[bool, list[str]]:
        """Decide whether the reading may stand without a person, with every reason against it, or those for it."""
        against = doubts(reading)
        score = standing_alone(self, reading)
        if self.gate is None or self.gate.threshold is None:
            against.append(self.gate.explain() if self.gate else "No risk was ever stated for this reader.")
        elif not self.gate.accepts(score):
            against.append(
                f"The score of date and total is {score:.3f}, under the {self.gate.threshold:.3f} from which on it is trusted."
            )
        if against:
            return False, against
        assert self.gate is not None
        support = reading.total.support if reading.total else 0
        return True, [
            f"The score of date and total is {score:.3f}, at least {self.gate.threshold:.3f}.",
            self.gate.explain(),
            f"The total is confirmed in {support} independent way{'' if support == 1 else 's'}.",
        ]

    def supports_claim(self, reading: Draft) -> bool:
        """Whether a claim that says the same as the reading may be believed: never one about several receipts or a refund."""
        if self.claim_min is None or reading.several or reading.refund:
            return False
        return claim_score(self, reading) >= self.claim_min


def doubts(reading: Draft) -> list[str]:
    """Say what speaks against any use of a reading without a person, whatever its confidence."""
    found = [f"No {name} was found." for name in ("date", "total", "currency") if getattr(reading, name) is None]
    if reading.refund:
        found.append("The paper says that money went back.")
    elif reading.total is not None and float(reading.total.value) <= 0:
        found.append("The total is not above zero: this may be a refund.")
    if reading.date is not None and reading.date.kind:
        found.append("Day and month of the date could be either way round.")
    if reading.several:
        found.append("There are several receipts that look different.")
    if reading.total is not None and reading.total.evidence["unread"]:
        found.append("A line that is called a total has no amount that can be read.")
    for name in ("date", "total"):
        choice = getattr(reading, name)
        if choice is not None and choice.evidence["doubt"] >= DOUBT_MAX:
            found.append(f"A digit in the line of the {name} could be another one.")
        if choice is not None and choice.evidence["reread_differs"] > 0.5:
            found.append(f"The line of the {name} reads differently at another scale.")
    return found


def standing_alone(calibration: Calibration, reading: Draft) -> float:
    """Score a reading for the gate of trust, 0 to 1: 0 where anything speaks against it.

    Else its joint confidence times the rankers' belief in the date and in the total: a confidence learnt from some ten wrong answers
    orders the surest readings less well than the belief itself, and a gate asks for the order only.
    """
    if doubts(reading) or reading.total is None or reading.date is None:
        return 0.0
    beliefs = [1.0 / (1.0 + math.exp(-choice.evidence["share"])) for choice in (reading.date, reading.total)]
    return calibration.joint(reading) * math.prod(beliefs)


def claim_score(calibration: Calibration, reading: Draft) -> float:
    """Score a reading for supporting a claim: its joint confidence.

    Of what speaks against standing alone only the most serious counts, in `Calibration.supports_claim`: the claim itself settles the
    order of day and month, and a digit that could be another one does not turn into the claimed one by chance.
    """
    return calibration.joint(reading)


def load(path: Path) -> Calibration:
    """Read `calibration.json`.

    Raises:
        CalibrationMismatch: it was measured with other OCR settings. Run scripts/train_receipt_reader.py again.
    """
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["ocr_settings"] != SETTINGS_VERSION:
        raise CalibrationMismatch(
            f"{path.name} was measured with OCR settings {stored['ocr_settings']}, the reader has {SETTINGS_VERSION}: "
            "run scripts/train_receipt_reader.py."
        )
    return Calibration(
        confidence=stored["confidence"],
        rates={
            name: {kind: Rate(right=seen["right"], of=seen["of"]) for kind, seen in kinds.items()}
            for name, kinds in stored["rates"].items()
        },
        gate=Gate(**stored["gate"]),
        claim_min=stored["claim_min"],
    )


def logistic(weights: Mapping[str, float], evidence: Mapping[str, float]) -> float:
    """1 / (1 + e^-z) with z the weighted sum and an intercept."""
    z = weights["intercept"] + sum(weights.get(name, 0.0) * value for name, value in evidence.items())
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))


def joint_evidence(confidence: Weights, reading: Draft) -> dict[str, float]:
    """What the joint confidence is worked out from: the product of both, as if independent. Date and total must be there.

    Weights for each of the two were tried: there are too few wrong dates to learn the date's, and misread years stood on top.
    """
    assert reading.date is not None
    assert reading.total is not None
    date = logistic(confidence["date"], reading.date.evidence)
    return {"both": logit(date * logistic(confidence["total"], reading.total.evidence))}
