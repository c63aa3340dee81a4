"""The part of `verify` that holds what belongs to no task against its leaves: a tenant's documents and its API keys. Accounts and sessions are
checked beside them, by `verify_accounts`, as are identity providers, connection secrets, model versions, views, policies and the webhook, each by the
module of its name.

Rows and leaves are brought together by the database, which sorts them on its disk, and are read a few hundred at a time: so the memory does
not grow with their number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from interlock.domain import canonical
from interlock.domain.errors import NotFound
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings
from interlock.governance.verify_accounts import check_accounts
from interlock.governance.verify_commit import check_commit, read_leaf
from interlock.governance.verify_models import check_models
from interlock.governance.verify_policies import check_policies
from interlock.governance.verify_providers import check_providers
from interlock.governance.verify_secrets import check_secrets
from interlock.governance.verify_views import check_views
from interlock.governance.verify_webhook import check_webhook
from interlock.infra.database import Connection

Digest = Callable[[str], Awaitable[str]]
"""Gives the SHA-256 (hex) of a stored object; raises NotFound or Unavailable."""

ROWS_BATCH: Final = 500

# A leaf that cannot be read is a finding of the tree's check; here it belongs to nothing.
_LEAVES = """
select substring(leaf from '"{name}":"([^"]+)"') as about, min(leaf) filter (where leaf like '%"kind":"{made}"%') as leaf,
    count(*) filter (where leaf like '%"kind":"{made}"%') as made, count(*) filter (where leaf like '%"kind":"{ended}"%') as ended
from audit_records where tenant = current_tenant() and task_id is null
    and (leaf like '%"kind":"{made}"%' or leaf like '%"kind":"{ended}"%') group by 1"""
_DOCUMENTS = f"""
select coalesce(d.id, l.about), d.id is not null, l.leaf, coalesce(l.made, 0), coalesce(l.ended, 0), k.subject is not null, k.wrapped_key,
    k.erased_at, k.subject, d.sha256, d.filename, d.media_type, d.object_key, d.size_bytes, d.erased_at
from (select * from documents where tenant = current_tenant()) d
left join subject_keys k on k.tenant = d.tenant and k.subject = d.created_by
full join ({_LEAVES.format(name="document", made="document.stored", ended="document.erased")}) l on l.about = d.id"""
# Of a key, the last word about its end and about the secret before counts too.
_KEYS = f"""
select coalesce(a.id, l.about), a.id is not null, l.leaf, coalesce(l.made, 0), coalesce(l.ended, 0), k.subject is not null, k.wrapped_key,
    k.erased_at, k.subject, a.user_id, a.name, a.roles, a.approval_limit, a.expires_at, a.revoked_at, a.scope_actions, a.scope_automations,
    a.old_until, m.expiring, m.rotated
from (select * from api_keys where tenant = current_tenant()) a
left join subject_keys k on k.tenant = a.tenant and k.subject = a.user_id
left join (select substring(leaf from '"key":"([^"]+)"') as about,
    (array_agg(leaf order by id desc) filter (where leaf like '%"kind":"key.expiring"%'))[1] as expiring,
    (array_agg(leaf order by id desc) filter (where leaf like '%"kind":"key.rotated"%'))[1] as rotated
    from audit_records where tenant = current_tenant() and task_id is null
        and (leaf like '%"kind":"key.expiring"%' or leaf like '%"kind":"key.rotated"%') group by 1) m on m.about = a.id
