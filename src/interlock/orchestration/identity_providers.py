"""What owners do with identity providers: set, list, remove, each change on record. A client's secret is never given back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from interlock.domain.errors import FieldError, InvalidInput
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Principal
from interlock.governance.identity_providers import IdentityProvider, IdentityProviders, provider_facts, provider_parts
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.session_ends import end_sessions
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key

_SIGNED_IN: Final = b"""
select distinct s.user_id from sessions s join accounts a on a.tenant = s.tenant and a.id = s.user_id
where s.tenant = current_tenant() and s.ended_at is null and s.method = 'oidc' and a.issuer = %s"""


class ProviderChanges:
    """Each verb is one transaction with its audit leaf, which says whose word is taken for which roles, and commits to the rest."""

    def __init__(
        self, database: Database, store: IdentityProviders, roles: frozenset[str], keys: SubjectKeys, clock: Clock
    ) -> None:
        self._database = database
        self._store = store
        self._roles = roles
        self._keys = keys
        self._clock = clock

    async def put(self, principal: Principal, provider: IdentityProvider, *, secret: str | None) -> IdentityProvider:
        """Set a provider; durable when it returns. Where more than the client's secret is another one, whoever signed in by it is signed out.

        Raises:
            InvalidInput: a role that nobody knows, an audience that is the client, a secret for another issuer. Conflict. Refused.
        """
        principal.scope.must_be_whole("provider.write")
        for place, group in enumerate(provider.groups):
            for at, role in enumerate(group.roles):
                if role not in self._roles:
                    raise InvalidInput(
                        f"{role!r} is no role: no policy and no automation knows it.",
                        fix=f"Known are {', '.join(sorted(self._roles))}.",
                        fields=[FieldError(pointer=f"/groups/{place}/roles/{at}", detail="not a known role")],
                    )
        if provider.audience == provider.client_id:
            raise InvalidInput(
                "The audience of programs' tokens is the client that people sign in by: an ID token would open the API.",
                fix="Give the API an audience of its own at the provider.",
                fields=[FieldError(pointer="/audience", detail="is the client_id")],
            )
        async with self._database.tenant(principal.tenant) as conn:
            before = {one.name: one for one in await self._store.list(conn)}.get(provider.name)
            made = await self._store.put(conn, principal.tenant, provider, secret=secret, by=principal.id)
            if before is not None and _meaning(before) != _meaning(made):
                await self._sign_out(conn, principal, before, "provider changed")
            await self._logged(conn, principal, "provider.set", made)
        return made

    async def remove(self, principal: Principal, name: str) -> None:
        """Take nobody's word any more: who signed in by it is signed out. Raises NotFound."""
        principal.scope.must_be_whole("provider.write")
        async with self._database.tenant(principal.tenant) as conn:
            gone = await self._store.remove(conn, name)
            await self._sign_out(conn, principal, gone, "provider removed")
            await self._logged(conn, principal, "provider.removed", gone)

    async def get(self, tenant: str, name: str) -> IdentityProvider:
        """Give a provider. Raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            return await self._store.get(conn, name)

    async def list(self, tenant: str) -> list[IdentityProvider]:
        """List the tenant's providers by name."""
        async with self._database.tenant(tenant) as conn:
            return await self._store.list(conn)

    async def _sign_out(self, conn: Connection, principal: Principal, provider: IdentityProvider, why: str) -> None:
        for (user,) in await (await conn.execute(_SIGNED_IN, (provider.issuer,))).fetchall():
            await end_sessions(conn, self._clock, principal.tenant, user=user, why=why, by_key=principal.key_id)

    async def _logged(self, conn: Connection, principal: Principal, kind: str, provider: IdentityProvider) -> None:
        key, salt = await subject_key(conn, self._keys, principal.tenant, principal.id), audit.new_salt()
        # Of one that is removed, the leaf says who removed it.
        about = replace(provider, set_by=principal.id)
        facts = {
            "provider": provider.name,
            **provider_facts(provider),
            "by_key": principal.key_id,
            "salt": salt.hex(),
            "commit": audit.commit(key, salt, provider_parts(about)),
        }
        leaf = audit.leaf(kind, tenant=principal.tenant, at=self._clock.now(), facts=facts)
        await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)


def _meaning(provider: IdentityProvider) -> IdentityProvider:
    """Give a provider without who set it, when, and whether its client has a secret."""
    return replace(provider, set_by="", set_at=None, has_secret=False)
