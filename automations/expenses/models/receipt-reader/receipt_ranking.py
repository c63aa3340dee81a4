"""Choose among candidates by three small models that were trained on labelled receipts (scripts/train_receipt_reader.py).

Each candidate has named features. A forest of extremely randomised trees (Geurts, Ernst & Wehenkel 2006), gradient boosting (Friedman
2001) and a conditional logit (McFadden 1974) each give shares of belief over a receipt's candidates; the shares are mixed. Where the
models differ, that is evidence of its own. A share is not yet a confidence; `receipt_confidence` makes it one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Features = Mapping[str, float]
Matrix = NDArray[np.float32]
FLOOR = 1e-6  # a candidate that nobody believes in still has a share


@dataclass(frozen=True, kw_only=True)
class Belief:
    """What a ranker holds of one candidate.

    Attributes:
        share: of belief among the receipt's candidates; they add up to 1.
        alone: how likely the trees hold it to be right by itself, whatever the others are.
        apart: how far the models' shares are from each other.
    """

    share: float
    alone: float
    apart: float


class Ranker(Protocol):
    """Judges the candidates of one field of one receipt."""

    def beliefs(self, candidates: Sequence[Features]) -> list[Belief]:
        """Give a belief for each candidate, in their order."""
        ...


Rankers = Mapping[str, Ranker]


def matrix(candidates: Sequence[Features], names: Sequence[str]) -> Matrix:
    """Features as float32 of shape (candidates, names); what a candidate lacks is 0, what has no name here is left out."""
    column = {name: index for index, name in enumerate(names)}
    found: Matrix = np.zeros((len(candidates), len(names)), dtype=np.float32)
    for line, features in enumerate(candidates):
        for name, value in features.items():
            if (index := column.get(name)) is not None:
                found[line, index] = value
    return found


@dataclass(frozen=True, kw_only=True)
class Opinions:
    """What each model says of a receipt's candidates: the trees' probabilities, and the logit's scores."""

    forest: Sequence[float]
    boosting: Sequence[float]
    logit: Sequence[float]


def mixed(opinions: Opinions, weights: Sequence[float]) -> list[Belief]:
    """Make beliefs of the models' opinions; `weights` of forest, boosting and logit add up to 1."""
    trees = np.array([opinions.forest, opinions.boosting], dtype=np.float64) + FLOOR
    scores = np.array(opinions.logit, dtype=np.float64)
    powers = np.exp(scores - scores.max())
    shares = np.vstack([trees / trees.sum(axis=1, keepdims=True), powers / powers.sum()])
    share, alone, apart = np.array(weights) @ shares, trees.mean(axis=0), shares.max(axis=0) - shares.min(axis=0)
    return [Belief(share=float(s), alone=float(a), apart=float(d)) for s, a, d in zip(share, alone, apart, strict=True)]


class OnnxRanker:
    """The trained models of one field: the trees in ONNX Runtime on one thread, the logit's weights as they are."""

    def __init__(self, folder: Path, field: str, stored: Mapping[str, Any]) -> None:
        self._names: tuple[str, ...] = tuple(stored["names"])
        self._weights: tuple[float, ...] = tuple(stored["weights"])
        self._logit: Mapping[str, float] = stored["logit"]
        self._models = [_session(folder / f"{field}.{kind}.onnx") for kind in ("forest", "boosting")]

    def beliefs(self, candidates: Sequence[Features]) -> list[Belief]:
        """See `Ranker`."""
        if not candidates:
            return []
        x = matrix(candidates, self._names)
        forest, boosting = (model.run(["probabilities"], {"x": x})[0][:, 1] for model in self._models)
        return mixed(Opinions(forest=forest, boosting=boosting, logit=scores(self._logit, candidates)), self._weights)


def load(folder: Path) -> Rankers:
    """Load the rankers of all fields from `rankers.json` and the ONNX files beside it."""
    stored = json.loads((folder / "rankers.json").read_text(encoding="utf-8"))
    return {field: OnnxRanker(folder, field, one) for field, one in stored["fields"].items()}


def scores(weights: Mapping[str, float], candidates: Sequence[Features]) -> list[float]:
    """The logit's score of each candidate: the weighted sum of its features."""
    return [sum(weights.get(name, 0.0) * value for name, value in features.items()) for features in candidates]


def _session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
