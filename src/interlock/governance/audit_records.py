"""Reading the audit log inside one tenant: its own records by position, and the newest signed checkpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from interlock.domain import canonical
from interlock.governance.audit_changes import AuditChanges
from interlock.governance.audit_keys import KeyRing
from interlock.infra.database import Connection, Database

READ_MAX: Final = 1_000

# A person is found by the rows that name them, since no leaf does: what a task is about, who submitted it, who acted in its reviews, whose
# document or key it is.
_MATCHING: Final = {
    "task": "r.task_id = %(task)s",
    "kind": """strpos(r.leaf, '"kind":"' || %(kind)s || '"') > 0""",
    "since": """substring(r.leaf from '"at":"([^"]+)"') >= %(since)s""",
    "until": """substring(r.leaf from '"at":"([^"]+)"') < %(until)s""",
    "correlation": "r.task_id in (select id from tasks where tenant = current_tenant() and correlation_id = %(correlation)s)",
    "automation": "r.task_id in (select id from tasks where tenant = current_tenant() and automation = %(automation)s)",
    "person": """(r.task_id in (
        select t.id from tasks t where t.tenant = current_tenant() and (t.subject = %(person)s or t.submitted_by = %(person)s)
        union all
        select v.task_id from reviews v where v.tenant = current_tenant()
            and (v.answered_by = %(person)s or v.assignee = %(person)s or v.subject = %(person)s)
        union all
        select v.task_id from review_events e join reviews v on v.tenant = e.tenant and v.id = e.review_id
            where e.tenant = current_tenant() and (e.by_whom = %(person)s or e.data->>'on_behalf_of' = %(person)s))
        or (r.task_id is null and (
            substring(r.leaf from '"document":"([^"]+)"') in (
                select d.id from documents d where d.tenant = current_tenant() and d.created_by = %(person)s)
            or substring(r.leaf from '"key":"([^"]+)"') in (
                select a.id from api_keys a where a.tenant = current_tenant() and a.user_id = %(person)s)
            or substring(r.leaf from '"delegation":"([^"]+)"') in (
                select d.id from delegations d where d.tenant = current_tenant() and %(person)s in (d.from_user, d.to_user))
            or substring(r.leaf from '"link":"([^"]+)"') in (
                select l.id from person_links l where l.tenant = current_tenant() and %(person)s in (l.one, l.other))
            or substring(r.leaf from '"elevation":"([^"]+)"') in (
                select v.id from elevations v where v.tenant = current_tenant() and %(person)s in (v.user_id, v.acknowledged_by)))))""",
}
_RECORDS: Final = """
select p.position, r.task_id, r.leaf, p.leaf_hash{columns} from audit_positions p join audit_records r on r.id = p.record_id
where p.tenant = current_tenant() and r.tenant = current_tenant() and p.position > %(after)s and p.position < %(below)s
    {matching} order by p.position {order} {limit}"""
# Who holds the key that a leaf names, as far as is still known.
_BY: Final = """, (select a.user_id from api_keys a where a.tenant = r.tenant and a.id = substring(r.leaf from '"by_key":"([^"]+)"'))"""
_LATEST: Final = "select size, root, note, at from audit_checkpoints order by size desc limit 1"
_CHECKPOINTS: Final = """
select c.size, c.root, c.note, c.at, coalesce((select array_agg(s.witness order by s.witness) from audit_statements s
    where s.size = c.size), '{}') from audit_checkpoints c where c.size < %s order by c.size desc limit %s"""
_LAST: Final = 2**62


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which records of a tenant are meant; what is None does not narrow.

    Attributes:
        person: an ID such as `user:mei`: whom a task is about, who submitted it, who acted in its reviews, whose document or key it is.
        since, until: the time that the leaf says; `until` is exclusive.
    """

    task: str | None = None
    correlation: str | None = None
    automation: str | None = None
    person: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, str]:
        """Give what narrows."""
        return {
            name: value if isinstance(value, str) else canonical.rfc3339(value)
            for name, value in self.__dict__.items()
            if value is not None
        }


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """A sequenced record. `leaf` is exactly what was hashed; `facts` is the same, read as JSON. Positions begin with 0.

    `by` is who holds the key that the leaf names: it stands beside the log, and is None where nobody asked for it.
    """

    position: int
    task_id: str | None
    leaf: str
    leaf_hash: bytes
    by: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = canonical.loads(self.leaf)
        return facts


