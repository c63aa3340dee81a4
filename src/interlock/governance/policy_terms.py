"""What a condition of a policy says of given facts: Cedar's JSON expressions, evaluated here so that facts can be looked for that make them so.

The engine alone decides. What is evaluated here only says where to look; an expression that is not known raises Unknown, and is left to chance.
https://docs.cedarpolicy.com/policies/json-format.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from interlock.domain.decisions import Entity

Path = tuple[str, ...]
ID: Final = "@id"  # of the principal or the resource itself
SELF: Final = "asker"
_PARTS: Final = ("principal", "resource")
_DURATION: Final = re.compile(r"(\d+)(ms|[dhms])")
_UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "+": operator.add, "-": operator.sub, "*": operator.mul,
    "lessThan": operator.lt, "lessThanOrEqual": operator.le, "greaterThan": operator.gt, "greaterThanOrEqual": operator.ge,
    "offset": operator.add, "durationSince": operator.sub,
}  # fmt: skip


class Unknown(Exception):
    """The expression, or what it needs, is not known here."""


def path_of(form: Any) -> Path | None:
    """Give the path of a fact that an expression names; None where it is something else."""
    if "Var" in form:
        return (form["Var"], ID) if form["Var"] in _PARTS else None
    names: list[str] = []
    while "." in form:
        names.append(form["."]["attr"])
        form = form["."]["left"]
    return (form["Var"], *reversed(names)) if names and "Var" in form else None


def had(form: Any) -> Path | None:
    """Give the path whose presence a `has` asks for."""
    left = form["left"]
    before = (left["Var"],) if "Var" in left else path_of(left)
    return None if before is None else (*before, form["attr"])


def paths(form: Any) -> Iterator[Path]:
    """Give the facts that an expression speaks of."""
    if isinstance(form, Mapping):
        found = had(form["has"]) if "has" in form else path_of(form) if "." in form or "Var" in form else None
        if found is not None:
            yield found
        elif "Value" not in form:
            for part in form.values():
                yield from paths(part)
    elif isinstance(form, list | tuple):
        for part in form:
            yield from paths(part)


def constant(value: Any) -> Any:
    """Give the value of a literal."""
    if isinstance(value, Mapping):
        if "__entity" not in value:
            raise Unknown
        return Entity(type=value["__entity"]["type"], id=value["__entity"]["id"])
    return value


def duration(text: str) -> timedelta:
    """Read Cedar's durations, such as `1d2h` or `-30m`."""
    units = _DURATION.findall(text)
    if "".join("".join(unit) for unit in units) != text.lstrip("-"):
        raise Unknown
    try:
        found = timedelta(milliseconds=sum(int(number) * _UNITS[unit] for number, unit in units))
    except OverflowError as error:
        raise Unknown from error
    return -found if text.startswith("-") else found


def instant(text: str) -> datetime:
    """Read Cedar's datetimes: a day, or a time with an offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unknown from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def evaluate(form: Any, facts: Mapping[Path, Any], types: Mapping[str, str]) -> Any:
    """Give what an expression says where facts are so; one that is absent is None.

    Args:
        types: of the principal and the resource.

    Raises:
        Unknown: it is not known here, or the engine would err.
    """
    found = path_of(form)
    if found is not None:
        value = _entity(found, facts, types) if found[-1] == ID else facts.get(found)
        if value is None:
            raise Unknown
        return resolved(value, facts, types)
    ((kind, body),) = form.items()
    if kind == "Value":
        return constant(body)
    if kind == "has":
        return (at := had(body)) is not None and facts.get(at) is not None
    if kind in _EXTENSIONS:
        return _EXTENSIONS[kind](body[0].get("Value", ""))
    if kind == "Set":
        return [evaluate(item, facts, types) for item in body]
    if kind == "is":
        return evaluate(body["left"], facts, types).type == body["entity_type"] and "in" not in body
    if kind == "like":
        pattern = "".join(".*" if part == "Wildcard" else re.escape(part["Literal"]) for part in body["pattern"])
        return re.fullmatch(pattern, evaluate(body["left"], facts, types), re.DOTALL) is not None
    parts = body if isinstance(body, Sequence) else [body[part] for part in ("left", "right", "arg") if part in body]
    return _applied(kind, [evaluate(part, facts, types) for part in parts])


_EXTENSIONS: Final[Mapping[str, Callable[[str], Any]]] = {
    "decimal": Decimal, "datetime": instant, "duration": duration,
}  # fmt: skip


def _applied(kind: str, given: Sequence[Any]) -> Any:
    if kind in _COMPARISONS and len(given) == 2:
        try:
            return _COMPARISONS[kind](*given)
        except TypeError as error:
            raise Unknown from error
    keys = [key(value) for value in given]
    match kind:
        case "==":
            return keys[0] == keys[1]
        case "!=":
            return keys[0] != keys[1]
        case "!" | "neg":
            return not given[0] if kind == "!" else -given[0]
        case "contains":
            return keys[1] in keys[0]
        case "containsAll":
            return keys[1] <= keys[0]
        case "containsAny":
            return bool(keys[0] & keys[1])
        case "isEmpty":
            return not given[0]
        case "in":
            return keys[0] in keys[1] if isinstance(given[1], list) else keys[0] == keys[1]
    raise Unknown


def key(value: Any) -> Any:
    """Give what two values are compared by."""
    if isinstance(value, list):
        return frozenset(key(item) for item in value)
    if isinstance(value, Entity):
        return ("entity", value.type, value.id)
    return (type(value).__name__, value)


def _entity(path: Path, facts: Mapping[Path, Any], types: Mapping[str, str]) -> Entity:
    return Entity(type=types[path[0]], id=facts[path])


def resolved(value: Any, facts: Mapping[Path, Any], types: Mapping[str, str]) -> Any:
    """Put the asker's own ID into references to them, which say SELF."""
    if isinstance(value, list):
        return [resolved(item, facts, types) for item in value]
    if isinstance(value, Entity) and value.id == SELF and value.type == types["principal"]:
        return Entity(type=value.type, id=facts.get(("principal", ID), SELF))
    return value
