"""Whether two bundles answer every request of one kind alike, as a question to Z3. Runs in a child process; see `policy_proof`.

What is modelled exactly: `&&`, `||`, `!`, `if`; `==` and `!=`; `<`, `<=`, `>` and `>=` of longs, datetimes and durations; `+`, `-`, `*` and
negation of longs, `offset` and `durationSince` of datetimes, with their overflow; decimals by their comparisons; `has`, and attributes of the
principal, the resource and the context, and of records in them; `is`; `in`, of types that the schema puts under no other; `like`; sets
of texts, numbers or entities, as facts or written out, with `contains`, `containsAll`, `containsAny`, `isEmpty` and `==`.

Whatever else stands where a truth is asked for is a truth, or an error, of which nothing is known but that the same words mean the same in
both bundles at the same request. So a proof is about more than there is, and holds; a difference that is found may be none, and is
asked of the engine before anybody is told.

An answer is what `decide` gives: any policy that errs makes it an error; else it depends on whether a permit matches, whether a forbid
without obligations does, and which obligations those that match have. Two bundles answer alike where all of that that matters is the same.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import resource
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import z3

from interlock.governance.policy_schema import Shapes, Type, read
from interlock.governance.policy_symbols import (
    EPOCH,
    LONG_MAX,
    LONG_MIN,
    NUMBERS,
    TEXTS,
    Outside,
    Symbols,
    Truth,
    Value,
    and_,
    if_,
    lifted,
    not_,
    or_,
    same,
    within_long,
)
from interlock.governance.policy_terms import ID, Unknown, instant
from interlock.infra.child import Handler

_LESS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_DECIMAL_LESS: Final = {"lessThan": "<", "lessThanOrEqual": "<=", "greaterThan": ">", "greaterThanOrEqual": ">="}
_ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
}  # fmt: skip
_OF_TIME: Final = {"offset": ("datetime", "duration", "+", "datetime"), "durationSince": ("datetime", "datetime", "-", "duration")}  # fmt: skip
_TRUTHS: Final = frozenset({
    "&&", "||", "!", "==", "!=", "in", "has", "hasTag", "is", "like", "contains", "containsAll", "containsAny", "isEmpty",
    "isIpv4", "isIpv6", "isLoopback", "isMulticast", "isInRange", *_LESS, *_DECIMAL_LESS,
})  # fmt: skip
_DECIMAL: Final = re.compile(r"(-?)(\d+)\.(\d{1,4})")
_DATETIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{3})?(Z|[+-]\d{4}))?")
_DURATION: Final = re.compile(r"(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS: Final = (86_400_000, 3_600_000, 60_000, 1_000, 1)


class Formula:
    """Puts policies about one kind of request into terms of Z3; of several bundles into the same."""

    def __init__(self, known: Shapes, action: str, principal: str, resource_type: str, *, patterns: bool) -> None:
        self._types = {"principal": principal, "resource": resource_type}
        self._action = action
        self._above = {type_: _all_above(known, type_) for type_ in known.entities}
        nothing = Type(kind="record")
        self.symbols = Symbols(
            {
                "principal": known.entities.get(principal, nothing),
                "resource": known.entities.get(resource_type, nothing),
                "context": known.actions[action].context,
            },
            patterns=patterns,
        )
        self._opaque: dict[str, tuple[Any, Any]] = {}
        self.outside: set[tuple[str, str]] = set()
        self._policy = ""

    def matches(self, id_: str, form: Mapping[str, Any]) -> tuple[Truth, Truth]:
        """Give where a policy errs, and where it matches if it does not."""
        self._policy = id_
        try:
            value = and_(self._action_scope(form["action"]), *(self._scope(p, form[p]) for p in self._types))
        except Outside as what:
            value = self._unknown(["scope", [form[part] for part in ("principal", "action", "resource")]], what)[1]
        err: Truth = False
        for condition in form.get("conditions", ()):
            if value is False:
                break  # it is not looked at
            errs, holds = self.truth(condition["body"])
            err = or_(err, and_(value, errs))
            value = and_(value, holds if condition["kind"] == "when" else not_(holds))
        return err, value

    def _action_scope(self, scope: Mapping[str, Any]) -> Truth:
        """Tell whether a scope admits the action; whether it is in a group that is named was looked up before."""
        named = scope.get("entities", [scope.get("entity")])
        if scope["op"] == "All":
            return True
        if scope["op"] not in ("==", "in") or any(e is None or e["type"] != "Action" for e in named):
            raise Outside("the scope of its action")
        return scope["op"] == "in" or named[0]["id"] == self._action

    def _scope(self, part: str, scope: Mapping[str, Any]) -> Truth:
        one, op = self._itself(part), scope["op"]
        if op == "All":
            return True
        inside: Mapping[str, Any] | None = scope
        if op == "is":
            if scope["entity_type"] != one.type:
                return False
            inside = scope.get("in")
            if inside is None:
                return True
        if op not in ("==", "in", "is") or inside is None or "entity" not in inside:
            raise Outside(f"the scope of its {part}")
        other = inside["entity"]
        if op == "==":
            return other["type"] == one.type and one.term == self.symbols.text(other["id"])
        return self._under(one, other["type"], self.symbols.text(other["id"]))

    def _itself(self, part: str) -> Value:
        term = self.symbols.fact((part, ID), "entity", self._types[part])
        return Value(
            kind="entity", type=self._types[part], term=term, path=(part,), fields=self.symbols.parts[part].fields
        )

    def _under(self, one: Value, type_: str, term: Any) -> Truth:
        if one.type not in self._above or type_ in self._above[one.type]:
            raise Outside(f"`in` for {one.type}, which the schema puts under others")
        return one.type == type_ and one.term == term

    def _unknown(self, form: Any, what: Outside) -> tuple[Any, Any]:
        """Give a truth of which nothing is known but that the same words mean the same; and where it errs."""
        self.outside.add((self._policy, str(what)))
        words = json.dumps(form, sort_keys=True)
        number = len(self._opaque)
        return self._opaque.setdefault(words, (z3.Bool(f"errs {number}"), z3.Bool(f"holds {number}")))

    def truth(self, form: Mapping[str, Any]) -> tuple[Truth, Truth]:
        """Give where an expression errs that must be a truth, and where it holds if it does not."""
        ((kind, body),) = form.items()
        if kind in ("&&", "||"):
            left_errs, left = self.truth(body["left"])
            if left is (kind == "||"):
                return left_errs, left
            right_errs, right = self.truth(body["right"])
            looked_at = left if kind == "&&" else not_(left)
            return or_(left_errs, and_(looked_at, right_errs)), (and_ if kind == "&&" else or_)(left, right)
        if kind == "!":
            errs, holds = self.truth(body["arg"])
            return errs, not_(holds)
        if kind == "if-then-else":
            (errs, holds), then, other = (self.truth(body[part]) for part in ("if", "then", "else"))
            return or_(errs, if_(holds, then[0], other[0])), if_(holds, then[1], other[1])
        try:
            value = self._truth(kind, body) if kind in _TRUTHS else self.value(form)
            if value.kind != "bool":
                raise Outside(f"a {value.kind} where a truth is asked for")
        except Outside as what:
            return self._unknown(form, what)
        return value.err, value.term

    def _truth(self, kind: str, body: Any) -> Value:
        if kind == "has":
            return self._has(body)
        if kind == "like":
            return self._like(body)
        if kind == "is":
            return self._is(body)
        given = body if isinstance(body, list) else [body[part] for part in ("left", "right", "arg") if part in body]
        values = [self.value(part) for part in given]
        if kind not in _COMPARED:
            raise Outside(f"`{kind}`")
        term = _COMPARED[kind](self, kind, *values)
        return Value(kind="bool", err=or_(*(value.err for value in values)), term=term)

    def value(self, form: Mapping[str, Any]) -> Value:
        """Give what an expression comes to. Raises Outside."""
        ((kind, body),) = form.items()
        if kind in _TRUTHS:
            errs, holds = self.truth(form)
            return Value(kind="bool", err=errs, term=holds)
        if kind == "Value":
            return self._literal(body)
        if kind == "Var":
            return self._variable(body)
        if kind == ".":
            return self._attribute(self.value(body["left"]), body["attr"])
        if kind == "Set":
            return self._written(body)
        if kind in ("decimal", "datetime", "duration"):
            return Value(kind=kind, term=z3.IntVal(literal(kind, body)))
        if kind in _ARITHMETIC:
            left, right = self.value(body["left"]), self.value(body["right"])
            return self._number(kind, left, right, "long", "long", "long")
        if kind in _OF_TIME:
            one, other, how, result = _OF_TIME[kind]
            left, right = (self.value(part) for part in body)
            return self._number(how, left, right, one, other, result)
        if kind == "neg":
            return self._number("-", Value(kind="long", term=z3.IntVal(0)), self.value(body["arg"]), *["long"] * 3)
        if kind == "if-then-else":
            return self._chosen(body)
        raise Outside(f"`{kind}`")

    def _literal(self, body: Any) -> Value:
        if isinstance(body, bool):
            return Value(kind="bool", term=body)
        if isinstance(body, int) and LONG_MIN <= body <= LONG_MAX:
            return Value(kind="long", term=z3.IntVal(body))
        if isinstance(body, str):
            return Value(kind="string", term=self.symbols.text(body))
        if isinstance(body, Mapping) and body.keys() == {"__entity"}:
            entity = body["__entity"]
            return Value(kind="entity", type=entity["type"], term=self.symbols.text(entity["id"]))
        raise Outside("a literal that is no text, whole number, truth or entity")

    def _variable(self, name: str) -> Value:
        if name in self._types:
            return self._itself(name)
        if name == "context":
            return Value(kind="record", path=("context",), fields=self.symbols.parts["context"].fields)
        return Value(kind="entity", type="Action", term=self.symbols.text(self._action))

    def _attribute(self, base: Value, name: str) -> Value:
        if base.fields is None:
            raise Outside("an attribute of another entity, or of a record that is written out")
        _check_names(base.fields)
        if name not in base.fields:
            raise Outside(f"the attribute {name}, which the schema does not know there")
        (type_, required), path = base.fields[name], (*base.path, name)
        err = or_(base.err, False if required else not_(self.symbols.present(path)))
        if type_.kind == "record":
            return Value(kind="record", err=err, path=path, fields=type_.fields)
        if type_.kind == "set" and type_.of is not None:
            of = (type_.of.kind, type_.of.name)
            self.symbols.set_(path, of)
            return Value(kind="set", err=err, path=path, of=of)
        if type_.kind != "bool" and type_.kind not in NUMBERS | TEXTS:
            raise Outside(f"a fact that is a {type_.kind}")
        return Value(kind=type_.kind, err=err, term=self.symbols.fact(path, type_.kind, type_.name), type=type_.name)

    def _has(self, body: Mapping[str, Any]) -> Value:
        base, name = self.value(body["left"]), body["attr"]
        if base.fields is None:
            raise Outside("`has` of another entity, or of a record that is written out")
        _check_names(base.fields)
        if name not in base.fields:
            return Value(kind="bool", err=base.err, term=False)
        there = True if base.fields[name][1] else self.symbols.present((*base.path, name))
        return Value(kind="bool", err=base.err, term=there)

    def _written(self, body: Sequence[Any]) -> Value:
        items = [self.value(item) for item in body]
        kinds = {(item.kind, item.type) for item in items}
        if len(kinds) != 1 or next(iter(kinds))[0] not in NUMBERS | TEXTS:
            raise Outside("a written set of other items than texts, numbers or entities")
        return Value(
            kind="set", err=or_(*(i.err for i in items)), items=tuple(i.term for i in items), of=next(iter(kinds))
        )

    def _number(self, how: str, left: Value, right: Value, one: str, other: str, result: str) -> Value:
        if (left.kind, right.kind) != (one, other):
            raise Outside(f"`{how}` of a {left.kind} and a {right.kind}")
        term = _ARITHMETIC[how](left.term, right.term)
        return Value(kind=result, err=or_(left.err, right.err, not_(within_long(term))), term=term)

    def _chosen(self, body: Mapping[str, Any]) -> Value:
        errs, holds = self.truth(body["if"])
        then, other = self.value(body["then"]), self.value(body["else"])
        kind = then.kind
        if (kind, then.type) != (other.kind, other.type) or (kind != "bool" and kind not in NUMBERS | TEXTS):
            raise Outside("`if` between sets, records or different types")
        choose = if_ if kind == "bool" else z3.If
        term = choose(holds if kind == "bool" else lifted(holds), then.term, other.term)
        return Value(kind=kind, type=then.type, err=or_(errs, if_(holds, then.err, other.err)), term=term)

    def _like(self, body: Mapping[str, Any]) -> Value:
        left = self.value(body["left"])
        if not self.symbols.patterns or left.kind != "string":
            raise Outside("`like`")
        anything = z3.Full(z3.ReSort(z3.StringSort()))
        parts = [anything if p == "Wildcard" else z3.Re(self.symbols.text(p["Literal"])) for p in body["pattern"]]
        pattern = z3.Concat(z3.Re(z3.StringVal("")), z3.Re(z3.StringVal("")), *parts)
        return Value(kind="bool", err=left.err, term=z3.InRe(left.term, pattern))

    def _is(self, body: Mapping[str, Any]) -> Value:
        left = self.value(body["left"])
        if left.kind != "entity":
            raise Outside("`is` of no entity")
        if left.type != body["entity_type"]:
            return Value(kind="bool", err=left.err, term=False)
        if "in" not in body:
            return Value(kind="bool", err=left.err, term=True)
        among = self.value(body["in"])
        return Value(kind="bool", err=or_(left.err, among.err), term=self._in("in", left, among))

    def _equal(self, kind: str, one: Value, other: Value) -> Truth:
        if (one.kind, one.type) != (other.kind, other.type):
            alike: Truth = False
        elif one.kind == "set":
            if one.of != other.of:
                raise Outside(f"`{kind}` of sets of different items")
            alike = and_(self.symbols.inside(one, other), self.symbols.inside(other, one))
        elif one.kind == "record":
            raise Outside(f"`{kind}` of records")
        else:
            alike = same(one.term, other.term) if one.kind == "bool" else one.term == other.term
        return alike if kind == "==" else not_(alike)

    def _less(self, kind: str, one: Value, other: Value) -> Truth:
        if one.kind != other.kind or one.kind not in ("long", "datetime", "duration"):
            raise Outside(f"`{kind}` of a {one.kind} and a {other.kind}")
        return _LESS[kind](one.term, other.term)

    def _decimal_less(self, kind: str, one: Value, other: Value) -> Truth:
        if (one.kind, other.kind) != ("decimal", "decimal"):
            raise Outside(f"`{kind}` of a {one.kind} and a {other.kind}")
        return _LESS[_DECIMAL_LESS[kind]](one.term, other.term)

    def _in(self, kind: str, one: Value, other: Value) -> Truth:
        if one.kind != "entity" or (other.kind, *other.of[:1]) not in (("entity", ""), ("set", "entity")):
            raise Outside("`in` of other things than entities")
        if other.kind == "entity":
            return self._under(one, other.type, other.term)
        if other.items is not None:
            return or_(*(self._under(one, other.of[1], item) for item in other.items))
        self._under(one, other.of[1], one.term)
        return one.type == other.of[1] and self.symbols.member(other, one.term)

    def _of_sets(self, kind: str, one: Value, other: Value | None = None) -> Truth:
        if one.kind != "set":
            raise Outside(f"`{kind}` of a {one.kind}")
        if other is None:
            return self.symbols.empty(one)
        if kind == "contains" and other.kind in NUMBERS | TEXTS:
            return (other.kind, other.type) == one.of and self.symbols.member(one, other.term)
        if other.kind != "set" or other.of != one.of:
            raise Outside(f"`{kind}` of a {other.kind}")
        return self.symbols.meets(one, other) if kind == "containsAny" else self.symbols.inside(other, one)


_COMPARED: Final[Mapping[str, Callable[..., Truth]]] = {
    "==": Formula._equal, "!=": Formula._equal, "in": Formula._in,
    **dict.fromkeys(_LESS, Formula._less), **dict.fromkeys(_DECIMAL_LESS, Formula._decimal_less),
    **dict.fromkeys(("contains", "containsAll", "containsAny", "isEmpty"), Formula._of_sets),
}  # fmt: skip


def _check_names(fields: Iterable[str]) -> None:
    """Refuse names with escapes, which the schema's text and the policies write in two ways. Raises Outside."""
    if any("\\" in name for name in fields):
        raise Outside("an attribute beside one whose name has escapes")


