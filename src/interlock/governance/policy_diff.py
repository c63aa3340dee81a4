"""Which answers change from one bundle to another: on decisions that were recorded, and on requests made for the purpose.

The search is no proof. It takes the policies that differ apart, to facts with which one of them matches and the other does not; clears away what
else decides there; and asks both bundles. Where that finds nothing, one fact after the other is changed, then two, then several at random,
to values that the policies name and their neighbours. What is found is made smaller until no fact can be left out and none has a
plainer value; of what is found between several types of principal and resource, the one with the fewest facts is told.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.domain.decisions import Question
from interlock.governance.decide import Bundle
from interlock.governance.facts import PolicyError
from interlock.governance.policy_requests import Change, Requests
from interlock.governance.policy_schema import shapes
from interlock.governance.policy_terms import Path

PAIRS_MAX: Final = 20_000
CASES_MAX: Final = 120
CLIMBS_MAX: Final = 10
SHRUNK_MAX: Final = 4
FEWER_MAX: Final = 1_000
CASES_AT_LEAST: Final = 5
SEED: Final = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a bundle says: the answer (`error` where it could not decide), its obligations, and the policies that decided."""

    answer: str
    obligations: tuple[str, ...]
    policies: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"answer": self.answer, "obligations": list(self.obligations), "policies": list(self.policies)}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A question that the two bundles answer differently. `where` says which recorded decision it was, if it was one."""

    question: Question
    before: Verdict
    after: Verdict
    where: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a search found: at most one difference an action, the smallest; how many requests it asked, of which actions."""

    differences: tuple[Difference, ...]
    requests: int
    actions: tuple[str, ...]


def verdict(bundle: Bundle, question: Question) -> Verdict:
    """Ask without raising: a bundle that cannot decide answers `error`, and releases nothing."""
    try:
        decision = bundle.decide(question)
    except PolicyError:
        return Verdict(answer="error", obligations=(), policies=())
    policies = tuple(sorted(reason.policy for reason in decision.reasons))
    return Verdict(answer=decision.answer.value, obligations=decision.obligations, policies=policies)


def compare(before: Bundle, after: Bundle, question: Question) -> Difference | None:
    """Give the difference, or None where both answer alike and ask for the same."""
    old, new = verdict(before, question), verdict(after, question)
    if _alike(old, new):
        return None
    return Difference(question=question, before=old, after=new)


def _alike(old: Verdict, new: Verdict) -> bool:
    return (old.answer, old.obligations) == (new.answer, new.obligations)


def on_recorded(
    before: Bundle, after: Bundle, recorded: Iterable[tuple[Question, Mapping[str, Any]]]
) -> tuple[int, list[Difference]]:
    """Ask both bundles again what was asked; gives how many questions there were and those whose answer changes."""
    count, found = 0, []
    for question, where in recorded:
        count += 1
        if (difference := compare(before, after, question)) is not None:
            found.append(Difference(question=question, before=difference.before, after=difference.after, where=where))
    return count, found


def search(before: Bundle, after: Bundle, *, seconds: float = 5.0, seed: int = SEED) -> Searched:
    """Look for a smallest counterexample of each action that both bundles know and decide by other policies.

    Args:
        seconds: in all, shared among the actions; each is looked at a little also where there are many.
    """
    rng = random.Random(seed)  # noqa: S311
    until = time.monotonic() + seconds
    known = shapes(after.rules.schema)
    shared = sorted(known.actions.keys() & before.rules.actions.keys())
    actions = tuple(a for a in shared if text_of(before, a) != text_of(after, a))
    searches = {
        a: _Search(
            before,
            after,
            [
                Requests(known, a, p, r, differing(a, before, after), before, after)
                for p, r in itertools.product(known.actions[a].principals, known.actions[a].resources)
            ],
        )
        for a in actions
    }
    for number, one in enumerate(searches.values()):
        one.apart(_share(until, len(searches) - number))
    left = [one for one in searches.values() if one.found is None]
    for number, one in enumerate(left):
        one.by_chance(rng, _share(until, len(left) - number))
    found = tuple(one.found for one in searches.values() if one.found is not None)
    return Searched(differences=found, requests=sum(one.asked for one in searches.values()), actions=actions)


