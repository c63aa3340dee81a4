"""Which scores may be trusted, so that a stated risk holds on work that nobody has seen yet.

Two ways, neither of which asks that scores are probabilities: `choose_gate` bounds how often what is trusted is wrong, with a confidence
(Learn then Test); `control_risk` bounds a loss on average (conformal risk control). What both need is that the held-out samples are
drawn as the later work is. Standard library only, so that scripts, benchmarks and running automations use the same lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GRID_POINTS = 50
BISECTIONS_MAX = 200
# A sum of losses may be over its bound by what floats lose, not by more.
ROUNDING = 1e-9


def p_value(wrong: int, count: int, risk: float) -> float:
    """Give P[Bin(count, risk) <= wrong], the p-value of "the risk is over `risk`".

    Summed in log space, so that it holds where single terms are below the smallest float.

    Raises:
        ValueError: `wrong` is not between 0 and `count`, or `risk` is not between 0 and 1.
    """
    _check_share("risk", risk)
    if not 0 <= wrong <= count:
        raise ValueError(f"wrong ({wrong}) must be between 0 and count ({count})")
    if wrong == count:
        return 1.0
    log_risk, log_right, log_all = math.log(risk), math.log1p(-risk), math.lgamma(count + 1)
    terms = [
        log_all - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * log_risk + (count - k) * log_right
        for k in range(wrong + 1)
    ]
    largest = max(terms)
    return min(1.0, math.exp(largest) * math.fsum(math.exp(term - largest) for term in terms))


def clopper_pearson(wrong: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Give the exact two-sided interval of an error rate (Clopper & Pearson 1934); (0, 1) where nothing was counted.

    Raises:
        ValueError: `wrong` is not between 0 and `count`, or `confidence` is not between 0 and 1.
    """
    _check_share("confidence", confidence)
    if not 0 <= wrong <= count:
        raise ValueError(f"wrong ({wrong}) must be between 0 and count ({count})")
    if count == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    # The lower end is the upper end of the rate of right ones, turned round: no difference of nearly equal numbers.
    return 1 - _upper_end(count - wrong, count, tail), _upper_end(wrong, count, tail)


def _upper_end(wrong: int, count: int, tail: float) -> float:
    """Give the risk at which `wrong` or fewer have the probability `tail`."""
    if wrong == count:
        return 1.0
    low, high = wrong / count, 1.0
    for _ in range(BISECTIONS_MAX):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if p_value(wrong, count, middle) > tail:
            low = middle
        else:
            high = middle
    return high


def samples_needed(wrong: int, *, risk: float, confidence: float) -> int:
    """Give the smallest count of accepted samples that states `risk` although `wrong` of them are wrong.

    Raises:
        ValueError: `wrong` is negative, or `risk` or `confidence` is not between 0 and 1.
    """
    _check_share("risk", risk)
    _check_share("confidence", confidence)
    if wrong < 0:
        raise ValueError(f"wrong ({wrong}) must not be negative")
    too_few, enough = wrong, wrong + 1
    while p_value(wrong, enough, risk) > 1 - confidence:
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if p_value(wrong, middle, risk) > 1 - confidence:
            too_few = middle
        else:
            enough = middle
    return enough


@dataclass(frozen=True, kw_only=True)
class Gate:
    """From which score on a sample is trusted, and what that rests on.

    Attributes:
        threshold: the lowest score that is trusted; None where nothing may be.
        accepted: held-out samples that reach the threshold; without one, those at which the first test failed, or that came nearest to one.
        wrong: how many of them are wrong.
        risk: the share of wrong ones among the trusted that is not exceeded.
        confidence: the probability, over held-out sets, that this holds.
        missing: without a threshold, how many more accepted samples without an error are needed at least; else 0.
    """

    threshold: float | None
    accepted: int
    wrong: int
    risk: float
    confidence: float
    missing: int

    def accepts(self, score: float) -> bool:
        """Say whether a sample of this score is trusted: never without a threshold, and never for NaN."""
        return self.threshold is not None and score >= self.threshold

    def explain(self) -> str:
        """Say in one sentence what is trusted and why, or what is missing."""
        counted = f"{self.wrong} of {self.accepted} held-out samples {'was' if self.wrong == 1 else 'were'} wrong"
        claim = f"at most {self.risk:.3g} of what is trusted is wrong, with confidence {self.confidence:.3g}"
        if self.threshold is not None:
            return f"A score of {self.threshold:.6g} or more is trusted: {counted} there, so that {claim}."
        return f"Nothing is trusted: {counted}, and at least {self.missing} more without an error are needed to say that {claim}."