def _all_above(known: Shapes, type_: str) -> frozenset[str]:
    """Give the types that the schema lets stand above one."""
    found: set[str] = set()
    fresh = set(known.parents.get(type_, ()))
    while fresh:
        found |= fresh
        fresh = {above for one in fresh for above in known.parents.get(one, ())} - found
    return frozenset(found)


def literal(kind: str, body: Any) -> int:
    """Read what a constructor is given, as the engine does."""
    text = body[0].get("Value") if isinstance(body, list) and len(body) == 1 else None
    if not isinstance(text, str) or not text.isascii():
        raise Outside(f"`{kind}` of something else than a literal")
    number: int | None = None
    if kind == "decimal" and (found := _DECIMAL.fullmatch(text)):
        number = int(found[2]) * 10_000 + int(found[3].ljust(4, "0"))
        number = -number if found[1] else number
    elif kind == "duration" and text.strip("-") and (found := _DURATION.fullmatch(text)):
        number = sum(int(count or 0) * unit for count, unit in zip(found.groups()[1:], _UNITS, strict=True))
        number = -number if found[1] else number
    elif kind == "datetime" and _DATETIME.fullmatch(text):
        try:
            number = (instant(text) - EPOCH) // timedelta(milliseconds=1)
        except (Unknown, OverflowError) as error:
            raise Outside(f"the {kind} {text}") from error
    if number is None or not LONG_MIN <= number <= LONG_MAX:
        raise Outside(f"the {kind} {text}")
    return number


