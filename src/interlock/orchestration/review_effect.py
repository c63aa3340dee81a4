"""The executor of `review`: opens it, finds its answer, escalates it, lets it expire by the database's clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from interlock.domain import canonical
from interlock.domain.decisions import Decision
from interlock.domain.effects import Effect, Pending, Status
from interlock.domain.errors import Fenced, Nondeterministic
from interlock.domain.ids import new_id
from interlock.domain.ports import Call, Executed
from interlock.domain.reviews import ReviewRequest, ReviewState, Verdict
from interlock.governance import audit
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.review_rows import COLUMNS, Review, escalate, event, from_row
from interlock.orchestration.store import log, tell


class ReviewExecutor:
    """The executor of `review`: opens it, finds its answer, lets it expire."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def opens(self, effect: Effect) -> bool:
        return False  # the review's row is its opening

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        info = call.task.info
        async with self._database.tenant(info.tenant) as conn:
            now = await _lock_task(conn, info.id, call.task.epoch)
            review = await _by_effect(conn, call, effect)
            if review is None:
                return await self._open(conn, effect, call)
            if review.input_digest != effect.input_digest:
                raise Nondeterministic(
                    f"{effect.id} is open with another question than is asked now.",
                    recorded={"id": effect.id, "input_digest": review.input_digest.hex()},
                    asked={"id": effect.id, "input_digest": effect.input_digest.hex(), "input": effect.input},
                )
            if review.state is ReviewState.OPEN:
                return await self._still_open(conn, review, call, now)
            if review.state is ReviewState.ANSWERED and review.hold_until is not None and review.hold_until > now:
                return Pending(wake_at=review.hold_until)
            return _executed(review)

    async def _open(self, conn: Connection, effect: Effect, call: Call) -> Pending:
        info = call.task.info
        request = ReviewRequest.model_validate(effect.input)
        review_id = new_id("rev")
        asked = canonical.dumps(request.model_dump(mode="json")).decode()
        row = await (
            await conn.execute(
                "insert into reviews (tenant, id, task_id, generation, effect_id, automation, name, input_digest, request, role, subject,"
                " task_submitted_by, correlation_id, approvals_needed, also, deadline, escalate_at)"
                " values (current_tenant(), %s, %s, %s, %s, %s, %s, %s, %s::json, %s, %s, %s, %s, %s, %s,"
                " time_now() + make_interval(secs => %s), time_now() + make_interval(secs => %s)) returning deadline, escalate_at",
                (
                    review_id,
                    info.id,
                    call.task.generation,
                    effect.id,
                    info.automation,
                    effect.name,
                    effect.input_digest,
                    asked,
                    request.role,
                    request.subject,
                    info.submitted_by,
                    info.correlation_id,
                    request.approvals,
                    list(request.also),
                    request.deadline_s,
                    request.escalate_after_s if request.escalate_to else None,
                ),
            )
        ).fetchone()
        assert row is not None
        facts = {"effect": effect.id, "generation": call.task.generation, "role": request.role}
        salt = audit.new_salt()
        parts = audit.review_parts(
            request=asked,
            subject=request.subject,
            deadline=row[0],
            automation=info.automation,
            name=effect.name,
            submitted_by=info.submitted_by,
        )
        committed = {"salt": salt.hex(), "commit": audit.commit(call.task.subject_key, salt, parts)}
        await _note(conn, self._clock, call, review_id, "opened", facts, committed)
        return Pending(wake_at=min((at for at in row if at is not None), default=None))

    async def _still_open(self, conn: Connection, review: Review, call: Call, now: datetime) -> Executed | Pending:
        if review.deadline is not None and review.deadline <= now:
            await conn.execute(
                "update reviews set state = 'expired', closed_at = time_now() where tenant = current_tenant() and id = %s",
                (review.id,),
            )
            await _note(conn, self._clock, call, review.id, "expired", {})
            return _expired(review, now)
        if review.escalate_at is not None and review.escalate_at <= now and review.escalated_at is None:
            await escalate(conn, review)
            await _note(conn, self._clock, call, review.id, "escalated", {"role": review.request.escalate_to})
            return Pending(wake_at=review.deadline)
        left = [review.deadline, review.escalate_at if review.escalated_at is None else None]
        return Pending(wake_at=min((at for at in left if at is not None), default=None))

    async def withdraw(self, effect: Effect, call: Call) -> None:
        async with self._database.tenant(call.task.info.tenant) as conn:
            await _lock_task(conn, call.task.info.id, call.task.epoch)
            row = await (
                await conn.execute(
                    "update reviews set state = 'cancelled', closed_at = time_now() where tenant = current_tenant()"
                    " and task_id = %s and generation = %s and effect_id = %s and state = 'open' returning id",
                    (call.task.info.id, call.task.generation, effect.id),
                )
            ).fetchone()
            if row is not None:
                await _note(conn, self._clock, call, row[0], "cancelled", {})


