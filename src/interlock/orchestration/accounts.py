"""Accounts: people who may sign in, and services. Each change is one transaction with its audit leaf, which holds the whole state.

A leaf calls an account by its `ref` and commits to who that is, what they are called and the hash of their password under the erasable key
of the person, so it names nobody and `audit verify` finds what was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from interlock.domain.errors import Conflict, FieldError, InvalidInput, NotFound, Refused
from interlock.domain.ids import new_id
from interlock.governance import audit, passwords
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Identity, Principal
from interlock.governance.passwords import Passwords
from interlock.governance.verify_accounts import account_parts, account_state
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.session_ends import end_sessions
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key

Kind = Literal["user", "service"]
ACCOUNTS_MAX: Final = 10_000
COLUMNS: Final = (
    """id, ref, name, roles, approval_limit, password_hash, issuer, subject, created_by, created_at, disabled_at"""
)
_GET: Final = f"select {COLUMNS} from accounts where tenant = current_tenant() and id = %s"
_LIST: Final = f"select {COLUMNS} from accounts where tenant = current_tenant() and id like %s order by id limit %s"
_INSERT: Final = """
insert into accounts (tenant, id, ref, name, roles, approval_limit, password_hash, issuer, subject, created_by)
values (current_tenant(), %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing"""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person or a service as it may be shown; `password_hash` is for the sign-in alone."""

    id: str
    ref: str
    name: str
    roles: tuple[str, ...]
    approval_limit: Decimal | None
    password_hash: str | None
    issuer: str | None
    subject: str | None
    created_by: str
    created_at: datetime
    disabled_at: datetime | None


class Accounts:
    """What an owner does with accounts, and a person with their own password."""

    def __init__(
        self,
        *,
        database: Database,
        identity: Identity,
        keys: SubjectKeys,
        clock: Clock,
        roles: frozenset[str],
        passwords: Passwords,
    ) -> None:
        self._database = database
        self._identity = identity
        self._keys = keys
        self._clock = clock
        self._roles = roles
        self._passwords = passwords

    async def create(
        self,
        principal: Principal,
        account_id: str,
        *,
        name: str,
        roles: Sequence[str] = (),
        approval_limit: Decimal | None = None,
        password: str | None = None,
    ) -> Account:
        """Make an account. Raises InvalidInput for a role or a password, Conflict where there is one, or the person was erased."""
        principal.scope.must_be_whole("account.create")
        check_roles(roles, self._roles)
        hashed = None
        if password is not None:
            hashed = await self._passwords.hash(passwords.check(password, user=account_id))
        async with self._database.tenant(principal.tenant) as conn:
            [(count,)] = await (
                await conn.execute("select count(*) from accounts where tenant = current_tenant()")
            ).fetchall()
            if count >= ACCOUNTS_MAX:
                raise Conflict(
                    f"The tenant has {ACCOUNTS_MAX} accounts.",
                    fix="Disabling one frees no place: give one account several keys instead.",
                )
            return await self.insert(
                conn, principal.tenant, account_id, name=name, roles=roles, approval_limit=approval_limit,
                password_hash=hashed, by=principal.id, by_key=principal.key_id,
            )  # fmt: skip

    async def insert(
        self,
        conn: Connection,
        tenant: str,
        account_id: str,
        *,
        name: str,
        roles: Sequence[str],
        by: str,
        by_key: str | None,
        approval_limit: Decimal | None = None,
        password_hash: str | None = None,
        federated: tuple[str, str] | None = None,
    ) -> Account:
        """Make an account inside a transaction; `federated` is issuer and subject. Raises Conflict where there is one."""
        given = (account_id, new_id("acc"), name, sorted(set(roles)), approval_limit, password_hash)
        made = await conn.execute(_INSERT.encode(), (*given, *(federated or (None, None)), by))
        if not made.rowcount:
            raise Conflict("There is such an account already.", fix="Take another name, or enable it.")
        return await self.record(conn, tenant, account_id, "account.created", by_key)

    async def list(self, tenant: str, kind: Kind) -> list[Account]:
        """Give the accounts of a kind by name, disabled ones too."""
        async with self._database.tenant(tenant) as conn:
            rows = await (await conn.execute(_LIST.encode(), (f"{kind}:%", ACCOUNTS_MAX))).fetchall()
        return [account_of(row) for row in rows]

    async def change(
        self, principal: Principal, account_id: str, *, roles: Sequence[str], approval_limit: Decimal | None
    ) -> Account:
        """Give a person other roles and another limit; open sessions have them at once. Raises NotFound, InvalidInput."""
        principal.scope.must_be_whole("account.change")
        check_roles(roles, self._roles)
        async with self._database.tenant(principal.tenant) as conn:
            await self._locked(conn, account_id)
            await conn.execute(
                "update accounts set roles = %s, approval_limit = %s where tenant = current_tenant() and id = %s",
                (sorted(set(roles)), approval_limit, account_id),
            )
            return await self.record(conn, principal.tenant, account_id, "account.changed", principal.key_id)

    async def disable(self, principal: Principal, account_id: str) -> Account:
        """Refuse all keys and sessions of an account from now on. Raises NotFound, Conflict for the last owner's."""
        async with self._database.tenant(principal.tenant) as conn:
            if (await self._locked(conn, account_id)).disabled_at is not None:
                raise Conflict("The account is disabled already.")
            await self._identity.keep_an_owner(conn, without=account_id)
            await conn.execute(
                "update accounts set disabled_at = time_now() where tenant = current_tenant() and id = %s",
                (account_id,),
            )
            await end_sessions(
                conn, self._clock, principal.tenant, user=account_id, why="disabled", by_key=principal.key_id
            )
            return await self.record(conn, principal.tenant, account_id, "account.disabled", principal.key_id)

    async def enable(self, principal: Principal, account_id: str) -> Account:
        """Take an account's keys again; its sessions stay ended. Raises NotFound, Conflict."""
        principal.scope.must_be_whole("account.change")
        async with self._database.tenant(principal.tenant) as conn:
            if (await self._locked(conn, account_id)).disabled_at is None:
                raise Conflict("The account is not disabled.")
            await conn.execute(
                "update accounts set disabled_at = null where tenant = current_tenant() and id = %s", (account_id,)
            )
            return await self.record(conn, principal.tenant, account_id, "account.enabled", principal.key_id)

    async def set_password(
        self, principal: Principal, account_id: str, password: str, *, current: str | None = None
    ) -> Account:
        """Give a person another password; their other sessions end. Whoever changes their own says the one before.

        Raises:
            NotFound, InvalidInput. Refused: `current` is not the password, or is missing. Conflict: an identity provider's account.
        """
        principal.scope.must_be_whole("account.password")
        async with self._database.tenant(principal.tenant) as conn:
            before = await self._found(conn, account_id)
        if before.issuer is not None:  # or who lost their groups there would still have a way in
            raise Conflict(
                "The account's identity provider signs it in.", fix="Add an account with a password under another name."
            )
        known = before.password_hash if account_id == principal.id else None
        if known is not None and not await self._passwords.matches(known, current or ""):
            raise Refused("The current password is another one.", fix="Give it in `current`.")
        hashed = await self._passwords.hash(passwords.check(password, user=account_id))
        async with self._database.tenant(principal.tenant) as conn:
            if (await self._locked(conn, account_id)).password_hash != before.password_hash:
                raise Conflict("The password was changed in the meantime.", fix="Look, and try again.")
            await conn.execute(
                "update accounts set password_hash = %s where tenant = current_tenant() and id = %s",
                (hashed, account_id),
            )
            await end_sessions(
                conn, self._clock, principal.tenant, user=account_id, why="password", by_key=principal.key_id,
                but=principal.session_id,
            )  # fmt: skip
            return await self.record(conn, principal.tenant, account_id, "account.password", principal.key_id)

    async def record(self, conn: Connection, tenant: str, account_id: str, kind: str, by_key: str | None) -> Account:
        """Write the leaf of what was just done to an account, with its whole state; gives it as it stands."""
        found = await self._found(conn, account_id)
        subject, salt = await subject_key(conn, self._keys, tenant, account_id), audit.new_salt()
        facts = {
            "account": found.ref,
            **account_state(found.roles, found.approval_limit, found.password_hash, found.issuer, found.disabled_at),
            "by_key": by_key,
            "salt": salt.hex(),
            "commit": audit.commit(
                subject,
                salt,
                account_parts(account_id, found.name, found.password_hash, found.issuer, found.subject),
            ),
        }
        leaf = audit.leaf(kind, tenant=tenant, at=self._clock.now(), facts=facts)
        await log(conn, tenant=tenant, task_id=None, leaf=leaf)
        return found

    async def _locked(self, conn: Connection, account_id: str) -> Account:
        await conn.execute(
            "select 1 from accounts where tenant = current_tenant() and id = %s for update", (account_id,)
        )
        return await self._found(conn, account_id)

    async def _found(self, conn: Connection, account_id: str) -> Account:
        row = await (await conn.execute(_GET.encode(), (account_id,))).fetchone()
        if row is None:
            raise NotFound("There is no such account.", fix="See `interlock user list` and `interlock service list`.")
        return account_of(row)


def account_of(row: Sequence[Any]) -> Account:
    """Read a row of `COLUMNS`."""
    names = [part.strip() for part in COLUMNS.split(",")]
    return Account(**{**dict(zip(names, row, strict=True)), "roles": tuple(row[3])})


def check_roles(roles: Sequence[str], known: frozenset[str]) -> None:
    """Raise InvalidInput for a role that no policy and no automation knows."""
    for place, role in enumerate(roles):
        if role not in known:
            raise InvalidInput(
                f"{role!r} is no role: no policy and no automation knows it.",
                fix=f"Known are {', '.join(sorted(known))}; an automation declares its own in automation.toml.",
                fields=[FieldError(pointer=f"/roles/{place}", detail="not a known role")],
            )


async def check_holder(conn: Connection, user: str) -> None:
    """Raise where a key may not stand for somebody: a service that there is not, or an account that is disabled."""
    row = await (
        await conn.execute("select disabled_at from accounts where tenant = current_tenant() and id = %s", (user,))
    ).fetchone()
    if row is None and user.startswith("service:"):
        raise InvalidInput(
            "There is no such service account.",
            fix="Make it first: `interlock service create`.",
            fields=[FieldError(pointer="/user", detail="not a service account")],
        )
    if row is not None and row[0] is not None:
        raise Conflict("Whom the key would stand for is disabled.", fix="Enable the account first.")
