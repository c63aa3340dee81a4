"""What a policy says that the schema cannot refute: roles that nobody can hold, and conditions that can never hold; and how deep it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from interlock.domain.errors import ConfigurationError

BRACKETS_MAX: Final = 32
DEPTH_MAX: Final = 250
FORM_DEPTH_MAX: Final = 120  # the engine's JSON reader stops at 128, of which the set around a policy takes some
_DEEPENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|\|\||&&|\bif\b|[-+*.!()\[\]{};,]', re.DOTALL)
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
    if _contradict(whole):
        raise ConfigurationError(
            f'{file}: policy "{id_}" can never match: its conditions contradict each other.',
            fix="Correct the conditions, or take the policy out.",
        )


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


def _contradict(parts: list[Any]) -> bool:
    """Tell whether one thing is asked to equal two constants, or to hold and not to hold."""
    equal: dict[str, Any] = {}
    held = {repr(part) for part in parts}
    for part in parts:
        if isinstance(part, Mapping) and "!" in part and repr(part["!"]["arg"]) in held:
            return True
        if not (isinstance(part, Mapping) and "==" in part):
            continue
        left, right = part["=="]["left"], part["=="]["right"]
        if "Value" in left:
            left, right = right, left
        if "Value" in right and equal.setdefault(repr(left), right["Value"]) != right["Value"]:
            return True
    return False
