"""Fit the receipt reader's rankers, its confidence and its gates, and read every receipt by what other brands alone decided.

For each test fold the other nine are all that is known: their rankers, the confidence and both gates come from readings that were
made out of fold *inside* them; then the test fold is read once. Folds are those of `receipt_folds.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # two processes fit at once; threads of both in each other's way cost tenfold

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier

from receipt_truth import MODEL_FOLDER, Example, both_right, examples, right  # isort: skip - puts the model's folder on the path
from receipt_confidence import Calibration, Rate, claim_score, joint_evidence, standing_alone
from receipt_fields import Choice, Draft, draft
from receipt_ranking import Belief, Features, Opinions, Rankers, matrix, mixed, scores

from calibration_fit import fit_logistic, fit_ranking
from claims import inflated
from interlock.autonomy.risk import Gate, choose_gate, control_risk, p_value, samples_needed
from receipt_folds import FOLDS

RANKED = ("total", "date", "merchant")
RISK, RISK_CONFIDENCE = 0.02, 0.90  # of date or total wrong among what is trusted without a claim
# The labels name another printed amount than what was paid now and then (before tax, before a coupon): at most this share of them. An
# error among the surest readings is then to be expected whatever the reader does, and the sequence of thresholds begins where some pass.
LABEL_ERROR_RATE = 0.01
BEGIN_SHARE_MAX = (
    0.8  # of all samples that the first threshold may accept: the least sure fifth is what a gate is there to keep out
)
CLAIM_RISK = 0.005  # of inflated claims approved
# How much forest, boosting and logit count. The first, unless another reads a hundredth more receipts right in the training folds.
WEIGHTS = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0), (0.0, 0.5, 0.5))
BETTER = 0.01
# What a confidence is fitted on: one number for every four or five errors there are to learn from, and no more.
EVIDENCE = {
    "total": ("share", "unsupported", "apart", "reread_differs"),
    "date": ("share", "doubt", "reread_differs"),
    "merchant": ("share", "score", "legal_form", "apart"),
}
SEED = 7
# A receipt has five inflated claims at least (see `claims.py`), and a reading agrees with two amounts at most.
CLAIM_LOSS_MAX = 0.4
Fitted = dict[str, dict[str, float]]


# The rankers.


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models of one field."""

    names: tuple[str, ...]
    forest: ExtraTreesClassifier
    boosting: GradientBoostingClassifier
    logit: Mapping[str, float]

    def opinions(self, listed: Sequence[Features]) -> Opinions:
        if not listed:
            return Opinions(forest=(), boosting=(), logit=())
        x = matrix(listed, self.names)
        forest, boosting = (model.predict_proba(x)[:, 1].tolist() for model in (self.forest, self.boosting))
        return Opinions(forest=forest, boosting=boosting, logit=scores(self.logit, listed))


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The models of one field with how much each counts: what is written to files."""

    models: Models
    weights: tuple[float, ...]


def fit_models(name: str, data: Sequence[Example]) -> Models:
    """Fit the models of a field on all candidates of the receipts."""
    names = tuple(sorted({feature for item in data for _, features in item.candidates[name] for feature in features}))
    x = np.vstack([matrix([f for _, f in item.candidates[name]], names) for item in data if item.candidates[name]])
    y = np.array([right(name, value, item) for item in data for value, _ in item.candidates[name]])
    trees = 120 if name == "merchant" else 480  # merchants have the most candidates, and so the largest trees
    forest = ExtraTreesClassifier(trees, max_depth=12, min_samples_leaf=3, random_state=SEED, n_jobs=1)
    boosting = GradientBoostingClassifier(
        n_estimators=480,
        learning_rate=0.02,
        max_depth=3,
        min_samples_leaf=10,
        subsample=0.7,
        max_features=0.5,
        random_state=SEED,
    )
    forest.fit(x, y)
    boosting.fit(x, y)
    listed = [
        (
            [f for _, f in item.candidates[name]],
            [i for i, (v, _) in enumerate(item.candidates[name]) if right(name, v, item)],
        )
        for item in data
    ]
    return Models(names=names, forest=forest, boosting=boosting, logit=fit_ranking(listed))


Judged = dict[tuple[str, str], Opinions]
"""The models' opinions of a receipt's candidates, by field and receipt, from models that did not see it."""


def judged(name: str, models: Models, data: Sequence[Example]) -> Judged:
    return {(name, item.receipt.name): models.opinions([f for _, f in item.candidates[name]]) for item in data}


def best_weights(name: str, data: Sequence[Example], seen: Judged) -> tuple[float, ...]:
    """Choose how much each model counts."""

    def rights(weights: Sequence[float]) -> int:
        good = 0
        for item in data:
            if item.candidates[name]:
                beliefs = mixed(seen[name, item.receipt.name], weights)
                best = max(range(len(beliefs)), key=lambda index: beliefs[index].share)
                good += right(name, item.candidates[name][best][0], item)
        return good

    best = max(WEIGHTS[1:], key=rights)
    return best if rights(best) - rights(WEIGHTS[0]) >= BETTER * len(data) else WEIGHTS[0]


@dataclass(frozen=True, kw_only=True)
class Held:
    """Ranker over opinions that are held already, for one receipt."""

    opinions: Opinions
    weights: tuple[float, ...]

    def beliefs(self, listed: Sequence[Features]) -> list[Belief]:
        return mixed(self.opinions, self.weights) if listed else []


def held(item: Example, seen: Judged, weights: Mapping[str, tuple[float, ...]]) -> Rankers:
    return {name: Held(opinions=seen[name, item.receipt.name], weights=weights[name]) for name in RANKED}


# Confidence and gates.


Read = tuple[Example, Draft]


def confidence(data: Sequence[Read]) -> Fitted:
    """Fit the confidence of the ranked fields, and of date and total together, on readings made out of fold."""
    found: Fitted = {}
    for name in RANKED:
        seen: list[tuple[Example, Choice]] = [(e, c) for e, r in data if (c := getattr(r, name)) is not None]
        evidence = [{key: c.evidence[key] for key in EVIDENCE[name]} for _, c in seen]
        found[name] = fit_logistic(evidence, [right(name, c.value, e) for e, c in seen])
    both = [(e, r) for e, r in data if r.date is not None and r.total is not None]
    joint = [joint_evidence(found, r) for _, r in both]
    found["joint"] = fit_logistic(joint, [both_right(e, r) for e, r in both])
    return found


def errors_tolerated(count: int) -> int:
    """How many errors the first threshold of the gate lets pass: a number that follows from counts and a rate, never from outcomes.

    Of the beginnings that `count` samples allow, the one that a perfect reader would most probably pass if its labels were wrong at
    `LABEL_ERROR_RATE`. Without wrong labels the strictest would be best, with them it nearly always fails.
    """
    chances: list[float] = []
    while True:
        begin = samples_needed(len(chances), risk=RISK, confidence=RISK_CONFIDENCE)
        if begin > BEGIN_SHARE_MAX * count:
            return max(range(len(chances)), key=lambda errors: chances[errors]) if chances else 0
        chances.append(p_value(len(chances), begin, LABEL_ERROR_RATE))


def gates(data: Sequence[Read], folds: Sequence[int]) -> tuple[Gate, float | None]:
    """Choose both gates: each reading is scored by a confidence that was fitted without its fold."""
    alone: list[tuple[float, bool]] = []
    losses: list[list[tuple[float, float]]] = []
    for fold in folds:
        open_gate = Calibration(confidence=confidence([pair for pair in data if pair[0].fold != fold]))
        for example, reading in data:
            if example.fold != fold:
                continue
            alone.append((standing_alone(open_gate, reading), both_right(example, reading)))
            asked = inflated(example, reading)
            lost = sum(claim.agrees(reading) for claim in asked) / len(asked) if asked else 0.0
            losses.append([(claim_score(open_gate, reading), lost)])
    gate = choose_gate(alone, risk=RISK, confidence=RISK_CONFIDENCE, tolerated=errors_tolerated(len(alone)))
    return gate, control_risk(losses, risk=CLAIM_RISK, loss_max=CLAIM_LOSS_MAX)


def currency_rates(data: Sequence[Read]) -> dict[str, Rate]:
    """Share of right currencies by kind of evidence."""
    seen: dict[str, list[bool]] = {}
    for example, reading in data:
        if reading.currency:
            seen.setdefault(reading.currency.kind, []).append(right("currency", reading.currency.value, example))
    return {kind: Rate(right=sum(answers), of=len(answers)) for kind, answers in sorted(seen.items())}


def text_checked() -> dict[str, dict[str, Rate]]:
    """Right answers of fields that the data set has no labels for, counted against the recognised text (`text_checked.json`)."""
    stored_rates = json.loads((MODEL_FOLDER / "text_checked.json").read_text(encoding="utf-8"))["rates"]
    return {
        name: {kind: Rate(right=seen["right"], of=seen["of"]) for kind, seen in kinds.items()}
        for name, kinds in stored_rates.items()
    }


def calibrate(data: Sequence[Read], folds: Sequence[int]) -> Calibration:
    """Fit everything that makes readings into confidence and trust, on readings made out of fold."""
    gate, claim_min = gates(data, folds)
    return Calibration(
        confidence=confidence(data),
        rates={**text_checked(), "currency": currency_rates(data)},
        gate=gate,
        claim_min=claim_min,
    )


# Nested cross-validation.


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A receipt that was read and judged by what was fitted without its brand."""

    example: Example
    reading: Draft
    calibration: Calibration

    @property
    def right(self) -> bool:
        return both_right(self.example, self.reading)

    @property
    def trusted(self) -> bool:
        return self.calibration.trust(self.reading)[0]


