"""Who calls: tenants, API keys, principals.

A key reads `il_<env>_<id>_<secret>` and is sent as `Authorization: Bearer`. Only a keyed hash of the secret is stored (HMAC-SHA256
under the deployment's pepper), so that the table alone lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from interlock.domain.decisions import Entity
from interlock.domain.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from interlock.infra.database import Connection, Database

_KEY: Final = re.compile(r"il_(live|test)_([0-9a-z]{12})_([0-9A-Za-z]{40})\Z")
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_USER: Final = re.compile(r"(user|service|agent):[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}\Z")
_ROLE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who calls, as whom, in which tenant.

    Attributes:
        id: `user:amir`, `service:…` or `agent:…`. key_id: the key's public ID.
        single_operator: the tenant has one active key, so nobody else could answer.
    """

    tenant: str
    id: str
    roles: tuple[str, ...]
    key_id: str
    approval_limit: Decimal | None = None
    single_operator: bool = False

    def entity(self) -> Entity:
        if self.id.startswith("agent:"):
            return Entity(
                type="Agent", id=self.id, attrs={"tenant": self.tenant, "roles": sorted(self.roles), "tools": []}
            )
        attrs: dict[str, Any] = {"tenant": self.tenant, "roles": sorted(self.roles)}
        if self.approval_limit is not None:
            attrs["approval_limit"] = self.approval_limit.quantize(Decimal("0.01"))
        return Entity(type="User", id=self.id, attrs=attrs)


@dataclass(frozen=True, kw_only=True)
class KeyInfo:
    """An API key as it may be shown: without its secret."""

    id: str
    name: str
    user: str
    roles: tuple[str, ...]
    approval_limit: Decimal | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class Identity:
    """Finds who calls by their key, and makes and revokes keys."""

    def __init__(self, database: Database, *, pepper: bytes, environment: str) -> None:
        self._database = database
        self._pepper = pepper
        self._environment = environment

    def _hash(self, secret: str) -> bytes:
        return hmac.new(self._pepper, secret.encode(), hashlib.sha256).digest()

    async def authenticate(self, bearer: str | None) -> Principal:
        """Give the principal of a key.

        Raises:
            Unauthenticated: there is none, it is malformed, unknown, expired or revoked; the message does not say which of the last.
        """
        if not bearer:
            raise Unauthenticated("An API key is needed.", fix="Send it as `Authorization: Bearer il_…`.")
        match = _KEY.match(bearer)
        if match is None:
            raise Unauthenticated("This is not an API key.", fix="A key reads il_<env>_<id>_<secret>.")
        async with self._database.across() as conn:
            row = await (await conn.execute("select find_api_key(%s)", (match[2],))).fetchone()
        tenant = row[0] if row else None
        found = None
        if tenant is not None:
            async with self._database.tenant(tenant) as conn:
                found = await (
                    await conn.execute(
                        "select key_hash, user_id, roles, approval_limit, coalesce(expires_at <= time_now(), false) or revoked_at is not null,"
                        " (select count(*) from api_keys where revoked_at is null and (expires_at is null or expires_at > time_now()))"
                        " from api_keys where tenant = current_tenant() and id = %s",
                        (match[2],),
                    )
                ).fetchone()
        stored = bytes(found[0]) if found else b"\0" * 32
        right = hmac.compare_digest(stored, self._hash(match[3]))
        if tenant is None or found is None or not right or found[4] or match[1] != self._environment:
            raise Unauthenticated("The API key is not known, or it has expired or was revoked.", fix="Make a new one.")
        return Principal(
            tenant=tenant,
            id=found[1],
            roles=tuple(found[2]),
            key_id=match[2],
            approval_limit=found[3],
            single_operator=found[5] == 1,
        )

    async def create_key(
        self,
        conn: Connection,
        *,
        name: str,
        user: str,
        roles: Sequence[str],
        created_by: str,
        approval_limit: Decimal | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, str]:
        """Make a key inside a transaction of its tenant. Gives its public ID and the whole key, which is never shown again."""
        if not _USER.match(user):
            raise InvalidInput(f"user {user!r}: write it as user:NAME, service:NAME or agent:NAME.")
        for role in roles:
            if not _ROLE.match(role):
                raise InvalidInput(f"role {role!r}: use lower-case letters, digits and dashes, such as reviewer.")
        key_id = "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(12))
        secret = "".join(secrets.choice(_ALPHABET) for _ in range(40))
        await conn.execute(
            "insert into api_keys (tenant, id, key_hash, name, user_id, roles, approval_limit, created_by, expires_at)"
            " values (current_tenant(), %s, %s, %s, %s, %s, %s, %s, %s)",
            (key_id, self._hash(secret), name, user, list(roles), approval_limit, created_by, expires_at),
        )
        return key_id, f"il_{self._environment}_{key_id}_{secret}"

    async def keys(self, conn: Connection) -> list[KeyInfo]:
        """List the keys of the tenant, newest first."""
        rows = await (
            await conn.execute(
                "select id, name, user_id, roles, approval_limit, created_by, created_at, expires_at, revoked_at"
                " from api_keys where tenant = current_tenant() order by created_at desc, id"
            )
        ).fetchall()
        return [
            KeyInfo(
                id=r[0],
                name=r[1],
                user=r[2],
                roles=tuple(r[3]),
                approval_limit=r[4],
                created_by=r[5],
                created_at=r[6],
                expires_at=r[7],
                revoked_at=r[8],
            )
            for r in rows
        ]

    async def revoke_key(self, conn: Connection, key_id: str) -> None:
        """Revoke a key; raises NotFound, or Conflict for the last key that may make others."""
        rows = await (
            await conn.execute(
                "select id, roles && array['admin', 'owner'] from api_keys"
                " where tenant = current_tenant() and revoked_at is null and (expires_at is null or expires_at > time_now()) for update"
            )
        ).fetchall()
        active = {r[0]: r[1] for r in rows}
        if key_id not in active:
            raise NotFound(f"There is no active key {key_id}.")
        if active[key_id] and sum(active.values()) == 1:
            raise Conflict("This is the tenant's last owner key.", fix="Make another one first.")
        await conn.execute(
            "update api_keys set revoked_at = time_now() where tenant = current_tenant() and id = %s", (key_id,)
        )
