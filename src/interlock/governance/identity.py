"""Who calls: tenants, API keys, principals.

A key reads `il_<env>_<id>_<secret>` and is sent as `Authorization: Bearer`. Only a keyed hash of the secret is stored (HMAC-SHA256
under the deployment's pepper), so that the table alone lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from interlock.domain.decisions import Entity
from interlock.domain.elevations import Elevated
from interlock.domain.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from interlock.governance.scope import WHOLE, Scope
from interlock.infra.database import Connection, Database

_KEY: Final = re.compile(r"il_(live|test)_([0-9a-z]{12})_([0-9A-Za-z]{40})\Z")
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_USER: Final = re.compile(r"(user|service|agent):[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}\Z")
_NOTHING: Final = bytes(32)
_ROLE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
FIRST_TENANT: Final = "default"
"""The tenant that `interlock up` makes; its owners are the installation's admins."""

_DISABLED: Final = """exists (select from accounts a where a.tenant = api_keys.tenant and a.id = api_keys.user_id
    and a.disabled_at is not null)"""
_OPEN: Final = "revoked_at is null and (expires_at is null or expires_at > time_now())"
_ACTIVE: Final = f"{_OPEN} and not {_DISABLED}"
# Nobody else could answer: there is one key, and there never was another person. Else who takes the others away would approve alone.
_SINGLE: Final = f"""(select count(*) from api_keys where tenant = current_tenant() and {_ACTIVE}) = 1
    and not exists (select from accounts o where o.tenant = current_tenant() and o.id like 'user:%%' and o.id <> api_keys.user_id)
    and not exists (select from api_keys o where o.tenant = current_tenant() and o.user_id like 'user:%%' and o.user_id <> api_keys.user_id)"""
_MAKES_KEYS: Final = "roles && array['admin', 'owner'] and scope_actions is null and scope_automations is null"
LAST_USE_S: Final = 60.0  # how exact a key's last use is; a write for each request would cost more than the request

