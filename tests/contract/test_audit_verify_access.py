"""`audit verify` finds what somebody changed of who may come in: keys that reach further, or for longer, than the log says."""

from __future__ import annotations

import pytest
from tests.contract.prepared_database import Prepared
from tests.contract.test_audit_verify import built, checked, store

pytestmark = pytest.mark.postgres
__all__ = ["built", "store"]

TAMPERINGS = {
    "a wider scope": ("update api_keys set scope_actions = null", "the key's scope_actions"),
    "a scope over more automations": (
        "update api_keys set scope_automations = scope_automations || '{greet}'",
        "the key's scope_automations",
    ),
    "an old secret that opens for longer": (
        "update api_keys set old_until = old_until + interval '1 day'",
        "the key's old_until",
    ),
    "a longer life than it was given later": (
        "update api_keys set expires_at = expires_at + interval '1 day' where user_id = 'user:nell'",
        "the key's expires_at",
    ),
    "more roles of a person": (
        "update accounts set roles = '{owner}' where id = 'user:noor'",
        "the account's roles",
    ),
    "a higher limit of a person": (
        "update accounts set approval_limit = approval_limit + 1",
        "the account's approval_limit",
    ),
    "another password": (
        "update accounts set password_hash = 'x' where id = 'user:noor'",
        "the account is what its last leaf commits to",
    ),
    "a service that opens again": (
        "update accounts set disabled_at = null where id like 'service:%'",
        "the account's disabled",
    ),
    "a way in by OIDC": ("update accounts set issuer = 'https://x', subject = id", "the account's federated"),
    "another person there": (
        "update accounts set subject = 'mallory' where id = 'user:company.fay'",
        "the account is what its last leaf commits to",
    ),
    "a group with more roles": (
        """update identity_providers set groups = '[{"display": "finance", "value": null, "roles": ["owner"], "approval_limit": null}]'""",
        "the identity provider's roles",
    ),
    "another group": (
        "update identity_providers set groups = jsonb_set(groups, '{0,display}', '\"everybody\"')",
        "the identity provider is what its last leaf commits to",
    ),
    "another issuer": (
        "update identity_providers set issuer = 'https://evil.example'",
        "the identity provider's issuer",
    ),
    "an invented provider": (
        "insert into identity_providers select tenant, 'evil', 'https://evil.example', client_id, null, algorithm, null, scopes,"
        " groups_claim, user_claim, required_claims, groups, set_by from identity_providers limit 1",
        "an identity provider has a leaf of its setting",
    ),
    "a provider that comes back": (
        "update identity_providers set name = 'gone'",
        "an identity provider has a leaf of its setting",
    ),
    "a removed provider": ("delete from identity_providers", "an identity provider with a leaf is there"),
    "an invented account": (
        "insert into accounts (tenant, id, ref, name, created_by) select tenant, 'user:planted', 'acc_' || tenant, 'P', 'x' from tenants",
        "an account has one leaf of its making",
    ),
    "a deleted account": ("delete from accounts where id = 'user:noor'", "an account with a leaf is there"),
    "an invented session": (
        "insert into sessions (tenant, id, token_hash, user_id, method, expires_at) select tenant, 'session_' || tenant, '', 'user:noor',"
        " 'password', time_now() from tenants",
        "a session has one leaf of its making",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found(store: Prepared, name: str) -> None:
    statements, finding = TAMPERINGS[name]
    await store.tamper(*statements.split(";"))
    report = await checked(store)
    assert not report.ok
    assert any(finding in found.what for found in report.findings), report.findings
