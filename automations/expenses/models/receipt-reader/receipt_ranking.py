"""Choose among candidates by weights that were fitted on labelled receipts (scripts/calibrate_receipt_reader.py).

A conditional logit (McFadden 1974): each candidate has named features, its score is their weighted sum, and the softmax over a
receipt's candidates is the share of belief that each gets. That share is not yet a confidence; `receipt_confidence` makes it one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Features = Mapping[str, float]


def shares(candidates: Sequence[Features], weights: Mapping[str, float]) -> list[float]:
    """Share of belief of each candidate; they add up to 1."""
    if not candidates:
        return []
    scores = [sum(weights.get(name, 0.0) * value for name, value in features.items()) for features in candidates]
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    whole = sum(powers)
    return [power / whole for power in powers]
