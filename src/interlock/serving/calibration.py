"""Calibration: scores become confidences, and confidences are held against what was right. Standard library only.

A confidence is calibrated where, of the predictions that state 0.9, nine in ten are right. `Platt` needs few samples and assumes an
S-shaped curve, `Isotonic` assumes only that a higher score is no worse and needs some hundreds. `reliability` shows how good it is.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Self

NEWTON_STEPS_MAX = 100
SMALLEST_STEP = 1e-10
ENOUGH_DESCENT = 1e-4
CONVERGED = 1e-10
RIDGE = 1e-12
# Beyond it the logistic function cannot be told from 0 or 1 in floats, and a confidence is neither.
LOGIT_MAX = 30.0


@dataclass(frozen=True, kw_only=True)
class Platt:
    """A logistic curve over scores (Platt 1999): `1 / (1 + exp(-(slope * score + intercept)))`."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, scores: Sequence[float], outcomes: Sequence[bool]) -> Self:
        """Fit by Newton's method with backtracking (Lin, Lin & Weng 2007), on targets that are kept off 0 and 1.

        So it ends also where all outcomes are the same, or where the scores separate them.

        Raises:
            ValueError: lengths differ, nothing is given, or a score is not finite.
        """
        _check(scores, outcomes)
        middle = math.fsum(scores) / len(scores)
        spread = math.sqrt(math.fsum((s - middle) ** 2 for s in scores) / len(scores)) or 1.0
        right = sum(map(bool, outcomes))
        high, low = (right + 1) / (right + 2), 1 / (len(outcomes) - right + 2)
        x = [(s - middle) / spread for s in scores]  # of about 1, so that the steps are well conditioned
        y = [high if outcome else low for outcome in outcomes]
        slope, intercept = _newton(x, y, start=math.log((right + 1) / (len(outcomes) - right + 1)))
        return cls(slope=slope / spread, intercept=intercept - slope * middle / spread)

    def __call__(self, score: float) -> float:
        """Give the confidence of a score, strictly between 0 and 1; NaN for NaN."""
        return _logistic(self.slope * score + self.intercept)


def _newton(x: Sequence[float], y: Sequence[float], *, start: float) -> tuple[float, float]:
    """Give slope and intercept that minimise the cross-entropy to the targets `y`."""
    a, b = 0.0, start
    loss = _cross_entropy(x, y, a, b)
    for _ in range(NEWTON_STEPS_MAX):
        p = [_logistic(a * xi + b) for xi in x]
        away = [pi - yi for pi, yi in zip(p, y, strict=True)]
        weight = [pi * (1 - pi) for pi in p]
        ga, gb = math.fsum(d * xi for d, xi in zip(away, x, strict=True)), math.fsum(away)
        if max(abs(ga), abs(gb)) < CONVERGED * len(x):
            break
        haa = RIDGE + math.fsum(w * xi * xi for w, xi in zip(weight, x, strict=True))
        hab = math.fsum(w * xi for w, xi in zip(weight, x, strict=True))
        hbb = RIDGE + math.fsum(weight)
        determinant = haa * hbb - hab * hab
        da, db = -(hbb * ga - hab * gb) / determinant, -(haa * gb - hab * ga) / determinant
        descent, step = ga * da + gb * db, 1.0
        while step >= SMALLEST_STEP:
            tried = _cross_entropy(x, y, a + step * da, b + step * db)
            if tried < loss + ENOUGH_DESCENT * step * descent:
                break
            step /= 2
        else:
            break  # no step helps any more: this is as near as floats come
        a, b, loss = a + step * da, b + step * db, tried
    return a, b


def _cross_entropy(x: Sequence[float], y: Sequence[float], a: float, b: float) -> float:
    def one(z: float, target: float) -> float:
        return max(z, 0.0) - target * z + math.log1p(math.exp(-abs(z)))

    return math.fsum(one(a * xi + b, yi) for xi, yi in zip(x, y, strict=True))


def _logistic(z: float) -> float:
    if math.isnan(z):
        return z
    return 1 / (1 + math.exp(-max(-LOGIT_MAX, min(LOGIT_MAX, z))))


