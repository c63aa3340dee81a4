"""A tenant's figures: counters that only rise, counted from its audit log behind a position, and gauges of what stands now.

The log is the source since it is gap-free, in order, never changed, and without personal data: whoever is erased changes no counter. Each
scrape counts what came since the one before, so that its cost does not grow with the installation's age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from interlock.infra.database import Connection, Database

BATCH: Final = 5_000
BATCHES_MAX: Final = 20
"""How many batches one scrape counts at most; what is left is said, and counted by the next one."""
COUNTED_MAX: Final = 100_000
"""How far a gauge counts rows."""
TASK_BOUNDS_S: Final = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0, 604_800.0)
EFFECT_BOUNDS_S: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_BEGIN: Final = b"insert into metric_feeds (tenant) values (current_tenant()) on conflict do nothing"
_HELD: Final = b"select position from metric_feeds where tenant = current_tenant() for update"
# Facts of leaves, with those of the effect that a leaf is about; one row of `counted` is one step of one counter.
_COUNT: Final = b"""
with batch as (
    select p.position, r.task_id, r.leaf::json as leaf from audit_positions p join audit_records r on r.id = p.record_id
    where p.tenant = current_tenant() and r.tenant = current_tenant() and p.position > %(after)s order by p.position limit %(most)s
), facts as (
    select b.leaf->>'kind' as kind, coalesce(t.automation, '') as automation, e.kind as effect, e.status,
        e.decision->>'answer' as answer, (e.meta->>'cost_usd')::numeric as usd, (e.meta->>'duration_ms')::numeric / 1000 as effect_s,
        case when b.leaf->>'kind' in ('task.succeeded', 'task.failed', 'task.cancelled')
            then extract(epoch from (b.leaf->>'at')::timestamptz - t.accepted_at) end as task_s
    from batch b
    left join tasks t on t.tenant = current_tenant() and t.id = b.task_id
    left join effects e on b.leaf->>'kind' = 'effect' and e.tenant = current_tenant() and e.task_id = b.task_id
        and e.generation = (b.leaf->>'generation')::int and e.effect_id = b.leaf->>'effect'
), counted (name, labels, step) as (
    select 'tasks', array[automation, split_part(kind, '.', 2)], 1 from facts where kind in ('task.accepted', 'task.waiting',
        'task.blocked', 'task.succeeded', 'task.failed', 'task.cancelled')
    union all select 'effects', array[automation, effect, status], 1 from facts where effect is not null
    union all select 'decisions', array[automation, answer], 1 from facts where answer is not null
    union all select 'cost', array[automation], usd from facts where usd is not null
    union all select 'refused', array[split_part(kind, '.', 1)], 1 from facts where kind like '%%.refused'
    union all select 'task_s_bucket', array[automation, (select coalesce(min(b)::text, '+Inf') from unnest(%(task_bounds)s::float8[]) b
        where task_s <= b)], 1 from facts where task_s is not null
    union all select 'task_s_sum', array[automation], task_s from facts where task_s is not null
    union all select 'effect_s_bucket', array[effect, (select coalesce(min(b)::text, '+Inf') from unnest(%(effect_bounds)s::float8[]) b
        where effect_s <= b)], 1 from facts where effect_s is not null
    union all select 'effect_s_sum', array[effect], effect_s from facts where effect_s is not null
), written as (
    insert into metric_counters as c (tenant, name, labels, value)
    select current_tenant(), name, labels, sum(step) from counted group by name, labels
    on conflict (tenant, name, labels) do update set value = c.value + excluded.value returning 1
)
select coalesce(max(position), %(after)s), count(*), (select count(*) from written) from batch"""
_MOVE: Final = b"update metric_feeds set position = %s where tenant = current_tenant()"
_COUNTERS: Final = (
    b"select name, labels, value from metric_counters where tenant = current_tenant() order by name, labels"
)
_GAUGES: Final = """
select 'open_tasks', array[automation, state], count(*) from (select automation, state from tasks
    where tenant = current_tenant() and state not in ('succeeded', 'failed', 'cancelled') limit %(most)s) t group by 2
union all select 'reviews_open', array[automation], count(*) from (select automation from reviews
    where tenant = current_tenant() and state = 'open' limit %(most)s) r group by 2
union all select 'reviews_overdue', array[automation], count(*) from (select automation from reviews
    where tenant = current_tenant() and state = 'open' and deadline < time_now() limit %(most)s) r group by 2
union all select 'elevations', array[case when ended_at is null and ends_at > time_now() then 'open' else 'to_review' end], count(*)
    from elevations where tenant = current_tenant() and acknowledged_at is null group by 2
union all select 'deliveries', array[state], count(*) from (select state from deliveries
    where tenant = current_tenant() and state <> 'delivered' limit %(most)s) d group by 2
union all select 'pending_events', '{}', count(*) from (select from outbox
    where tenant = current_tenant() and position is null limit %(most)s) o
union all select 'pending_records', '{}', count(*) from (select from audit_pending where tenant = current_tenant() limit %(most)s) a
union all select 'uncounted_records', '{}', count(*) from (select from audit_positions p, metric_feeds f
    where p.tenant = current_tenant() and f.tenant = current_tenant() and p.position > f.position limit %(most)s) u
order by 1, 2"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One value: which metric, the values of its labels in their order, and what it is. Money in US dollars, times in seconds."""

    name: str
    labels: tuple[str, ...]
    value: float


class Metrics:
    """Gives the figures of one tenant at a time; nothing is kept in the process, so that no two tenants' can mix."""

    def __init__(self, database: Database, *, batch: int = BATCH, batches_max: int = BATCHES_MAX) -> None:
        self._database = database
        self._batch = batch
        self._batches_max = batches_max

    async def figures(self, tenant: str) -> Sequence[Figure]:
        """Count what is new in the tenant's audit log, at most `batch` × `batches_max` records, and give all figures.

        What was counted is durable, and counted once, also where two ask at once. Raises Unavailable.
        """
        for _ in range(self._batches_max):
            async with self._database.tenant(tenant) as conn:
                if await _count(conn, self._batch) < self._batch:
                    break
        async with self._database.tenant(tenant) as conn:
            counters = await (await conn.execute(_COUNTERS)).fetchall()
            gauges = await (await conn.execute(_GAUGES.encode(), {"most": COUNTED_MAX})).fetchall()
        return [Figure(name=row[0], labels=tuple(row[1]), value=float(row[2])) for row in (*counters, *gauges)]


async def _count(conn: Connection, batch: int) -> int:
    """Count one batch of records inside a transaction of the tenant; gives how many there were."""
    await conn.execute(_BEGIN)
    held = await (await conn.execute(_HELD)).fetchone()
    assert held is not None
    values = {
        "after": held[0],
        "most": batch,
        "task_bounds": list(TASK_BOUNDS_S),
        "effect_bounds": list(EFFECT_BOUNDS_S),
    }
    row = await (await conn.execute(_COUNT, values)).fetchone()
    assert row is not None
    await conn.execute(_MOVE, (row[0],))
    return int(row[1])
