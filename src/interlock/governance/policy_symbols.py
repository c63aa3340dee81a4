"""The facts of a request as symbols of Z3: what `policy_formula` builds its formulas of, and what a model of one is read back into.

Whatever a request that fits the schema can hold, these symbols can stand for. Where they could stand for more, a proof still holds:
it is about all of them.

A text is a whole number (only whether two are the same is asked), or a string of Z3 where patterns are looked into. A decimal is the
number of its ten-thousandths, a datetime that of its milliseconds. A set that is a fact is a predicate, asked about the terms that the
formulas name and about one witness of each comparison of two sets: no other member decides anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import z3

from interlock.governance.policy_schema import Type
from interlock.governance.policy_terms import Path

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1
CHAR_MAX: Final = 0x2FFFF  # of Z3's strings
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NUMBERS: Final = frozenset({"long", "decimal", "datetime", "duration"})
TEXTS: Final = frozenset({"string", "entity"})
# Of facts: what `facts.cedar_json` can give the engine. Python's years have four digits.
_MS: Final = timedelta(milliseconds=1)
_RANGES: Final = {
    "datetime": tuple(
        (at - EPOCH) // _MS for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    )
}
_ESCAPED: Final = re.compile(r"\\u\{([0-9a-fA-F]+)\}")

Truth = Any
"""A truth: True, False, or a term of Z3."""


class Outside(Exception):
    """What is not modelled; says which construct."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """What an expression comes to, where it does not err.

    Attributes:
        err: where it errs. kind: as `Type.kind`. type: of an entity. term: of a number, text or truth.
        path: of a record or set that is a fact, and of the principal and the resource. fields: of such a record.
        items: of a set that is written out. of: kind and type of a set's items.
    """

    kind: str
    err: Truth = False
    term: Any = None
    type: str = ""
    path: Path = ()
    fields: Mapping[str, tuple[Type, bool]] | None = None
    items: tuple[Any, ...] | None = None
    of: tuple[str, str] = ("", "")


def not_(one: Truth) -> Truth:
    return (not one) if isinstance(one, bool) else z3.Not(one)


def and_(*parts: Truth) -> Truth:
    if any(part is False for part in parts):
        return False
    left = [part for part in parts if part is not True]
    return True if not left else left[0] if len(left) == 1 else z3.And(*left)


def or_(*parts: Truth) -> Truth:
    if any(part is True for part in parts):
        return True
    left = [part for part in parts if part is not False]
    return False if not left else left[0] if len(left) == 1 else z3.Or(*left)


def if_(condition: Truth, then: Truth, other: Truth) -> Truth:
    """Choose between two truths."""
    return or_(and_(condition, then), and_(not_(condition), other))


def lifted(one: Truth) -> Any:
    return z3.BoolVal(one) if isinstance(one, bool) else one


def same(one: Truth, other: Truth) -> Truth:
    if isinstance(one, bool) and isinstance(other, bool):
        return one is other
    return lifted(one) == lifted(other)


def within_long(number: Any) -> Truth:
    return z3.And(number >= LONG_MIN, number <= LONG_MAX)


@dataclass(kw_only=True)
class _Items:
    """What the sets of one kind of item are asked about."""

    terms: dict[int, Any] = field(default_factory=dict)
    atoms: dict[Any, tuple[Any, Value, Value, Any]] = field(default_factory=dict)


class Symbols:
    """Makes the symbols, each once.

    Args:
        parts: the attributes of principal and resource, and the context, as records.
        patterns: texts are strings of Z3, which can be held against patterns; it takes longer.
    """

    def __init__(self, parts: Mapping[str, Type], *, patterns: bool) -> None:
        self.parts = parts
        self.patterns = patterns
        self.limits: list[Any] = []
        self._texts: dict[str, Any] = {}
        self._facts: dict[Path, tuple[Any, str, str]] = {}
        self._present: dict[Path, Any] = {}
        self._sets: dict[Path, Any] = {}
        self._set_of: dict[Path, tuple[str, str]] = {}
        self._items: dict[tuple[str, str], _Items] = {}

    def text(self, literal: str) -> Any:
        """Give the term of a text that policies write out."""
        if literal not in self._texts:
            if not self.patterns:
                self._texts[literal] = z3.IntVal(len(self._texts))
            elif any(ord(char) > CHAR_MAX for char in literal):
                raise Outside("a text with characters beyond Unicode's third plane")
            else:
                # Z3 reads \u{…} in a literal, so a backslash is written as one of these.
                self._texts[literal] = z3.StringVal("".join(f"\\u{{{ord(char):x}}}" for char in literal))
        return self._texts[literal]

    def sort(self, kind: str) -> Any:
        if kind in TEXTS:
            return z3.StringSort() if self.patterns else z3.IntSort()
        if kind in NUMBERS:
            return z3.IntSort()
        raise Outside(f"a set of {kind}s")

    def present(self, path: Path) -> Any:
        """Give whether an optional fact is there, where the record is that it stands in."""
        return self._present.setdefault(path, z3.Bool(f"has {_name(path)}"))

    def fact(self, path: Path, kind: str, type_: str = "") -> Any:
        """Give the term of a fact: a truth, a number or a text."""
        if path not in self._facts:
            name = _name(path)
            term = z3.Bool(name) if kind == "bool" else z3.Const(name, self.sort(kind))
            self._limit(term, kind)
            self._facts[path] = (term, kind, type_)
        return self._facts[path][0]

    def _limit(self, term: Any, kind: str) -> None:
        if kind in NUMBERS:
            least, most = _RANGES.get(kind, (LONG_MIN, LONG_MAX))
            self.limits.append(z3.And(term >= least, term <= most))

    def set_(self, path: Path, of: tuple[str, str]) -> None:
        """Know a set that is a fact."""
        if path not in self._sets:
            self._sets[path] = z3.Function(f"set {_name(path)}", self.sort(of[0]), z3.BoolSort())
            self._set_of[path] = of

    def member(self, among: Value, term: Any) -> Truth:
        """Tell whether a term is in a set."""
        if among.items is None:
            self._of(among.of).terms.setdefault(term.get_id(), term)
        return self._holds(among, term)

    def _of(self, of: tuple[str, str]) -> _Items:
        return self._items.setdefault(of, _Items())

    def meets(self, one: Value, other: Value) -> Truth:
        """Tell whether two sets have a member in common."""
        for some, among in ((one, other), (other, one)):
            if some.items is not None:
                return or_(*(self.member(among, item) for item in some.items))
        return self._atom("meets", one, other)

    def inside(self, one: Value, other: Value) -> Truth:
        """Tell whether every member of a set is in another."""
        if one.items is not None:
            return and_(*(self.member(other, item) for item in one.items))
        return self._atom("inside", one, other)

    def empty(self, one: Value) -> Truth:
        return not one.items if one.items is not None else self._atom("empty", one, one)

    def _atom(self, what: str, one: Value, other: Value) -> Any:
        """Give a truth about two sets, at least one of them a fact."""
        atoms = self._of(one.of).atoms
        asked = (what, _named(one), _named(other))
        if asked not in atoms:
            number = sum(len(items.atoms) for items in self._items.values())
            witness = z3.Const(f"witness {number}", self.sort(one.of[0]))
            self._limit(witness, one.of[0])
            atoms[asked] = (z3.Bool(f"{what} {number}"), one, other, witness)
            for among in (one, other):
                self.member(among, witness)
        return atoms[asked][0]

    def rules(self) -> Iterator[Any]:
        """Give what holds of every request, once all formulas are made."""
        yield from self.limits
        for items in self._items.values():
            for (what, *_), (truth, one, other, witness) in items.atoms.items():
                shown = truth if what == "meets" else not_(truth)
                # A member shows it where it is so, the witness; where it is not, no member does.
                yield lifted(or_(not_(shown), self._shows(what, one, other, witness)))
                for term in items.terms.values():
                    yield lifted(or_(shown, not_(self._shows(what, one, other, term))))

    def _shows(self, what: str, one: Value, other: Value, term: Any) -> Truth:
        """Tell whether a term shows that two sets meet, that one is not inside the other, or that one is not empty."""
        if what == "empty":
            return self._holds(one, term)
        inside = self._holds(other, term)
        return and_(self._holds(one, term), inside if what == "meets" else not_(inside))

    def _holds(self, among: Value, term: Any) -> Truth:
        if among.items is not None:
            return or_(*(item == term for item in among.items))
        return self._sets[among.path](term)

    def read(self, model: Any) -> list[dict[str, Any]]:
        """Give the facts of a model that it says anything about, as JSON; records before what is in them."""
        found = []
        for path in sorted({*self._present, *self._facts, *self._sets}, key=len):
            optional = [at for at in _above(path) if at in self._present]
            if not all(z3.is_true(model.eval(self._present[at], model_completion=True)) for at in optional):
                continue
            if path in self._sets:
                kind, type_ = self._set_of[path]
                terms = self._of((kind, type_)).terms.values()
                inside = [t for t in terms if z3.is_true(model.eval(self._sets[path](t), model_completion=True))]
                values = [self._plain(model.eval(t, model_completion=True), kind) for t in inside]
                value: Any = sorted(set(values))
                found.append({"path": path, "kind": "set", "of": kind, "type": type_, "value": value})
            elif path in self._facts:
                term, kind, type_ = self._facts[path]
                value = model.eval(term, model_completion=bool(optional))
                if z3.is_const(value) and value.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                    continue  # whatever it is
                found.append({"path": path, "kind": kind, "type": type_, "value": self._plain(value, kind)})
            else:
                found.append({"path": path, "kind": "present", "type": "", "value": ""})
        return found

    def _plain(self, value: Any, kind: str) -> Any:
        if kind == "bool":
            return z3.is_true(value)
        if kind in NUMBERS:
            return str(value.as_long())
        if self.patterns:
            return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value.as_string())
        number = value.as_long()
        literals = list(self._texts)
        if 0 <= number < len(literals):
            return literals[number]
        other = f"text{number}"
        while other in self._texts:
            other += "-"
        return other


def _name(path: Path) -> str:
    """Give a name that no other path has, whatever the attributes are called."""
    return json.dumps(path)


def _above(path: Path) -> Sequence[Path]:
    return [path[:count] for count in range(1, len(path) + 1)]


def _named(one: Value) -> Any:
    return one.path if one.items is None else tuple(item.get_id() for item in one.items)
