"""What people do with a task: cancel it, try again from the effect that failed, or say that it is dealt with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain import canonical
from interlock.domain.errors import Conflict, NotFound
from interlock.domain.ids import new_id
from interlock.domain.tasks import ENDED, Ended, State, TaskInfo
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.review_rows import event
from interlock.orchestration.store import callback_body, log, notify, tell
from interlock.orchestration.submit import subject_key

_LOCK = (
    "select state, generation, epoch, correlation_id, subject, erased_at is not null"
    " from tasks where tenant = current_tenant() and id = %s for no key update"
)
# Effects that act outside: after one of these, beginning again from an earlier failure could act twice.
# What the task's generation replays: outcomes that an earlier retry cut off are history.
_LIVE = (
    " from effects e where e.tenant = current_tenant() and e.task_id = %s and not exists (select from journal_cuts c"
    " where c.tenant = e.tenant and c.task_id = e.task_id and e.generation < c.generation and e.seq >= c.from_seq)"
)
RESOLVABLE = (State.FAILED, State.BLOCKED, State.CANCELLED)
NOTE_CHARS_MAX = 4000
ACTING = ("step", "emit", "fetch", "tool", "review")


class TaskActions:
    """Each verb is one transaction: lock, check, write, audit, wake."""

    def __init__(self, database: Database, keys: SubjectKeys, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def cancel(self, tenant: str, task_id: str, *, by: str, reason: str | None = None) -> State:
        """Ask a task to stop. One that has not begun, or is blocked, is cancelled when this returns; another gets
        `CancelledError` at what it waits for. Gives its state. Raises Conflict where it has ended otherwise.
        """
        async with self._database.tenant(tenant) as conn:
            row = await self._locked(conn, task_id)
            state, generation, epoch, correlation_id, subject, _ = row
            if state == State.CANCELLED:
                return State.CANCELLED
            if State(state) in ENDED:
                raise Conflict(f"The task has ended: {state}.", extra={"state": state})
            at_once = epoch == 0 or state == State.BLOCKED
            facts = {"task": task_id, "generation": generation, "state": "cancelled" if at_once else state}
            if at_once:
                key = await subject_key(conn, self._keys, tenant, subject)
                salt = audit.new_salt()
                error = '{"kind":"Cancelled","message":"cancelled on request"}'
                facts["commit"] = audit.commit(key, salt, (None, None, error))
                await conn.execute(
                    "update tasks set state = 'cancelled', cancel_requested = true, epoch = epoch + 1, due_at = null, lease_until = null,"
                    " error = %s::json, commit_salt = %s, ended_at = time_now() where tenant = current_tenant() and id = %s",
                    (error, salt, task_id),
                )
                await self._unresolve(conn, task_id)
                await self._withdraw_reviews(conn, tenant, task_id, correlation_id, by, key)
                await self._call_back(conn, tenant, task_id, error)
            else:
                await conn.execute(
                    "update tasks set cancel_requested = true, due_at = least(due_at, queue_time(priority))"
                    " where tenant = current_tenant() and id = %s",
                    (task_id,),
                )
            kind = "task.cancelled" if at_once else "task.cancel_requested"
            await self._note(conn, tenant, task_id, correlation_id, kind, facts, by=by, reason=reason)
        return State.CANCELLED if at_once else State(state)

    async def _withdraw_reviews(
        self, conn: Connection, tenant: str, task_id: str, correlation_id: str, by: str, key: bytes
    ) -> None:
        rows = await (
            await conn.execute(
                "update reviews set state = 'cancelled', closed_at = time_now() where tenant = current_tenant() and task_id = %s"
                " and state = 'open' returning id",
                (task_id,),
            )
        ).fetchall()
        for (review_id,) in rows:
            line = await event(conn, review_id, "cancelled", by, {}, key=key)
            facts = {"task": task_id, "review": review_id, **line}
            await self._note(conn, tenant, task_id, correlation_id, "review.cancelled", facts, by=by)

    async def _call_back(self, conn: Connection, tenant: str, task_id: str, error: str) -> None:
        """Queue the callback of a task that ends here and not in a worker."""
        row = await (
            await conn.execute(
                "select automation, automation_version, correlation_id, subject, labels, submitted_by, callback_url from tasks"
                " where tenant = current_tenant() and id = %s and callback_url is not null",
                (task_id,),
            )
        ).fetchone()
        if row is None:
            return
        info = TaskInfo(
            id=task_id, tenant=tenant, automation=row[0], version=row[1], correlation_id=row[2], subject=row[3], labels=row[4],
            submitted_by=row[5],
        )  # fmt: skip
        ended = Ended(state=State.CANCELLED, error=canonical.loads(error))
        await conn.execute(
            "insert into deliveries (tenant, id, task_id, url, body, due_at) values (current_tenant(), %s, %s, %s, %s, time_now())",
            (new_id("dlv"), task_id, row[6], callback_body(info, ended, self._clock.now())),
        )

    async def retry(self, tenant: str, task_id: str, *, by: str, redo: bool = False) -> int:
        """Try a failed (or blocked) task again, from the effect that failed; what succeeded before it is not repeated.

        Args:
            redo: also where effects that act outside were recorded after the failure; they are performed again, under the same
                idempotency keys.

        Returns:
            The task's new generation (unchanged for a blocked one, which only looks again).

        Raises:
            Conflict: the task has not failed, or acted outside after the failure and `redo` is false.
        """
        async with self._database.tenant(tenant) as conn:
            row = await self._locked(conn, task_id)
            state, generation, _, correlation_id, _, erased = row
            if erased:
                raise Conflict("What the task held was erased, so it cannot be tried again.", fix="Submit a new task.")
            await self._unresolve(conn, task_id)
            if state == State.BLOCKED:
                await self._due(conn, task_id, generation)
                facts = {"task": task_id, "generation": generation, "state": "blocked"}
                await self._note(conn, tenant, task_id, correlation_id, "task.unblocked", facts, by=by)
                return int(generation)
            if state != State.FAILED:
                raise Conflict(
                    f"Only a failed or blocked task can be tried again; this one is {state}.", extra={"state": state}
                )
            from_seq = await self._failed_at(conn, task_id)
            later = await self._acted_after(conn, task_id, from_seq)
            if later and not redo:
                raise Conflict(
                    f"After the effect that failed the task went on to {', '.join(later)}.",
                    fix='Submit a new task, or send {"redo": true} to perform them again under the same idempotency keys.',
                    extra={"after_failure": later},
                )
            await conn.execute(
                "insert into journal_cuts (tenant, task_id, generation, from_seq, requested_by) values (current_tenant(), %s, %s, %s, %s)",
                (task_id, generation + 1, from_seq, by),
            )
            await conn.execute(
                "update tasks set generation = generation + 1, output = null, output_ref = null, error = null, ended_at = null,"
                " cancel_requested = false, state = 'accepted' where tenant = current_tenant() and id = %s",
                (task_id,),
            )
            await self._due(conn, task_id, generation + 1)
            facts = {"task": task_id, "generation": generation + 1, "state": "accepted", "from_seq": from_seq}
            await self._note(conn, tenant, task_id, correlation_id, "task.retried", facts, by=by)
        return int(generation) + 1

    async def resolve(self, tenant: str, task_id: str, *, by: str, note: str) -> None:
        """Say that nobody needs to look at a failed, blocked or cancelled task any more; on record when it returns.

        Raises:
            Conflict: it is in another state, is resolved already (says by whom), or what it held was erased, with which the note would go.
        """
        async with self._database.tenant(tenant) as conn:
            state, generation, _, correlation_id, subject, erased = await self._locked(conn, task_id)
            if State(state) not in RESOLVABLE:
                states = ", ".join(one.value for one in RESOLVABLE)
                raise Conflict(
                    f"The task is {state}, and there is nothing to resolve.",
                    fix=f"It can be resolved where it is one of {states}.",
                    extra={"state": state},
                )
            if erased:
                raise Conflict("What the task held was erased, and nothing is written of it any more.")
            row = await self._resolution(conn, task_id)
            if row is not None:
                raise Conflict(
                    f"{row[0]} has resolved the task already.",
                    fix="Reopen it first, to say something else.",
                    extra={"resolved_by": row[0]},
                )
            key, salt = await subject_key(conn, self._keys, tenant, subject), audit.new_salt()
            await conn.execute(
                "update tasks set resolved_at = time_now(), resolved_by = %s, resolution_note = %s, resolution_salt = %s"
                " where tenant = current_tenant() and id = %s",
                (by, note, salt, task_id),
            )
            commit = audit.commit(key, salt, (by, note))
            facts = {"task": task_id, "generation": generation, "state": state, "commit": commit}
            await self._note(conn, tenant, task_id, correlation_id, "task.resolved", facts, by=by, reason=note)

    async def reopen(self, tenant: str, task_id: str, *, by: str) -> None:
        """Take back that a task is resolved. Raises Conflict where it is not."""
        async with self._database.tenant(tenant) as conn:
            state, generation, _, correlation_id, _, _ = await self._locked(conn, task_id)
            if await self._resolution(conn, task_id) is None:
                raise Conflict("The task is not resolved.", extra={"state": state})
            await self._unresolve(conn, task_id)
            facts = {"task": task_id, "generation": generation, "state": state}
            await self._note(conn, tenant, task_id, correlation_id, "task.reopened", facts, by=by)

    async def _resolution(self, conn: Connection, task_id: str) -> tuple[Any, ...] | None:
        return await (
            await conn.execute(
                "select resolved_by from tasks where tenant = current_tenant() and id = %s and resolved_at is not null",
                (task_id,),
            )
        ).fetchone()

    async def _unresolve(self, conn: Connection, task_id: str) -> None:
        await conn.execute(
            "update tasks set resolved_at = null, resolved_by = null, resolution_note = null, resolution_salt = null"
            " where tenant = current_tenant() and id = %s and resolved_at is not null",
            (task_id,),
        )

    async def _locked(self, conn: Connection, task_id: str) -> tuple[Any, ...]:
        row = await (await conn.execute(_LOCK.encode(), (task_id,))).fetchone()
        if row is None:
            raise NotFound(f"There is no task {task_id}.")
        return row

    async def _failed_at(self, conn: Connection, task_id: str) -> int:
        """Give the release sequence to begin again at: that of the last effect that failed, else after everything."""
        row = await (
            await conn.execute(
                "select coalesce(max(e.seq) filter (where e.status in ('failed', 'denied')), max(e.seq) + 1, 1)"
                + _LIVE,
                (task_id,),
            )
        ).fetchone()
        assert row is not None
        return int(row[0])

    async def _acted_after(self, conn: Connection, task_id: str, from_seq: int) -> list[str]:
        rows = await (
            await conn.execute(
                "select e.name" + _LIVE + " and e.seq > %s and e.status = 'ok' and e.kind = any(%s) order by e.seq",
                (task_id, from_seq, list(ACTING)),
            )
        ).fetchall()
        return [row[0] for row in rows]

    async def _due(self, conn: Connection, task_id: str, generation: int) -> None:
        await conn.execute(
            "update tasks set due_at = queue_time(priority) where tenant = current_tenant() and id = %s and generation = %s",
            (task_id, generation),
        )
        await notify(conn)

    async def _note(
        self,
        conn: Connection,
        tenant: str,
        task_id: str,
        correlation_id: str,
        kind: str,
        facts: Mapping[str, Any],
        *,
        by: str,
        reason: str | None = None,
    ) -> None:
        leaf = audit.leaf(kind, tenant=tenant, at=self._clock.now(), facts=facts)
        await log(conn, tenant=tenant, task_id=task_id, leaf=leaf)
        data = {k: v for k, v in facts.items() if k not in ("commit", "line", "line_salt")} | {
            "by": by,
            "reason": reason,
        }
        await tell(conn, tenant=tenant, kind=kind, task_id=task_id, correlation_id=correlation_id, data=data)
        await notify(conn)
