"""Tenants: made and listed by the installation's admins, who are the owners of the first tenant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from interlock.domain.errors import Conflict, FieldError, InvalidInput
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Identity, Principal
from interlock.infra.clock import Clock
from interlock.infra.database import Database
from interlock.orchestration.api_keys import create as create_key
from interlock.orchestration.store import log

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A tenant of the installation."""

    tenant: str
    name: str
    created_at: datetime


class Tenants:
    """That the caller belongs to the first tenant is asked of the policies (`installation-admin`)."""

    def __init__(self, *, database: Database, identity: Identity, keys: SubjectKeys, clock: Clock) -> None:
        self._database = database
        self._identity = identity
        self._keys = keys
        self._clock = clock

    async def create(self, principal: Principal, tenant: str, *, name: str, owner: str) -> tuple[Tenant, str]:
        """Make a tenant with the key of its first owner, which is never shown again. On record in both tenants, in one transaction.

        Raises:
            InvalidInput: the ID is not one. Conflict: there is such a tenant. Refused: the caller's key is narrowed.
        """
        principal.scope.must_be_whole("tenant.create")
        if not NAME.match(tenant):
            raise InvalidInput(
                f"{tenant!r} is no ID of a tenant.",
                fix="Use lower-case letters, digits and dashes, a letter first, 63 at most.",
                fields=[FieldError(pointer="/tenant", detail="not an ID")],
            )
        async with self._database.tenant(tenant) as conn:
            row = await (
                await conn.execute(
                    "insert into tenants (tenant, name) values (%s, %s) on conflict do nothing returning created_at",
                    (tenant, name),
                )
            ).fetchone()
            if row is None:
                raise Conflict(f"There is a tenant {tenant} already.", fix="Take another ID.")
            key_id, key = await create_key(
                conn, self._identity, self._keys, self._clock, tenant=tenant, by=principal.id, by_key=None,
                name="First owner", user=owner, roles=("owner",),
            )  # fmt: skip
            facts = {"created": tenant, "key": key_id, "by_key": principal.key_id}
            for place in (tenant, principal.tenant):
                await conn.execute("select set_config('interlock.tenant', %s, true)", (place,))
                leaf = audit.leaf("tenant.created", tenant=place, at=self._clock.now(), facts=facts)
                await log(conn, tenant=place, task_id=None, leaf=leaf)
        return Tenant(tenant=tenant, name=name, created_at=row[0]), key

    async def list(self, *, after: str = "", limit: int) -> list[Tenant]:
        """Give tenants by ID, those after one."""
        async with self._database.across() as conn:
            rows = await (
                await conn.execute("select tenant, name, created_at from all_tenants(%s, %s)", (after, limit))
            ).fetchall()
        return [Tenant(tenant=r[0], name=r[1], created_at=r[2]) for r in rows]
