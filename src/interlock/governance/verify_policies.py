"""The part of `verify` that holds a tenant's own policies against their leaves: each set's files, each change and who decided on it, and which
set is in force or looks on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from interlock.domain import canonical
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings
from interlock.governance.verify_commit import check_commit, read_leaf
from interlock.infra.database import Connection

ROWS_BATCH: Final = 500
# What the last leaf of a change says of the state and the kind of its row.
_STANDS: Final = {
    "policy.proposed": ("proposed", "activate"),
    "policy.activated": ("done", "activate"),
    "policy.rolled-back": ("done", "rollback"),
    "policy.rejected": ("rejected", "activate"),
}
_PUT: Final = frozenset({"policy.activated", "policy.rolled-back"})
# Changes by number; who asked wrote the leaf while nobody has decided, and who decided the last one.
_CHANGES: Final = """
select coalesce(c.number::text, l.about), c.number is not null, l.leaf, k.subject is not null, k.wrapped_key, k.erased_at, k.subject,
    c.asked_by, c.decided_by, c.reason, c.state, c.kind, c.mode, c.set_number, s.version, s.files
from (select * from policy_changes where tenant = current_tenant()) c
left join policy_sets s on s.tenant = c.tenant and s.number = c.set_number
left join subject_keys k on k.tenant = c.tenant and k.subject = coalesce(c.decided_by, c.asked_by)
full join (select substring(leaf from '"change":([0-9]+)') as about, (array_agg(leaf order by id desc))[1] as leaf
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"policy.%' group by 1) l
    on l.about = c.number::text"""
_PUT_LEAVES: Final = """
select leaf from audit_records where tenant = current_tenant() and task_id is null
    and (leaf like '%"kind":"policy.activated"%' or leaf like '%"kind":"policy.rolled-back"%') order by id"""
_NOW: Final = b"select active, shadow from policy_now where tenant = current_tenant()"
_ORPHANS: Final = b"""
select number from policy_sets s where tenant = current_tenant() and not exists (
    select from policy_changes c where c.tenant = s.tenant and c.set_number = s.number) order by number limit 100"""


async def check_policies(conn: Connection, tenant: str, keys: SubjectKeys, findings: Findings) -> None:
    """Check the policies of the tenant that is set in this snapshot of the application's role."""
    async with conn.cursor(name="verified_policy_changes") as cursor:
        cursor.itersize = ROWS_BATCH
        await cursor.execute(_CHANGES.encode())
        async for row in cursor:
            _check_change(f"{tenant}/policy change {row[0]}", tenant, row, keys, findings)
    for (number,) in await (await conn.execute(_ORPHANS)).fetchall():
        findings.add("a set of policies has a change that asked for it", f"{tenant}/policy set {number}")
    active = shadow = 0
    async with conn.cursor(name="verified_policy_now") as cursor:
        cursor.itersize = ROWS_BATCH
        await cursor.execute(_PUT_LEAVES.encode())
        async for (leaf,) in cursor:
            facts = read_leaf(leaf) or {}
            if facts.get("mode") == "active":
                active = facts.get("set", 0)
                shadow = 0 if shadow == active else shadow
            elif facts.get("mode") == "shadow":
                shadow = facts.get("set", 0)
    now = await (await conn.execute(_NOW)).fetchone() or (0, 0)
    where = f"{tenant}/policies"
    findings.check("the set in force is that of its last leaf", where, expected=active, found=now[0])
    findings.check("the set that looks on is that of its last leaf", where, expected=shadow, found=now[1])


def _check_change(where: str, tenant: str, row: Sequence[Any], keys: SubjectKeys, findings: Findings) -> None:
    there, leaf = row[1:3]
    if not there:
        findings.add("a change of policies with a leaf is there", where)
        return
    facts = None if leaf is None else read_leaf(leaf)
    if facts is None or facts.get("kind") not in _STANDS:
        findings.add("a change of policies has its leaf", where)
        return
    asked_by, decided_by, reason, state, kind, mode, number, version, files = row[7:]
    expected = (*_STANDS[facts["kind"]], facts.get("mode"), facts.get("set"))
    what = "the change of policies stands as its last leaf says"
    findings.check(what, where, expected=expected, found=(state, kind, mode, number))
    if number:
        what = "the set's version is that of the leaf"
        findings.check(what, where, expected=facts.get("set_version"), found=version)
        findings.check("the set's files have its version", where, expected=version, found=_version(files))
    if facts["kind"] in _PUT and kind == "activate":
        what = "the change was decided by one or by two as the leaf says"
        findings.check(what, where, expected=facts.get("alone"), found=asked_by == decided_by)
    parts = (asked_by if state == "proposed" else decided_by, reason)
    if row[5] is not None and reason is not None:
        findings.add("of why an erased person rejected a change nothing is left", where)
    what = "the change was decided by whom the leaf commits to"
    check_commit(what, where, tenant, row[3:7], facts, parts, keys, findings)


def _version(files: Any) -> str:
    """Give the digest of a set's files, as `tenant_policies` does; nothing where they are no files any more."""
    try:
        return canonical.digest(dict(files)).hex()
    except (TypeError, ValueError):
        return ""