def smallest(before: Bundle, after: Bundle, space: Requests, facts: Mapping[Path, Any]) -> Difference | None:
    """Give the difference at some facts, made smaller; None where there is none."""
    one = _Search(before, after, [space])
    return one.smaller(space, facts)


def _share(until: float, among: int) -> float:
    """Give when the next of some has had its share of the time."""
    now = time.monotonic()
    return now + max(0.0, until - now) / among


def text_of(bundle: Bundle, action: str) -> str:
    """Give what decides about an action, as text to compare; nothing where it is not known."""
    rules = bundle.rules.actions.get(action)
    return "" if rules is None else str(sorted((id_, repr(bundle.rules.forms[id_])) for id_ in rules.ids))


Rank = tuple[bool, int]
"""How telling a difference is, the least first: whether only what is asked for differs, and how many facts are not plain."""


class _Search:
    """The search of one action: over the requests of each pair of types that it may be asked between."""

    def __init__(self, before: Bundle, after: Bundle, requests: Sequence[Requests]) -> None:
        self._before, self._after = before, after
        self._requests = requests
        self.asked = 0
        self.found: Difference | None = None

    def apart(self, until: float) -> None:
        """Ask at the facts that the policies which differ are about; the smallest of what is found is kept."""
        best: tuple[Rank, Requests, dict[Path, Any]] | None = None
        for space in self._requests:
            if best is not None and best[0] <= (False, 1):
                break  # nothing is smaller but the plain request, which is asked first
            shrunk = climbs = 0
            for number, facts in enumerate(self._cases(space)):
                late = time.monotonic() > until
                if shrunk == SHRUNK_MAX or (late and (best is not None or number >= CASES_AT_LEAST)):
                    break
                parting: dict[Path, Any] | None = facts
                if self._differ(space, facts) is None:
                    climbs += 1
                    parting = self._cleared(space, facts) if climbs <= CLIMBS_MAX else None
                if parting is None:
                    continue
                shrunk += 1
                smaller = self._without(space, parting)
                rank = self._rank(smaller, _sure(self._differ(space, smaller)))
                if best is None or rank < best[0]:
                    best = rank, space, smaller
        if best is not None:
            self._found(best[1], best[2])

    def by_chance(self, rng: random.Random, until: float) -> None:
        """Ask at facts that are changed in turn, then at random, until the time is up or one is found."""
        starts = [(space, start) for space in self._requests for start in self._starts(space)]
        for number, (space, start) in enumerate(starts):
            share = _share(until, len(starts) - number)
            for changes in _orders(space.changes(start), space.likely, rng, share):
                if self._differ(space, facts := {**start, **dict(changes)}) is not None:
                    self._found(space, self._without(space, facts))
                    return
                if time.monotonic() > share:
                    break

    def smaller(self, space: Requests, facts: Mapping[Path, Any]) -> Difference | None:
        """Give the difference at some facts, made smaller; None where there is none."""
        if self._differ(space, facts) is not None:
            self._found(space, self._without(space, facts))
        return self.found

    def _found(self, space: Requests, facts: dict[Path, Any]) -> None:
        self.found = _sure(self._differ(space, self._plainer(space, self._fewer(space, facts))))

    def _starts(self, space: Requests) -> list[dict[Path, Any]]:
        allowed = space.towards_allow({}, self._before, self._against)
        return [allowed, {}] if allowed else [{}]

    def _cases(self, space: Requests) -> Iterator[dict[Path, Any]]:
        """Give facts where the policies that differ part, plain ones and allowed ones beside them."""
        starts = self._starts(space)
        yield from reversed(starts)
        seen: set[str] = set()
        for case in itertools.islice(space.cases(), CASES_MAX):
            for start in starts:
                facts = space.other_than_plain({**start, **case})
                if (text := repr(sorted(facts.items(), key=lambda fact: fact[0]))) not in seen:
                    seen.add(text)
                    yield facts

    def _cleared(self, space: Requests, facts: Mapping[Path, Any]) -> dict[Path, Any] | None:
        """Clear away the policies that hide a difference; gives nothing where it stays hidden, or there is none."""
        for bundle in (self._after, self._before):
            cleared = space.towards_allow(facts, bundle, self._against)
            if cleared != facts and self._differ(space, cleared) is not None:
                return cleared
        return None

    def _differ(self, space: Requests, facts: Mapping[Path, Any]) -> Difference | None:
        self.asked += 1
        return compare(self._before, self._after, space.question(facts))

    def _against(self, bundle: Bundle, question: Question) -> tuple[int, tuple[str, ...]]:
        """Count what stands against a request, the forbids that hold or that nothing permits it; and say which."""
        self.asked += 1
        found = verdict(bundle, question)
        if found.answer == "allow":
            return 0, ()
        return (1_000 if found.answer == "error" else len(found.policies)), found.policies

    def _rank(self, facts: Mapping[Path, Any], found: Difference) -> Rank:
        return found.before.answer == found.after.answer, len(facts)

    def _without(self, space: Requests, facts: Mapping[Path, Any]) -> dict[Path, Any]:
        """Leave out every fact without which the answers still differ, until none is left that can be."""
        kept = space.other_than_plain(facts)
        only_asks = self._rank(kept, _sure(self._differ(space, kept)))[0]
        again = True
        while again:
            again = False
            for path in list(kept):
                fewer = {at: value for at, value in kept.items() if at != path}
                found = self._differ(space, fewer)
                if found is not None and self._rank(fewer, found)[0] <= only_asks:
                    kept, again = fewer, True
        return kept

    def _fewer(self, space: Requests, facts: dict[Path, Any]) -> dict[Path, Any]:
        """Look for another difference with fewer facts: none at all, one, two, of those that matter."""
        rank = self._rank(facts, _sure(self._differ(space, facts)))
        changes = [change for change in space.changes({}) if space.likely(change) or change[0] in facts]
        for count in range(min(len(facts), 3)):
            for chosen in itertools.islice(itertools.combinations(changes, count), FEWER_MAX):
                if len({path for path, _ in chosen}) < count:
                    continue
                found = self._differ(space, fewer := dict(chosen))
                if found is not None and self._rank(fewer, found) < rank:
                    return fewer
        return facts

    def _plainer(self, space: Requests, facts: dict[Path, Any]) -> dict[Path, Any]:
        """Give each fact the plainest value with which the answers are the same two."""
        was = _sure(self._differ(space, facts))
        for path in facts:
            for value in space.plainer(path, facts[path]):
                found = self._differ(space, changed := {**facts, path: value})
                if found is not None and (found.before.answer, found.after.answer) == (
                    was.before.answer,
                    was.after.answer,
                ):
                    facts = changed
                    break
        return facts


