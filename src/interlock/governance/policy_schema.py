"""A Cedar schema read back as types, so that requests can be made that fit it.

Reads the engine's own normal form (`str(Schema)`): every action by itself, groups written as `Action::"…"`, no comments.
https://docs.cedarpolicy.com/schema/human-readable-schema-grammar.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import cedarpy

BUILT_IN: Final = frozenset({"Bool", "Boolean", "Long", "Set", "String", "datetime", "decimal", "duration", "ipaddr"})
_TOKEN: Final = re.compile(
    r'\s+|//[^\n]*|("(?:[^"\\]|\\.)*"|[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*(?:::"[^"]*")?|[{}\[\]<>:;,=?@()])'
)


@dataclass(frozen=True, kw_only=True)
class Type:
    """A type: `kind` is string, long, bool, set, record, entity, or an extension's name such as decimal.

    Attributes:
        of: the items of a set. fields: of a record, with whether each must be there. name: of an entity's type.
    """

    kind: str
    of: Type | None = None
    fields: Mapping[str, tuple[Type, bool]] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class ActionShape:
    """What an action may be asked of: types of principals and resources, and the context's record."""

    principals: tuple[str, ...]
    resources: tuple[str, ...]
    context: Type


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """The entities' attributes, the actions that can be asked about, and the types that each type may stand directly under."""

    entities: Mapping[str, Type]
    actions: Mapping[str, ActionShape]
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def shapes(schema: cedarpy.Schema) -> Shapes:
    """Read the schema's types. Raises ValueError for a form that the engine does not write today."""
    return read(str(schema))


def read(text: str) -> Shapes:
    """Read the types of a schema's normal form. Raises ValueError as `shapes`."""
    return _Reader(text).read()


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if (found := _TOKEN.match(text, at)) is None:
            raise ValueError(f"{text[at]!r} begins no token that is known here")
        at = found.end()
        if found[1]:
            yield found[1]


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._aliases: dict[str, Any] = {}
        self._entities: dict[str, Any] = {}
        self._actions: dict[str, ActionShape] = {}
        self._parents: dict[str, tuple[str, ...]] = {}

    def read(self) -> Shapes:
        while self._at < len(self._tokens):
            word = self._next()
            if word == "type":
                name = self._declared()
                self._expect("=")
                self._aliases[name] = self._type()
                self._expect(";")
            elif word == "entity":
                self._entity()
            elif word == "action":
                self._action()
            elif word == "namespace":
                raise ValueError("a namespace: name actions and types without one")
            elif word == "@":
                self._next()
                self._parenthesis()
            else:
                raise ValueError(f"{word!r} begins no declaration that is known here")
        entities = {name: self._resolved(type_) for name, type_ in self._entities.items()}
        actions = {
            name: ActionShape(principals=a.principals, resources=a.resources, context=self._resolved(a.context))
            for name, a in self._actions.items()
        }
        return Shapes(entities=entities, actions=actions, parents=self._parents)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, token: str) -> None:
        if (found := self._next()) != token:
            raise ValueError(f"{token!r} was expected, not {found!r}")

    def _taken(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _parenthesis(self) -> None:
        if self._taken("("):
            while self._next() != ")":
                pass

    def _names(self) -> list[str]:
        """Read one name, or several in brackets."""
        if not self._taken("["):
            return [self._next()]
        names: list[str] = []
        while not self._taken("]"):
            names.append(self._next())
            self._taken(",")
        return names

    def _declared(self) -> str:
        """Read a name that is declared; one of the engine's own would be taken for it afterwards."""
        if (name := self._next()) in BUILT_IN:
            raise ValueError(f"{name!r} is a name of the engine's own: declare another")
        return name

    def _entity(self) -> None:
        names = [self._declared()]
        while self._taken(","):
            names.append(self._declared())
        record = Type(kind="record")
        parents: list[str] = []
        if self._taken("enum"):
            self._names()
        if self._taken("in"):
            parents = self._names()
        if self._taken("=") or self._peek() == "{":
            record = self._type()
        if self._taken("tags"):
            self._type()
        self._expect(";")
        self._entities |= dict.fromkeys(names, record)
        self._parents |= dict.fromkeys(names, tuple(parents))

    def _action(self) -> None:
        names = [self._next().strip('"')]
        while self._taken(","):
            names.append(self._next().strip('"'))
        if self._taken("in"):
            self._names()
        if self._taken("appliesTo"):
            self._expect("{")
            parts: dict[str, Any] = {"context": Type(kind="record")}
            while not self._taken("}"):
                part = self._next()
                self._expect(":")
                parts[part] = self._type() if part == "context" else tuple(self._names())
                self._taken(",")
            shape = ActionShape(principals=parts["principal"], resources=parts["resource"], context=parts["context"])
            self._actions |= dict.fromkeys(names, shape)
        self._expect(";")

    def _type(self) -> Type:
        if self._taken("{"):
            fields: dict[str, tuple[Type, bool]] = {}
            while not self._taken("}"):
                while self._taken("@"):
                    self._next()
                    self._parenthesis()
                name = self._next().strip('"')
                required = not self._taken("?")
                self._expect(":")
                fields[name] = (self._type(), required)
                self._taken(",")
            return Type(kind="record", fields=fields)
        name = self._next().removeprefix("__cedar::")
        if name == "Set":
            self._expect("<")
            inner = self._type()
            self._expect(">")
            return Type(kind="set", of=inner)
        known = {"String": "string", "Long": "long", "Bool": "bool", "Boolean": "bool"}
        if name in known:
            return Type(kind=known[name])
        return Type(kind="named", name=name)

    def _resolved(self, type_: Type) -> Type:
        """Put what a name stands for in its place; it may have been declared later."""
        if type_.kind == "named":
            if type_.name in self._aliases:
                return self._resolved(self._aliases[type_.name])
            return Type(kind="entity", name=type_.name) if type_.name in self._entities else Type(kind=type_.name)
        if type_.kind == "set" and type_.of is not None:
            return Type(kind="set", of=self._resolved(type_.of))
        if type_.kind == "record":
            return Type(kind="record", fields={n: (self._resolved(t), r) for n, (t, r) in type_.fields.items()})
        return type_
