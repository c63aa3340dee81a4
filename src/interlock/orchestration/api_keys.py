"""What people do with API keys: make, narrow, rotate, expire, list and revoke them, each on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from interlock.domain.errors import FieldError, InvalidInput, NotFound, Refused
from interlock.domain.persons import is_person
from interlock.governance import audit, scope
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Identity, KeyInfo, Principal
from interlock.governance.scope import WHOLE, Scope
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration import accounts
from interlock.orchestration.review_rights import persons_behind
from interlock.orchestration.session_ends import end_sessions
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key

OVERLAP_S: Final = 24 * 3600.0
OVERLAP_S_MAX: Final = 30 * 24 * 3600.0


class ApiKeys:
    """Each verb is one transaction with its audit leaf, which names keys and roles and commits to the person.

    Args:
        roles: those that a key may have. actions: the routes' actions with their group, which a key may be narrowed to.
        automations: their names, for the same.
    """

    def __init__(
        self,
        *,
        database: Database,
        identity: Identity,
        keys: SubjectKeys,
        clock: Clock,
        roles: frozenset[str],
        actions: Mapping[str, str],
        automations: Sequence[str],
    ) -> None:
        self._roles = roles
        self._actions = actions
        self._automations = automations
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
        actions: Sequence[str] | None = None,
        automations: Sequence[str] | None = None,
    ) -> tuple[KeyInfo, str]:
        """Make a key; gives it with its secret, which is never shown again.

        Raises:
            InvalidInput: a role, action or automation that there is not, or a time in the past.
            Refused: the caller's own key is narrowed, and what it makes would not be.
        """
        principal.scope.must_be_whole("key.create")
        narrowed = scope.parse(actions, automations, known=self._actions, names=self._automations)
        if expires_at is not None:
            self._not_past(expires_at, "/expires_at")
        accounts.check_roles(roles, self._roles)
        async with self._database.tenant(principal.tenant) as conn:
            await accounts.check_holder(conn, user)
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
                scope=narrowed,
            )
            info = await self._info(conn, key_id)
        return info, secret

    async def rotate(self, principal: Principal, key_id: str, *, overlap_s: float = OVERLAP_S) -> tuple[KeyInfo, str]:
        """Give a key a new secret, which is never shown again; the one before opens for `overlap_s` more seconds, 0 for none.

        Without an overlap the sessions that were begun with the key end too: whoever had the secret may hold one.

        Raises:
            NotFound: there is no such active key. InvalidInput: an overlap below 0 or over 30 days.
            Refused: the caller's key is narrowed, and it is not their own that it would open; or it is a service's or an agent's, and the
                caller does not stand behind that.
        """
        if not 0 <= overlap_s <= OVERLAP_S_MAX:
            raise InvalidInput(
                f"An overlap of {overlap_s:g} s is not between 0 and 30 days.",
                fix="Give a shorter one, or none for 24 hours.",
                fields=[FieldError(pointer="/overlap_s", detail="not between 0 and 30 days")],
            )
        if key_id != principal.key_id:
            principal.scope.must_be_whole("key.rotate")
        async with self._database.tenant(principal.tenant) as conn:
            await self._check_stands_behind(conn, principal, key_id)
            secret, until = await self._identity.rotate_key(conn, key_id, timedelta(seconds=overlap_s))
            await self._leaf(conn, principal, "key.rotated", key_id, {"old_until": until})
            if not overlap_s:
                await end_sessions(
                    conn, self._clock, principal.tenant, key_id=key_id, why="rotated", by_key=principal.key_id,
                    but=principal.session_id,
                )  # fmt: skip
            return await self._info(conn, key_id), secret

    async def expire(self, principal: Principal, key_id: str, at: datetime) -> KeyInfo:
        """Give a key an earlier end. Raises NotFound, InvalidInput for a time in the past, Conflict for the last owner key or a later end."""
        self._not_past(at, "/at")
        async with self._database.tenant(principal.tenant) as conn:
            await self._identity.expire_key(conn, key_id, at)
            await self._leaf(conn, principal, "key.expiring", key_id, {"expires_at": at})
            return await self._info(conn, key_id)

    async def revoke(self, principal: Principal, key_id: str) -> None:
        """Revoke a key; it lets nobody in from now on. Raises NotFound, or Conflict for the last owner key."""
        async with self._database.tenant(principal.tenant) as conn:
            await self._identity.revoke_key(conn, key_id)
            await self._leaf(conn, principal, "key.revoked", key_id, {})

    async def list(self, tenant: str) -> list[KeyInfo]:
        """List the keys of the tenant, newest first, revoked ones too."""
        async with self._database.tenant(tenant) as conn:
            return await self._identity.keys(conn)

    async def user_of(self, tenant: str, key_id: str) -> str | None:
        """Give whom a key stands for; None where there is no such key."""
        async with self._database.tenant(tenant) as conn:
            return await self._identity.user_of(conn, key_id)

    async def _check_stands_behind(self, conn: Connection, principal: Principal, key_id: str) -> None:
        """Raise Refused where a new secret would let somebody act as a service or an agent without standing behind what it does."""
        user = await self._identity.user_of(conn, key_id)
        if user is None or is_person(user) or user == principal.id:
            return
        asking = {name for name in await persons_behind(conn, [principal.id]) if is_person(name)}
        if not asking <= await persons_behind(conn, [user]):
            raise Refused(
                f"Whoever rotates a key of {user} can act as it, and you do not stand behind it: others made its keys.",
                fix="Make it a key of your own making, and revoke this one.",
                extra={"reason": "key-of-others", "action": "key.rotate"},
            )

    async def _info(self, conn: Connection, key_id: str) -> KeyInfo:
        found = next((key for key in await self._identity.keys(conn) if key.id == key_id), None)
        if found is None:
            raise NotFound(f"There is no active key {key_id}.")
        return found

    async def _leaf(
        self, conn: Connection, principal: Principal, kind: str, key_id: str, facts: Mapping[str, Any]
    ) -> None:
        said = {"key": key_id, "by_key": principal.key_id, **facts}
        leaf = audit.leaf(kind, tenant=principal.tenant, at=self._clock.now(), facts=said)
        await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)

    def _not_past(self, at: datetime, pointer: str) -> None:
        if at <= self._clock.now():
            raise InvalidInput(
                f"{pointer[1:]} is in the past.",
                fix="Give a later time, or none.",
                fields=[FieldError(pointer=pointer, detail="in the past")],
            )


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
    scope: Scope = WHOLE,
) -> tuple[str, str]:
    """Make a key with its leaf, inside a transaction of its tenant; the first key of an installation has no key that made it.

    Gives its public ID and the whole key. A key without a leaf is a finding of `audit verify`.
    """
    key_id, secret = await identity.create_key(
        conn,
        name=name,
        user=user,
        roles=roles,
        created_by=by,
        approval_limit=approval_limit,
        expires_at=expires_at,
        scope=scope,
    )
    subject, salt = await subject_key(conn, keys, tenant, user), audit.new_salt()
    facts = {
        "key": key_id,
        "roles": sorted(roles),
        "approval_limit": approval_limit,
        "expires_at": expires_at,
        "scope_actions": scope.actions,
        "scope_automations": scope.automations,
        "by_key": by_key,
        "salt": salt.hex(),
        "commit": audit.commit(subject, salt, (user, name)),
    }
    leaf = audit.leaf("key.created", tenant=tenant, at=clock.now(), facts=facts)
    await log(conn, tenant=tenant, task_id=None, leaf=leaf)
    return key_id, secret
