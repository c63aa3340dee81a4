"""Reading tasks: one, a page of them, everything about one matter, and what happened in a task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from interlock.domain import canonical
from interlock.domain.effects import Status
from interlock.domain.errors import NotFound
from interlock.domain.ports import ObjectStore
from interlock.domain.tasks import ENDED, State
from interlock.infra import outbox
from interlock.infra.database import Connection, Database
from interlock.infra.outbox import Event
from interlock.orchestration.statistics import Numbers, Part, Unit, numbers, series

_TASK = (
    "id, automation, automation_version, state, correlation_id, labels, priority, deadline, callback_url, submitted_by, generation,"
    " cancel_requested, output::text, output_ref, error::text, accepted_at, started_at, ended_at,"
    " case when resolved_at is not null then json_build_object('at', resolved_at, 'by', resolved_by, 'note', resolution_note) end"
)
_EFFECT = (
    "effect_id, generation, seq, kind, name, target, status, input::text, input_ref, value::text, value_ref, error::text, decision::text,"
    " meta::text, started_at, recorded_at"
)


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """A task as the API shows it."""

    id: str
    automation: str
    version: str
    state: State
    correlation_id: str
    labels: Mapping[str, str]
    priority: int
    deadline: datetime | None
    callback_url: str | None
    submitted_by: str
    generation: int
    cancel_requested: bool
    output: Any
    error: Mapping[str, Any] | None
    accepted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    resolved: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class EffectView:
    """A journaled thing as the API shows it. `outcome` and `input` over the inline limit are `{"ref": …}`."""

    id: str
    name: str
    kind: str
    status: str
    seq: int | None = None
    generation: int = 1
    target: str | None = None
    input: Any = None
    outcome: Any = None
    error: Mapping[str, Any] | None = None
    decision: Mapping[str, Any] | None = None
    model_version: str | None = None
    confidence: float | None = None
    cost_usd: str | None = None
    cpu_ms: float | None = None
    duration_ms: float | None = None
    attempts: int = 1
    redactions: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[str] = ()
    secrets: Sequence[str] = ()
    by: str | None = None
    wake_at: datetime | None = None
    review_id: str | None = None
    started_at: datetime | None = None
    recorded_at: datetime | None = None
    failed_attempts: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class DeliveryView:
    """A callback as the API shows it: pending, delivered or dead."""

    id: str
    task_id: str
    url: str
    state: str
    attempts: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a list of tasks is narrowed to; None does not narrow. Labels must all be there. `resolved`: only those that are, or are not.

    `automations` is what the caller's key reaches, beside the one that was asked for.
    """

    automation: str | None = None
    automations: Sequence[str] | None = None
    states: Sequence[State] = ()
    correlation_id: str | None = None
    submitted_by: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    accepted_from: datetime | None = None
    accepted_to: datetime | None = None
    resolved: bool | None = None