def choose_gate(
    scored: Sequence[tuple[float, bool]], *, risk: float, confidence: float, starts: int = 1, tolerated: int = 0
) -> Gate:
    """Choose the lowest threshold for which the samples prove the risk: Learn then Test by fixed-sequence testing.

    Thresholds are tested from the strictest down and the first failure ends it, so that no correction for their number is due
    (Angelopoulos, Bates, Candès, Jordan, Lei 2021, arXiv:2110.01052). Which thresholds are tested follows from scores and counts,
    never from outcomes: it begins where enough are accepted that a test without an error passes (with fewer none could), and goes on
    at every `max(1, n // 50)`-th sample. Samples of equal score are accepted together.

    One error among the best scores fails the first test, and then all is lost. `starts` divides the allowed probability of being wrong,
    `1 - confidence`, evenly over several sequences (Bonferroni): number j begins where j errors pass, from j = 0. More starts survive
    more early errors and ask for more samples. `tolerated` begins the first sequence where so many errors pass, without dividing
    anything: for labels that are known to be wrong now and then, at the price of trusting nothing where there are few samples. Choose
    both numbers before looking at outcomes; trying several and keeping the best is not valid.

    The p-value is exact where errors do not become rarer as the score falls, which is what a confidence is for. In any case it holds for
    the mean error probability of the accepted samples (Hoeffding 1956: unequal probabilities make the lower tail lighter).

    Args:
        scored: score and whether it was right, of samples that the model and its calibration were not fitted on. NaN is never accepted.
        risk: the allowed share of wrong ones among the trusted, between 0 and 1.
        confidence: between 0 and 1.
        starts: sequences, at least 1.
        tolerated: errors that pass at the first threshold of the first sequence, at least 0.

    Raises:
        ValueError: an argument is out of its range; names it.
    """
    _check_share("risk", risk)
    _check_share("confidence", confidence)
    if tolerated < 0:
        raise ValueError(f"tolerated ({tolerated}) must be at least 0")
    if starts < 1:
        raise ValueError(f"starts ({starts}) must be at least 1")
    tested_at = 1 - (1 - confidence) / starts
    ranked = _Ranked.of(scored)
    best: _Cut | None = None
    failed: list[tuple[int, _Cut]] = []
    for errors in range(tolerated, tolerated + starts):
        begin = samples_needed(errors, risk=risk, confidence=tested_at)
        for cut in ranked.cuts(begin):
            if p_value(cut.wrong, cut.accepted, risk) > 1 - tested_at:
                needed = samples_needed(cut.wrong, risk=risk, confidence=tested_at)
                failed.append((needed - cut.accepted, cut))
                break
            if best is None or cut.accepted > best.accepted:
                best = cut
    if best is not None:
        return Gate(
            threshold=best.score,
            accepted=best.accepted,
            wrong=best.wrong,
            risk=risk,
            confidence=confidence,
            missing=0,
        )
    # Where there were too few for any test, it is told from the threshold that is nearest to passing one.
    missing, nearest = min(failed or ranked.distances(risk, tested_at), key=lambda item: item[0])
    return Gate(
        threshold=None,
        accepted=nearest.accepted,
        wrong=nearest.wrong,
        risk=risk,
        confidence=confidence,
        missing=missing,
    )


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """What a threshold accepts of the held-out samples."""

    score: float
    accepted: int
    wrong: int


