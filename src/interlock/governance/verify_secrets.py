"""The part of `verify` that holds connection secrets against their leaves: each version, its rotation and its end.

The value itself is in no leaf. It is sealed for its tenant, name and version, so that nobody without the master key puts another one there.
"""

from __future__ import annotations

from typing import Any, Final

from interlock.domain import canonical
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings
from interlock.governance.verify_commit import check_commit, read_leaf
from interlock.infra.database import Connection

ROWS_BATCH: Final = 500
_SECRETS: Final = """
select coalesce(s.name || '@' || s.version, l.about), s.name is not null, l.leaf, coalesce(l.made, 0), coalesce(l.removed, 0),
    k.subject is not null, k.wrapped_key, k.erased_at, k.subject, s.created_by, s.note, s.version, s.automations, s.hosts,
    s.ended_at is not null, s.sealed is not null,
    exists (select from secrets n where n.tenant = current_tenant() and n.name = s.name and n.version = s.version + 1)
from (select * from secrets where tenant = current_tenant()) s
left join subject_keys k on k.tenant = s.tenant and k.subject = s.created_by
full join (select substring(leaf from '"secret":"([^"]+)"') || '@' || substring(leaf from '"secret_version":(\\d+)') as about,
    min(leaf) filter (where leaf not like '%"kind":"secret.removed"%') as leaf,
    count(*) filter (where leaf not like '%"kind":"secret.removed"%') as made,
    count(*) filter (where leaf like '%"kind":"secret.removed"%') as removed
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"secret.%' group by 1) l
    on l.about = s.name || '@' || s.version"""


async def check_secrets(conn: Connection, tenant: str, keys: SubjectKeys, findings: Findings) -> None:
    """Check the connection secrets of the tenant that is set in this snapshot of the application's role."""
    async with conn.cursor(name="verified_secrets") as cursor:
        cursor.itersize = ROWS_BATCH
        await cursor.execute(_SECRETS.encode())
        async for row in cursor:
            _check(f"{tenant}/secret {row[0]}", tenant, row, keys, findings)


def _check(where: str, tenant: str, row: tuple[Any, ...], keys: SubjectKeys, findings: Findings) -> None:
    if not row[1]:
        findings.add("a secret's version with a leaf is there", where)
        return
    if not findings.check("a secret's version has one leaf", where, expected=1, found=row[3]):
        return
    if (facts := read_leaf(row[2])) is None:
        findings.add("the leaf can be read", where)
        return
    created_by, note, version, automations, hosts, ended, sealed, replaced = row[9:]
    said = "secret.set" if version == 1 else "secret.rotated"
    findings.check("the leaf is that of a first or a later version", where, expected=facts.get("kind"), found=said)
    for part, value in canonical.plain({"automations": sorted(automations), "hosts": sorted(hosts)}).items():
        findings.check(f"the secret's {part} are those of the leaf", where, expected=facts.get(part), found=value)
    over = row[4] > 0 or replaced
    findings.check("the version is over as the log says", where, expected=over, found=ended)
    findings.check(
        "the value is there while the version is in use, and no longer", where, expected=not over, found=sealed
    )
    what = "the secret is whose the leaf commits to"
    check_commit(what, where, tenant, row[5:9], facts, (created_by, note), keys, findings)
