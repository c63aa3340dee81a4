"""The requests of one action between two types: a plain one, the facts that may be other than plain, and those that policies turn on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from interlock.domain.decisions import Entity, Question
from interlock.governance.decide import Bundle
from interlock.governance.policies import DEFAULT_DENY, ROLES
from interlock.governance.policy_schema import Shapes, Type
from interlock.governance.policy_terms import ID, SELF, Path, key, resolved
from interlock.governance.policy_witness import DAY, Constants, Facts, Witnesses

Change = tuple[Path, Any]
Against = Callable[[Bundle, Question], tuple[int, tuple[str, ...]]]
_TENANT: Final = "acme"
_ITSELF: Final = "it"
_NOTHING: Final = Type(kind="record")
_OPTIONS_MAX: Final = 200


class Requests:
    """Makes the requests.

    Args:
        differing: the policies that are not the same in the bundles, in pairs; None where one of them has none.
    """

    def __init__(
        self,
        known: Shapes,
        action: str,
        principal: str,
        resource: str,
        differing: Sequence[tuple[Any, Any]],
        *bundles: Bundle,
    ) -> None:
        self._action = action
        self._types = {"principal": principal, "resource": resource}
        self._differing = differing
        shape = known.actions[action]
        self._parts = {
            "principal": known.entities.get(principal, _NOTHING),
            "resource": known.entities.get(resource, _NOTHING),
            "context": shape.context,
        }
        forms = [b.rules.forms[i] for b in bundles if action in b.rules.actions for i in b.rules.actions[action].ids]
        apart = [form for pair in differing for form in pair if form is not None]
        constants = Constants(apart, forms)
        constants.strings += sorted(ROLES)
        self._named = set(_names(apart))
        self._of_policies = set(Constants(apart).strings)
        self._witnesses = Witnesses(
            principal, resource, type_at=self._type_at, plain=self.plain_at, constants=constants
        )
        self._plain_values: dict[Path, Any] = {}
        self._options: dict[tuple[str, bool, str], list[Facts]] = {}

    def cases(self) -> Iterator[Facts]:
        """Give facts with which one of two policies that differ matches, and the other does not; the fewest first."""
        found: list[Facts] = []
        rest: list[Facts] = []
        for old, new in self._differing:
            if old is not None and new is not None:
                found += self._witnesses.between(old, new)
            for form in (old, new):
                if form is not None:
                    rest += self._witnesses.matching(form)
        for some in (found, rest):
            yield from sorted(some, key=lambda facts: len(self.other_than_plain(facts)))

    def likely(self, change: Change) -> bool:
        """Tell whether the policies that differ name the fact, and the value where it is a text or a list of one."""
        path, value = change
        (value,) = value if isinstance(value, list) and len(value) == 1 else (value,)
        return path[-1] in self._named and (not isinstance(value, str) or value in self._of_policies)

    def towards_allow(self, given: Facts, bundle: Bundle, against: Against) -> dict[Path, Any]:
        """Change other facts than the given ones to what leaves fewer policies against the request, as long as that helps."""
        facts = dict(given)
        best, policies = against(bundle, self.question(facts))
        improved = True
        while best and improved:
            improved = False
            for option in self._options_of(bundle, policies):
                if any(path in given and key(given[path]) != key(value) for path, value in option.items()):
                    continue
                tried = {**facts, **option}
                count, others = against(bundle, self.question(tried))
                if count < best:
                    facts, best, policies, improved = self.other_than_plain(tried), count, others, True
                    break
        return facts

    def _options_of(self, bundle: Bundle, policies: Sequence[str]) -> list[Facts]:
        """Give facts with which a permit would match, where none does, or a forbid that does would not."""
        forms = bundle.rules.forms
        found: list[Facts] = []
        for id_ in policies:
            if id_ == DEFAULT_DENY:
                ids = [i for i in bundle.rules.actions[self._action].ids if forms[i]["effect"] == "permit"]
                found += [option for i in ids for option in self._option(bundle, i, True)]
            elif id_ in forms:
                found += self._option(bundle, id_, False)
        return sorted(found, key=lambda facts: len(self.other_than_plain(facts)))[:_OPTIONS_MAX]

    def _option(self, bundle: Bundle, id_: str, matching: bool) -> list[Facts]:
        at = (bundle.version, matching, id_)
        if at not in self._options:
            form = bundle.rules.forms[id_]
            self._options[at] = self._witnesses.matching(form) if matching else self._witnesses.refuting(form)
        return self._options[at]

    def changes(self, facts: Facts) -> list[Change]:
        """Give every other value of every fact."""
        return [
            (path, value)
            for part, type_ in self._parts.items()
            for path in _paths(type_, (part,))
            for value in self._others(path)
            if key(facts.get(path, self.plain_at(path))) != key(value)
        ]

    def _others(self, path: Path) -> Sequence[Any]:
        if path[-1] == "tenant" and path[0] != "context":
            return ("another",)
        return self._witnesses.pool(path, Constants())

    def plainer(self, path: Path, value: Any) -> list[Any]:
        """Give the values of a fact that are plainer than one, the plainest first."""
        others = [v for v in self._others(path) if v is not None and type(v) is type(value)]
        if isinstance(value, list):
            others += [list(some) for count in range(len(value)) for some in itertools.combinations(value[:8], count)]
        return sorted((v for v in others if self._plainness(v) < self._plainness(value)), key=self._plainness)

    def _plainness(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, list):
            return (len(value), *sorted(map(self._plainness, value)))
        if isinstance(value, str):
            return (value not in self._of_policies, len(value), value)
        if isinstance(value, Decimal):
            return (value != value.quantize(Decimal("0.01")), abs(value), value < 0)
        if isinstance(value, datetime):
            return (abs(value - DAY), value < DAY)
        if isinstance(value, Entity):
            return (value.id not in (SELF, "somebody"), value.type, value.id)
        return (abs(value), value < 0)

    def other_than_plain(self, facts: Facts) -> dict[Path, Any]:
        """Give the facts that are not as in the plain request."""
        return {path: value for path, value in facts.items() if value != self._plain_of(path)}

    def _type_at(self, path: Path) -> tuple[Type, bool] | None:
        type_, required = self._parts.get(path[0], _NOTHING), True
        for name in path[1:]:
            if type_.kind != "record" or name not in type_.fields:
                return None
            type_, inside = type_.fields[name]
            required = required and inside
        return type_, required

    def _plain_of(self, path: Path) -> Any:
        if path not in self._plain_values:
            self._plain_values[path] = self.plain_at(path)
        return self._plain_values[path]

    def plain_at(self, path: Path) -> Any:
        """Give a fact as it is in the plain request; None where it is absent."""
        if path[-1] == ID:
            return SELF if path[0] == "principal" else _ITSELF
        found = self._type_at(path)
        return None if found is None or not found[1] else self._plain(found[0], path[-1])

    def present(self, path: Path) -> Any:
        """Give a plain value of a fact, also of one that may be absent."""
        found = self._type_at(path)
        return None if found is None else self._plain(found[0], path[-1])

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
            "datetime": DAY,
            "set": [],
            "entity": Entity(type=type_.name, id="somebody"),
        }.get(type_.kind)

    def question(self, facts: Facts) -> Question:
        """Make the plain request, with these facts."""
        made: dict[str, dict[str, Any]] = {part: self._plain(type_, "") for part, type_ in self._parts.items()}
        for path, value in facts.items():
            if path[-1] == ID:
                continue
            at: dict[str, Any] = made
            for name in path[:-1]:
                at = at.setdefault(name, {})
            at[path[-1]] = resolved(value, facts, self._types)
        # Facts that are references need their entity; nobody's attributes are asked of it, so it has none.
        ids = {part: facts.get((part, ID), self.plain_at((part, ID))) for part in self._types}
        return Question(
            principal=Entity(type=self._types["principal"], id=ids["principal"], attrs=made["principal"]),
            action=self._action,
            resource=Entity(type=self._types["resource"], id=ids["resource"], attrs=made["resource"]),
            context=made["context"],
        )


def _paths(record: Type, at: Path) -> Iterator[Path]:
    for name, (type_, _) in record.fields.items():
        yield from _paths(type_, (*at, name)) if type_.kind == "record" else ((*at, name),)


def _names(form: Any) -> Iterator[str]:
    """Give every attribute that stands in policies."""
    if isinstance(form, Mapping):
        for name, body in form.items():
            if name == "attr":
                yield body
            elif name != "annotations":
                yield from _names(body)
    elif isinstance(form, list | tuple):
        for item in form:
            yield from _names(item)