@dataclass(frozen=True, kw_only=True)
class _Ranked:
    """Samples by score, best first; `cut_at[i]` is the cut that accepts sample i and all of its score."""

    cut_at: tuple[_Cut, ...]

    @staticmethod
    def of(scored: Sequence[tuple[float, bool]]) -> _Ranked:
        ordered = sorted(((score, right) for score, right in scored if not math.isnan(score)), key=lambda s: -s[0])
        found: list[_Cut] = []
        wrong = first = 0
        for place, (score, right) in enumerate(ordered, 1):
            wrong += not right
            if place == len(ordered) or ordered[place][0] != score:
                found += [_Cut(score=score, accepted=place, wrong=wrong)] * (place - first)
                first = place
        return _Ranked(cut_at=tuple(found))

    def cuts(self, begin: int) -> Iterator[_Cut]:
        """Give the cuts to test, strictest first.

        Points after the first are the same for every risk: otherwise a risk that allows more could meet a failure that a stricter one
        steps over, and trust less.
        """
        count = len(self.cut_at)
        if begin > count:
            return
        step = max(1, count // GRID_POINTS)
        last = 0
        for accepted in (begin, *range(begin - begin % step + step, count, step), count):
            cut = self.cut_at[accepted - 1]
            if cut.accepted > last:
                yield cut
                last = cut.accepted

    def distances(self, risk: float, confidence: float) -> Iterator[tuple[int, _Cut]]:
        """Give for the widest cut of each count of errors how many more samples it needs, as long as one may need fewer."""
        widest = {cut.wrong: cut for cut in (_Cut(score=math.inf, accepted=0, wrong=0), *self.cut_at)}
        fewest = math.inf
        for wrong, cut in sorted(widest.items()):
            needed = samples_needed(wrong, risk=risk, confidence=confidence)
            if needed - len(self.cut_at) >= fewest:
                return
            fewest = min(fewest, needed - cut.accepted)
            yield needed - cut.accepted, cut


def control_risk(
    losses: Sequence[Sequence[tuple[float, float]]], *, risk: float, loss_max: float = 1.0
) -> float | None:
    """Choose the lowest threshold at which the expected loss of a new sample is at most `risk`: conformal risk control.

    A sample has events, such as the claims that a model makes about it. Its loss at a threshold is the sum over the events whose score
    reaches it. Then `n / (n + 1) * mean loss + loss_max / (n + 1) <= risk` bounds the expected loss of the next sample (Angelopoulos,
    Bates, Fisch, Lei, Schuster 2022, arXiv:2208.02814). It bounds an average and states no confidence: `choose_gate` does.

    Args:
        losses: for each held-out sample its events as (score, loss). A NaN score is never accepted; a sample may have no events.
        risk: the allowed expected loss of a sample, over 0, in the unit of the losses.
        loss_max: the most that one sample can lose.

    Returns:
        A score of one of the events. None where not even the highest will do: then no event may be accepted.

    Raises:
        ValueError: `risk` or `loss_max` is not over 0, a loss is negative or no number, or a sample loses more than `loss_max`.
    """
    for name, value in (("risk", risk), ("loss_max", loss_max)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} ({value}) must be over 0")
    for place, events in enumerate(losses):
        if not all(loss >= 0 for _, loss in events):
            raise ValueError(f"losses: sample {place} has a loss that is negative or no number")
        if math.fsum(loss for score, loss in events if not math.isnan(score)) > loss_max * (1 + ROUNDING):
            raise ValueError(f"losses: sample {place} loses more than loss_max ({loss_max})")
    # Losses are sorted as well, so that the sums do not depend on the order of samples.
    events = sorted(((s, loss) for sample in losses for s, loss in sample if not math.isnan(s)), reverse=True)
    # n / (n + 1) * mean is the sum / (n + 1).
    allowed = risk * (len(losses) + 1) - loss_max
    best, lost = None, 0.0
    for place, (score, loss) in enumerate(events, 1):
        lost += loss
        if lost > allowed:
            break
        if place == len(events) or events[place][0] != score:
            best = score
    return best


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} ({value}) must be between 0 and 1")
