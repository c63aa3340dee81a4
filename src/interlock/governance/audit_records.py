"""Reading the audit log inside one tenant: its own records by position, and the newest signed checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interlock.domain import canonical
from interlock.infra.database import Database

READ_MAX: Final = 1_000

_RECORDS = """
select p.position, r.task_id, r.leaf, p.leaf_hash from audit_positions p join audit_records r on r.id = p.record_id
where p.tenant = current_tenant() and r.tenant = current_tenant() and p.position > %(after)s
    and (%(task)s::text is null or r.task_id = %(task)s)
order by p.position limit %(limit)s"""
_LATEST = "select size, root, note, at from audit_checkpoints order by size desc limit 1"


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """A sequenced record. `leaf` is exactly what was hashed; `facts` is the same, read as JSON. Positions begin with 0."""

    position: int
    task_id: str | None
    leaf: str
    leaf_hash: bytes

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


class AuditRecords:
    """What an auditor reads of one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, tenant: str, *, after: int = -1, task_id: str | None = None, limit: int = READ_MAX
    ) -> list[AuditRecord]:
        """Give records after a position, oldest first. What was written in the last moment has no position yet."""
        values = {"after": after, "task": task_id, "limit": max(1, min(limit, READ_MAX))}
        async with self._database.tenant(tenant) as conn:
            rows = await (await conn.execute(_RECORDS, values)).fetchall()
        return [AuditRecord(position=r[0], task_id=r[1], leaf=r[2], leaf_hash=bytes(r[3])) for r in rows]

    async def latest_checkpoint(self, tenant: str) -> SignedCheckpoint | None:
        """Give the newest signed checkpoint; None before the first."""
        async with self._database.tenant(tenant) as conn:
            row = await (await conn.execute(_LATEST)).fetchone()
        return None if row is None else SignedCheckpoint(size=row[0], root=bytes(row[1]), note=row[2], at=row[3])
