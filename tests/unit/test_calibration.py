"""Confidences: fitted on data whose answer is known, and measured honestly."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.serving.calibration import (
    Bin,
    Isotonic,
    Platt,
    expected_calibration_error,
    pool_adjacent_violators,
    reliability,
    reliability_svg,
)

Fitted = Callable[[float], float]
Samples = list[tuple[float, bool]]

samples = st.lists(st.tuples(st.floats(-1e3, 1e3), st.booleans()), min_size=1, max_size=60)
stated = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80)
weighted = st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 9)), max_size=40)


def fitted(kind: type[Platt] | type[Isotonic], given_: Samples) -> Platt | Isotonic:
    return kind.fit([score for score, _ in given_], [right for _, right in given_])


def logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def simulated(count: int, seed: int = 3) -> Samples:
    """Scores whose probability of being right is logistic(2 * score - 1)."""
    rng = random.Random(seed)
    drawn = [rng.gauss(0, 1.5) for _ in range(count)]
    return [(s, rng.random() < logistic(2 * s - 1)) for s in drawn]


@given(samples, st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=20))
def test_platt_goes_one_way_and_stays_off_0_and_1(data: Samples, asked: list[float]) -> None:
    curve = fitted(Platt, data)
    assert isinstance(curve, Platt)
    along = [curve(score) for score in sorted(asked, reverse=curve.slope < 0)]
    assert along == sorted(along)
    assert all(0 < p < 1 for p in along)


def test_platt_finds_the_curve_that_made_the_data() -> None:
    curve = fitted(Platt, simulated(8000))
    assert isinstance(curve, Platt)
    assert curve.slope == pytest.approx(2.0, abs=0.15)
    assert curve.intercept == pytest.approx(-1.0, abs=0.12)


def test_platt_meets_the_smoothed_targets_on_average() -> None:
    # At the optimum the gradient is zero: the mean of the confidences is the mean of the targets (Lin, Lin & Weng 2007).
    data = simulated(200)
    curve = fitted(Platt, data)
    right = sum(ok for _, ok in data)
    targets = [(right + 1) / (right + 2) if ok else 1 / (len(data) - right + 2) for _, ok in data]
    assert math.fsum(curve(s) for s, _ in data) == pytest.approx(math.fsum(targets), abs=1e-6)


def test_platt_knows_no_certainty_where_all_was_right() -> None:
    curve = Platt.fit([1.0, 2.0, 3.0], [True] * 3)
    assert curve(2.0) == pytest.approx(4 / 5)
    separated = Platt.fit([-1e6, 1e6] * 20, [False, True] * 20)
    assert 0.9 < separated(1e6) < 1


@given(samples, st.lists(st.floats(-2e3, 2e3), min_size=2, max_size=20))
def test_isotonic_never_falls_and_stays_off_0_and_1(data: Samples, asked: list[float]) -> None:
    curve = fitted(Isotonic, data)
    assert isinstance(curve, Isotonic)
    assert list(curve.scores) == sorted(set(curve.scores))
    assert list(curve.values) == sorted(curve.values)
    along = [curve(score) for score in sorted(asked)]
    assert along == sorted(along)
    assert all(0 < p < 1 for p in along)


def test_isotonic_by_hand() -> None:
    curve = Isotonic.fit([1, 2, 3, 4, 5, 6], [False, False, True, False, True, True])
    # Blocks: 1-2 never right, 3-4 half, 5-6 always; the ends by Laplace's rule.
    assert curve == Isotonic(scores=(1, 2, 3, 4, 5, 6), values=(0.25, 0.25, 0.5, 0.5, 0.75, 0.75))
    assert (curve(0), curve(2.5), curve(4.5), curve(99)) == (0.25, 0.375, 0.625, 0.75)


def test_isotonic_finds_the_curve_that_made_the_data() -> None:
    curve = fitted(Isotonic, simulated(8000))
    for score in (-1.0, 0.0, 0.5, 1.0, 2.0):
        assert curve(score) == pytest.approx(logistic(2 * score - 1), abs=0.06)


@given(weighted)
def test_pooling_is_idempotent_keeps_the_mean_and_never_falls(items: list[tuple[float, int]]) -> None:
    values, weights = [v for v, _ in items], [w for _, w in items]
    once = pool_adjacent_violators(values, weights)
    assert once == sorted(once)
    assert pool_adjacent_violators(once, weights) == once
    total = sum(v * w for v, w in items)
    assert sum(v * w for v, w in zip(once, weights, strict=True)) == pytest.approx(total, abs=1e-6)
    if values == sorted(values):
        assert once == values


@given(samples, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(data: Samples, rng: random.Random) -> None:
    moved = rng.sample(data, len(data))
    assert fitted(Isotonic, moved) == fitted(Isotonic, data)
    one, other = fitted(Platt, data), fitted(Platt, moved)
    assert all(one(s) == pytest.approx(other(s), abs=1e-6) for s, _ in data)


@given(stated, st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_bins_hold_every_sample_once_in_any_order(data: Samples, bins: int, rng: random.Random) -> None:
    confidences, outcomes = [c for c, _ in data], [ok for _, ok in data]
    made = reliability(confidences, outcomes, bins)
    assert sum(one.count for one in made) == len(data)
    assert max(one.count for one in made) - min(one.count for one in made) <= 1
    assert all(one.low <= one.confidence + 1e-12 and one.confidence <= one.high + 1e-12 for one in made)
    assert sum(one.count * one.accuracy for one in made) == pytest.approx(sum(outcomes))
    moved = rng.sample(data, len(data))
    assert reliability([c for c, _ in moved], [ok for _, ok in moved], bins) == made
    assert 0 <= expected_calibration_error(confidences, outcomes, bins) <= 1


def test_the_calibration_error_tells_honest_confidence_from_boasting() -> None:
    outcomes = [True] * 70 + [False] * 30
    for bins in (1, 10):
        assert expected_calibration_error([0.7] * 100, outcomes, bins) == pytest.approx(0.0)
        assert expected_calibration_error([0.99] * 100, outcomes, bins) == pytest.approx(0.29)


def test_the_calibration_error_of_a_simulation() -> None:
    rng = random.Random(5)
    confidences = [rng.random() for _ in range(20_000)]
    outcomes = [rng.random() < c for c in confidences]
    assert expected_calibration_error(confidences, outcomes) < 0.015
    assert expected_calibration_error([c**0.2 for c in confidences], outcomes) > 0.25


def test_calibration_mends_a_boasting_score() -> None:
    train, test = simulated(3000, seed=6), simulated(3000, seed=7)
    outcomes = [ok for _, ok in test]
    assert expected_calibration_error([logistic(6 * s) for s, _ in test], outcomes) > 0.1
    for kind in (Platt, Isotonic):
        curve = fitted(kind, train)
        assert expected_calibration_error([curve(s) for s, _ in test], outcomes) < 0.04


def test_no_number_stays_none() -> None:
    assert math.isnan(Platt(slope=1, intercept=0)(math.nan))
    assert math.isnan(Isotonic(scores=(0.0,), values=(0.5,))(math.nan))


@pytest.mark.parametrize("call", [Platt.fit, Isotonic.fit, reliability, expected_calibration_error])
def test_what_cannot_be_fitted_is_refused(call: Callable[[list[float], list[bool]], object]) -> None:
    with pytest.raises(ValueError, match="1 scores and 2 outcomes"):
        call([0.5], [True, False])
    with pytest.raises(ValueError, match="no samples"):
        call([], [])
    with pytest.raises(ValueError, match="finite"):
        call([math.nan], [True])


def test_wrong_bins_and_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        reliability([1.5], [True])
    with pytest.raises(ValueError, match="bins"):
        reliability([0.5], [True], 0)
    with pytest.raises(ValueError, match="weights"):
        pool_adjacent_violators([1.0], [])


@given(stated, st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30))
def test_the_diagram_is_xml_with_a_point_for_each_bin(data: Samples, title: str) -> None:
    bins = reliability([c for c, _ in data], [ok for _, ok in data])
    drawn = ElementTree.fromstring(reliability_svg(bins, title=title))
    name = "{http://www.w3.org/2000/svg}"
    assert len(drawn.findall(f"{name}circle")) == len(bins)
    assert drawn.findtext(f"{name}title") == title
    assert {"confidence", "share that was right"} <= {text.text for text in drawn.findall(f"{name}text")}


def test_a_larger_bin_is_a_larger_point() -> None:
    bins = [Bin(count=n, confidence=0.5, accuracy=0.5, low=0.4, high=0.6) for n in (1, 100)]
    small, large = ElementTree.fromstring(reliability_svg(bins, title="")).findall("{http://www.w3.org/2000/svg}circle")
    assert float(small.attrib["r"]) < float(large.attrib["r"])