def _sure(found: Difference | None) -> Difference:
    assert found is not None
    return found


def _orders(
    changes: Sequence[Change], likely: Callable[[Change], bool], rng: random.Random, until: float
) -> Iterator[tuple[Change, ...]]:
    """Give sets of changes: none, each alone, pairs of different facts, then larger ones at random until the time is up.

    Facts and values that the policies which differ speak of come first.
    """
    yield ()
    changes = sorted(changes, key=lambda change: not likely(change))
    for change in changes:
        yield (change,)
    pairs = [p for p in itertools.combinations(changes, 2) if p[0][0] != p[1][0]]
    pairs.sort(key=lambda pair: -sum(map(likely, pair)))
    yield from pairs[:PAIRS_MAX]
    by_path: dict[Path, list[Change]] = {}
    for change in changes:
        by_path.setdefault(change[0], []).append(change)
    paths = list(by_path)
    while len(paths) > 2 and time.monotonic() < until:
        chosen = rng.sample(paths, rng.randint(3, min(8, len(paths))))
        yield tuple(rng.choice(by_path[path]) for path in chosen)


def differing(action: str, before: Bundle, after: Bundle) -> list[tuple[Any, Any]]:
    """Give the policies about an action that are not the same in both: as they were and as they are, None where there is none."""
    old, new = (
        {i: b.rules.forms[i] for i in (b.rules.actions[action].ids if action in b.rules.actions else ())}
        for b in (before, after)
    )
    return [(old.get(i), new.get(i)) for i in sorted(old.keys() | new.keys()) if old.get(i) != new.get(i)]
