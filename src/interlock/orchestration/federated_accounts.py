"""Accounts of whom an identity provider vouches for: made at the first sign-in, and given the roles of their groups at each one.

An account belongs to an issuer and a subject there, never to a name: whoever is called as somebody here is called gets nothing of theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from interlock.domain.errors import Conflict
from interlock.governance.identity_providers import Granted, IdentityProvider, account_id
from interlock.infra.clock import Clock
from interlock.infra.database import Connection
from interlock.orchestration.accounts import ACCOUNTS_MAX, Account, Accounts, Kind, account_of
from interlock.orchestration.accounts import COLUMNS as ACCOUNT_COLUMNS
from interlock.orchestration.session_ends import end_sessions

NAME_CHARS_MAX: Final = 128
_OF: Final = f"""
select {ACCOUNT_COLUMNS} from accounts where tenant = current_tenant() and issuer = %s and subject = %s"""
_ONE_AT_A_TIME: Final = (
    b"select pg_advisory_xact_lock(hashtextextended('federated ' || current_tenant() || ' ' || %s, 0))"
)
_GIVE: Final = b"""
update accounts set roles = %s, approval_limit = %s, name = %s where tenant = current_tenant() and id = %s"""
# A key may stand for somebody who has no account, so both are looked at.
_TAKEN: Final = """
select exists (select from accounts where tenant = current_tenant() and lower(id) = lower(%(id)s))
    or exists (select from api_keys where tenant = current_tenant() and lower(user_id) = lower(%(id)s)),
    (select count(*) from accounts where tenant = current_tenant())"""


class NotLetIn(Exception):
    """Somebody is who they say, and does not get in. `why` is for the record, `account` the reference of theirs, `fix` for them."""

    def __init__(self, why: str, fix: str, *, account: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix
        self.account = account


class FederatedAccounts:
    """Verbs run inside a transaction of the tenant, which NotLetIn must undo."""

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock

    async def known(
        self, conn: Connection, provider: IdentityProvider, subject: str, *, lock: bool = False
    ) -> Account | None:
        """Give the account of a subject, if there is one."""
        query = f"{_OF} for update" if lock else _OF
        row = await (await conn.execute(query.encode(), (provider.issuer, subject))).fetchone()
        return None if row is None else account_of(row)

    async def admit(
        self,
        conn: Connection,
        tenant: str,
        provider: IdentityProvider,
        claims: Mapping[str, Any],
        grant: Granted,
        *,
        kind: Kind,
    ) -> Account:
        """Give the account of verified claims, made where there is none.

        A person's account gets the roles of their groups. A service's has none: each of its tokens brings its own.

        Raises:
            NotLetIn: a disabled account, a name that is another one's, a program where a person signs in.
        """
        subject = claims["sub"]
        await conn.execute(_ONE_AT_A_TIME, (subject,))
        found = await self.known(conn, provider, subject, lock=True)
        if found is None:
            return await self._make(conn, tenant, provider, claims, grant, kind)
        if found.disabled_at is not None:
            raise NotLetIn("disabled", "Ask an owner to enable the account.", account=found.ref)
        if kind == "user" and not found.id.startswith("user:"):
            raise NotLetIn("service", "This is a program's account; sign in as a person.", account=found.ref)
        if kind == "user":
            return await self._give(conn, tenant, found, grant, _called(claims, found.name))
        return found

    async def turn_away(self, conn: Connection, tenant: str, provider: IdentityProvider, subject: str) -> str | None:
        """Take all roles from somebody who is in no group any more, and sign them out; gives their reference where they have one."""
        found = await self.known(conn, provider, subject, lock=True)
        if found is not None and found.id.startswith("user:"):
            await end_sessions(conn, self._clock, tenant, user=found.id, why="no group", by_key=None)
            if found.roles:
                await conn.execute(_GIVE, ([], None, found.name, found.id))
                await self._accounts.record(conn, tenant, found.id, "account.changed", None)
        return found.ref if found else None

    async def _make(
        self,
        conn: Connection,
        tenant: str,
        provider: IdentityProvider,
        claims: Mapping[str, Any],
        grant: Granted,
        kind: Kind,
    ) -> Account:
        digest = hashlib.sha256(claims["sub"].encode()).hexdigest()[:32]
        wanted = account_id(provider, kind, claims, digest)
        if wanted is None:
            raise NotLetIn(
                "name", f"The provider must send `{provider.user_claim}`; an e-mail address must be verified."
            )
        row = await (await conn.execute(_TAKEN.encode(), {"id": wanted})).fetchone()
        assert row is not None
        taken, count = row
        if taken:
            raise NotLetIn("name taken", "Somebody else is called so here. Ask an owner to set another `user_claim`.")
        if count >= ACCOUNTS_MAX:
            raise NotLetIn("too many accounts", f"The tenant has {ACCOUNTS_MAX} accounts.")
        person = kind == "user"
        try:
            return await self._accounts.insert(
                conn,
                tenant,
                wanted,
                name=_called(claims, wanted.partition(":")[2]),
                roles=grant.roles if person else (),
                approval_limit=grant.approval_limit if person else None,
                by=provider.set_by,  # whoever let the provider in stands behind its programs
                by_key=None,
                federated=(provider.issuer, claims["sub"]),
            )
        except Conflict as error:
            raise NotLetIn("name taken", "Somebody else is called so here, or was until they were erased.") from error

    async def _give(self, conn: Connection, tenant: str, account: Account, grant: Granted, name: str) -> Account:
        if (account.roles, account.approval_limit, account.name) == (grant.roles, grant.approval_limit, name):
            return account
        await conn.execute(_GIVE, (list(grant.roles), grant.approval_limit, name, account.id))
        return await self._accounts.record(conn, tenant, account.id, "account.changed", None)


def _called(claims: Mapping[str, Any], otherwise: str) -> str:
    """Give what people call somebody: a claim, without what nobody sees."""
    for claim in ("name", "preferred_username"):
        value = claims.get(claim)
        if isinstance(value, str) and (shown := "".join(c for c in value if c.isprintable()).strip()):
            return shown[:NAME_CHARS_MAX]
    return otherwise
