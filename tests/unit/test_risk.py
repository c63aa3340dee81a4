"""The rules that say which scores may be trusted: exact numbers, properties, and the promise itself, in simulation."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.autonomy.risk import Gate, choose_gate, clopper_pearson, control_risk, p_value, samples_needed

RUNS, SAMPLES, RISK, CONFIDENCE = 300, 600, 0.05, 0.9
# Three standard deviations of a share over the runs at the promised rate.
SLACK = 3 * math.sqrt((1 - CONFIDENCE) * CONFIDENCE / RUNS)

shares = st.floats(0.001, 0.999)
counted = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
scored_sets = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=200)
mostly_right = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 30).map(bool)), min_size=60, max_size=300, unique_by=lambda s: s[0]
)


@pytest.mark.parametrize(("risk", "confidence", "count"), [(0.02, 0.95, 149), (0.01, 0.95, 299), (0.02, 0.90, 114)])
def test_the_fewest_samples_that_state_a_risk(risk: float, confidence: float, count: int) -> None:
    assert samples_needed(0, risk=risk, confidence=confidence) == count
    # Without errors it is a power, which anybody can check.
    assert (1 - risk) ** count <= 1 - confidence < (1 - risk) ** (count - 1)


@given(counted, st.integers(1, 99))
def test_the_p_value_is_exact(pair: tuple[int, int], percent: int) -> None:
    wrong, count = pair[0] % 61, min(pair[1], 60)
    wrong = min(wrong, count)
    p = Fraction(percent, 100)
    exact = sum(math.comb(count, k) * p**k * (1 - p) ** (count - k) for k in range(wrong + 1))
    assert p_value(wrong, count, percent / 100) == pytest.approx(float(exact), rel=1e-9)


@given(counted, shares)
def test_the_p_value_rises_with_errors_and_falls_with_samples_and_risk(pair: tuple[int, int], risk: float) -> None:
    wrong, count = pair
    p = p_value(wrong, count, risk)
    assert 0 <= p <= 1
    if wrong < count:
        assert p <= p_value(wrong + 1, count, risk) + 1e-9
        assert p >= p_value(wrong, count + 1, risk) - 1e-9
        assert p >= p_value(wrong, count, risk + (1 - risk) / 2) - 1e-9


def test_the_p_value_holds_where_its_terms_are_below_the_smallest_float() -> None:
    assert p_value(500_000, 1_000_000, 0.5) == pytest.approx(0.5, abs=1e-3)
    assert p_value(0, 1_000_000, 0.01) == 0.0
    assert p_value(0, 0, 0.5) == 1.0


@given(st.integers(0, 20), st.floats(0.005, 0.5), st.floats(0.5, 0.99))
def test_one_sample_fewer_would_not_do(wrong: int, risk: float, confidence: float) -> None:
    needed = samples_needed(wrong, risk=risk, confidence=confidence)
    assert p_value(wrong, needed, risk) <= 1 - confidence < p_value(wrong, needed - 1, risk)
    assert needed < samples_needed(wrong + 1, risk=risk, confidence=confidence)


def test_the_interval_of_known_numbers() -> None:
    # With no error the upper end is 1 - 0.025 ** (1 / n).
    assert clopper_pearson(0, 100) == pytest.approx((0.0, 1 - 0.025**0.01))
    assert clopper_pearson(5, 100) == pytest.approx((0.01643, 0.11283), abs=1e-5)
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@settings(max_examples=40)
@given(counted)
def test_the_interval_holds_the_rate_and_moves_with_it(pair: tuple[int, int]) -> None:
    wrong, count = pair
    low, high = clopper_pearson(wrong, count)
    assert 0 <= low <= wrong / count <= high <= 1
    turned = clopper_pearson(count - wrong, count)
    assert (1 - turned[1], 1 - turned[0]) == pytest.approx((low, high))
    if wrong < count:
        next_low, next_high = clopper_pearson(wrong + 1, count)
        assert low <= next_low
        assert high <= next_high


# The promise. Errors become more frequent as the score falls: u ** 2 for a score of 1 - u, so that what is wrong above a threshold
# t has the share (1 - t) ** 2 / 3 in closed form, and RISK is met down to a score of about 0.61.


def _calibration_set(rng: random.Random) -> list[tuple[float, bool]]:
    drawn = [rng.random() for _ in range(SAMPLES)]
    return [(1 - u, rng.random() >= u**2) for u in drawn]


def _true_risk(threshold: float) -> float:
    return (1 - threshold) ** 2 / 3


def _naive(scored: Sequence[tuple[float, bool]]) -> float | None:
    """What one is tempted to do: the lowest threshold whose counted errors are few enough."""
    wrong, best = 0, None
    for place, (score, right) in enumerate(sorted(scored, reverse=True), 1):
        wrong += not right
        if wrong <= RISK * place:
            best = score
    return best


def _broken(choose: Callable[[list[tuple[float, bool]]], float | None]) -> tuple[float, int]:
    """Give how often the promised risk is exceeded, and how often something is trusted."""
    rng = random.Random(20)
    thresholds = [choose(_calibration_set(rng)) for _ in range(RUNS)]
    some = [t for t in thresholds if t is not None]
    return sum(_true_risk(t) > RISK for t in some) / RUNS, len(some)


@pytest.mark.parametrize("starts", [1, 3])
def test_the_promise_is_kept(starts: int) -> None:
    broken, some = _broken(lambda s: choose_gate(s, risk=RISK, confidence=CONFIDENCE, starts=starts).threshold)
    assert broken <= 1 - CONFIDENCE + SLACK
    assert some > 0.8 * RUNS  # a gate that trusts nothing keeps every promise


def test_counting_errors_alone_breaks_the_promise() -> None:
    broken, some = _broken(_naive)
    assert some == RUNS
    assert broken > 1 - CONFIDENCE + SLACK


def test_the_promise_is_kept_at_the_edge_where_it_is_tight() -> None:
    # Every sample is a little over the risk: whatever is trusted breaks the promise.
    rng = random.Random(4)
    sets = [[(rng.random(), rng.random() >= RISK * 1.01) for _ in range(200)] for _ in range(RUNS)]
    for starts in (1, 3):
        gates = [choose_gate(s, risk=RISK, confidence=CONFIDENCE, starts=starts) for s in sets]
        assert sum(gate.threshold is not None for gate in gates) / RUNS <= 1 - CONFIDENCE + SLACK


@given(scored_sets, st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(
    scored: list[tuple[float, bool]], starts: int, rng: random.Random
) -> None:
    moved = rng.sample(scored, len(scored))
    gate = choose_gate(scored, risk=0.2, confidence=0.8, starts=starts)
    assert choose_gate(moved, risk=0.2, confidence=0.8, starts=starts) == gate


@given(scored_sets, shares, st.floats(0.05, 0.95), st.integers(1, 4))
def test_what_a_gate_says_can_be_counted_again(
    scored: list[tuple[float, bool]], risk: float, confidence: float, starts: int
) -> None:
    gate = choose_gate(scored, risk=risk, confidence=confidence, starts=starts)
    if gate.threshold is None:
        assert gate.missing > 0
        return
    accepted = [right for score, right in scored if gate.accepts(score)]
    assert (gate.accepted, gate.wrong, gate.missing) == (len(accepted), accepted.count(False), 0)
    assert p_value(gate.wrong, gate.accepted, risk) <= (1 - confidence) / starts + 1e-12


@given(mostly_right, st.floats(0.02, 0.5), st.floats(0.0, 0.4), st.integers(1, 3))
def test_more_risk_never_trusts_fewer(scored: list[tuple[float, bool]], risk: float, more: float, starts: int) -> None:
    strict = choose_gate(scored, risk=risk, confidence=0.8, starts=starts)
    loose = choose_gate(scored, risk=risk + more, confidence=0.8, starts=starts)
    if strict.threshold is not None:
        assert loose.threshold is not None
        assert loose.threshold <= strict.threshold


def test_too_few_samples_state_nothing_and_say_how_many_are_missing() -> None:
    gate = choose_gate([(0.9, True)] * 100, risk=0.02, confidence=0.95)
    assert (gate.threshold, gate.accepted, gate.wrong, gate.missing) == (None, 100, 0, 49)
    assert not gate.accepts(1.0)
    assert "at least 49 more" in gate.explain()
    assert choose_gate([(0.9, True)] * 149, risk=0.02, confidence=0.95).threshold == 0.9
    assert choose_gate([], risk=0.02, confidence=0.95).missing == 149
    # What is wrong among the low scores does not count against the best ones.
    mixed = choose_gate([(0.9, True)] * 60 + [(0.1, False)] * 40, risk=0.02, confidence=0.95)
    assert (mixed.accepted, mixed.wrong, mixed.missing) == (60, 0, 89)


def test_more_starts_survive_an_error_among_the_best_scores() -> None:
    scored = [(1.0, False)] + [(0.9 - i / 1000, True) for i in range(400)]
    one = choose_gate(scored, risk=0.02, confidence=0.95)
    # 236 accepted samples allow one error, and 149 are accepted.
    assert (one.threshold, one.accepted, one.wrong, one.missing) == (None, 149, 1, 236 - 149)
    three = choose_gate(scored, risk=0.02, confidence=0.95, starts=3)
    assert three.threshold == pytest.approx(0.9 - 0.399)


def test_the_first_failure_ends_it() -> None:
    # Of all together 2.3 % are wrong, but who goes on after a failure has looked more often than was paid for.
    scored = [(0.9, True)] * 200 + [(0.8, False)] * 100 + [(0.7, True)] * 4000
    gate = choose_gate(scored, risk=0.05, confidence=0.95)
    assert (gate.threshold, gate.accepted) == (0.9, 200)


def test_no_number_is_never_trusted() -> None:
    scored = [(0.9, True)] * 149 + [(math.nan, False)] * 50
    gate = choose_gate(scored, risk=0.02, confidence=0.95)
    assert (gate.threshold, gate.accepted, gate.wrong) == (0.9, 149, 0)
    assert gate.accepts(0.9)
    assert not gate.accepts(math.nan)
    assert not gate.accepts(0.899)
    assert "0 of 149 held-out samples were wrong" in gate.explain()


def test_a_gate_is_a_value() -> None:
    gate = Gate(threshold=0.5, accepted=1, wrong=0, risk=0.5, confidence=0.5, missing=0)
    with pytest.raises(AttributeError):
        gate.threshold = 0.0  # type: ignore[misc]


@pytest.mark.parametrize("wrong", [0.0, 1.0, -1.0, math.nan])
def test_a_wrong_argument_is_named(wrong: float) -> None:
    with pytest.raises(ValueError, match="risk"):
        choose_gate([], risk=wrong, confidence=0.9)
    with pytest.raises(ValueError, match="confidence"):
        choose_gate([], risk=0.1, confidence=wrong)
    with pytest.raises(ValueError, match="confidence"):
        clopper_pearson(0, 1, wrong)
    with pytest.raises(ValueError, match="risk"):
        p_value(0, 1, wrong)


def test_wrong_counts_are_named() -> None:
    with pytest.raises(ValueError, match="starts"):
        choose_gate([], risk=0.1, confidence=0.9, starts=0)
    for calls in (
        lambda: p_value(2, 1, 0.5),
        lambda: clopper_pearson(-1, 1),
        lambda: samples_needed(-1, risk=0.1, confidence=0.9),
    ):
        with pytest.raises(ValueError, match="wrong"):
            calls()


# Conformal risk control.

losses_of_samples = st.lists(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.25)), max_size=4), max_size=60)


def _events(rng: random.Random, count: int) -> list[list[tuple[float, float]]]:
    """Samples with up to four claims, of which those with a low score are more often wrong; a wrong one costs a quarter."""
    made = []
    for _ in range(count):
        claims = [rng.random() for _ in range(rng.randrange(5))]
        made.append([(s, 0.25 * (rng.random() > s)) for s in claims])
    return made


def _mean_loss(samples: Sequence[Sequence[tuple[float, float]]], threshold: float) -> float:
    return sum(loss for events in samples for score, loss in events if score >= threshold) / len(samples)


def test_the_loss_on_fresh_samples_is_controlled_on_average() -> None:
    rng = random.Random(8)
    fresh = _events(rng, 20_000)
    found = [control_risk(_events(rng, 60), risk=0.06) for _ in range(RUNS)]
    lost = [0.0 if t is None else _mean_loss(fresh, t) for t in found]
    assert sum(t is not None for t in found) > 0.9 * RUNS
    assert sum(lost) / RUNS <= 0.06 + 0.005
    assert sum(lost) / RUNS > 0.03  # and not by accepting next to nothing


@given(losses_of_samples, st.floats(0.01, 1.0))
def test_the_lowest_threshold_that_meets_the_bound(samples: list[list[tuple[float, float]]], risk: float) -> None:
    def bound(threshold: float) -> float:
        n = len(samples)
        return n / (n + 1) * _mean_loss(samples, threshold) + 1 / (n + 1)

    found = control_risk(samples, risk=risk)
    scores = {score for events in samples for score, _ in events}
    for score in scores:
        if found is not None and score >= found:
            assert bound(score) <= risk + 1e-9
        else:
            assert bound(score) > risk - 1e-9
    assert found is None or found in scores


@given(losses_of_samples, st.floats(0.05, 0.5), st.floats(0, 0.4), st.randoms(use_true_random=False))
def test_more_loss_allowed_never_accepts_fewer_and_order_does_not_matter(
    samples: list[list[tuple[float, float]]], risk: float, more: float, rng: random.Random
) -> None:
    strict, loose = control_risk(samples, risk=risk), control_risk(samples, risk=risk + more)
    if strict is not None:
        assert loose is not None
        assert loose <= strict
    assert control_risk(rng.sample(samples, len(samples)), risk=risk) == strict


def test_too_few_samples_control_nothing() -> None:
    harmless = [[(0.9, 0.0)]]
    assert control_risk(harmless * 9, risk=0.1) == 0.9
    assert control_risk(harmless * 8, risk=0.1) is None
    assert control_risk([], risk=0.1) is None


def test_a_claim_without_a_score_is_never_accepted() -> None:
    assert control_risk([[(math.nan, 1.0), (0.5, 0.0)]] * 99, risk=0.05) == 0.5


@pytest.mark.parametrize("loss", [-0.1, math.nan, 1.1, math.inf])
def test_a_wrong_loss_is_refused(loss: float) -> None:
    with pytest.raises(ValueError, match="sample 1"):
        control_risk([[], [(0.5, loss)]], risk=0.1)


def test_a_wrong_bound_is_named() -> None:
    with pytest.raises(ValueError, match="risk"):
        control_risk([], risk=0.0)
    with pytest.raises(ValueError, match="loss_max"):
        control_risk([], risk=0.1, loss_max=math.nan)


def test_tolerated_begins_where_so_many_errors_pass() -> None:
    samples = [(1.0 - place / 1000, place != 3) for place in range(300)]
    assert choose_gate(samples, risk=0.02, confidence=0.9).threshold is None
    found = choose_gate(samples, risk=0.02, confidence=0.9, tolerated=1)
    assert found.threshold is not None
    assert (found.accepted, found.wrong) == (300, 1)
    fewer = choose_gate(samples[:150], risk=0.02, confidence=0.9, tolerated=1)
    assert fewer.threshold is None
    assert fewer.missing == samples_needed(1, risk=0.02, confidence=0.9) - 150
    with pytest.raises(ValueError, match="tolerated"):
        choose_gate(samples, risk=0.02, confidence=0.9, tolerated=-1)
