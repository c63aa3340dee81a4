"""Where the gate's sequence of thresholds begins, and how costs are compared: pure numbers, no data set."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

REPOSITORY = Path(__file__).parents[2]
for place in (REPOSITORY, REPOSITORY / "scripts"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from bench.expenses_cost import Cost, quantile  # noqa: E402

from interlock.autonomy.risk import samples_needed  # noqa: E402
from receipt_training import BEGIN_SHARE_MAX, RISK, RISK_CONFIDENCE, errors_tolerated  # noqa: E402


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (100, 0), (200, 0), (250, 1), (359, 2), (399, 2)])
def test_the_first_threshold_lets_as_many_errors_pass_as_there_are_samples_for(count: int, expected: int) -> None:
    assert errors_tolerated(count) == expected


@given(st.integers(0, 3000))
def test_the_first_threshold_leaves_the_least_sure_out(count: int) -> None:
    errors = errors_tolerated(count)
    begin = samples_needed(errors, risk=RISK, confidence=RISK_CONFIDENCE)
    assert errors == 0 or begin <= BEGIN_SHARE_MAX * count


def test_costs_are_compared_at_the_same_share() -> None:
    cost = Cost(ours_s=(1.0, 3.0, 2.0), plain_s=(4.0, 4.0, 8.0), ours_mb=1.0, plain_mb=1.0)
    assert cost.ratio(0.5) == 0.5
    assert cost.ratio_of_pairs == 0.25
    assert quantile([3.0, 1.0, 2.0], 0.95) == 3.0
