"""What a refusal says where no policy permits: which permission is missing, in plain words, and who can give it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.domain.decisions import Question

NAMES_MAX: Final = 8
OTHERS_MAX: Final = 3
NAME_CHARS_MAX: Final = 64
_THINGS: Final = {
    "account": "accounts", "audit": "the audit log", "automation": "automations", "delegation": "delegations", "document": "documents",
    "elevation": "emergency elevations", "key": "API keys", "metrics": "figures", "model": "model versions", "policy": "policies",
    "provider": "identity providers", "review": "reviews", "secret": "connection secrets", "session": "sessions", "system": "the system",
    "task": "tasks", "tenant": "tenants", "view": "views", "webhook": "the tenant's webhook",
}  # fmt: skip
_DOES: Final = {"list": "see", "read": "see", "write": "change", "rollback": "roll back", "acknowledge": "review"}
_PHRASES: Final = {
    "account.link": "state which names are one person",
    "account.password": "set the passwords of others",
    "account.unlink": "end that names are one person",
    "delegation.give": "lend rights to answer reviews",
    "elevation.open": "take an emergency elevation",
    "model-key.rotate": "make another key for the statements of models",
    "policy.ask": "ask the policies",
    "privacy.erase": "erase a person",
    "privacy.read": "see what is kept of a person",
    "review.ask": "ask back about reviews",
}


@dataclass(frozen=True, kw_only=True)
class Holders:
    """Which roles the permits of an action ask for: by name, and as facts of what it is about (`resource.role`).

    `others` are what permits say that ask for none, such as that of one's own.
    """

    roles: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


NOBODY: Final = Holders()


def holders(permits: Sequence[Mapping[str, Any]]) -> Mapping[str, Holders]:
    """Read from Cedar's JSON which roles permits ask for, by the type of the principal."""
    return {kind: _holders(permits, kind) for kind in ("User", "Agent")}


def _holders(permits: Iterable[Mapping[str, Any]], kind: str) -> Holders:
    roles: set[str] = set()
    facts: set[str] = set()
    others: list[str] = []
    for form in permits:
        if form["principal"].get("entity_type", kind) != kind:
            continue
        conditions = form.get("conditions", ())
        asked = [one for c in conditions if c["kind"] == "when" for one in _wanted(c["body"])]
        for what, name in asked:
            (roles if what == "role" else facts).add(name)
        # An emergency elevation is no way to a right.
        if not asked and '"elevation"' not in json.dumps(conditions):
            others.append(form["annotations"]["reason"])
    return Holders(roles=tuple(sorted(roles)), facts=tuple(sorted(facts)), others=tuple(others[:OTHERS_MAX]))


def _wanted(form: Any) -> Iterator[tuple[str, str]]:
    """Give what stands in `principal.roles.contains(…)` and `containsAny(…)`."""
    if isinstance(form, list):
        for item in form:
            yield from _wanted(item)
    if not isinstance(form, Mapping):
        return
    for name, body in form.items():
        if name in ("contains", "containsAny") and body["left"] == _ROLES:
            right = body["right"]
            for item in right.get("Set", [right]):
                if isinstance(item.get("Value"), str):
                    yield "role", item["Value"]
                elif item.get(".", {}).get("left") == {"Var": "resource"}:
                    yield "fact", item["."]["attr"]
        elif name != "!":
            yield from _wanted(body)


_ROLES: Final = {".": {"left": {"Var": "principal"}, "attr": "roles"}}


def phrase(action: str) -> str:
    """Say an action of a route in words; one that is an automation's own stays as it is written."""
    thing, _, verb = action.partition(".")
    if action in _PHRASES:
        return _PHRASES[action]
    return f"{_DOES.get(verb, verb)} {_THINGS[thing]}" if thing in _THINGS else action


def reason(question: Question, by_kind: Mapping[str, Holders]) -> str:
    """Say what is missing, and who can give it."""
    action, attrs = question.action, question.principal.attrs
    holders = by_kind.get(question.principal.type, NOBODY)
    if question.principal.type == "Service":
        if action.startswith("effect."):
            effect = str(question.context.get("effect", action))[:NAME_CHARS_MAX]
            return f"The automation does not declare {effect}. Its author can, in `effects` of its automation.toml."
        return f"No permit of the automation's policy holds for {action} with these facts. Its author can add one in its folder `policy`."
    missing = f"The permission to {phrase(action)} is missing here."
    about = [value for fact in holders.facts for value in _texts(question.resource.attrs.get(fact))]
    own = _texts(attrs.get("roles"))
    needed = sorted({*holders.roles, *about})
    others = "".join(f" {one}" for one in holders.others)
    if not needed:
        return f"{missing} No role has it; an owner can add a permit to the tenant's policies.{others}"
    asked = f"this is asked with {_named(own)}" if own else "this is asked without any role"
    return f"{missing} It comes with {_named(needed, 'or')}; {asked}. An owner can give one of these, to an account or by a key.{others}"


def _texts(value: Any) -> list[str]:
    found = [value] if isinstance(value, str) else value if isinstance(value, list | tuple | set | frozenset) else []
    return sorted(one[:NAME_CHARS_MAX] for one in found if isinstance(one, str))


def _named(names: Sequence[str], last: str = "and") -> str:
    shown = list(names[:NAMES_MAX]) + ([f"{len(names) - NAMES_MAX} more"] if len(names) > NAMES_MAX else [])
    word = "the role" if len(names) == 1 else "the roles" if last == "and" else "one of the roles"
    return f"{word} {', '.join(shown[:-1])} {last} {shown[-1]}" if len(shown) > 1 else f"{word} {shown[0]}"
