"""What people do with API keys: make, list and revoke them, each on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from interlock.domain.errors import FieldError, InvalidInput
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Identity, KeyInfo, Principal
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key


class ApiKeys:
    """Each verb is one transaction with its audit leaf, which names keys and roles and commits to the person."""

    def __init__(
        self, *, database: Database, identity: Identity, keys: SubjectKeys, clock: Clock, roles: frozenset[str]
    ) -> None:
        self._roles = roles
        self._database = database
        self._identity = identity
        self._keys = keys
        self._clock = clock

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        user: str,
        roles: Sequence[str],
        approval_limit: Decimal | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[KeyInfo, str]:
        """Make a key; gives it with its secret, which is never shown again. Raises InvalidInput."""
        if expires_at is not None and expires_at <= self._clock.now():
            raise InvalidInput(
                "expires_at is in the past.",
                fix="Give a later time, or none.",
                fields=[FieldError(pointer="/expires_at", detail="in the past")],
            )
        for place, role in enumerate(roles):
            if role not in self._roles:
                raise InvalidInput(
                    f"{role!r} is no role: no policy and no automation knows it.",
                    fix=f"Known are {', '.join(sorted(self._roles))}; an automation declares its own in automation.toml.",
                    fields=[FieldError(pointer=f"/roles/{place}", detail="not a known role")],
                )
        async with self._database.tenant(principal.tenant) as conn:
            key_id, secret = await create(
                conn,
                self._identity,
                self._keys,
                self._clock,
                tenant=principal.tenant,
                by=principal.id,
                by_key=principal.key_id,
                name=name,
                user=user,
                roles=roles,
                approval_limit=approval_limit,
                expires_at=expires_at,
            )
            info = next(k for k in await self._identity.keys(conn) if k.id == key_id)
        return info, secret

    async def revoke(self, principal: Principal, key_id: str) -> None:
        """Revoke a key; it lets nobody in from now on. Raises NotFound, or Conflict for the last owner key."""
        async with self._database.tenant(principal.tenant) as conn:
            await self._identity.revoke_key(conn, key_id)
            facts = {"key": key_id, "by_key": principal.key_id}
            leaf = audit.leaf("key.revoked", tenant=principal.tenant, at=self._clock.now(), facts=facts)
            await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)

    async def list(self, tenant: str) -> list[KeyInfo]:
        """List the keys of the tenant, newest first, revoked ones too."""
        async with self._database.tenant(tenant) as conn:
            return await self._identity.keys(conn)


async def create(
    conn: Connection,
    identity: Identity,
    keys: SubjectKeys,
    clock: Clock,
    *,
    tenant: str,
    by: str,
    by_key: str | None,
    name: str,
    user: str,
    roles: Sequence[str],
    approval_limit: Decimal | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, str]:
    """Make a key with its leaf, inside a transaction of its tenant; the first key of an installation has no key that made it.

    Gives its public ID and the whole key. A key without a leaf is a finding of `audit verify`.
    """
    key_id, secret = await identity.create_key(
        conn, name=name, user=user, roles=roles, created_by=by, approval_limit=approval_limit, expires_at=expires_at
    )
    subject, salt = await subject_key(conn, keys, tenant, user), audit.new_salt()
    facts = {
        "key": key_id,
        "roles": sorted(roles),
        "approval_limit": approval_limit,
        "expires_at": expires_at,
        "by_key": by_key,
        "salt": salt.hex(),
        "commit": audit.commit(subject, salt, (user, name)),
    }
    leaf = audit.leaf("key.created", tenant=tenant, at=clock.now(), facts=facts)
    await log(conn, tenant=tenant, task_id=None, leaf=leaf)
    return key_id, secret