class TaskViews:
    """Every read happens in one transaction of the tenant."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    async def numbers(self, tenant: str, *, since: datetime, automation: str | None = None) -> list[Numbers]:
        """Count what came of the tasks accepted since then, by automation."""
        async with self._database.tenant(tenant) as conn:
            return await numbers(conn, since=since, automation=automation)

    async def series(
        self, tenant: str, *, since: datetime, now: datetime, unit: Unit, automation: str | None = None
    ) -> list[Part]:
        """Count what came of the tasks accepted since then, by hours or days."""
        async with self._database.tenant(tenant) as conn:
            return await series(conn, since=since, now=now, unit=unit, automation=automation)

    async def get(self, tenant: str, task_id: str) -> TaskView:
        """Give a task; raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            row = await (
                await conn.execute(
                    f"select {_TASK} from tasks where tenant = current_tenant() and id = %s".encode(), (task_id,)
                )
            ).fetchone()
        if row is None:
            raise NotFound(f"There is no task {task_id}.")
        return await self._task(row)

    async def find(
        self, tenant: str, narrowed: Filter, *, after: tuple[datetime, str] | None = None, limit: int = 50
    ) -> list[TaskView]:
        """Give tasks, newest first, after a cursor of (accepted_at, id); an output over the inline limit is `{"ref": …}`."""
        values = {
            "automation": narrowed.automation,
            "reached": None if narrowed.automations is None else list(narrowed.automations),
            "states": [s.value for s in narrowed.states] or None,
            "correlation": narrowed.correlation_id,
            "by": narrowed.submitted_by,
            "labels": canonical.dumps(narrowed.labels).decode(),
            "from": narrowed.accepted_from,
            "to": narrowed.accepted_to,
            "resolved": narrowed.resolved,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        }
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    f"select {_TASK} from tasks where tenant = current_tenant()"
                    " and (%(automation)s::text is null or automation = %(automation)s)"
                    " and (%(reached)s::text[] is null or automation = any(%(reached)s))"
                    " and (%(states)s::text[] is null or state = any(%(states)s))"
                    " and (%(correlation)s::text is null or correlation_id = %(correlation)s)"
                    " and (%(by)s::text is null or submitted_by = %(by)s) and labels @> %(labels)s::jsonb"
                    " and (%(resolved)s::boolean is null or (resolved_at is not null) = %(resolved)s)"
                    " and (%(from)s::timestamptz is null or accepted_at >= %(from)s) and (%(to)s::timestamptz is null or accepted_at < %(to)s)"
                    " and (%(at)s::timestamptz is null or (accepted_at, id) < (%(at)s, %(id)s))"
                    " order by accepted_at desc, id desc limit %(limit)s".encode(),
                    values,
                )
            ).fetchall()
        return [await self._task(row, whole=False) for row in rows]

    async def effects(self, tenant: str, task_id: str) -> list[EffectView]:
        """Give the timeline: every journaled thing in the order of its record, then what has no outcome. Raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            task = await (
                await conn.execute(
                    "select generation, state from tasks where tenant = current_tenant() and id = %s", (task_id,)
                )
            ).fetchone()
            if task is None:
                raise NotFound(f"There is no task {task_id}.")
            rows = await (
                await conn.execute(
                    f"select {_EFFECT} from effects where tenant = current_tenant() and task_id = %s order by generation, seq".encode(),
                    (task_id,),
                )
            ).fetchall()
            attempts = await _attempts(conn, task_id)
            reviews = await _reviews(conn, task_id)
            recorded = [_effect(row, attempts, reviews) for row in rows]
            unrecorded = await _unrecorded(conn, task_id, task[0], recorded, attempts)
        if State(task[1]) not in ENDED:
            return recorded + unrecorded
        # Its branch was cancelled, or the task ended beside it: no outcome will come any more.
        return recorded + [replace(one, status=Status.CANCELLED.value) for one in unrecorded]

    async def decision_before(self, tenant: str, task_id: str, at: datetime) -> tuple[str, Mapping[str, Any]] | None:
        """Give the action and the decision of the newest `decide` that a task had recorded at a time; None where there was none."""
        async with self._database.tenant(tenant) as conn:
            row = await (
                await conn.execute(
                    "select name, decision::text from effects where tenant = current_tenant() and task_id = %s and kind = 'decide'"
                    " and decision is not null and recorded_at <= %s order by generation desc, seq desc limit 1",
                    (task_id, at),
                )
            ).fetchone()
        return None if row is None else (row[0], _json(row[1]))

    async def deliveries(self, tenant: str, correlation_id: str, *, limit: int) -> list[DeliveryView]:
        """Give the callbacks of all tasks under a correlation ID, oldest first."""
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    "select d.id, d.task_id, d.url, d.state, d.attempts, d.created_at, d.ended_at from deliveries d"
                    " join tasks t on t.tenant = d.tenant and t.id = d.task_id"
                    " where t.tenant = current_tenant() and t.correlation_id = %s order by d.created_at, d.id limit %s",
                    (correlation_id, limit),
                )
            ).fetchall()
        names = list(DeliveryView.__dataclass_fields__)
        return [DeliveryView(**dict(zip(names, row, strict=True))) for row in rows]

    async def follow(self, tenant: str, *, after: int, task_id: str | None, limit: int) -> tuple[list[Event], bool]:
        """Give the events after a position, of one task or of all, and whether none can follow: the task has ended, and each of
        its events had a position before these were read.
        """
        async with self._database.tenant(tenant) as conn:
            settled = False
            if task_id is not None:
                row = await (
                    await conn.execute(
                        "select state in ('succeeded', 'failed', 'cancelled') and not exists (select from outbox o"
                        " where o.tenant = current_tenant() and o.task_id = t.id and o.position is null)"
                        " from tasks t where t.tenant = current_tenant() and t.id = %s",
                        (task_id,),
                    )
                ).fetchone()
                settled = row is None or bool(row[0])
            return await outbox.read(conn, after=after, task_id=task_id, limit=limit), settled

    async def whose(self, tenant: str, task_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Give of tasks what policies are asked with: the automation, and who submitted it."""
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    "select id, automation, submitted_by from tasks where tenant = current_tenant() and id = any(%s)",
                    (sorted(set(task_ids)),),
                )
            ).fetchall()
        return {row[0]: (row[1], row[2]) for row in rows}

    async def value(self, tenant: str, task_id: str, effect_id: str) -> Any:
        """Give the whole value of a recorded effect, also one that stands by reference. Raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            row = await (
                await conn.execute(
                    "select value::text, value_ref from effects where tenant = current_tenant() and task_id = %s and effect_id = %s"
                    " order by generation desc limit 1",
                    (task_id, effect_id),
                )
            ).fetchone()
        if row is None:
            raise NotFound(f"The task {task_id} has no recorded effect {effect_id}.")
        if row[1] is None:
            return _json(row[0])
        return canonical.loads(await self._objects.get(canonical.loads(row[1])["ref"]))

    async def _task(self, row: tuple[Any, ...], *, whole: bool = True) -> TaskView:
        output = _json(row[12])
        if row[13] is not None:
            output = canonical.loads(await self._objects.get(row[13])) if whole else {"ref": row[13]}
        return TaskView(
            id=row[0],
            automation=row[1],
            version=row[2],
            state=State(row[3]),
            correlation_id=row[4],
            labels=row[5],
            priority=row[6],
            deadline=row[7],
            callback_url=row[8],
            submitted_by=row[9],
            generation=row[10],
            cancel_requested=row[11],
            output=output,
            error=_json(row[14]),
            accepted_at=row[15],
            started_at=row[16],
            ended_at=row[17],
            resolved=row[18],
        )


def _effect(
    row: tuple[Any, ...],
    attempts: Mapping[tuple[int, str], list[dict[str, Any]]],
    reviews: Mapping[tuple[int, str], tuple[str, datetime]],
) -> EffectView:
    meta = _json(row[13]) or {}
    review = reviews.get((row[1], row[0]))
    return EffectView(
        id=row[0],
        generation=row[1],
        seq=row[2],
        kind=row[3],
        name=row[4],
        target=row[5],
        status=row[6],
        input=_json(row[7]) if row[8] is None else _json(row[8]),
        outcome=_json(row[9]) if row[10] is None else _json(row[10]),
        error=_json(row[11]),
        decision=_json(row[12]),
        model_version=meta.get("model_version"),
        confidence=meta.get("confidence"),
        cost_usd=meta.get("cost_usd"),
        cpu_ms=meta.get("cpu_ms"),
        duration_ms=meta.get("duration_ms"),
        attempts=meta.get("attempts", 1),
        redactions=meta.get("redactions", ()),
        left_out=meta.get("left_out", ()),
        secrets=meta.get("secrets", ()),
        by=meta.get("by"),
        review_id=review[0] if review else None,
        started_at=review[1] if review else row[14],
        recorded_at=row[15],
        failed_attempts=attempts.get((row[1], row[0]), []),
    )


async def _attempts(conn: Connection, task_id: str) -> dict[tuple[int, str], list[dict[str, Any]]]:
    rows = await (
        await conn.execute(
            "select generation, effect_id, attempt, error::text, next_attempt_at, recorded_at from attempts"
            " where tenant = current_tenant() and task_id = %s order by attempt",
            (task_id,),
        )
    ).fetchall()
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for generation, effect_id, number, error, next_at, at in rows:
        line = {"attempt": number, "error": _json(error), "next_attempt_at": next_at, "at": at}
        found.setdefault((generation, effect_id), []).append(line)
    return found


async def _reviews(conn: Connection, task_id: str) -> dict[tuple[int, str], tuple[str, datetime]]:
    rows = await (
        await conn.execute(
            "select generation, effect_id, id, opened_at from reviews where tenant = current_tenant() and task_id = %s",
            (task_id,),
        )
    ).fetchall()
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


async def _unrecorded(
    conn: Connection,
    task_id: str,
    generation: int,
    recorded: Sequence[EffectView],
    attempts: Mapping[tuple[int, str], list[dict[str, Any]]],
) -> list[EffectView]:
    """Give what has begun and has no outcome: openings, reviews, and effects whose attempts failed so far."""
    done = {(e.generation, e.id) for e in recorded}
    rows = await (
        await conn.execute(
            "select effect_id, kind, name, 'pending', wake_at, opened_at, null from openings where tenant = current_tenant()"
            " and task_id = %(t)s and generation = %(g)s union all select effect_id, 'review', name, case state when 'cancelled'"
            " then 'cancelled' else 'pending' end, deadline, opened_at, id from reviews where tenant = current_tenant()"
            " and task_id = %(t)s and generation = %(g)s order by 6",
            {"t": task_id, "g": generation},
        )
    ).fetchall()
    found = {
        row[0]: EffectView(
            id=row[0],
            kind=row[1],
            name=row[2],
            status=row[3],
            generation=generation,
            wake_at=row[4],
            started_at=row[5],
            review_id=row[6],
            failed_attempts=attempts.get((generation, row[0]), []),
        )
        for row in rows
        if (generation, row[0]) not in done
    }
    for (of, effect_id), failed in attempts.items():
        if of == generation and (of, effect_id) not in done and effect_id not in found:
            name = effect_id.rpartition("/")[2].partition("#")[0]
            found[effect_id] = EffectView(
                id=effect_id, kind="step", name=name, status="pending", generation=of, failed_attempts=failed
            )
    return list(found.values())


def _json(text: str | None) -> Any:
    return None if text is None else canonical.loads(text)