full join ({_LEAVES.format(name="key", made="key.created", ended="key.revoked")}) l on l.about = a.id"""


async def check_tenant(
    conn: Connection, tenant: str, keys: SubjectKeys, digest: Digest | None, findings: Findings
) -> None:
    """Check what the tenant that is set has beside its tasks, in this snapshot of the application's role.

    Args:
        digest: reads the stored files; None leaves them out.
    """
    async for row in _rows(conn, _DOCUMENTS):
        where = f"{tenant}/{row[0]}"
        if _has_its_leaf("a document", where, row, findings):
            findings.documents += 1
            _check_document(where, tenant, row, keys, findings)
        if row[1] and digest is not None and row[14] is None:
            await _check_file(where, row, digest, findings)
    async for row in _rows(conn, _KEYS):
        where = f"{tenant}/key {row[0]}"
        if _has_its_leaf("an API key", where, row, findings):
            _check_key(where, tenant, row, keys, findings)
    await check_accounts(conn, tenant, keys, findings)
    await check_providers(conn, tenant, keys, findings)
    await check_secrets(conn, tenant, keys, findings)
    await check_models(conn, tenant, keys, findings)
    await check_views(conn, tenant, keys, findings)
    await check_policies(conn, tenant, keys, findings)
    await check_webhook(conn, tenant, findings)


async def _rows(conn: Connection, query: str) -> AsyncIterator[tuple[Any, ...]]:
    async with conn.cursor(name="verified") as cursor:
        cursor.itersize = ROWS_BATCH
        await cursor.execute(query.encode())
        async for row in cursor:
            yield row


def _has_its_leaf(what: str, where: str, row: Sequence[Any], findings: Findings) -> bool:
    _, there, leaf, made = row[:4]
    if not there:
        findings.add(f"{what} with a leaf is there", where)
        return False
    return findings.check(f"{what} has one leaf", where, expected=1, found=made) and leaf is not None


def _facts(where: str, row: Sequence[Any], findings: Findings) -> dict[str, Any] | None:
    """Read the leaf; one that was changed into what nobody can read is a finding."""
    if (facts := read_leaf(row[2])) is None:
        findings.add("the leaf can be read", where)
    return facts


def _check_document(where: str, tenant: str, row: Sequence[Any], keys: SubjectKeys, findings: Findings) -> None:
    sha256, filename, media_type, object_key, size, erased_at = row[9:]
    if not findings.check(
        "a document is erased as the log says", where, expected=row[4] > 0, found=erased_at is not None
    ):
        return
    if erased_at is not None:
        findings.erased += 1
        if sha256 or filename:
            findings.add("of an erased document nothing is left", where)
        return
    if (facts := _facts(where, row, findings)) is None:
        return
    findings.check("the document's size is that of the leaf", where, expected=facts.get("size"), found=size)
    what = "the document is what the leaf commits to"
    check_commit(what, where, tenant, row[5:9], facts, (sha256, filename, media_type, object_key), keys, findings)


async def _check_file(where: str, row: Sequence[Any], digest: Digest, findings: Findings) -> None:
    try:
        found = await digest(row[12])
    except NotFound:
        findings.add("the document's file is there", where)
        return
    findings.check("the file is the document's", where, expected=row[9], found=found)


def _check_key(where: str, tenant: str, row: Sequence[Any], keys: SubjectKeys, findings: Findings) -> None:
    ended, (user, name, roles, limit, expires_at, revoked_at) = row[4], row[9:15]
    if (facts := _facts(where, row, findings)) is None:
        return
    row_says = {"roles": sorted(roles), "approval_limit": limit, "expires_at": expires_at, "old_until": row[17]}
    row_says |= {"scope_actions": row[15], "scope_automations": row[16]}
    expected = {
        name: facts.get(name) for name in row_says
    }  # keys of older versions say nothing of a scope: they have none
    for later, part in ((row[18], "expires_at"), (row[19], "old_until")):
        if later is not None:
            expected[part] = (read_leaf(later) or {}).get(part)
    for part, value in canonical.plain(row_says).items():
        findings.check(f"the key's {part} is that of the leaf", where, expected=expected[part], found=value)
    findings.check("the key is revoked as the log says", where, expected=ended > 0, found=revoked_at is not None)
    check_commit("the key is whose the leaf commits to", where, tenant, row[5:9], facts, (user, name), keys, findings)