_FIND: Final = f"""
select key_hash, case when old_until > time_now() then old_hash end, user_id, roles, approval_limit,
    case when revoked_at is not null then 'revoked' when expires_at <= time_now() then 'expired' when {_DISABLED} then 'disabled' end,
    scope_actions, scope_automations, last_used_at is null or last_used_at < time_now() - %s,
    {_SINGLE}
from api_keys where tenant = current_tenant() and id = %s"""
_USED: Final = "update api_keys set last_used_at = time_now() where tenant = current_tenant() and id = %s"
_LIST: Final = """
select id, name, user_id, roles, approval_limit, created_by, created_at, expires_at, revoked_at, scope_actions, scope_automations,
    last_used_at, case when old_until > time_now() then old_until end
from api_keys where tenant = current_tenant() order by created_at desc, id"""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who calls, as whom, in which tenant.

    Attributes:
        id: `user:amir`, `service:…` or `agent:…`. key_id: the key's public ID, or that of a session that no key was exchanged for.
        single_operator: the tenant has one active key and never had another person, so nobody else could answer.
        scope: what the key is narrowed to; `ask.require` holds the caller to it.
        session_id: the session that the caller came with; None for a key.
        elevation: the emergency elevation that the request names; `Caller.require` asks with it what was denied without it.
        on_behalf_of: whose lent rights these are, by which delegation; None for one's own.
    """

    tenant: str
    id: str
    roles: tuple[str, ...]
    key_id: str
    approval_limit: Decimal | None = None
    single_operator: bool = False
    scope: Scope = WHOLE
    session_id: str | None = None
    elevation: Elevated | None = None
    on_behalf_of: str | None = None
    delegation_id: str | None = None

    def entity(self, *, elevated: bool = False) -> Entity:
        if self.id.startswith("agent:"):
            return Entity(
                type="Agent", id=self.id, attrs={"tenant": self.tenant, "roles": sorted(self.roles), "tools": []}
            )
        attrs: dict[str, Any] = {"tenant": self.tenant, "roles": sorted(self.roles)}
        if self.approval_limit is not None:
            attrs["approval_limit"] = self.approval_limit.quantize(Decimal("0.01"))
        if elevated and self.elevation is not None:
            attrs["elevation"] = self.elevation.id
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
    scope: Scope
    last_used_at: datetime | None
    old_secret_until: datetime | None


Refusal = Callable[[str | None, str, str | None, str], Awaitable[None]]
"""Records that somebody was refused: in which tenant if that is known, what (`key.refused`), which one, and why."""


async def unrecorded(tenant: str | None, kind: str, about: str | None, why: str) -> None:
    """Record nothing: for where no caller is answered."""


class Identity:
    """Finds who calls by their key, and makes and revokes keys. `refused` is told of each that is not let in."""

    def __init__(self, database: Database, *, pepper: bytes, environment: str, refused: Refusal = unrecorded) -> None:
        self._refused = refused
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
            await self._refused(None, "key.refused", None, "malformed")
            raise Unauthenticated("This is not an API key.", fix="A key reads il_<env>_<id>_<secret>.")
        async with self._database.across() as conn:
            row = await (await conn.execute("select find_api_key(%s)", (match[2],))).fetchone()
        tenant = row[0] if row else None
        found = None
        if tenant is not None:
            async with self._database.tenant(tenant) as conn:
                found = await (await conn.execute(_FIND.encode(), (timedelta(seconds=LAST_USE_S), match[2]))).fetchone()
                if found and found[8] and found[5] is None and self._opens(match[3], found) and self._here(match[1]):
                    await conn.execute(_USED.encode(), (match[2],))
        right = self._opens(match[3], found or (None, None))
        if tenant is None or found is None or not right or found[5] is not None or not self._here(match[1]):
            why = "unknown" if found is None else "secret" if not right else found[5] or "environment"
            await self._refused(tenant, "key.refused", match[2] if found else None, why)
            raise Unauthenticated("The API key is not known, or it has expired or was revoked.", fix="Make a new one.")
        return Principal(
            tenant=tenant,
            id=found[2],
            roles=tuple(found[3]),
            key_id=match[2],
            approval_limit=found[4],
            scope=scope_of(found[6], found[7]),
            single_operator=found[9],
        )

    def _here(self, environment: str) -> bool:
        return environment == self._environment

    def _opens(self, secret: str, row: Sequence[Any]) -> bool:
        """Compare with the key's secret, and with the one before as long as that opens; in constant time, also where there is no key."""
        made = self._hash(secret)
        new, old = (hmac.compare_digest(bytes(stored or _NOTHING), made) for stored in row[:2])
        return new or old

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
        scope: Scope = WHOLE,
    ) -> tuple[str, str]:
        """Make a key inside a transaction of its tenant. Gives its public ID and the whole key, which is never shown again."""
        if not _USER.match(user):
            raise InvalidInput(f"user {user!r}: write it as user:NAME, service:NAME or agent:NAME.")
        for role in roles:
            if not _ROLE.match(role):
                raise InvalidInput(f"role {role!r}: use lower-case letters, digits and dashes, such as reviewer.")
        key_id = "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(12))
        secret = _secret()
        narrowed = [None if part is None else list(part) for part in (scope.actions, scope.automations)]
        await conn.execute(
            "insert into api_keys (tenant, id, key_hash, name, user_id, roles, approval_limit, created_by, expires_at,"
            " scope_actions, scope_automations) values (current_tenant(), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (key_id, self._hash(secret), name, user, list(roles), approval_limit, created_by, expires_at, *narrowed),
        )
        return key_id, f"il_{self._environment}_{key_id}_{secret}"

    async def rotate_key(self, conn: Connection, key_id: str, overlap: timedelta) -> tuple[str, datetime]:
        """Give an active key a new secret; gives the whole key and until when the secret before opens.

        A secret that was still open from an earlier rotation opens nothing any more. Raises NotFound.
        """
        secret = _secret()
        row = await (
            await conn.execute(
                "update api_keys set old_hash = key_hash, old_until = time_now() + %s, key_hash = %s"
                f" where tenant = current_tenant() and id = %s and {_ACTIVE} returning old_until".encode(),
                (overlap, self._hash(secret), key_id),
            )
        ).fetchone()
        if row is None:
            raise NotFound(f"There is no active key {key_id}.")
        return f"il_{self._environment}_{key_id}_{secret}", row[0]

    async def expire_key(self, conn: Connection, key_id: str, at: datetime) -> None:
        """Give an active key an earlier end. Raises NotFound; Conflict for the last owner key, or where it ends sooner already."""
        await self._held(conn, key_id)
        changed = await conn.execute(
            "update api_keys set expires_at = %s where tenant = current_tenant() and id = %s"
            " and (expires_at is null or expires_at > %s)",
            (at, key_id, at),
        )
        if not changed.rowcount:
            raise Conflict("The key ends sooner than that.", fix="Make a new key instead.")

    async def user_of(self, conn: Connection, key_id: str) -> str | None:
        """Give whom a key stands for; None where there is no such key."""
        row = await (
            await conn.execute("select user_id from api_keys where tenant = current_tenant() and id = %s", (key_id,))
        ).fetchone()
        return None if row is None else str(row[0])

    async def keys(self, conn: Connection) -> list[KeyInfo]:
        """List the keys of the tenant, newest first."""
        rows = await (await conn.execute(_LIST.encode())).fetchall()
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
                scope=scope_of(r[9], r[10]),
                last_used_at=r[11],
                old_secret_until=r[12],
            )
            for r in rows
        ]

    async def revoke_key(self, conn: Connection, key_id: str) -> None:
        """Revoke a key; raises NotFound, or Conflict for the last key that may make others."""
        await self._held(conn, key_id)
        await conn.execute(
            "update api_keys set revoked_at = time_now() where tenant = current_tenant() and id = %s", (key_id,)
        )

    async def keep_an_owner(self, conn: Connection, *, without: str) -> None:
        """Raise Conflict where the keys of `without` (a person or a service) are the last that may make others."""
        rows = await self._active(conn)
        makes = {user for _, user, makes in rows if makes}
        if makes == {without}:
            raise Conflict("These are the tenant's last owner keys.", fix="Make one for somebody else first.")

    async def _held(self, conn: Connection, key_id: str) -> None:
        """Lock the tenant's active keys, one of which shall end; raises NotFound, or Conflict where no other would make keys."""
        active = {key: makes for key, _, makes in await self._active(conn)}
        if key_id not in active:
            raise NotFound(f"There is no active key {key_id}.")
        if active[key_id] and sum(active.values()) == 1:
            raise Conflict("This is the tenant's last owner key.", fix="Make another one first.")

    async def _active(self, conn: Connection) -> list[tuple[str, str, bool]]:
        query = f"""select id, user_id, {_MAKES_KEYS} and not {_DISABLED} from api_keys
            where tenant = current_tenant() and {_OPEN} order by id for update"""
        return [(r[0], r[1], r[2]) for r in await (await conn.execute(query.encode())).fetchall()]


def _secret() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(40))


def scope_of(actions: Sequence[str] | None, automations: Sequence[str] | None) -> Scope:
    """Give the scope that a key's row says."""
    return Scope(
        actions=None if actions is None else tuple(actions),
        automations=None if automations is None else tuple(automations),
    )
