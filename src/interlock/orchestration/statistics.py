"""Numbers of a period: how many tasks, how they ended, how long they took, what they cost, and how many needed no person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from interlock.infra.database import Connection

TASKS_MAX = 100_000

# The newest tasks of the period, and of which a person was asked.
_CHOSEN = """
with chosen as (
    select t.automation, t.state, t.id, t.resolved_at, t.accepted_at, extract(epoch from t.ended_at - t.accepted_at) * 1000 as ms
    from tasks t where t.tenant = current_tenant() and t.accepted_at >= %(since)s and (%(automation)s::text is null or t.automation = %(automation)s)
    order by t.accepted_at desc limit %(most)s
), asked as (
    select distinct r.task_id from reviews r where r.tenant = current_tenant() and r.opened_at >= %(since)s
)"""
_NUMBERS = f"""{_CHOSEN}, spent as (
    select e.task_id, sum((e.meta->>'cost_usd')::numeric) as usd from effects e join chosen c on c.id = e.task_id
    where e.tenant = current_tenant() group by e.task_id
)
select c.automation, count(*),
    count(*) filter (where c.state in ('accepted', 'running')), count(*) filter (where c.state = 'waiting'),
    count(*) filter (where c.state = 'blocked'), count(*) filter (where c.state = 'succeeded'),
    count(*) filter (where c.state = 'failed'), count(*) filter (where c.state = 'cancelled'),
    count(*) filter (where c.state = 'succeeded' and a.task_id is null),
    percentile_cont(0.5) within group (order by c.ms) filter (where c.state = 'succeeded' and a.task_id is null),
    percentile_cont(0.95) within group (order by c.ms) filter (where c.state = 'succeeded' and a.task_id is null),
    coalesce(sum(s.usd), 0),
    count(*) filter (where c.state = 'failed' and c.resolved_at is not null),
    count(*) filter (where c.state = 'blocked' and c.resolved_at is not null)
from chosen c left join asked a on a.task_id = c.id left join spent s on s.task_id = c.id group by c.automation order by c.automation"""

# The same by hours or days of UTC, those in which nothing was accepted too.
_SERIES = f"""{_CHOSEN}, times as (
    select at from generate_series(date_trunc(%(unit)s, %(since)s::timestamptz, 'UTC'), %(now)s::timestamptz, %(step)s::interval) at
)
select t.at, count(c.id) filter (where c.state = 'succeeded'), count(c.id) filter (where c.state = 'failed'),
    count(c.id) filter (where c.state = 'cancelled'), count(c.id) filter (where c.state not in ('succeeded', 'failed', 'cancelled')),
    count(c.id) filter (where c.state = 'succeeded' and a.task_id is null)
from times t left join chosen c on date_trunc(%(unit)s, c.accepted_at, 'UTC') = t.at left join asked a on a.task_id = c.id
group by t.at order by t.at"""


class Unit(StrEnum):
    """How long a part of a series is, in UTC."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, kw_only=True)
class Part:
    """What came of the tasks that were accepted within an hour or a day from `at` on. `open`: they have not ended."""

    at: datetime
    succeeded: int
    failed: int
    cancelled: int
    open: int
    straight_through: int


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What came of an automation's tasks.

    Attributes:
        straight_through: succeeded without a review. p50_ms, p95_ms: from acceptance to end of those, None where there is none.
        cost_usd: of every effect, by measured processor time at the settings' price.
        failed_resolved, blocked_resolved: those of `failed` and `blocked` that somebody has dealt with.
    """

    automation: str
    tasks: int
    running: int
    waiting: int
    blocked: int
    succeeded: int
    failed: int
    cancelled: int
    straight_through: int
    p50_ms: float | None
    p95_ms: float | None
    cost_usd: Decimal
    failed_resolved: int
    blocked_resolved: int


async def numbers(conn: Connection, *, since: datetime, automation: str | None = None) -> list[Numbers]:
    """Give the numbers of each automation for the tasks that were accepted since then, of the newest `TASKS_MAX`; in a tenant's transaction."""
    values = {"since": since, "automation": automation, "most": TASKS_MAX}
    rows = await (await conn.execute(_NUMBERS.encode(), values)).fetchall()
    names = list(Numbers.__dataclass_fields__)
    return [Numbers(**dict(zip(names, row, strict=True))) for row in rows]


async def series(
    conn: Connection, *, since: datetime, now: datetime, unit: Unit, automation: str | None = None
) -> list[Part]:
    """Give what came of the tasks that were accepted since then, by hours or days, oldest first; of the newest `TASKS_MAX`."""
    values = {
        "since": since,
        "now": now,
        "unit": unit.value,
        "step": f"1 {unit.value}",
        "automation": automation,
        "most": TASKS_MAX,
    }
    rows = await (await conn.execute(_SERIES.encode(), values)).fetchall()
    return [Part(**dict(zip(Part.__dataclass_fields__, row, strict=True))) for row in rows]
