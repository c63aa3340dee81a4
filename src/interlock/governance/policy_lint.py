"""What a policy says that the schema cannot refute: roles that nobody can hold, and conditions that can never hold; and how deep it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from interlock.domain.decisions import Entity
from interlock.domain.errors import ConfigurationError
from interlock.domain.reviews import Verdict
from interlock.governance.policy_terms import ID, Path, Unknown, constant, evaluate, path_of, paths
from interlock.governance.policy_witness import Constants

BRACKETS_MAX: Final = 32
DEPTH_MAX: Final = 250
FORM_DEPTH_MAX: Final = 120  # the engine's JSON reader stops at 128, of which the set around a policy takes some
_DEEPENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|\|\||&&|\bif\b|[-+*.!()\[\]{};,]', re.DOTALL)
WAYS_MAX: Final = 8
LONG_MAX: Final = 2**63 - 1
# Facts that have these values and no other, whatever the schema can say of texts.
_KNOWN_VALUES: Final[Mapping[tuple[str | None, Path], tuple[str, ...]]] = {
    ("review.answer", ("context", "verb")): tuple(one.value for one in Verdict if one is not Verdict.EXPIRED),
}
_COMPARED = {"==": (False, True), "!=": (True, False)}


def check_depth(file: str, text: str) -> None:
    """Refuse a text that is nested deeper than the engine can stand: its parser recurses, and ends the whole process where the stack does.

    Raises:
        ConfigurationError: over `BRACKETS_MAX` brackets in each other, or `DEPTH_MAX` of them with the operators that are chained in them.
    """
    chained, depth = [0], 0  # operators so far at each open bracket, and all of them
    for sign in _DEEPENS.findall(text):
        if sign.startswith(('"', "//")):
            continue
        if sign in ("(", "[", "{"):
            chained.append(0)
        elif sign in (")", "]", "}"):
            depth -= chained.pop() if len(chained) > 1 else 0
        elif sign in (",", ";"):
            depth, chained[-1] = depth - chained[-1], 0
        else:
            depth, chained[-1] = depth + 1, chained[-1] + 1
        if len(chained) - 1 > BRACKETS_MAX or depth + len(chained) > DEPTH_MAX:
            raise _too_deep(file)


def check_form_depth(file: str, form: Any) -> None:
    """Refuse a policy whose JSON form is nested deeper than the engine reads it back. Raises ConfigurationError."""
    level, depth = [form], 0
    while level:
        if (depth := depth + 1) > FORM_DEPTH_MAX:
            raise _too_deep(file)
        inner = (part.values() if isinstance(part, Mapping) else part for part in level)
        level = [item for items in inner for item in items if isinstance(item, Mapping | list)]


def _too_deep(file: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file}: a policy is nested too deep.",
        fix=f"At most {BRACKETS_MAX} brackets in each other and some fifty conditions in a chain: use a set, or several policies.",
    )


def check(file: str, id_: str, form: Mapping[str, Any], roles: frozenset[str] | None) -> None:
    """Refuse a policy (Cedar's JSON form) that names an unknown role or can never match.

    Raises:
        ConfigurationError: names file, policy, and the fix.
    """
    if roles is not None and (unknown := sorted(named_roles(form) - roles)):
        raise ConfigurationError(
            f'{file}: policy "{id_}" names the role "{unknown[0]}", which nobody can hold.',
            fix=f"Known are {', '.join(sorted(roles))}; an automation declares its own under `roles` in automation.toml.",
        )
    if _overflows(form.get("conditions", ())):
        raise ConfigurationError(
            f'{file}: policy "{id_}" always errs, so that all it is about is denied: it calculates with constants beyond 64 bits.',
            fix="Write the number that is meant.",
        )
    for condition in form.get("conditions", ()):
        never = condition["kind"] != "when"  # what it says when it keeps the policy from matching
        if truth(condition["body"]) is never:
            raise ConfigurationError(
                f'{file}: policy "{id_}" can never match: its `{condition["kind"]}` always says {str(never).lower()}.',
                fix="Correct the condition, or take the policy out.",
            )
    whole = [
        part
        for condition in form.get("conditions", ())
        for part in (
            _flat(condition["body"], "&&") if condition["kind"] == "when" else [{"!": {"arg": condition["body"]}}]
        )
    ]
    if _contradict(whole, *_about(form)):
        raise ConfigurationError(
            f'{file}: policy "{id_}" can never match: its conditions contradict each other.',
            fix="Correct the conditions, or take the policy out.",
        )


def _overflows(conditions: Any) -> bool:
    """Tell whether constants are added, subtracted or multiplied to what Cedar has no number for."""
    for operator, body in _operations(conditions):
        if operator in ("+", "-", "*") and not set(paths(body)):
            try:
                value = evaluate({operator: body}, {}, {})
            except (Unknown, TypeError):
                continue
            if isinstance(value, int) and not -LONG_MAX - 1 <= value <= LONG_MAX:
                return True
    return False


def _about(form: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Give the types that a scope says of principal and resource, and the action where it is one."""
    types = {part: form[part]["entity_type"] for part in ("principal", "resource") if "entity_type" in form[part]}
    types |= {
        part: form[part]["entity"]["type"]
        for part in ("principal", "resource")
        if form[part]["op"] == "==" and "entity" in form[part]
    }
    action = form["action"]
    return types, action["entity"]["id"] if action["op"] == "==" else None


def named_roles(form: Mapping[str, Any]) -> set[str]:
    """Give the roles that a policy names: held against `principal.roles` from either side, and in `@review`."""
    found = {form["annotations"]["review"]} if form.get("annotations", {}).get("review") else set()
    for operator, body in _operations(form.get("conditions", ())):
        if operator in ("contains", "containsAny", "containsAll", "==", "!="):
            for one, other in (("left", "right"), ("right", "left")):
                found |= set(_texts(body[other])) if _is_roles(body[one]) else set()
    return found


def _is_roles(form: Any) -> bool:
    dot = form.get(".") if isinstance(form, Mapping) else None
    return dot is not None and dot["attr"] == "roles" and dot["left"] == {"Var": "principal"}


def _texts(form: Any) -> Iterator[str]:
    if isinstance(form, Mapping) and isinstance(form.get("Value"), str):
        yield form["Value"]
    elif isinstance(form, Mapping) and "Set" in form:
        for item in form["Set"]:
            yield from _texts(item)


def _operations(form: Any) -> Iterator[tuple[str, Any]]:
    """Give every operator of an expression with its operands, at whatever depth."""
    if isinstance(form, Mapping):
        for operator, body in form.items():
            if isinstance(body, Mapping) and "left" in body:
                yield operator, body
            yield from _operations(body)
    elif isinstance(form, list | tuple):
        for item in form:
            yield from _operations(item)


def truth(form: Any) -> bool | None:
    """Give what an expression says whatever the request, or None where that depends on it.

    Sees constants, `&&`, `||`, `!`, `if`, and equalities that contradict each other within one `&&`.
    """
    if not isinstance(form, Mapping) or len(form) != 1:
        return None
    ((operator, body),) = form.items()
    if operator == "Value":
        return body if isinstance(body, bool) else None
    if operator == "!":
        inner = truth(body["arg"])
        return None if inner is None else not inner
    if operator == "if-then-else":
        asked, then, otherwise = (truth(body[part]) for part in ("if", "then", "else"))
        return (then if asked else otherwise) if asked is not None else then if then == otherwise else None
    if operator in ("&&", "||"):
        return _joined(form, operator)
    if operator in _COMPARED and "Value" in body["left"] and "Value" in body["right"]:
        return _COMPARED[operator][body["left"]["Value"] == body["right"]["Value"]]
    return None


def _joined(form: Any, operator: str) -> bool | None:
    parts = list(_flat(form, operator))
    ends = operator == "||"  # the value that decides alone
    values = [truth(part) for part in parts]
    if ends in values:
        return ends
    if all(value is not None for value in values):
        return not ends
    return False if operator == "&&" and _contradict(parts) else None


def _flat(form: Any, operator: str) -> Iterator[Any]:
    if isinstance(form, Mapping) and operator in form:
        yield from _flat(form[operator]["left"], operator)
        yield from _flat(form[operator]["right"], operator)
    else:
        yield form


def _contradict(parts: list[Any], types: Mapping[str, str] | None = None, action: str | None = None) -> bool:
    """Tell whether one thing is asked to hold and not to hold, to be of two types, or to have values that no value has all of.

    Args:
        types: of the principal and the resource, where the scope says so. action: the one that it is about, where it is one.
    """
    held = {repr(part) for part in parts}
    of_type = dict(types or {})
    for part in parts:
        if isinstance(part, Mapping) and "!" in part and repr(part["!"]["arg"]) in held:
            return True
        if isinstance(part, Mapping) and "is" in part and "Var" in part["is"]["left"]:
            kind = part["is"]["entity_type"]
            if of_type.setdefault(part["is"]["left"]["Var"], kind) != kind:
                return True
    if _valueless(parts, action):
        return True
    for place, part in enumerate(parts):
        if isinstance(part, Mapping) and "||" in part:
            rest = [*parts[:place], *parts[place + 1 :]]
            ways = list(_flat(part, "||"))
            return len(ways) <= WAYS_MAX and all(_contradict([*rest, *_flat(way, "&&")], types, action) for way in ways)
    return False


def _valueless(parts: list[Any], action: str | None) -> bool:
    """Tell whether there is a fact of which no value is as all parts want that speak of nothing else."""
    about: dict[Path, list[Any]] = {}
    for part in parts:
        if len(named := set(paths(part))) == 1:
            about.setdefault(named.pop(), []).append(part)
    for path, wanted in about.items():
        values = next((list(found) for found in map(_listed, wanted) if found is not None), None)
        if (known := _KNOWN_VALUES.get((action, path))) is not None:
            values = [value for value in known if values is None or value in values]
            if not values:
                return True
        if values is None:  # where an order turns: at a constant, and just beside it
            wanted = [part for part in wanted if _bounds(part)]
            constants = Constants(wanted)
            values = [*constants.near("long"), *constants.near("decimal")] if wanted else None
        if values and not any(all(_may(part, path, value) for part in wanted) for value in values):
            return True
    return False


_ORDERED: Final = frozenset({"<", "<=", ">", ">=", "lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"})


def _bounds(part: Any) -> bool:
    """Tell whether a part compares a fact itself with a constant: between two constants, its answer is the same."""
    if not isinstance(part, Mapping) or next(iter(part)) not in _ORDERED:
        return False
    (body,) = part.values()
    sides = [body["left"], body["right"]] if isinstance(body, Mapping) else body
    return any(path_of(side) is not None for side in sides) and any(
        "Value" in side or "decimal" in side for side in sides
    )


def _listed(part: Any) -> list[Any] | None:
    """Give the constants that a fact must be one of, where a part says so."""
    if not isinstance(part, Mapping):
        return None
    if "==" in part:
        for side, other in (("left", "right"), ("right", "left")):
            if path_of(part["=="][side]) is not None and "Value" in part["=="][other]:
                return [part["=="][other]["Value"]]
    if "contains" in part and path_of(part["contains"]["right"]) is not None:
        items = part["contains"]["left"].get("Set", ())
        if items and all("Value" in item for item in items):
            return [item["Value"] for item in items]
    return None


def _may(part: Any, path: Path, value: Any) -> bool:
    """Tell whether a part may hold where a fact has a value; what cannot be told may."""
    try:
        given = constant(value)
        facts = {path: given.id if path[-1] == ID and isinstance(given, Entity) else given}
        types = {path[0]: given.type} if isinstance(given, Entity) else {}
        return evaluate(part, facts, {"principal": "", "resource": "", **types}) is not False
    except (Unknown, ArithmeticError, TypeError, KeyError, AttributeError, ValueError):
        return True