@dataclass(frozen=True, kw_only=True)
class Isotonic:
    """A curve that never falls, through `values` at `scores`; straight in between, level outside."""

    scores: tuple[float, ...]
    values: tuple[float, ...]

    @classmethod
    def fit(cls, scores: Sequence[float], outcomes: Sequence[bool]) -> Self:
        """Fit by pooling adjacent violators (Ayer et al. 1955; for calibration: Zadrozny & Elkan 2002).

        The two end blocks are smoothed by Laplace's rule, `(right + 1) / (count + 2)`: samples say never that a score is always right.

        Raises:
            ValueError: lengths differ, nothing is given, or a score is not finite.
        """
        _check(scores, outcomes)
        ties = [
            (score, [bool(outcome) for _, outcome in group])
            for score, group in groupby(sorted(zip(scores, outcomes, strict=True)), key=lambda pair: pair[0])
        ]
        counts = [len(group) for _, group in ties]
        means = pool_adjacent_violators([sum(group) / len(group) for _, group in ties], counts)
        knots: list[tuple[float, float]] = []
        blocks = [list(block) for _, block in groupby(range(len(ties)), key=lambda i: means[i])]
        smoothed = [means[block[0]] for block in blocks]
        for place in dict.fromkeys((0, len(blocks) - 1)):
            count = sum(counts[i] for i in blocks[place])
            smoothed[place] = (means[blocks[place][0]] * count + 1) / (count + 2)
        if len(blocks) > 1:  # and still no end passes its neighbour
            smoothed[0] = min(smoothed[0], smoothed[1])
            smoothed[-1] = max(smoothed[-1], smoothed[-2])
        for block, value in zip(blocks, smoothed, strict=True):
            knots += dict.fromkeys([(ties[block[0]][0], value), (ties[block[-1]][0], value)])
        return cls(scores=tuple(score for score, _ in knots), values=tuple(value for _, value in knots))

    def __call__(self, score: float) -> float:
        """Give the confidence of a score, strictly between 0 and 1; NaN for NaN."""
        if math.isnan(score):
            return score
        place = bisect_left(self.scores, score)
        if place == 0:
            return self.values[0]
        if place == len(self.scores):
            return self.values[-1]
        (x0, x1), (y0, y1) = self.scores[place - 1 : place + 1], self.values[place - 1 : place + 1]
        return min(y1, y0 + (y1 - y0) * ((score - x0) / (x1 - x0)))


