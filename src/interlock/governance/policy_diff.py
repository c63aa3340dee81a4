"""Which answers change from one bundle to another: on decisions that were recorded, and on requests made for the purpose.

The search is no proof. It begins with a plain request of each action that other policies decide, and changes one of its facts, then
two, then several at random, to values that the policies themselves name and their neighbours. So what it finds first is small, and
what it finds at random is made smaller until no fact can be left out.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from interlock.domain.decisions import Entity, Question
from interlock.governance.decide import Bundle
from interlock.governance.facts import PolicyError
from interlock.governance.policies import ROLES
from interlock.governance.policy_schema import ActionShape, Shapes, Type, shapes

PAIRS_MAX: Final = 20_000
CLIMBS_MAX: Final = 20
SEED: Final = 0
_SELF: Final = "asker"
_PLAIN: Final = object()
_TENANT: Final = "acme"
_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)

Path = tuple[str, ...]
Change = tuple[Path, Any]
Start = tuple[str, str, tuple[Change, ...]]  # types of principal and resource, and what is other than plain


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
    """Look for a smallest counterexample of each action that both bundles know and decide by other policies."""
    rng = random.Random(seed)  # noqa: S311
    known = shapes(after.rules.schema)
    shared = sorted(known.actions.keys() & before.rules.actions.keys())
    actions = tuple(a for a in shared if _text_of(before, a) != _text_of(after, a))
    found, asked = [], 0
    for action in actions:
        space = _Space(known, action, before, after)
        difference, count = _search(space, before, after, rng, seconds / len(actions))
        asked += count
        if difference is not None:
            found.append(difference)
    return Searched(differences=tuple(found), requests=asked, actions=actions)


def _text_of(bundle: Bundle, action: str) -> str:
    """Give what decides about an action, as text to compare; nothing where it is not known."""
    rules = bundle.rules.actions.get(action)
    return "" if rules is None else str(sorted((id_, repr(bundle.rules.forms[id_])) for id_ in rules.ids))


def _search(
    space: _Space, before: Bundle, after: Bundle, rng: random.Random, seconds: float
) -> tuple[Difference | None, int]:
    asked, climbs = 0, 0
    starts = list(space.starts())
    for start in starts:
        until = time.monotonic() + seconds / len(starts)
        for changes in _orders(space.changes(start), space.likely, rng, until):
            asked += 1
            question = space.question(start, changes)
            old, new = verdict(before, question), verdict(after, question)
            if not _alike(old, new):
                return _smaller(space, start, changes, before, after), asked
            if old.policies != new.policies and climbs < CLIMBS_MAX:
                # A policy that differs decides here, and others hide it: clear those away.
                climbs += 1
                climbed = space.towards_allow((*start[:2], (*start[2], *changes)), after)
                if compare(before, after, space.question(climbed, ())) is not None:
                    return _smaller(space, (*start[:2], ()), climbed[2], before, after), asked
            if time.monotonic() > until:
                break
    return None, asked


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


def _smaller(
    space: _Space, start: Start, changes: tuple[Change, ...], before: Bundle, after: Bundle
) -> Difference | None:
    """Leave out every change without which the answers still differ."""
    kept = list(changes)
    for change in changes:
        fewer = [c for c in kept if c is not change]
        if compare(before, after, space.question(start, tuple(fewer))) is not None:
            kept = fewer
    return compare(before, after, space.question(start, tuple(kept)))


class _Space:
    """The requests of one action: plain ones to start from, and the values that each fact may take instead."""

    def __init__(self, known: Shapes, action: str, *bundles: Bundle) -> None:
        self._known = known
        self._action = action
        self._bundle = bundles[0]
        self._shape: ActionShape = known.actions[action]
        forms = [b.rules.forms[i] for b in bundles if action in b.rules.actions for i in b.rules.actions[action].ids]
        constants = list(_constants(forms))
        self._spoken_of = set(_names(_differing(action, *bundles)))
        self._strings = sorted({c for c in constants if isinstance(c, str)} | ROLES)
        self._longs = sorted({n + d for n in constants if isinstance(n, int) for d in (-1, 0, 1)} | {0, 1})
        self._decimals = sorted({n for c in constants for n in _decimals(c)} | {Decimal(0), Decimal(1)})

    def likely(self, change: Change) -> bool:
        """Tell whether the policies that differ name the fact, and the value where it is a text or a list of one."""
        path, value = change
        (value,) = value if isinstance(value, list) else (value,)
        return path[-1] in self._spoken_of and (not isinstance(value, str) or value in self._spoken_of)

    def starts(self) -> Iterator[Start]:
        for principal, resource in itertools.product(self._shape.principals, self._shape.resources):
            plain: Start = (principal, resource, ())
            if (allowed := self.towards_allow(plain, self._bundle)) != plain:
                yield allowed
            yield plain

    def towards_allow(self, start: Start, bundle: Bundle) -> Start:
        """Change one other fact after the other to what leaves fewest policies against the request, as long as that helps."""
        principal, resource, given = start
        chosen: dict[Path, Any] = dict(given)
        best = self._against(start, bundle)
        improved = best > 0
        while improved and best:
            improved = False
            for path, value in self.changes(start):
                if path in dict(given):
                    continue
                tried = (principal, resource, tuple({**chosen, path: value}.items()))
                if (count := self._against(tried, bundle)) < best:
                    chosen[path], best, improved = value, count, True
                if not best:
                    break
        return principal, resource, tuple(chosen.items())

    def _against(self, start: Start, bundle: Bundle) -> int:
        """Count what stands against a request: the forbids that hold, or that nothing permits it."""
        found = verdict(bundle, self.question(start, ()))
        if found.answer == "allow":
            return 0
        return 1_000 if found.answer == "error" else len(found.policies)

    def changes(self, start: Start) -> list[Change]:
        """Give every other value of every fact."""
        held = dict(start[2])
        parts = (
            ("principal", self._known.entities.get(start[0], Type(kind="record"))),
            ("resource", self._known.entities.get(start[1], Type(kind="record"))),
            ("context", self._shape.context),
        )
        return [
            (path, value)
            for part, type_ in parts
            for path, value in self._values(type_, (part,))
            if held.get(path, _PLAIN) != value
        ]

    def _values(self, record: Type, at: Path) -> Iterator[Change]:
        for name, (type_, _) in record.fields.items():
            path = (*at, name)
            if type_.kind == "record":
                yield from self._values(type_, path)
                continue
            if name == "tenant" and at != ("context",):
                yield path, "another"
                continue
            yield from ((path, value) for value in self._others(type_))

    def _others(self, type_: Type) -> Iterator[Any]:
        if type_.kind == "bool":
            yield from (True, False)
        elif type_.kind == "long":
            yield from self._longs
        elif type_.kind == "string":
            yield from self._strings
        elif type_.kind == "decimal":
            yield from self._decimals
        elif type_.kind == "datetime":
            yield from (_DAY + timedelta(days=d) for d in (-400, -1, 0, 1, 400))
        elif type_.kind == "entity":
            yield from (Entity(type=type_.name, id=_SELF), Entity(type=type_.name, id="somebody"))
        elif type_.kind == "set" and type_.of is not None:
            yield from ([value] for value in self._others(type_.of))

    def _plain(self, type_: Type, name: str) -> Any:
        if name == "tenant":
            return _TENANT
        if name == "automation":
            return self._action.partition(".")[0]
        if name in ("kind", "effect", "effects") and self._action.startswith("effect."):
            kind = self._action.removeprefix("effect.")
            return {"kind": kind, "effect": f"{kind}:a-name", "effects": [kind]}[name]
        if type_.kind == "record":
            return {n: self._plain(t, n) for n, (t, required) in type_.fields.items() if required}
        return {
            "bool": False,
            "long": 0,
            "string": "",
            "decimal": Decimal(0),
            "datetime": _DAY,
            "set": [],
            "entity": Entity(type=type_.name, id="somebody"),
        }.get(type_.kind)

    def question(self, start: Start, changes: Sequence[Change]) -> Question:
        """Make the plain request of these types, with the changes."""
        facts: dict[str, dict[str, Any]] = {
            "principal": self._plain(self._known.entities.get(start[0], Type(kind="record")), ""),
            "resource": self._plain(self._known.entities.get(start[1], Type(kind="record")), ""),
            "context": self._plain(self._shape.context, ""),
        }
        for path, value in (*start[2], *changes):
            at: dict[str, Any] = facts
            for part in path[:-1]:
                at = at.setdefault(part, {})
            at[path[-1]] = value
        # Facts that are references need their entity; nobody's attributes are asked of it, so it has none.
        return Question(
            principal=Entity(type=start[0], id=_SELF, attrs=facts["principal"]),
            action=self._action,
            resource=Entity(type=start[1], id="it", attrs=facts["resource"]),
            context=facts["context"],
        )


def _differing(action: str, *bundles: Bundle) -> list[Any]:
    """Give the policies about an action that not all bundles have."""
    texts: dict[str, list[Any]] = {}
    for bundle in bundles:
        for id_ in bundle.rules.actions[action].ids if action in bundle.rules.actions else ():
            form = bundle.rules.forms[id_]
            texts.setdefault(id_ + repr(form), []).append(form)
    return [found[0] for found in texts.values() if len(found) < len(bundles)]


def _names(form: Any) -> Iterator[str]:
    """Give every attribute and text that stands in policies."""
    if isinstance(form, Mapping):
        for key, body in form.items():
            if key == "attr" or (key == "Value" and isinstance(body, str)):
                yield body
            elif key != "annotations":
                yield from _names(body)
    elif isinstance(form, list | tuple):
        for item in form:
            yield from _names(item)


def _constants(form: Any) -> Iterator[Any]:
    """Give every constant that stands in policies' expressions."""
    if isinstance(form, Mapping):
        if "Value" in form and len(form) == 1:
            yield form["Value"]
        for key, body in form.items():
            if key != "annotations":
                yield from _constants(body)
    elif isinstance(form, list | tuple):
        for item in form:
            yield from _constants(item)


def _decimals(constant: Any) -> Iterator[Decimal]:
    """Give the decimals around a constant that reads as one."""
    if not isinstance(constant, str):
        return
    try:
        value = Decimal(constant)
    except InvalidOperation:
        return
    if value.is_finite() and abs(value) < 10**12:
        yield from (value + Decimal(step) for step in ("-0.01", "0", "0.01"))
