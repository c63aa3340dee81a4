"""The part of `verify` that holds model versions, what was done with them, and the keys that vouch for them against their leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from interlock.domain import canonical
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings
from interlock.governance.verify_commit import check_commit, read_leaf
from interlock.infra.database import Connection

ROWS_BATCH: Final = 500
_ACTS: Final = """
select coalesce(a.about, l.about), a.about is not null, l.leaf, coalesce(l.made, 0), k.subject is not null, k.wrapped_key, k.erased_at, k.subject,
    a.kind, a.by_whom, a.note, a.facts, a.envelope, a.digest, a.state, a.last
from (select a.tenant, a.version_number || '/' || a.number as about, a.kind, a.by_whom, a.note, a.facts::text as facts, a.envelope, v.digest,
        v.state, a.number = max(a.number) over (partition by a.version_number) as last
    from model_acts a join model_versions v on v.tenant = a.tenant and v.number = a.version_number where a.tenant = current_tenant()) a
left join subject_keys k on k.tenant = a.tenant and k.subject = a.by_whom
full join (select substring(leaf from '"model_version":([0-9]+)') || '/' || substring(leaf from '"act":([0-9]+)') as about, min(leaf) as leaf,
        count(*) as made
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"model.%' group by 1) l on l.about = a.about"""
_KEYS: Final = """
select coalesce(a.id, l.about), a.id is not null, l.about is not null, a.revoked_at is not null, coalesce(l.revoked, 0) > 0
from (select encode(sha256(public_key), 'hex') as id, revoked_at from model_keys where tenant = current_tenant()) a
full join (select substring(leaf from '"model_key":"([^"]+)"') as about, count(*) filter (where leaf like '%"kind":"model-key.revoked"%') as revoked
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"model_key":"%' group by 1) l on l.about = a.id"""


async def check_models(conn: Connection, tenant: str, keys: SubjectKeys, findings: Findings) -> None:
    """Check the model versions of the tenant that is set in this snapshot of the application's role."""
    async for row in _rows(conn, _ACTS):
        _check_act(f"{tenant}/model version {row[0]}", tenant, row, keys, findings)
    async for about, there, has_leaf, revoked, said in _rows(conn, _KEYS):
        where = f"{tenant}/model key {about}"
        if not there:
            findings.add("a signing key of models with a leaf is there", where)
        elif not has_leaf:
            findings.add("a signing key of models has a leaf", where)
        else:
            findings.check("a signing key of models is revoked as the log says", where, expected=said, found=revoked)


async def _rows(conn: Connection, query: str) -> AsyncIterator[tuple[Any, ...]]:
    async with conn.cursor(name="verified_models") as cursor:
        cursor.itersize = ROWS_BATCH
        await cursor.execute(query.encode())
        async for row in cursor:
            yield row


def _check_act(where: str, tenant: str, row: tuple[Any, ...], keys: SubjectKeys, findings: Findings) -> None:
    if not row[1]:
        findings.add("what was done with a model version is there", where)
        return
    if not findings.check("what was done with a model version has one leaf", where, expected=1, found=row[3]):
        return
    if (said := read_leaf(row[2])) is None:
        findings.add("the leaf can be read", where)
        return
    kind, by, note, facts, envelope, digest, state, last = row[8:]
    findings.check("what was done is that of the leaf", where, expected=said.get("kind"), found=f"model.{kind}")
    findings.check("the model version's digest is that of the leaf", where, expected=said.get("digest"), found=digest)
    if last:
        findings.check("the model version stands as its last leaf says", where, expected=said.get("state"), found=state)
    parts = (by, note, canonical.dumps(canonical.loads(facts)).decode(), envelope)
    check_commit("what was done is what the leaf commits to", where, tenant, row[4:8], said, parts, keys, findings)
