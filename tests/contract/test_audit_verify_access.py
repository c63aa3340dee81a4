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
    "loud events that go elsewhere": (
        "update tenant_webhooks set url = 'https://evil.example'",
        "the webhook's address is that of its last leaf",
    ),
    "loud events that go nowhere": ("delete from tenant_webhooks", "a webhook with a leaf is there"),
    "an invented webhook": (
        "update audit_records set leaf = replace(leaf, 'webhook.set', 'webhook.removed')",
        "a webhook has a leaf of its setting",
    ),
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
    "a call that was dropped": (
        "delete from deliveries where task_id is null",
        "a call of the webhook with a leaf is there",
    ),
    "policies in force that nobody asked for": (
        "update policy_now set active = 2",
        "the set in force is that of its last leaf",
    ),
    "policies in force that are forgotten": ("delete from policy_now", "the set in force is that of its last leaf"),
    "a set that looks on no more": (
        "update policy_now set shadow = 0",
        "the set that looks on is that of its last leaf",
    ),
    "other words in a set": (
        """update policy_sets set files = '{"own.cedar": "// nothing is forbidden"}' where number = 1""",
        "the set's files have its version",
    ),
    "files that are none": (
        "update policy_sets set files = '[1.5]' where number = 1",
        "the set's files have its version",
    ),
    "another set under its number": (
        "update policy_sets s set files = o.files, version = o.version from policy_sets o where s.number = 1 and o.number = 2"
        " and o.tenant = s.tenant",
        "the set's version is that of the leaf",
    ),
    "a set that nobody asked for": (
        "insert into policy_sets (tenant, number, version, files, note, created_by) select tenant, 99, '', '{}', '', 'x' from tenants",
        "a set of policies has a change that asked for it",
    ),
    "an approval that was a rejection": (
        "update policy_changes set state = 'done', reason = null where state = 'rejected'",
        "the change of policies stands as its last leaf says",
    ),
    "another who approved": (
        "update policy_changes set decided_by = 'user:olga', asked_by = 'user:otto' where state = 'done' and kind = 'activate'",
        "the change was decided by whom the leaf commits to",
    ),
    "four eyes that were two": (
        "update policy_changes set asked_by = decided_by where kind = 'activate'",
        "the change was decided by one or by two as the leaf says",
    ),
    "another reason of a rejection": (
        "update policy_changes set reason = 'Fine.' where state = 'rejected'",
        "the change was decided by whom the leaf commits to",
    ),
    "an invented change": (
        "insert into policy_changes (tenant, number, set_number, mode, kind, state, asked_by, decided_by)"
        " select tenant, 99, 1, 'active', 'activate', 'done', 'user:olga', 'user:otto' from tenants",
        "a change of policies has its leaf",
    ),
    "a change that is gone": (
        "delete from policy_changes where number = 1",
        "a change of policies with a leaf is there",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found(store: Prepared, name: str) -> None:
    statements, finding = TAMPERINGS[name]
    await store.tamper(*statements.split(";"))
    report = await checked(store)
    assert not report.ok
    assert any(finding in found.what for found in report.findings), report.findings