def _answer(formula: Formula, side: Sequence[Mapping[str, Any]]) -> tuple[Truth, Truth, dict[str, Truth]]:
    """Give where a bundle errs, where permits and forbids without obligations leave the way open, and where each obligation is asked for."""
    err: Truth = False
    permitted: Truth = False
    refused: Truth = False
    asked: dict[str, Truth] = {}
    for policy in side:
        errs, holds = formula.matches(policy["id"], policy["form"])
        err = or_(err, errs)
        if policy["form"]["effect"] == "permit":
            permitted = or_(permitted, holds)
        elif not policy["obligations"]:
            refused = or_(refused, holds)
        for obligation in policy["obligations"]:
            asked[obligation] = or_(asked.get(obligation, False), holds)
    return err, and_(permitted, not_(refused)), asked


def _differ(formula: Formula, sides: Sequence[Sequence[Mapping[str, Any]]]) -> Truth:
    (err, open_, asked), (other_err, other_open, other_asked) = (_answer(formula, side) for side in sides)
    obligations = sorted(asked.keys() | other_asked.keys())
    asks = or_(*(not_(same(asked.get(o, False), other_asked.get(o, False))) for o in obligations))
    answers = or_(not_(same(open_, other_open)), and_(open_, asks))
    return or_(not_(same(err, other_err)), and_(not_(err), answers))


