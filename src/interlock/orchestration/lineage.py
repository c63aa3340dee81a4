"""Lineage: from a document to each value that was read from it, and to each decision and effect that used the value.

Computed from the journal when it is asked for; nothing more is written for it. An automation is deterministic and everything that it
learns is a recorded effect, so whatever an effect took in stands in the task's input or in the outcome of an earlier effect. How sure a
step of the trace is, is said with it:

    equal     the value itself stands in the effect's input, at a pointer that is named
    derived   the input holds something that an effect gave which took the value in
    before    the value was known when the decision was made; nothing shows that it was used, and nothing that it was not
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from interlock.domain import canonical, pointers
from interlock.domain.ports import ObjectStore
from interlock.governance.facts import untagged
from interlock.infra.database import Database
from interlock.orchestration.task_views import EffectView, TaskView, TaskViews

TASKS_MAX: Final = 50
VALUES_MAX: Final = 500
NODES_MAX: Final = 50_000
SHORT: Final = 3  # characters: a shorter value stands in too many places to say where it came from
PLACE: Final = ("page", "box", "confidence")
DECIDING: Final = frozenset({"decide", "review"})
How = Literal["equal", "derived", "before"]
# As the erasure of a document finds its tasks. An input in the object store is found by the effects that name the document.
_TASKS: Final = """
select t.id from tasks t where t.tenant = current_tenant()
    and t.accepted_at >= (select created_at from documents d where d.tenant = t.tenant and d.id = %(document)s)
    and (strpos(t.input::text, %(document)s) > 0 or (t.input_ref is not null and exists (select from effects e
        where e.tenant = t.tenant and e.task_id = t.id and strpos(e.input::text, %(document)s) > 0)))