_data: list[Example] = []


def _start(folder: Path) -> None:
    _data.extend(examples(folder))


def _without(left_out: tuple[int, ...]) -> Judged:
    """Fit on all folds but these; judge the receipts of these."""
    train = [item for item in _data if item.fold not in left_out]
    test = [item for item in _data if item.fold in left_out]
    found: Judged = {}
    for name in RANKED:
        found |= judged(name, fit_models(name, train), test)
    return found


def nested(
    folder: Path, data: Sequence[Example], report: Callable[[str], None]
) -> tuple[dict[tuple[int, ...], Judged], list[Scored]]:
    """Read every receipt by what the other folds alone decided; gives also the opinions out of fold.

    Leaving out folds {j, k} serves twice: it judges fold j inside the training part of test fold k, and the other way round.
    """
    left_out = [*((k,) for k in range(FOLDS)), *combinations(range(FOLDS), 2)]
    found: dict[tuple[int, ...], Judged] = {}
    with ProcessPoolExecutor(2, initializer=_start, initargs=(folder,)) as pool:
        for done, (key, one) in enumerate(zip(left_out, pool.map(_without, left_out), strict=True), start=1):
            found[key] = one
            if done % 11 == 0:
                report(f"fitted {done} of {len(left_out)}")
    result: list[Scored] = []
    for k in range(FOLDS):
        train, test = [e for e in data if e.fold != k], [e for e in data if e.fold == k]
        inner: Judged = {}
        for j in (j for j in range(FOLDS) if j != k):
            both = found[min(j, k), max(j, k)]
            inner |= {
                (name, e.receipt.name): both[name, e.receipt.name] for name in RANKED for e in train if e.fold == j
            }
        weights = {name: best_weights(name, train, inner) for name in RANKED}
        reads = [(e, draft(e.pages, held(e, inner, weights), e.again)) for e in train]
        calibration = calibrate(reads, [j for j in range(FOLDS) if j != k])
        result += [
            Scored(example=e, reading=draft(e.pages, held(e, found[k,], weights), e.again), calibration=calibration)
            for e in test
        ]
        report(f"fold {k}: {calibration.gate.explain() if calibration.gate else 'no gate'}")
    return found, sorted(result, key=lambda item: item.example.receipt.name)


def final(data: Sequence[Example], found: Sequence[Judged]) -> tuple[dict[str, Trained], Calibration]:
    """Fit on all receipts; confidence and gates on readings out of fold, which `found` holds."""
    seen: Judged = {}
    for one in found:
        seen |= one
    weights = {name: best_weights(name, data, seen) for name in RANKED}
    calibration = calibrate([(e, draft(e.pages, held(e, seen, weights), e.again)) for e in data], range(FOLDS))
    return {name: Trained(models=fit_models(name, data), weights=weights[name]) for name in RANKED}, calibration
