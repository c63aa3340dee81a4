"""What the names of an automation's source are bound to, as far as its text says it. Pure; for the check of what can be replayed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SET_TYPES = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
_SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One binding of a name: the value where it is written out, and the annotation where it has one."""

    name: str
    value: ast.AST | None = None
    noted: ast.AST | None = None


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the files of an automation declare, by name: fields that are sets, functions that return sets, steps."""

    fields: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    steps: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """The names of a module or function: each with its values, and which of them are sets and nothing else."""

    values: Mapping[str, list[ast.AST]]
    sets: frozenset[str]


def bindings(node: ast.AST, in_class: bool = False) -> Iterator[Bound]:
    """Give what a module's or function's own names are bound to; attributes of classes shadow nothing and are left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not in_class:
                yield Bound(name=child.name)
            yield from bindings(child, in_class=True) if isinstance(child, ast.ClassDef) else ()
            continue
        if isinstance(child, ast.arguments):
            yield from _parameters(child)
        elif isinstance(child, ast.NamedExpr):
            yield Bound(name=child.target.id, value=child.value)
        elif not in_class:
            yield from _stored(child)
        yield from bindings(child, in_class)


def _parameters(node: ast.arguments) -> Iterator[Bound]:
    placed = [*node.posonlyargs, *node.args]
    defaults = [*[None] * (len(placed) - len(node.defaults)), *node.defaults]
    every = [*zip(placed, defaults, strict=True), *zip(node.kwonlyargs, node.kw_defaults, strict=True)]
    for argument, default in every:
        yield Bound(name=argument.arg, value=default, noted=argument.annotation or ast.Constant(None))
    yield from (Bound(name=rest.arg) for rest in (node.vararg, node.kwarg) if rest is not None)


def _stored(node: ast.AST) -> Iterator[Bound]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _assigned(target, node.value)
    elif isinstance(node, ast.AnnAssign):
        yield from (Bound(name=n, value=node.value, noted=node.annotation) for n in _names(node.target))
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield from (Bound(name=n) for n in _names(node.target))
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield from (Bound(name=n) for n in _names(node.optional_vars))
    elif isinstance(node, ast.ImportFrom) and node.level > 0:
        yield from (Bound(name=alias.asname or alias.name) for alias in node.names)


def _assigned(target: ast.AST, value: ast.AST) -> Iterator[Bound]:
    several = ast.Tuple | ast.List
    if isinstance(target, several) and isinstance(value, several) and len(target.elts) == len(value.elts):
        for left, right in zip(target.elts, value.elts, strict=True):
            yield from _assigned(left, right)
    else:
        alone = value if isinstance(target, ast.Name) else None
        yield from (Bound(name=n, value=alone) for n in _names(target))


def _names(node: ast.AST) -> Iterator[str]:
    return (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def scope(node: ast.AST, outer: Iterable[Scope], declared: Declared) -> Scope:
    """Give the scope of a module or function, whose outer ones are given, innermost last."""
    found: dict[str, list[Bound]] = {}
    for bound in bindings(node):
        nothing = isinstance(bound.value, ast.Constant) and bound.value.value is None and bound.noted is None
        if not nothing:  # `x = None` beside another binding says nothing of what it is
            found.setdefault(bound.name, []).append(bound)
    values = {name: [b.value for b in each if b.value is not None] for name, each in found.items()}
    sets: set[str] = set()
    while True:  # a set may be bound to the name of another
        sight = Sight(scopes=[*outer, Scope(values, frozenset(sets))], declared=declared)
        more = {name for name, each in found.items() if all(sight.makes_set(bound) for bound in each)}
        if more <= sets:
            return Scope(values, frozenset(sets))
        sets |= more


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What can be told of an expression where these scopes are open, innermost last."""

    scopes: list[Scope]
    declared: Declared = field(default_factory=Declared)

    def where(self, name: str) -> Scope | None:
        """Give the innermost scope that binds a name, None where none does."""
        return next((one for one in reversed(self.scopes) if name in one.values), None)

    def makes_set(self, bound: Bound) -> bool:
        if bound.noted is not None:
            return is_set_type(bound.noted)
        return bound.value is not None and self.is_set(bound.value)

    def is_set(self, node: ast.AST) -> bool:
        """Tell whether an expression is a set, whose order another process does not repeat."""
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name):
            found = self.where(node.id)
            return found is not None and node.id in found.sets
        if isinstance(node, ast.Attribute):
            return node.attr in self.declared.fields
        if isinstance(node, ast.NamedExpr | ast.Await):
            return self.is_set(node.value)
        if isinstance(node, ast.IfExp):
            return self.is_set(node.body) or self.is_set(node.orelse)
        if isinstance(node, ast.BoolOp):
            return any(self.is_set(value) for value in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, _SET_OPERATORS):
            return any(self.is_set(side) or _is_keys(side) for side in (node.left, node.right))
        return isinstance(node, ast.Call) and self._gives_set(node.func)

    def _gives_set(self, function: ast.AST) -> bool:
        if isinstance(function, ast.Attribute):
            return function.attr in _SET_METHODS and self.is_set(function.value)
        if not isinstance(function, ast.Name):
            return False
        if function.id in ("set", "frozenset"):
            return self.where(function.id) is None
        return function.id in self.declared.functions


def is_set_type(node: ast.AST) -> bool:
    """Tell whether an annotation says set: `set[str]`, `Set`, `set[str] | None`, `Optional[set]`, `Annotated[set[str], …]`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return is_set_type(ast.parse(node.value, mode="eval").body)
        except (SyntaxError, ValueError):
            return False
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return any(is_set_type(side) for side in (node.left, node.right))
    if isinstance(node, ast.Subscript):
        of = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return any(map(is_set_type, inner[:1])) if of in ("Optional", "Annotated", "Final") else is_set_type(node.value)
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) in _SET_TYPES


def declared_in(trees: Iterable[ast.AST]) -> Declared:
    """Give what the files of an automation declare. A name that one of them uses for something else is left out."""
    fields: dict[str, bool] = {}
    functions: dict[str, bool] = {}
    steps: dict[str, bool] = {}
    sight = Sight(scopes=[])
    for node in (n for tree in trees for n in ast.walk(tree)):
        if isinstance(node, ast.ClassDef):
            noted = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
            for one in noted:
                _vote(fields, one.target.id, is_set_type(one.annotation))  # type: ignore[union-attr]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            _vote(fields, node.targets[0].attr, sight.is_set(node.value))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _vote(steps, node.name, is_step(node))
            _vote(functions, node.name, node.returns is not None and is_set_type(node.returns))
    return Declared(fields=_agreed(fields), functions=_agreed(functions), steps=_agreed(steps))


def is_step(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function is declared as a step, as `@step` or `@interlock.step(…)`."""
    called = (one.func if isinstance(one, ast.Call) else one for one in node.decorator_list)
    return any((one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "")) == "step" for one in called)


def _vote(found: dict[str, bool], name: str, says: bool) -> None:
    found[name] = found.get(name, True) and says


def _agreed(found: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(name for name, always in found.items() if always)


def _is_keys(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")