@functools.lru_cache(maxsize=4)
def _known(schema: str) -> Shapes:
    return read(schema)


def decide(body: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether two bundles answer one kind of request alike.

    Args:
        body: `schema`, as the engine writes it; `action`, `principal` and `resource`; `sides`, of each bundle the policies about the action
            with `id`, `form` and `obligations`; `timeout_ms` for each of at most two questions to Z3.

    Returns:
        `result`: proved, or differs with `facts` of a request that may show it, or undecided with `why`; `outside`: what was not
        modelled, of which policy.
    """
    said: dict[str, Any] = {}
    for patterns in (False, True):
        found = _asked(body, patterns=patterns)
        if found["result"] == "undecided" and said:
            break  # patterns took too long: what was found without them may do
        said = found
        if found["result"] == "proved" or not any(what == "`like`" for _, what in found["outside"]):
            break
    return said


def _asked(body: Mapping[str, Any], *, patterns: bool) -> dict[str, Any]:
    known = _known(body["schema"])
    formula = Formula(known, body["action"], body["principal"], body["resource"], patterns=patterns)
    solver = z3.SimpleSolver()  # the other one takes ten times as long for what is asked here
    solver.set("timeout", body["timeout_ms"])
    solver.add(lifted(_differ(formula, body["sides"])))
    solver.add(*formula.symbols.rules())
    said = solver.check()
    outside = sorted(formula.outside)
    if said == z3.unsat:
        return {"result": "proved", "outside": outside}
    if said == z3.sat:
        return {"result": "differs", "facts": formula.symbols.read(solver.model()), "outside": outside}
    return {"result": "undecided", "why": solver.reason_unknown(), "outside": outside}


def handler(config: Mapping[str, Any]) -> Handler:
    """Give the handler of a proving process, which may take so much memory and no more; where it needs more, it ends."""
    most = 2 * config["memory_mib"] * 1024 * 1024  # of addresses, of which the libraries take some
    with contextlib.suppress(ValueError, OSError):  # not everywhere can it be set
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    z3.set_param("memory_max_size", config["memory_mib"])

    def run(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        try:
            return decide(body)
        except (z3.Z3Exception, MemoryError):
            sys.exit(1)  # what it would answer next is anybody's guess

    return run
