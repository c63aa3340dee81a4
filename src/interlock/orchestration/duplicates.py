"""Likely duplicates of what a review asks about: tasks of the same automation that name the same file, or that read the same of it.

Found from what is recorded, when it is asked for: whether an automation looks for duplicates itself does not matter. A likeness is no
verdict; a person lays both side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interlock.infra.database import Connection
from interlock.orchestration.review_rows import Review

AMONG: Final = 2_000  # of an automation's newest tasks
DOCUMENTS_MAX: Final = 50
# Whose name, which day, how much: the first field of each that a review's values hold. All three have to be the same.
WHO: Final = ("merchant", "vendor", "supplier", "sender", "customer", "from", "name")
DAY: Final = ("date", "day", "issued_on", "sent_on")
TOTAL: Final = ("total", "amount", "sum")
# A value stands in a model's outcome by itself or with its place (`{"value": …}`); a person's answer has values of its own. What stands in
# the object store is not looked into. Names are the same whatever their case, spaces and signs.
_QUERY: Final = r"""
with recent as materialized (
    select id, automation, state, submitted_by, accepted_at, coalesce(input::text, '') as given from tasks
    where tenant = current_tenant() and automation = %(automation)s and id <> %(task)s
    order by accepted_at desc, id desc limit %(among)s),
files as materialized (
    select d.id from documents d where d.tenant = current_tenant() and d.sha256 in (
        select o.sha256 from documents o where o.tenant = current_tenant() and o.id = any(%(documents)s))
    order by d.created_at desc limit %(files)s),
known as (
    select r.*, exists (select from files f where strpos(r.given, f.id) > 0) as same_document,
        %(complete)s and exists (
            select from effects e
            cross join lateral (select case when e.kind = 'review' then e.value->'values' else e.value end as found) v
            cross join lateral (select
                coalesce(v.found->%(who)s->>'value', v.found->>%(who)s) as who,
                coalesce(v.found->%(day)s->>'value', v.found->>%(day)s) as day,
                coalesce(v.found->%(total)s->>'value', v.found->>%(total)s) as total) t
            where e.tenant = current_tenant() and e.task_id = r.id and e.status = 'ok' and e.kind in ('infer', 'review')
                and json_typeof(v.found) = 'object'
                and regexp_replace(lower(t.who), '[^[:alnum:]]', '', 'g') = regexp_replace(lower(%(is_who)s), '[^[:alnum:]]', '', 'g')
                and t.day = %(is_day)s
                and case when t.total ~ '^\d{1,15}(\.\d{1,9})?$' and %(is_total)s ~ '^\d{1,15}(\.\d{1,9})?$'
                    then t.total::numeric = %(is_total)s::numeric else t.total = %(is_total)s end) as same_values
    from recent r)
select id, automation, state, submitted_by, accepted_at, same_document, same_values from known
where same_document or same_values order by same_document desc, accepted_at desc, id desc limit %(limit)s"""


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """A task that is likely the same matter. `same` names what both share: `document`, or fields of the review's values."""

    id: str
    automation: str
    state: str
    submitted_by: str
    accepted_at: datetime
    same: tuple[str, ...]


async def duplicates(conn: Connection, review: Review, *, limit: int) -> list[Duplicate]:
    """Give likely duplicates among the automation's newest `AMONG` tasks: those with the same file first, then the newest."""
    values = review.values if isinstance(review.values, dict) else {}
    fields = [_first(values, names) for names in (WHO, DAY, TOTAL)]
    named = [name or "" for name in fields]
    who, day, total = (str(values[name]) if name else "" for name in fields)
    documents = [str(one) for one in review.request.documents][:DOCUMENTS_MAX]
    complete = all(fields) and any(letter.isalnum() for letter in who)
    if not documents and not complete:
        return []
    rows = await (
        await conn.execute(
            _QUERY.encode(),
            {
                "automation": review.automation, "task": review.task_id, "among": AMONG, "documents": documents,
                "files": DOCUMENTS_MAX, "complete": complete, "who": named[0], "day": named[1], "total": named[2],
                "is_who": who, "is_day": day, "is_total": total, "limit": limit,
            },
        )
    ).fetchall()  # fmt: skip
    return [
        Duplicate(
            id=row[0], automation=row[1], state=row[2], submitted_by=row[3], accepted_at=row[4],
            same=(*(["document"] if row[5] else []), *(named if row[6] else [])),
        )
        for row in rows
    ]  # fmt: skip


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Give the first name under which a text or a number stands."""
    return next((name for name in names if _is_said(values.get(name))), None)


def _is_said(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and bool(str(value).strip())
