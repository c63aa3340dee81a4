"""`audit verify`: does the store agree with its audit log, and the log with its signed checkpoints?

    sequence and sign what is pending → one snapshot → the tree and its checkpoints → every tenant's tasks against their leaves

Both roles read the same snapshot: the relay's transaction exports it, the application's takes it. A row and its leaf are written by one
transaction, so in a snapshot each has the other, however much is written meanwhile; only positions may come later.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import sql

from interlock.domain.errors import AuditBroken
from interlock.governance.audit import SubjectKeys
from interlock.governance.audit_keys import KeyRing
from interlock.governance.audit_log import BATCH, AuditLog
from interlock.governance.findings import Findings, Report
from interlock.governance.verify_tasks import check_tasks
from interlock.governance.verify_tenant import Digest, check_tenant
from interlock.governance.verify_tree import check_tree
from interlock.governance.verify_witnesses import check_witnesses
from interlock.governance.witnesses import Witness
from interlock.infra.database import Connection, Database

ROUNDS_MAX: Final = 100_000

# The relay sees no tenants' table; whoever has a task has a record and an event.
_TENANTS = """
with recursive recorded as (
    (select tenant from audit_records order by tenant limit 1)
    union all
    select (select r.tenant from audit_records r where r.tenant > l.tenant order by r.tenant limit 1) from recorded l
    where l.tenant is not null
), told as (
    (select tenant from outbox order by tenant limit 1)
    union all
    select (select o.tenant from outbox o where o.tenant > l.tenant order by o.tenant limit 1) from told l
    where l.tenant is not null
)
select tenant from recorded where tenant is not null union select tenant from told where tenant is not null
union select tenant from audit_pending order by 1"""


async def verify(
    app: Database,
    relay: Database,
    audit_log: AuditLog,
    keys: SubjectKeys,
    public_key: Ed25519PublicKey,
    *,
    digest: Digest | None = None,
    witnesses: Sequence[Witness] = (),
) -> Report:
    """Check the whole audit log and everything that it covers. Memory is constant in the number of tasks.

    Args:
        audit_log: sequences what is pending and signs a checkpoint before anything is read.
        keys: opens the subjects' keys, to recompute what leaves commit to.
        public_key: the first signing key, from which the others follow; an operator may give one that was kept elsewhere.
        digest: reads the documents' files; None leaves them out, and only their rows are checked.
        witnesses: asked for what they hold, and for whether the stored statements are theirs.

    Raises:
        Unavailable: the database does not answer, so nothing can be said. Retryable.
    """
    started = time.monotonic()
    findings = Findings()
    covered = await _bring_up(audit_log, findings)
    async with _reading(relay) as log:
        row = await (await log.execute("select pg_export_snapshot()")).fetchone()
        assert row is not None
        async with _reading(app, snapshot=str(row[0])) as store:
            ring = await _ring(log, audit_log, public_key, findings)
            witnessed = await check_witnesses(log, ring, witnesses, findings)
            root = await check_tree(log, ring=ring, covered=covered, findings=findings, witnessed=witnessed)
            for (tenant,) in await (await log.execute(_TENANTS)).fetchall():
                await store.execute("select set_config('interlock.tenant', %s, true)", (tenant,))
                await check_tasks(store, tenant, keys, findings)
                await check_tenant(store, tenant, keys, digest, findings)
    return Report(
        ok=findings.total == 0,
        root=root.hex(),
        records=findings.records,
        pending=findings.pending,
        checkpoints=findings.checkpoints,
        tasks=findings.tasks,
        effects=findings.effects,
        reviews=findings.reviews,
        documents=findings.documents,
        witnessed=findings.witnessed,
        erased=findings.erased,
        warnings=tuple(findings.warnings),
        findings=tuple(findings.kept),
        findings_total=findings.total,
        duration_s=round(time.monotonic() - started, 3),
    )


async def _ring(log: Connection, audit_log: AuditLog, public_key: Ed25519PublicKey, findings: Findings) -> KeyRing:
    """Give every key that signed. Where the chain does not hold, that is a finding, and only the first key counts."""
    ring = KeyRing(origin=audit_log.origin, key_name=audit_log.key_name, first=public_key)
    try:
        return await ring.load(log)
    except AuditBroken as error:
        findings.add("each signing key was introduced by the one before", "keys", found=error.detail)
        return KeyRing(origin=audit_log.origin, key_name=audit_log.key_name, first=public_key)


async def _bring_up(audit_log: AuditLog, findings: Findings) -> int:
    """Sequence what is pending and sign it; gives the size that a checkpoint covers now. A log that cannot be continued is a finding."""
    try:
        for _ in range(ROUNDS_MAX):
            if await audit_log.sequence(BATCH) < BATCH:
                break
        checkpoint = await audit_log.checkpoint()
    except AuditBroken as error:
        findings.add("the log can be continued", "log", found=error.detail)
        return 0
    return checkpoint.size if checkpoint else 0


@asynccontextmanager
async def _reading(database: Database, *, snapshot: str | None = None) -> AsyncIterator[Connection]:
    """Run a read-only transaction in which nothing changes, in the snapshot of another one where given."""
    async with database.connection() as conn:
        await conn.execute("begin isolation level repeatable read read only")
        try:
            if snapshot is not None:
                await conn.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
            # One of the two waits while the other is read.
            await conn.execute("set local idle_in_transaction_session_timeout = 0")
            yield conn
        finally:
            if not conn.closed:
                await conn.execute("rollback")
