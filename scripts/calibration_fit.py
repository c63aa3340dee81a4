"""The two fits behind the reader's confidence, written out so that they need nothing but NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def fit_ranking(
    data: Sequence[tuple[Sequence[Mapping[str, float]], Sequence[int]]], *, penalty: float = 1.0, steps: int = 25
) -> dict[str, float]:
    """Fit a conditional logit by Newton's method with an L2 penalty; each datum has its candidates' features and which are right."""
    names = sorted({name for features, _ in data for item in features for name in item})
    column = {name: index for index, name in enumerate(names)}
    sets = []
    for features, indices in data:
        if indices:
            x = np.zeros((len(features), len(names)))
            for line, item in enumerate(features):
                for name, value in item.items():
                    x[line, column[name]] = value
            sets.append((x, np.array(indices)))
    w: Vector = np.zeros(len(names))
    for _ in range(steps):
        gradient, hessian = penalty * w, penalty * np.eye(len(names))
        for x, good in sets:
            scores = x @ w
            p = np.exp(scores - scores.max())
            p /= p.sum()
            q = np.zeros_like(p)
            q[good] = p[good] / p[good].sum()
            gradient -= (q - p) @ x
            centred = x - p @ x
            hessian += (centred * p[:, None]).T @ centred
        step = np.linalg.solve(hessian, gradient)
        w = w - step * min(1.0, 4.0 / (np.abs(step).max() + 1e-9))
        if np.abs(step).max() < 1e-6:
            break
    return {name: round(float(value), 4) for name, value in zip(names, w, strict=True)}


def fit_logistic(
    evidence: Sequence[Mapping[str, float]], outcome: Sequence[bool], *, penalty: float = 0.3
) -> dict[str, float]:
    """Fit a logistic regression by Newton's method; the intercept is not penalised."""
    names = sorted({name for item in evidence for name in item})
    x = np.array([[1.0, *(item.get(name, 0.0) for name in names)] for item in evidence])
    y = np.array(outcome, dtype=np.float64)
    ridge = penalty * np.eye(x.shape[1])
    ridge[0, 0] = 1e-6
    w: Vector = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (p - y) + ridge @ w
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + ridge, gradient)
        w = w - step * min(1.0, 4.0 / (np.abs(step).max() + 1e-9))
        if np.abs(step).max() < 1e-8:
            break
    return {"intercept": round(float(w[0]), 4)} | {
        name: round(float(value), 4) for name, value in zip(names, w[1:], strict=True)
    }
