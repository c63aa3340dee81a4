"""Facts that make a policy match, or not: found by taking its condition apart, so that a search for differences begins where they are.

A condition is taken apart at `&&`, `||`, `!` and `if`; each part that is left speaks of one or two facts, whose values are tried out of a pool:
the constants that the policies name, their neighbours, and values of another kind. What comes out is tried on the engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from interlock.domain.decisions import Entity
from interlock.governance.policy_schema import Type
from interlock.governance.policy_terms import ID, SELF, Path, Unknown, constant, duration, evaluate, instant, key, paths

Facts = Mapping[Path, Any]
DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
POOL_MAX: Final = 60
TRIED_MAX: Final = 2_000
KEPT_MAX: Final = 10  # of one part
CASES_MAX: Final = 120  # of one condition
_LONG_MAX: Final = 2**63 - 1
_STEPS: Final = (Decimal("0.01"), Decimal("0.0001"))


class Constants:
    """The constants that stand in expressions, by what they are, and values beside them where an answer may turn."""

    def __init__(self, *forms: Any) -> None:
        self.strings: list[str] = []
        self.longs: list[int] = []
        self.decimals: list[Decimal] = []
        self.instants: list[datetime] = []
        self.durations: list[timedelta] = []
        self.entities: list[Entity] = []
        self.sets: list[list[Any]] = []
        for form in forms:
            self._read(form)

    def _read(self, form: Any) -> None:
        if isinstance(form, list | tuple):
            for item in form:
                self._read(item)
        if not isinstance(form, Mapping):
            return
        for kind, body in form.items():
            if kind == "Value":
                self._literal(body)
            elif kind == "like":
                self._pattern(body["pattern"])
                self._read(body["left"])
            elif kind in ("decimal", "datetime", "duration") and isinstance(body, list):
                self._extension(kind, body[0].get("Value", ""))
            elif kind == "entity" and isinstance(body, Mapping) and "type" in body:
                self.entities.append(Entity(type=body["type"], id=body["id"]))
            elif kind != "annotations":
                if kind == "Set":
                    self.sets.append([constant(item["Value"]) for item in body if "Value" in item])
                self._read(body)

    def _literal(self, value: Any) -> None:
        if isinstance(value, str):
            self.strings.append(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            self.longs.append(value)
        elif isinstance(value, Mapping) and "__entity" in value:
            self.entities.append(constant(value))

    def _pattern(self, parts: Sequence[Any]) -> None:
        """Add texts that fit a pattern, and one that just does not."""
        for wild in ("", "x"):
            self.strings.append("".join(wild if part == "Wildcard" else part["Literal"] for part in parts))
        self.strings.append(self.strings[-2][1:])

    def _extension(self, kind: str, text: str) -> None:
        try:
            if kind == "decimal":
                self.decimals.append(Decimal(text))
            elif kind == "datetime":
                self.instants.append(instant(text))
            else:
                self.durations.append(duration(text))
        except (Unknown, InvalidOperation):
            return

    def near(self, kind: str) -> list[Any]:
        """Give values of a simple type: the constants and what is just beside them."""
        if kind == "string":
            return self.strings
        if kind == "long":
            pairs = [(n, m) for n in self.longs for m in self.longs if m]
            bases = [*self.longs, *(v for n, m in pairs for v in (n // m, n + m, n - m, n * m))]
            return [n + step for n in bases for step in (0, 1, -1) if abs(n) < _LONG_MAX]
        if kind == "decimal":
            return [n + step for n in self.decimals for step in (Decimal(0), *_STEPS, *(-step for step in _STEPS))]
        if kind == "datetime":
            beside = [timedelta(0), *(d + step for d in self.durations for step in (timedelta(0), _MS, -_MS)), _MS]
            near = [_later(at, sign * step) for at in (*self.instants, DAY) for step in beside for sign in (1, -1)]
            return [at for at in near if at is not None]
        return []


_MS: Final = timedelta(milliseconds=1)


def _later(at: datetime, by: timedelta) -> datetime | None:
    """Give a later instant; None where no fact can say it."""
    try:
        return at + by
    except OverflowError:
        return None


class Witnesses:
    """Looks for the facts of one action's requests, between a type of principal and one of resource.

    Args:
        type_at: gives the type of a fact, and whether it must be there; None where there is no such fact.
        plain: gives a fact's plain value. constants: of all policies that matter, beside those of the part itself.
    """

    def __init__(
        self,
        principal: str,
        resource: str,
        *,
        type_at: Callable[[Path], tuple[Type, bool] | None],
        plain: Callable[[Path], Any],
        constants: Constants,
    ) -> None:
        self._types = {"principal": principal, "resource": resource}
        self._type_at = type_at
        self._plain = plain
        self._constants = constants

    def matching(self, form: Mapping[str, Any]) -> list[Facts]:
        """Give facts with each of which a policy matches a request."""
        found: list[Facts] = [{}]
        for part in ("principal", "resource"):
            found = _both(found, self._scope(part, form[part], True))
        for condition in form.get("conditions", ()):
            found = _both(found, self._cases(condition["body"], condition["kind"] == "when"))
        return found

    def refuting(self, form: Mapping[str, Any]) -> list[Facts]:
        """Give facts with each of which it does not."""
        found: list[Facts] = []
        for part in ("principal", "resource"):
            found += self._scope(part, form[part], False)
        before: list[Facts] = [{}]
        for condition in form.get("conditions", ()):
            found += _both(before, self._cases(condition["body"], condition["kind"] != "when"))
            before = _both(before, self._cases(condition["body"], condition["kind"] == "when"))
        return found[:CASES_MAX]

    def between(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Facts]:
        """Give facts with which one of two policies matches and the other does not."""
        return _both(self.matching(one), self.refuting(other)) + _both(self.matching(other), self.refuting(one))

    def _scope(self, part: str, scope: Mapping[str, Any], want: bool) -> list[Facts]:
        of_type = scope.get("entity_type", self._types[part]) == self._types[part]
        inside = scope if scope["op"] in ("==", "in") else scope.get("in")
        if not of_type or inside is None:
            return [{}] if of_type is want else []
        named = [e for e in inside.get("entities", [inside.get("entity")]) if e and e["type"] == self._types[part]]
        at = (part, ID)
        if want:
            return [{at: entity["id"]} for entity in named]
        return [] if self._plain(at) in {e["id"] for e in named} else [{at: self._plain(at)}]

    def _cases(self, form: Any, want: bool) -> list[Facts]:
        ((kind, body),) = form.items()
        if kind in ("&&", "||"):
            left, right = body["left"], body["right"]
            if (kind == "&&") is want:
                return _both(self._cases(left, want), self._cases(right, want))
            # The right side is looked at only where the left one is not enough, and may err otherwise.
            more = _both(self._cases(left, not want), self._cases(right, want))
            return [*self._cases(left, want), *more][:CASES_MAX]
        if kind == "!":
            return self._cases(body["arg"], not want)
        if kind == "if-then-else":
            return [
                case
                for truth, branch in ((True, "then"), (False, "else"))
                for case in _both(self._cases(body["if"], truth), self._cases(body[branch], want))
            ][:CASES_MAX]
        return self._parts(form, want)

    def _parts(self, form: Any, want: bool) -> list[Facts]:
        """Give values of the facts that a part speaks of with which it says what is wanted."""
        named = sorted(set(paths(form)))
        own = Constants(form)
        pools = [self.pool(path, own) for path in named]
        if len(pools) > 2:
            pools = [pool[:12] for pool in pools]
        found: list[Facts] = []
        for values in itertools.islice(_diagonal(pools), TRIED_MAX):
            facts = dict(zip(named, values, strict=True))
            try:
                said = evaluate(form, facts, self._types)
            except (Unknown, ArithmeticError, TypeError, KeyError, AttributeError, ValueError):
                continue
            if said is want:
                found.append({path: value for path, value in facts.items() if self._known(path)})
            if len(found) == KEPT_MAX:
                break
        return found

    def _known(self, path: Path) -> bool:
        return path[-1] == ID or self._type_at(path) is not None

    def pool(self, path: Path, own: Constants) -> list[Any]:
        """Give the values that a fact is tried with, absent (None) among them; of a fact that is none, only that."""
        if path[-1] == ID:
            same = [e.id for e in (*own.entities, *self._constants.entities) if e.type == self._types[path[0]]]
            return _unlike([self._plain(path), *same])
        if (found := self._type_at(path)) is None:
            return [None]
        type_, required = found
        values = [*self._values(type_, own), self._plain(path)]
        return _unlike(values if required else [*values[:1], None, *values[1:]])

    def _values(self, type_: Type, own: Constants) -> list[Any]:
        both = (own, self._constants)
        if type_.kind == "bool":
            return [True, False]
        if type_.kind == "entity":
            named = [e for c in both for e in c.entities if e.type == type_.name]
            return [*named, Entity(type=type_.name, id=SELF), Entity(type=type_.name, id="somebody")]
        if type_.kind == "set" and type_.of is not None:
            items = _unlike(self._values(type_.of, own))[:12]
            whole = [s for c in both for s in c.sets if s and all(_fits(item, type_.of) for item in s)]
            fewer = [s[:i] + s[i + 1 :] for s in whole for i in range(len(s)) if len(s) > 1]
            more = [[*s, item] for s in whole for item in items[:3] if key(item) not in key(s)]
            return [*whole, *([item] for item in items), [], *fewer, *more]
        if type_.kind == "record":
            return []
        neutral: Mapping[str, list[Any]] = {
            "long": [0, 1], "decimal": [Decimal(0), Decimal(1)], "string": ["other"], "datetime": [DAY],
        }  # fmt: skip
        return [*(v for c in both for v in c.near(type_.kind)), *neutral.get(type_.kind, [])]


def _fits(value: Any, type_: Type) -> bool:
    if isinstance(value, Entity):
        return type_.kind == "entity" and type_.name == value.type
    return {"string": str, "long": int, "bool": bool}.get(type_.kind) is type(value)


def _unlike(values: Sequence[Any]) -> list[Any]:
    """Give each value once, the first ones first."""
    found: dict[Any, Any] = {}
    for value in values:
        found.setdefault(key(value), value)
    return list(found.values())[:POOL_MAX]


def _diagonal(pools: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Give all combinations, those of first values first."""
    places = itertools.product(*(range(len(pool)) for pool in pools))
    for chosen in sorted(itertools.islice(places, TRIED_MAX * 4), key=sum):
        yield tuple(pool[place] for pool, place in zip(pools, chosen, strict=True))


def _both(some: Sequence[Facts], others: Sequence[Facts]) -> list[Facts]:
    """Give what is of one and of the other, where they do not contradict each other."""
    found: list[Facts] = []
    pairs = itertools.product(range(len(some)), range(len(others)))
    for one, other in sorted(itertools.islice(pairs, 4_000), key=sum):
        merged = dict(some[one])
        for path, value in others[other].items():
            if path not in merged or merged[path] == value:
                merged[path] = value
            elif isinstance(value, list) and isinstance(merged[path], list):
                merged[path] = [*merged[path], *(v for v in value if key(v) not in key(merged[path]))]
            else:
                break
        else:
            found.append(merged)
            if len(found) == CASES_MAX:
                break
    return found
