"""The part of `verify` that holds a tenant's webhook against its last leaf, and each call of it against the leaf of what it tells: loud events
went where it was said on record that they go."""

from __future__ import annotations

import hashlib
from typing import Final

from interlock.governance.findings import Findings
from interlock.governance.verify_commit import read_leaf
from interlock.infra.database import Connection

ROWS_BATCH: Final = 500
_URL: Final = b"select url from tenant_webhooks where tenant = current_tenant()"
_LAST: Final = b"""
select leaf from audit_records
where tenant = current_tenant() and task_id is null and leaf like '%"kind":"webhook.%' order by id desc limit 1"""
# What was called before leaves said so has none, and is not looked at.
_CALLS: Final = """
select l.call, d.id is not null, l.leaf, d.url, d.body
from (select substring(leaf from '"call":"([^"]+)"') as call, leaf from audit_records
    where tenant = current_tenant() and task_id is null and leaf like '%"call":"%') l
left join deliveries d on d.tenant = current_tenant() and d.id = l.call and d.task_id is null
where l.call is not null"""


def call_digest(*, url: str, body: str) -> str:
    """Give the digest (SHA-256, hex) of what a call sends where; the address is not on record in plain text."""
    return hashlib.sha256(f"{url}\n{body}".encode()).hexdigest()


async def check_webhook(conn: Connection, tenant: str, findings: Findings) -> None:
    """Check the webhook and its calls of the tenant that is set in this snapshot of the application's role."""
    row = await (await conn.execute(_URL)).fetchone()
    last = await (await conn.execute(_LAST)).fetchone()
    facts = None if last is None else read_leaf(last[0])
    where = f"{tenant}/webhook"
    if facts is None or facts.get("kind") != "webhook.set":
        if row is not None:
            findings.add("a webhook has a leaf of its setting", where)
    elif row is None:
        findings.add("a webhook with a leaf is there", where)
    else:
        found = hashlib.sha256(row[0].encode()).hexdigest()
        what = "the webhook's address is that of its last leaf"
        findings.check(what, where, expected=facts.get("url_sha256"), found=found)
    await _check_calls(conn, tenant, findings)


async def _check_calls(conn: Connection, tenant: str, findings: Findings) -> None:
    async with conn.cursor(name="verified_calls") as cursor:
        cursor.itersize = ROWS_BATCH
        await cursor.execute(_CALLS.encode())
        async for call, there, leaf, url, body in cursor:
            where = f"{tenant}/{call}"
            if not there:
                findings.add("a call of the webhook with a leaf is there", where)
                continue
            facts = read_leaf(leaf) or {}
            what = "the call of the webhook is what its leaf says, and goes where it says"
            findings.check(what, where, expected=facts.get("call_sha256"), found=call_digest(url=url, body=body))
