"""The part of `verify` that holds identity providers against their leaves: whose word is taken, and which groups have which roles."""

from __future__ import annotations

from typing import Final

from interlock.domain import canonical
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings
from interlock.governance.identity_providers import all_providers, provider_facts, provider_parts
from interlock.governance.verify_commit import check_commit, read_leaf
from interlock.infra.database import Connection

# The last leaf of a provider says how it stands, or that it is gone. Few change, and few times.
_LEAVES: Final = b"""
select substring(leaf from '"provider":"([^"]+)"'), (array_agg(leaf order by id desc))[1]
from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"provider.%' group by 1"""
_KEY: Final = b"""
select true, wrapped_key, erased_at, subject from subject_keys where tenant = current_tenant() and subject = %s"""


async def check_providers(conn: Connection, tenant: str, keys: SubjectKeys, findings: Findings) -> None:
    """Check the identity providers of the tenant that is set in this snapshot of the application's role."""
    leaves = {name: read_leaf(leaf) for name, leaf in await (await conn.execute(_LEAVES)).fetchall()}
    for provider in await all_providers(conn):
        where = f"{tenant}/provider {provider.name}"
        facts = leaves.pop(provider.name, None)
        if facts is None or facts.get("kind") != "provider.set":
            findings.add("an identity provider has a leaf of its setting", where)
            continue
        for part, value in canonical.plain(provider_facts(provider)).items():
            what = f"the identity provider's {part} is that of its last leaf"
            findings.check(what, where, expected=facts.get(part), found=value)
        key = await (await conn.execute(_KEY, (provider.set_by,))).fetchone()
        what = "the identity provider is what its last leaf commits to"
        check_commit(
            what, where, tenant, key or (False, None, None, None), facts, provider_parts(provider), keys, findings
        )
    for name, facts in leaves.items():
        if facts is None or facts.get("kind") == "provider.set":
            findings.add("an identity provider with a leaf is there", f"{tenant}/provider {name}")
