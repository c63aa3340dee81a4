"""Whether two bundles answer every request alike that fits the schema: proved with Z3, for each kind of request by itself.

A kind of request is an action, asked between a type of principal and a type of resource. Z3 runs in a child process with limits of time and
memory (`policy_formula` says what is modelled, and how); it is the extra `prove`. Three things can come out:

proved: no request of the kind that fits the schema of both bundles is answered otherwise, `allow`, `deny` and `needs_review` with their
obligations, and errors. Which policies are named as reasons may differ.
differs: a request that the engine itself answers otherwise with one bundle than with the other. What Z3 alone holds for one is no difference.
undecided: neither; it says why.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from interlock.domain.decisions import Entity
from interlock.domain.errors import ExecutorFailed, Unavailable
from interlock.governance import policy_diff
from interlock.governance.decide import Bundle
from interlock.governance.policy_diff import Difference
from interlock.governance.policy_requests import Requests
from interlock.governance.policy_schema import Shapes, shapes
from interlock.governance.policy_terms import Path
from interlock.infra.child_pool import ChildPool

MISSING: Final = 'not proved: the extra `prove` is not installed. Install it where the API runs, with `pip install "interlock[prove]"`.'
SECONDS: Final = 15.0  # in all
SOLVER_S: Final = 4.0  # for one question to Z3, of which a kind takes at most two
STARTING_S: Final = 10.0
MEMORY_MIB: Final = 512
OUTSIDE_SHOWN: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(NamedTuple):
    """A kind of request."""

    principal: str
    action: str
    resource: str


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A kind about which nothing was proved, and why."""

    kind: Kind
    reason: str


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What came out: of `kinds`, how many are `proved`, a difference of each that differs, and those that are undecided.

    `problem` says why nothing was tried.
    """

    kinds: int = 0
    proved: int = 0
    differences: tuple[Difference, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    problem: str | None = None


def installed() -> bool:
    """Tell whether the extra is there, without loading it."""
    return importlib.util.find_spec("z3") is not None


class Prover:
    """Asks a proving process, which is started when it is first needed. `there` tells whether the extra is."""

    def __init__(
        self,
        *,
        memory_mib: int = MEMORY_MIB,
        solver_s: float = SOLVER_S,
        there: Callable[[], bool] = installed,
    ) -> None:
        self._there = there
        self._solver_s = solver_s
        self._pool = ChildPool(
            name="proving",
            handler="interlock.governance.policy_formula:handler",
            config={"memory_mib": memory_mib},
            size=1,
        )

    async def close(self) -> None:
        """End the process, where there is one."""
        await self._pool.close()

    async def prove(self, before: Bundle, after: Bundle, *, until: float) -> Proof:
        """Prove what can be until then (of `time.monotonic`), of the actions that both bundles know."""
        if not self._there():
            return Proof(problem=MISSING)
        try:
            known, same, other, asked = await asyncio.to_thread(_by_text, before, after)  # it takes a moment
        except ValueError as error:
            return Proof(problem=f"not proved: the schema could not be read, {error}.")
        proved, differences, undecided = same, [], list(other)
        for kind, body in asked:
            said = await self._said(body, until)
            if said["result"] == "proved":
                proved += 1
                continue
            difference = await asyncio.to_thread(shown, before, after, known, kind, said)
            if difference is not None:
                differences.append(difference)
            else:
                undecided.append(Undecided(kind=kind, reason=_why(said)))
        return Proof(
            kinds=same + len(other) + len(asked),
            proved=proved,
            differences=tuple(differences),
            undecided=tuple(undecided),
        )

    async def _said(self, body: dict[str, Any], until: float) -> dict[str, Any]:
        left = until - time.monotonic()
        if left <= 0:
            return {"result": "undecided", "why": "timeout", "outside": []}
        solver_s = min(self._solver_s, left)
        body["timeout_ms"] = max(1, round(solver_s * 1000))
        try:
            result = await self._pool.call(body, timeout_s=min(2 * solver_s, left) + STARTING_S)
        except (ExecutorFailed, Unavailable) as error:
            return {"result": "undecided", "why": error.detail, "outside": []}
        said: dict[str, Any] = result.value
        return said


def question(before: Bundle, after: Bundle, kind: Kind) -> dict[str, Any]:
    """Give what `policy_formula.decide` is asked about a kind."""
    return {
        "schema": str(after.rules.schema),
        "action": kind.action,
        "principal": kind.principal,
        "resource": kind.resource,
        "sides": [_side(bundle, kind.action) for bundle in (before, after)],
        "timeout_ms": round(SOLVER_S * 1000),
    }


def shown(before: Bundle, after: Bundle, known: Shapes, kind: Kind, said: Mapping[str, Any]) -> Difference | None:
    """Give the request that Z3 found, made smaller, where the engine answers it otherwise with one bundle than with the other."""
    if said["result"] != "differs":
        return None
    differing = policy_diff.differing(kind.action, before, after)
    space = Requests(known, kind.action, kind.principal, kind.resource, differing, before, after)
    try:
        facts = {tuple(fact["path"]): _fact(space, fact) for fact in said["facts"]}
    except (OverflowError, ValueError):
        return None
    return policy_diff.smallest(before, after, space, facts)


def _by_text(before: Bundle, after: Bundle) -> tuple[Shapes, int, list[Undecided], list[tuple[Kind, dict[str, Any]]]]:
    """Tell without Z3 about how many kinds the same policies decide, of which the schemas differ, and which to ask about, and how.

    Raises:
        ValueError: a schema cannot be read.
    """
    was, known = shapes(before.rules.schema), shapes(after.rules.schema)
    same, other, asked = 0, [], []
    for kind in _kinds(known, before):
        if not _alike(was, known, kind):
            other.append(Undecided(kind=kind, reason="the two schemas say otherwise of it"))
        elif policy_diff.text_of(before, kind.action) == policy_diff.text_of(after, kind.action):
            same += 1
        else:
            asked.append((kind, question(before, after, kind)))
    return known, same, other, asked


def _kinds(known: Shapes, before: Bundle) -> Iterator[Kind]:
    for action, shape in sorted(known.actions.items()):
        if action in before.rules.actions:
            for principal, resource in itertools.product(shape.principals, shape.resources):
                yield Kind(principal, action, resource)


def _alike(was: Shapes, known: Shapes, kind: Kind) -> bool:
    """Tell whether both schemas let the same requests of a kind be asked, and put the same types under others."""
    types = (kind.principal, kind.resource)
    return (
        was.actions.get(kind.action) == known.actions[kind.action]
        and all(was.entities.get(type_) == known.entities.get(type_) for type_ in types)
        and all(was.parents[type_] == known.parents.get(type_) for type_ in was.parents)
    )


def _side(bundle: Bundle, action: str) -> list[dict[str, Any]]:
    rules = bundle.rules
    return [
        {
            "id": id_,
            "form": {name: part for name, part in rules.forms[id_].items() if name != "annotations"},
            "obligations": rules.policies[id_].obligations,
        }
        for id_ in rules.actions[action].ids
    ]


def _fact(space: Requests, fact: Mapping[str, Any]) -> Any:
    path: Path = tuple(fact["path"])
    if fact["kind"] == "present":
        return space.present(path)
    if path[-1] == "@id":
        return fact["value"]
    if fact["kind"] == "set":
        return [_value(fact["of"], fact["type"], item) for item in fact["value"]]
    return _value(fact["kind"], fact["type"], fact["value"])


def _value(kind: str, type_: str, value: Any) -> Any:
    match kind:
        case "long":
            return int(value)
        case "decimal":
            return Decimal(value).scaleb(-4)
        case "datetime":
            return _EPOCH + timedelta(milliseconds=int(value))
        case "entity":
            return Entity(type=type_, id=value)
    return value


def _why(said: Mapping[str, Any]) -> str:
    """Say why a kind is undecided: what is not modelled, or that time was up."""
    found: Sequence[Sequence[str]] = said["outside"]
    if said["result"] == "undecided":
        return "it took too long" if said["why"] in ("timeout", "canceled") else f"no answer: {said['why']}"
    if not found:
        return "Z3 found a request, and the engine answers it alike"
    named = [f"{policy} uses {what}" for policy, what in found[:OUTSIDE_SHOWN]]
    more = len(found) - len(named)
    return "; ".join([*named, *([f"{more} more"] if more else [])])