order by t.accepted_at desc, t.id desc limit %(limit)s"""


@dataclass(frozen=True, kw_only=True)
class Use:
    """An effect that a value reached. `at` is where in its input, for `equal`. `names` is the ID that its outcome has, such as a posting's."""

    effect: str
    kind: str
    name: str
    status: str
    how: How
    at: str | None
    recorded_at: datetime | None
    answer: str | None = None
    policy_version: str | None = None
    reasons: Sequence[str] = ()
    by: str | None = None
    names: str | None = None


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value that a model read. `pointer` is its place in the outcome of `effect`; `box` is in fractions of the page."""

    effect: str
    pointer: str
    value: Any
    confidence: float | None
    page: int | None
    box: Sequence[float] | None
    model_version: str | None
    documents: Sequence[str]
    decisions: Sequence[Use]
    effects: Sequence[Use]


@dataclass(frozen=True, kw_only=True)
class TaskLineage:
    """A task, and what it made of its documents. `complete` is False where there was more than is traced."""

    task: TaskView
    documents: Sequence[str]
    values: Sequence[Value]
    complete: bool


@dataclass(kw_only=True)
class _Known:
    """An effect, with what stands in its input and what its outcome carries on, by key."""

    view: EffectView
    taken: Mapping[str, str]
    given: frozenset[str] = field(default_factory=frozenset)


class Lineages:
    """Reads the journal, one task at a time."""

    def __init__(self, database: Database, objects: ObjectStore, views: TaskViews) -> None:
        self._database = database
        self._objects = objects
        self._views = views

    async def of_task(self, tenant: str, task_id: str) -> TaskLineage:
        """Trace every value that models gave in a task. Raises NotFound."""
        task = await self._views.get(tenant, task_id)
        effects = [await self._whole(tenant, task_id, one) for one in await self._views.effects(tenant, task_id)]
        # In a thread: a long journal takes a moment, and others wait for the loop.
        values, complete = await asyncio.to_thread(trace, [one for one in effects if one.recorded_at is not None])
        named = dict.fromkeys(d for one in effects if one.kind == "infer" for d in _documents(one.input))
        return TaskLineage(task=task, documents=list(named), values=values, complete=complete)

    async def of_document(self, tenant: str, document_id: str) -> tuple[list[str], bool]:
        """Give the tasks that name a document, newest first, and whether these are all."""
        values = {"document": document_id, "limit": TASKS_MAX + 1}
        async with self._database.tenant(tenant) as conn:
            rows = await (await conn.execute(_TASKS.encode(), values)).fetchall()
        return [row[0] for row in rows[:TASKS_MAX]], len(rows) <= TASKS_MAX

    async def _whole(self, tenant: str, task_id: str, view: EffectView) -> EffectView:
        """Give an effect with input and outcome that stand in the object store put in."""
        found = dict(view.__dict__)
        for part in ("input", "outcome"):
            value = found[part]
            if isinstance(value, dict) and value.keys() == {"ref"}:
                found[part] = canonical.loads(await self._objects.get(str(value["ref"])))
        return EffectView(**found)


def trace(effects: Sequence[EffectView]) -> tuple[list[Value], bool]:
    """Trace each value that an inference gave through the effects after it, which are in the order of their record.

    Gives the values, and whether all were traced.
    """
    known = [_known(view) for view in effects]
    found: list[Value] = []
    for place, one in enumerate(known):
        if one.view.kind != "infer" or one.view.status != "ok":
            continue
        for pointer, item in _values(one.view.outcome):
            if len(found) == VALUES_MAX:
                return found, False
            uses = list(_uses(item, known[place + 1 :]))
            located = item if isinstance(item, dict) else {}
            found.append(
                Value(
                    effect=one.view.id,
                    pointer=pointer,
                    value=located["value"] if located else item,
                    confidence=_number(located["confidence"]) if "confidence" in located else one.view.confidence,
                    page=_whole_number(located.get("page")),
                    box=_box(located.get("box")),
                    model_version=one.view.model_version,
                    documents=_documents(one.view.input),
                    decisions=[use for use in uses if use.kind in DECIDING],
                    effects=[use for use in uses if use.kind not in DECIDING],
                )
            )
    return found, True


def _uses(item: Any, later: Sequence[_Known]) -> Iterator[Use]:
    wanted = [key for key in (_key(item), _key(item["value"]) if isinstance(item, dict) else None) if key]
    carried: set[str] = set()
    for one in later:
        at = next((one.taken[key] for key in wanted if key in one.taken), None)
        how: How | None = "equal" if at is not None else "derived" if carried & one.taken.keys() else None
        if how is not None:
            carried |= one.given
        elif one.view.kind in DECIDING:
            how = "before"
        if how is not None:
            yield _use(one.view, how, at)


def _use(view: EffectView, how: How, at: str | None) -> Use:
    decision = view.decision or {}
    names = view.outcome.get("id") if isinstance(view.outcome, dict) else None
    return Use(
        effect=view.id,
        kind=view.kind,
        name=view.name,
        status=view.status,
        how=how,
        at=at,
        recorded_at=view.recorded_at,
        answer=decision.get("answer"),
        policy_version=decision.get("policy_version"),
        reasons=[reason["policy"] for reason in decision.get("reasons", ())],
        by=view.by,
        names=names if isinstance(names, str) else None,
    )


def _known(view: EffectView) -> _Known:
    taken: dict[str, str] = {}
    for pointer, key in _keys(untagged(view.input)):
        taken.setdefault(key, pointer)
    return _Known(view=view, taken=taken, given=frozenset(key for _, key in _keys(untagged(view.outcome))))


def _values(outcome: Any) -> Iterator[tuple[str, Any]]:
    """Give what a model read: the objects that say a value and how sure or where it is, else each plain value."""
    located = [(p, v) for p, v in _walk(outcome) if isinstance(v, dict) and "value" in v and any(n in v for n in PLACE)]
    plain = (
        (p, v) for p, v in _walk(outcome) if not isinstance(v, dict | list) and v is not None and p != "/confidence"
    )
    yield from located or plain


def _keys(value: Any) -> Iterator[tuple[str, str]]:
    for pointer, item in _walk(value):
        if (key := _key(item)) is not None:
            yield pointer, key


def _key(value: Any) -> str | None:
    """Give what equal values have in common: a number's or a text's characters, an object's canonical form; None for what says too little."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, dict | list):
        return canonical.dumps(value).decode() if len(value) > 1 else None
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text if len(text) >= SHORT else None


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Give every part of a value with its pointer, the whole first, at most `NODES_MAX`."""
    waiting = [("", value)]
    for _ in range(NODES_MAX):
        if not waiting:
            return
        pointer, item = waiting.pop()
        yield pointer, item
        if isinstance(item, dict):
            waiting += [(pointer + pointers.step(str(name)), inner) for name, inner in reversed(item.items())]
        elif isinstance(item, list):
            waiting += [(f"{pointer}/{place}", inner) for place, inner in reversed(list(enumerate(item)))]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _box(value: Any) -> list[float] | None:
    """Give four numbers; None for what a model means otherwise."""
    numbers = [_number(item) for item in value] if isinstance(value, list) else []
    return [n for n in numbers if n is not None] if len(numbers) == 4 and None not in numbers else None


def _documents(request: Any) -> list[str]:
    """Give the IDs of the documents that a request names."""
    ids = (item["id"] for _, item in _walk(request) if isinstance(item, dict) and "sha256" in item and "id" in item)
    return list(dict.fromkeys(str(one) for one in ids))