async def _note(
    conn: Connection,
    clock: Clock,
    call: Call,
    review_id: str,
    kind: str,
    facts: Mapping[str, Any],
    committed: Mapping[str, str] | None = None,
) -> None:
    """Write history, audit leaf and event of what the engine itself did to a review; `committed` stands in the leaf only."""
    info = call.task.info
    line = await event(conn, review_id, kind, "interlock", facts, key=call.task.subject_key)
    known = {"task": info.id, "review": review_id, **facts, **(committed or {}), **line}
    leaf = audit.leaf(f"review.{kind}", tenant=info.tenant, at=clock.now(), facts=known)
    await log(conn, tenant=info.tenant, task_id=info.id, leaf=leaf)
    await tell(
        conn,
        tenant=info.tenant,
        kind=f"review.{kind}",
        task_id=info.id,
        correlation_id=info.correlation_id,
        data={"review": review_id, **facts},
    )


async def _lock_task(conn: Connection, task_id: str, epoch: int) -> datetime:
    """Lock the task's row behind the fence; gives the database's time after the lock was had."""
    row = await (
        await conn.execute(
            "select epoch from tasks where tenant = current_tenant() and id = %s for no key update", (task_id,)
        )
    ).fetchone()
    if row is None or row[0] != epoch:
        raise Fenced
    now = await (await conn.execute("select time_now()")).fetchone()
    assert now is not None
    at: datetime = now[0]
    return at


async def _by_effect(conn: Connection, call: Call, effect: Effect) -> Review | None:
    row = await (
        await conn.execute(
            f"select {COLUMNS} from reviews where tenant = current_tenant() and task_id = %s and generation = %s and effect_id = %s"
            " for update".encode(),
            (call.task.info.id, call.task.generation, effect.id),
        )
    ).fetchone()
    return None if row is None else from_row(row)


def _executed(review: Review) -> Executed:
    if review.state is ReviewState.EXPIRED:
        return _expired(review, review.closed_at or review.opened_at)
    if review.state is ReviewState.CANCELLED or review.answer is None:
        return Executed(status=Status.CANCELLED, error={"kind": "Cancelled", "message": "the review was withdrawn"})
    decision = review.answer.get("decision")
    return Executed(
        value={k: v for k, v in review.answer.items() if k != "decision"},
        decision=Decision.from_json(decision) if decision else None,
        by=_by(review),
    )


def _by(review: Review) -> str | None:
    whom = (review.answer or {}).get("on_behalf_of")
    return f"{review.answered_by} on behalf of {whom}" if whom else review.answered_by


def _expired(review: Review, at: datetime) -> Executed:
    value = {"verdict": Verdict.EXPIRED.value, "values": review.request.values, "at": at.isoformat(), "by": None}
    error = {"kind": "Expired", "message": "nobody answered before the deadline"}
    return Executed(status=Status.EXPIRED, value=value, error=error)
