"""The part of `verify` that holds kept views against their leaves."""

from __future__ import annotations

from typing import Any, Final

from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings
from interlock.governance.verify_commit import check_commit, read_leaf
from interlock.infra.database import Connection

ROWS_BATCH: Final = 500
# Each leaf of a view says how it stands from then on, so the last one counts.
_VIEWS: Final = """
select coalesce(v.id, l.about), v.id is not null, l.leaf, k.subject is not null, k.wrapped_key, k.erased_at, k.subject,
    v.owner, v.page, v.name, v.filters::text, v.shared
from (select * from saved_views where tenant = current_tenant()) v
left join subject_keys k on k.tenant = v.tenant and k.subject = v.owner
full join (select substring(leaf from '"view":"([^"]+)"') as about, (array_agg(leaf order by id desc))[1] as leaf
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"view.%' group by 1) l on l.about = v.id"""


async def check_views(conn: Connection, tenant: str, keys: SubjectKeys, findings: Findings) -> None:
    """Check the views of the tenant that is set in this snapshot of the application's role."""
    async with conn.cursor(name="verified_views") as cursor:
        cursor.itersize = ROWS_BATCH
        await cursor.execute(_VIEWS.encode())
        async for row in cursor:
            _check(f"{tenant}/{row[0]}", tenant, row, keys, findings)


def _check(where: str, tenant: str, row: tuple[Any, ...], keys: SubjectKeys, findings: Findings) -> None:
    facts = None if row[2] is None else read_leaf(row[2])
    said = facts is not None and facts.get("kind") == "view.saved"
    if (
        not findings.check("a view is there as the log says", where, expected=said, found=row[1])
        or facts is None
        or not said
    ):
        return
    owner, page, name, filters, shared = row[7:]
    for part, value in {"page": page, "shared": shared}.items():
        findings.check(f"the view's {part} is that of its last leaf", where, expected=facts.get(part), found=value)
    parts = audit.view_parts(owner=owner, name=name, filters=filters)
    check_commit("the view is what its last leaf commits to", where, tenant, row[3:7], facts, parts, keys, findings)
