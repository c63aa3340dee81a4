"""The fits behind the reader's confidence, on data whose answer is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from calibration_fit import fit_logistic, fit_ranking  # noqa: E402


def test_logistic_regression_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000)
    outcome = rng.random(4000) < 1 / (1 + np.exp(-(0.5 + 2.0 * x)))
    fitted = fit_logistic([{"x": float(v)} for v in x], [bool(v) for v in outcome])
    assert fitted["intercept"] == pytest.approx(0.5, abs=0.15)
    assert fitted["x"] == pytest.approx(2.0, abs=0.2)


def test_logistic_regression_survives_data_that_can_be_separated() -> None:
    fitted = fit_logistic([{"x": -1.0}, {"x": 1.0}] * 20, [False, True] * 20)
    assert 0 < fitted["x"] < 20
    assert all(np.isfinite(value) for value in fitted.values())


def test_ranking_learns_which_feature_marks_the_right_candidate() -> None:
    data = [([{"good": 1.0, "loud": 1.0}, {"loud": 1.0}, {}], [0]), ([{"loud": 1.0}, {"good": 1.0}], [1])] * 10
    fitted = fit_ranking(data)
    assert fitted["good"] > 1.0 > abs(fitted["loud"])


def test_ranking_leaves_out_receipts_without_a_right_candidate() -> None:
    data = [([{"a": 1.0}, {}], [0])] * 5
    assert fit_ranking([*data, ([{"a": 1.0}, {"b": 1.0}], [])])["a"] == fit_ranking(data)["a"]
