"""The tasks' table: accepting, loading what was claimed, and every change of state, each with its audit leaf and event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from interlock.boundary.recorder import Recorder, Write
from interlock.domain import canonical
from interlock.domain.errors import Fenced
from interlock.domain.ids import new_id
from interlock.domain.ports import ObjectStore
from interlock.domain.tasks import Claimed, Ended, State, TaskInfo
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database

log_ = structlog.get_logger("interlock.tasks")  # `log` writes the audit log here
_LOGGED = """
logged as (
    insert into audit_records (tenant, task_id, leaf)
    select current_tenant(), i.task_id, i.leaf from input i
    join changed c on c.id = i.task_id and c.epoch = i.epoch where i.leaf is not null returning id
), pending as (
    insert into audit_pending (record_id, tenant) select id, current_tenant() from logged
), told as (
    insert into outbox (tenant, type, task_id, correlation_id, data)
    select current_tenant(), i.event_type, i.task_id, c.correlation_id, i.event::json from input i
    join changed c on c.id = i.task_id and c.epoch = i.epoch
)"""

# Whoever said that a task is dealt with spoke of how it stood then.
_UNRESOLVED = "resolved_at = null, resolved_by = null, resolution_note = null, resolution_salt = null"

END = Write(
    name="end",
    key=("task_id", "epoch"),
    sql=f"""
with input as (
    select * from json_to_recordset($1::json) as i(task_id text, epoch bigint, state text, output text,
        output_ref text, error text, salt bytea, leaf text, event_type text, event text, delivery_id text,
        callback text)
), changed as (
    update tasks t set state = i.state, output = i.output::json, output_ref = i.output_ref, error = i.error::json, commit_salt = i.salt,
        lease_until = null, due_at = null, ended_at = time_now(), {_UNRESOLVED}
    from input i where t.tenant = current_tenant() and t.id = i.task_id and t.epoch = i.epoch
        and t.state not in ('succeeded', 'failed', 'cancelled')
    returning t.id, t.epoch, t.correlation_id, t.callback_url
), {_LOGGED}, called as (
    insert into deliveries (tenant, id, task_id, url, body, due_at)
    select current_tenant(), i.delivery_id, i.task_id, c.callback_url, i.callback, time_now()
    from input i join changed c on c.id = i.task_id and c.epoch = i.epoch where c.callback_url is not null
)
select id, epoch from changed""",
)  # fmt: skip

SUSPEND = Write(
    name="suspend",
    key=("task_id", "epoch"),
    sql=f"""
with input as (
    select * from json_to_recordset($1::json) as i(task_id text, epoch bigint, wake_at timestamptz, leaf text,
        event_type text, event text)
), changed as (
    update tasks t set state = 'waiting', lease_until = null, due_at = least(t.due_at, i.wake_at), {_UNRESOLVED}
    from input i where t.tenant = current_tenant() and t.id = i.task_id and t.epoch = i.epoch
        and t.state not in ('succeeded', 'failed', 'cancelled')
    returning t.id, t.epoch, t.correlation_id, coalesce(t.due_at <= time_now(), false) as due
), {_LOGGED}
select id, epoch, due from changed""",
)

BLOCK = Write(
    name="block",
    key=("task_id", "epoch"),
    sql=f"""
with input as (
    select * from json_to_recordset($1::json) as i(task_id text, epoch bigint, error text, leaf text,
        event_type text, event text, salt bytea)
), changed as (
    update tasks t set state = 'blocked', lease_until = null, due_at = null, error = i.error::json, commit_salt = i.salt
    from input i where t.tenant = current_tenant() and t.id = i.task_id and t.epoch = i.epoch
        and t.state not in ('succeeded', 'failed', 'cancelled')
    returning t.id, t.epoch, t.correlation_id
), {_LOGGED}
select id, epoch from changed""",
)

LOAD = """
select t.id, t.automation, t.automation_version, t.correlation_id, t.subject, t.labels::text, t.submitted_by, t.epoch, t.generation,
    t.input::text, t.input_ref, t.accepted_at, t.deadline, t.cancel_requested, t.callback_url, k.wrapped_key
