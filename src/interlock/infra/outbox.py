"""The outbox: events in the order in which everybody reads them.

Writers insert rows in their own transaction, without a position. Their serial IDs become visible out of commit order: a reader
that remembers the last ID would lose rows. So one sequencer at a time gives gap-free positions, and readers use positions only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interlock.domain import canonical
from interlock.infra.database import Connection, Database

SEQUENCE_LOCK: Final = 0x1A7E_0004
BATCH: Final = 5_000
READ_MAX: Final = 1_000

_SEQUENCE = """
with last as (
    select coalesce(max(position), 0) as position from outbox
), due as (
    select id, row_number() over (order by id) as number
    from (select id from outbox where position is null order by id limit %s) oldest
), placed as (
    update outbox o set position = last.position + due.number from due, last where o.id = due.id returning 1
)
select count(*) from placed"""

_READ = """
select position, type, task_id, correlation_id, data::text, at from outbox
where tenant = current_tenant() and position > %(after)s {of_task} order by position limit %(limit)s"""
_READ_ALL = _READ.format(of_task="").encode()
_READ_TASK = _READ.format(of_task="and task_id = %(task_id)s").encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened, as whoever follows sees it.

    Attributes:
        position: from 1, gap-free over the whole deployment, so rising but not gap-free in one tenant.
        type: such as `task.succeeded`, or what an automation emitted. data: plain JSON.
    """

    position: int
    type: str
    task_id: str | None
    correlation_id: str | None
    data: Any
    at: datetime


async def sequence(relay: Database, batch: int = BATCH) -> int:
    """Give positions to events that have none, at most `batch`; gives how many. Safe to run from several places at once."""
    async with relay.across() as conn:
        await conn.execute("select pg_advisory_xact_lock(%s)", (SEQUENCE_LOCK,))
        row = await (await conn.execute(_SEQUENCE.encode(), (batch,))).fetchone()
    return int(row[0]) if row else 0


async def read(conn: Connection, *, after: int, task_id: str | None = None, limit: int = READ_MAX) -> list[Event]:
    """Read events after a position, oldest first, inside a transaction of their tenant.

    Args:
        after: position of the last event that the reader has; 0 begins with the first.
        task_id: only the events of this task.
        limit: from 1 to 1,000.
    """
    values = {"after": after, "task_id": task_id, "limit": max(1, min(limit, READ_MAX))}
    rows = await (await conn.execute(_READ_ALL if task_id is None else _READ_TASK, values)).fetchall()
    return [
        Event(
            position=row[0], type=row[1], task_id=row[2], correlation_id=row[3], data=canonical.loads(row[4]), at=row[5]
        )
        for row in rows
    ]