def pool_adjacent_violators(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Give the sequence that never falls and is nearest to `values` in weighted squares, of the same length.

    Raises:
        ValueError: lengths differ.
    """
    if len(values) != len(weights):
        raise ValueError(f"{len(values)} values and {len(weights)} weights: give as many of each")
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values, weights, strict=True):
        mean, heavy, length = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, its_weight, its_length = blocks.pop()
            if before != mean:  # equal means stay what they are, to the last digit
                mean = (before * its_weight + mean * heavy) / (its_weight + heavy)
            heavy, length = heavy + its_weight, length + its_length
        blocks.append((mean, heavy, length))
    return [mean for mean, _, length in blocks for _ in range(length)]


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Samples of neighbouring confidence: their mean confidence, the share that was right, the least and the greatest confidence."""

    count: int
    confidence: float
    accuracy: float
    low: float
    high: float


def reliability(confidences: Sequence[float], outcomes: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Divide samples by confidence into bins of equal count (Naeini et al. 2015, adaptive bins), lowest first.

    Where samples of one confidence fall into two bins, each bin gets the same share of right ones: the order of the samples says
    nothing. With fewer samples than bins there are as many bins as samples.

    Raises:
        ValueError: lengths differ, nothing is given, a confidence is not between 0 and 1, or `bins` is under 1.
    """
    _check(confidences, outcomes)
    if not all(0 <= c <= 1 for c in confidences):
        raise ValueError("confidences must be between 0 and 1")
    if bins < 1:
        raise ValueError(f"bins ({bins}) must be at least 1")
    ordered: list[tuple[float, float]] = []
    for confidence, group in groupby(sorted(zip(confidences, outcomes, strict=True)), key=lambda pair: pair[0]):
        tied = [bool(outcome) for _, outcome in group]
        ordered += [(confidence, sum(tied) / len(tied))] * len(tied)
    size, larger = divmod(len(ordered), bins)
    made: list[Bin] = []
    begin = 0
    for place in range(min(bins, len(ordered))):
        part = ordered[begin : begin + size + (place < larger)]
        begin += len(part)
        made.append(
            Bin(
                count=len(part),
                confidence=math.fsum(c for c, _ in part) / len(part),
                accuracy=math.fsum(right for _, right in part) / len(part),
                low=part[0][0],
                high=part[-1][0],
            )
        )
    return made


def expected_calibration_error(confidences: Sequence[float], outcomes: Sequence[bool], bins: int = 10) -> float:
    """Give the mean distance between confidence and share of right ones, over the bins of `reliability`, by their counts.

    Few samples give more than 0 also where the confidence is perfect: up to about `0.4 * sqrt(bins / count)` on average.

    Raises:
        ValueError: as `reliability`.
    """
    made = reliability(confidences, outcomes, bins)
    return math.fsum(one.count * abs(one.confidence - one.accuracy) for one in made) / len(confidences)


def _check(scores: Sequence[float], outcomes: Sequence[bool]) -> None:
    if len(scores) != len(outcomes):
        raise ValueError(f"{len(scores)} scores and {len(outcomes)} outcomes: give as many of each")
    if not scores:
        raise ValueError("no samples: nothing can be said of none")
    if not all(math.isfinite(score) for score in scores):
        raise ValueError("scores must be finite numbers")


SIDE, MARGIN = 260, 46
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def reliability_svg(bins: Sequence[Bin], *, title: str) -> str:
    """Draw a reliability diagram: a self-contained SVG of 352 by 352 units, points by bin with their area by count.

    It brings its own background, since a picture in a page does not learn whether the page is light or dark.
    """

    def x(value: float) -> str:
        return f"{MARGIN + SIDE * value:.1f}"

    def y(value: float) -> str:
        return f"{MARGIN + SIDE * (1 - value):.1f}"

    whole, middle, end = SIDE + 2 * MARGIN, MARGIN + SIDE / 2, MARGIN + SIDE
    most = max((one.count for one in bins), default=1)
    name = escape(title)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" width="{whole}" height="{whole}" role="img"'
        f' aria-label="{name}" color="#24292f" font-family="system-ui, sans-serif" font-size="11" fill="currentColor">',
        f"<title>{name}</title>",
        f'<rect width="{whole}" height="{whole}" rx="6" fill="#f3f4f6"/>',
        f'<text x="{middle}" y="24" text-anchor="middle" font-size="13" font-weight="600">{name}</text>',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIDE}" height="{SIDE}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>',
        f'<path d="M{x(0)} {y(0)}L{x(1)} {y(1)}" stroke="currentColor" stroke-opacity="0.5" stroke-dasharray="4 4"/>',
    ]
    for tick in TICKS:
        lines.append(f'<text x="{x(tick)}" y="{end + 15}" text-anchor="middle">{tick:g}</text>')
        lines.append(
            f'<text x="{MARGIN - 6}" y="{y(tick)}" text-anchor="end" dominant-baseline="middle">{tick:g}</text>'
        )
    lines.append(f'<text x="{middle}" y="{end + 34}" text-anchor="middle">confidence</text>')
    lines.append(
        f'<text x="13" y="{middle}" text-anchor="middle" transform="rotate(-90 13 {middle})">share that was right</text>'
    )
    for one in bins:
        lines.append(
            f'<circle cx="{x(one.confidence)}" cy="{y(one.accuracy)}" r="{2 + 6 * math.sqrt(one.count / most):.1f}" fill="#00796b"'
            f' fill-opacity="0.75"><title>{one.count} samples: confidence {one.confidence:.3f}, right {one.accuracy:.3f}</title></circle>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"