from tasks t left join subject_keys k on k.tenant = t.tenant and k.subject = t.subject
where t.tenant = current_tenant() and t.id = any($1)"""


class PostgresTasks:
    """The task's row behind the fence. See the port `TaskStore`."""

    def __init__(
        self,
        database: Database,
        recorder: Recorder,
        objects: ObjectStore,
        keys: SubjectKeys,
        clock: Clock,
        *,
        inline_bytes_max: int,
        suspend: Write = SUSPEND,
        end: Write = END,
    ) -> None:
        self._suspend = suspend
        self._end = end
        self._database = database
        self._recorder = recorder
        self._objects = objects
        self._keys = keys
        self._clock = clock
        self._inline_bytes_max = inline_bytes_max

    async def load(self, tenant: str, epochs: Mapping[str, int]) -> list[Claimed]:
        """Load claimed tasks of one tenant, without those whose epoch moved on meanwhile or that cannot be read now."""
        rows = await self._database.fetch(tenant, LOAD.encode(), (list(epochs),))
        found = []
        for row in rows:
            if row[7] != epochs[row[0]]:
                continue
            try:
                found.append(await self._claimed(tenant, row))
            except Exception as error:  # an object or a key: its lease runs out, and it is tried again
                why = {"error": type(error).__name__, "why": getattr(error, "detail", None)}
                log_.warning("task_unreadable", task_id=row[0], **why)
        return found

    async def _claimed(self, tenant: str, row: Sequence[Any]) -> Claimed:
        value = canonical.loads(row[9]) if row[9] is not None else canonical.loads(await self._objects.get(row[10]))
        return Claimed(
            info=TaskInfo(
                id=row[0],
                tenant=tenant,
                automation=row[1],
                version=row[2],
                correlation_id=row[3],
                subject=row[4],
                labels=canonical.loads(row[5]),
                submitted_by=row[6],
            ),
            epoch=row[7],
            generation=row[8],
            input=value,
            accepted_at=row[11],
            deadline=row[12],
            cancel_requested=row[13],
            callback_url=row[14],
            subject_key=b"" if row[15] is None else self._keys.unwrap(tenant, row[4], row[15]),
        )

    async def end(self, task: Claimed, ended: Ended) -> None:
        output, output_ref = await self._place(task, ended.output)
        error = _text(ended.error)
        salt = audit.new_salt()
        facts = {
            **_facts(task, ended.state),
            "commit": audit.commit(task.subject_key, salt, (output, output_ref, error)),
        }
        delivery_id = new_id("dlv") if task.callback_url else None
        callback = callback_body(task.info, ended, self._clock.now()) if task.callback_url else None
        row = {
            "state": ended.state.value,
            "output": output,
            "output_ref": output_ref,
            "error": error,
            "salt": salt,
            "delivery_id": delivery_id,
            "callback": callback,
            **self._told(task, ended.state, facts),
        }
        if await self._recorder.write(task.info.tenant, self._end, row) is None:
            raise Fenced

    async def suspend(self, task: Claimed, *, wake_at: datetime | None) -> bool:
        row = {"wake_at": wake_at, **self._told(task, State.WAITING, _facts(task, State.WAITING))}
        result = await self._recorder.write(task.info.tenant, self._suspend, row)
        if result is None:
            raise Fenced
        return bool(result[0])

    async def block(self, task: Claimed, error: Mapping[str, Any]) -> None:
        salt = audit.new_salt()
        text = _text(error)
        facts = {
            **_facts(task, State.BLOCKED),
            "commit": audit.commit(task.subject_key, salt, (None, None, text)),
        }
        row = {"error": text, "salt": salt, **self._told(task, State.BLOCKED, facts)}
        if await self._recorder.write(task.info.tenant, BLOCK, row) is None:
            raise Fenced

    def _told(self, task: Claimed, state: State, facts: Mapping[str, Any]) -> dict[str, Any]:
        kind = f"task.{state.value}"
        return {
            "task_id": task.info.id,
            "epoch": task.epoch,
            "leaf": audit.leaf(kind, tenant=task.info.tenant, at=self._clock.now(), facts=facts),
            "event_type": kind,
            "event": canonical.dumps({"state": state.value, "generation": task.generation}).decode(),
        }

    async def _place(self, task: Claimed, value: Any) -> tuple[str | None, str | None]:
        if value is None:
            return None, None
        data = canonical.dumps(value)
        if len(data) <= self._inline_bytes_max:
            return data.decode(), None
        key = f"tenants/{task.info.tenant}/tasks/{task.info.id}/{new_id('obj')}.json"
        await self._objects.put(key, data)
        return None, key


def callback_body(info: TaskInfo, ended: Ended, at: datetime) -> str:
    """Give the body of the callback: a Standard Webhooks payload that tells how the task ended."""
    return canonical.dumps(
        {
            "type": f"task.{ended.state.value}",
            "timestamp": at,
            "data": {
                "id": info.id,
                "automation": info.automation,
                "correlation_id": info.correlation_id,
                "state": ended.state.value,
                "output": ended.output,
                "error": ended.error,
                "labels": dict(info.labels),
            },
        }
    ).decode()


async def log(conn: Connection, *, tenant: str, task_id: str | None, leaf: str) -> None:
    """Write one audit leaf inside a transaction of the tenant."""
    await conn.execute(
        "with logged as (insert into audit_records (tenant, task_id, leaf) values (%s, %s, %s) returning id)"
        " insert into audit_pending (record_id, tenant) select id, %s from logged",
        (tenant, task_id, leaf, tenant),
    )


async def tell(
    conn: Connection,
    *,
    tenant: str,
    kind: str,
    task_id: str | None,
    correlation_id: str | None,
    data: Mapping[str, Any],
) -> None:
    """Write one event inside a transaction of the tenant."""
    await conn.execute(
        "insert into outbox (tenant, type, task_id, correlation_id, data) values (%s, %s, %s, %s, %s::json)",
        (tenant, kind, task_id, correlation_id, canonical.dumps(data).decode()),
    )


async def notify(conn: Connection) -> None:
    """Tell waiting workers, at commit, that a task is due. Effect transactions never do: it takes a database-wide lock."""
    await conn.execute("select pg_notify('interlock_wake', '')")


def _facts(task: Claimed, state: State) -> dict[str, Any]:
    return {"task": task.info.id, "generation": task.generation, "state": state.value}


def _text(value: Any) -> str | None:
    return None if value is None else canonical.dumps(value).decode()