@dataclass(frozen=True, kw_only=True)
class SignedCheckpoint:
    """The root over the first `size` records of the deployment, as a C2SP signed note."""

    size: int
    root: bytes
    note: str
    at: datetime
    witnesses: tuple[str, ...] = ()


EVERYTHING: Final = Filter()


class AuditRecords:
    """What an auditor reads of one tenant; `changes` tells what a record changed."""

    def __init__(self, database: Database, ring: KeyRing | None = None) -> None:
        self._database = database
        self._ring = ring
        self.changes = AuditChanges(database)

    async def read(
        self,
        tenant: str,
        *,
        beyond: int | None = None,
        newest: bool = False,
        matching: Filter = EVERYTHING,
        limit: int = READ_MAX,
        people: bool = False,
    ) -> list[AuditRecord]:
        """Give records beyond a position (None: from the end that is asked for): after it, oldest first, or below it, newest first.

        What was written in the last moment has no position yet. With `people`, each says who holds the key that it names.
        """
        after, below = -1 if newest or beyond is None else beyond, beyond if newest and beyond is not None else _LAST
        query, values = _query(
            matching, limit="limit %(limit)s", order="desc" if newest else "asc", columns=_BY if people else ""
        )
        values |= {"after": after, "below": below, "limit": max(1, min(limit, READ_MAX))}
        async with self._database.tenant(tenant) as conn:
            rows = await (await conn.execute(query, values)).fetchall()
        return [_record(row) for row in rows]

    async def latest_checkpoint(self, tenant: str) -> SignedCheckpoint | None:
        """Give the newest signed checkpoint; None before the first."""
        async with self._database.tenant(tenant) as conn:
            row = await (await conn.execute(_LATEST)).fetchone()
        return None if row is None else SignedCheckpoint(size=row[0], root=bytes(row[1]), note=row[2], at=row[3])

    async def checkpoints(
        self, tenant: str, *, below: int | None = None, limit: int = READ_MAX
    ) -> list[SignedCheckpoint]:
        """Give signed checkpoints, newest first, below a size, each with who witnessed it."""
        async with self._database.tenant(tenant) as conn:
            values = (_LAST if below is None else below, max(1, min(limit, READ_MAX)))
            rows = await (await conn.execute(_CHECKPOINTS, values)).fetchall()
        return [SignedCheckpoint(size=r[0], root=bytes(r[1]), note=r[2], at=r[3], witnesses=tuple(r[4])) for r in rows]

    async def keys(self, tenant: str) -> KeyRing:
        """Give every key that signed, retired ones too. Raises AuditBroken where one was not introduced by the one before."""
        assert self._ring is not None
        ring = KeyRing(origin=self._ring.origin, key_name=self._ring.key_name, first=self._ring.keys[0].public_key)
        async with self._database.tenant(tenant) as conn:
            return await ring.load(conn)


async def stream(conn: Connection, *, matching: Filter, below: int, batch: int) -> AsyncIterator[list[AuditRecord]]:
    """Give all records of the connection's tenant below a position, oldest first, some at a time: one query, whatever its plan."""
    query, values = _query(matching, limit="")
    async with conn.cursor(name="audit_records") as cursor:
        await cursor.execute(query, {**values, "after": -1, "below": below})
        while rows := await cursor.fetchmany(batch):
            yield [_record(row) for row in rows]


def _query(
    matching: Filter, *, limit: str, order: Literal["asc", "desc"] = "asc", columns: str = ""
) -> tuple[bytes, dict[str, Any]]:
    values: dict[str, Any] = {**matching.as_json()}
    narrowed = "".join(f"and {_MATCHING[name]} " for name in values)
    return _RECORDS.format(matching=narrowed, limit=limit, order=order, columns=columns).encode(), values


def _record(row: tuple[Any, ...]) -> AuditRecord:
    by = row[4] if len(row) > 4 else None
    return AuditRecord(position=row[0], task_id=row[1], leaf=row[2], leaf_hash=bytes(row[3]), by=by)
