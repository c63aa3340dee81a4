"""What people do with delegations: lend their rights to answer reviews until an end, take them back, and act with them.

A delegate acts as themselves with the lent roles and limit; whom they act for stands beside (`Principal.on_behalf_of`). What is lent is the
caller's own and never what was lent to them, so there is no chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from interlock.domain.delegations import Rights, Standing, standing, usable
from interlock.domain.errors import Conflict, InvalidInput, NotFound, Refused
from interlock.domain.ids import new_id
from interlock.domain.persons import is_person, person_of
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Principal
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.held_rights import held_by
from interlock.orchestration.review_rights import persons_behind
from interlock.orchestration.store import log, tell
from interlock.orchestration.submit import subject_key

OPEN_MAX: Final = 100
LIST_MAX: Final = 200
# Who is nothing else changes nothing, with what others lend them neither.
AUDITOR: Final = frozenset({"auditor"})
# What answers no review: to lend it would open nothing.
WITHOUT_REVIEWS: Final = frozenset({"auditor", "privacy", "ml-release", "agent"})
_COLUMNS: Final = "id, from_user, to_user, roles, approval_limit, given_at, ends_at, revoked_at, time_now()"
_SELECT: Final = f"select {_COLUMNS} from delegations where tenant = current_tenant()"
_OPEN: Final = "revoked_at is null and ends_at > time_now()"


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """Rights that one person lends to another. `approval_limit`: None for no limit. `at`: the database's time when it was read."""

    id: str
    from_user: str
    to_user: str
    roles: tuple[str, ...]
    approval_limit: Decimal | None
    given_at: datetime
    ends_at: datetime
    revoked_at: datetime | None
    at: datetime

    @property
    def state(self) -> Standing:
        return standing(self.at, ends_at=self.ends_at, revoked_at=self.revoked_at)


class Delegations:
    """Each verb is one transaction with its audit leaf, which names the roles and the end and commits to both people."""

    def __init__(self, database: Database, keys: SubjectKeys, clock: Clock, *, days_max: int) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._days_max = days_max

    async def give(
        self,
        principal: Principal,
        to: str,
        *,
        until: datetime,
        roles: Sequence[str] | None = None,
        approval_limit: Decimal | None = None,
    ) -> Delegation:
        """Lend one's rights to answer reviews; in force and on record when it returns.

        Args:
            roles: some of the caller's own; None for all that can answer reviews. approval_limit: at most the caller's own.

        Raises:
            InvalidInput: names the field: oneself, nobody known, an auditor, more than one has, no end within the longest time.
            Refused: the caller is no person, or their key is narrowed. Conflict: too many are open.
        """
        principal.scope.must_be_whole("delegation.give")
        given = self._rights(principal, roles, approval_limit)
        async with self._database.tenant(principal.tenant) as conn:
            await self._check_other(conn, principal, to)
            await self._check_end(conn, until)
            [(count,)] = await (
                await conn.execute(
                    f"select count(*) from delegations where tenant = current_tenant() and from_user = %s and {_OPEN}".encode(),
                    (principal.id,),
                )
            ).fetchall()
            if count >= OPEN_MAX:
                raise Conflict(f"You have {OPEN_MAX} open delegations.", fix="Take some back first.")
            row = await (
                await conn.execute(
                    "insert into delegations (tenant, id, from_user, to_user, roles, approval_limit, ends_at)"
                    f" values (current_tenant(), %s, %s, %s, %s, %s, %s) returning {_COLUMNS}".encode(),
                    (new_id("dlg"), principal.id, to, sorted(given.roles), given.limit, until),
                )
            ).fetchone()
            assert row is not None
            made = _of(row)
            key, salt = await subject_key(conn, self._keys, principal.tenant, made.from_user), audit.new_salt()
            facts = {
                "roles": sorted(made.roles),
                "approval_limit": made.approval_limit,
                "ends_at": made.ends_at,
                "salt": salt.hex(),
                "commit": audit.commit(key, salt, (made.from_user, made.to_user)),
            }
            await self._record(conn, principal, "delegation.given", made.id, facts)
        return made

    async def revoke(self, principal: Principal, delegation_id: str) -> Delegation:
        """Take a delegation back; nothing more is answered with it. Raises NotFound, or Conflict where it has ended."""
        async with self._database.tenant(principal.tenant) as conn:
            row = await (
                await conn.execute(
                    f"update delegations set revoked_at = time_now() where tenant = current_tenant() and id = %s and {_OPEN}"
                    f" returning {_COLUMNS}".encode(),
                    (delegation_id,),
                )
            ).fetchone()
            if row is None:
                await _get(conn, delegation_id)
                raise Conflict("The delegation has ended already.")
            await self._record(conn, principal, "delegation.revoked", delegation_id, {})
        return _of(row)

    async def get(self, tenant: str, delegation_id: str) -> Delegation:
        """Give a delegation; raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            return await _get(conn, delegation_id)

    async def find(self, tenant: str, *, of: str | None, after: str | None = None, limit: int) -> list[Delegation]:
        """List delegations, newest first, ended ones too. `of`: only those that this person gave or was given."""
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    f"{_SELECT} and (%(of)s::text is null or %(of)s in (from_user, to_user))"
                    " and (%(after)s::text is null or id < %(after)s) order by id desc limit %(limit)s".encode(),
                    {"of": of, "after": after, "limit": min(limit, LIST_MAX + 1)},
                )
            ).fetchall()
        return [_of(row) for row in rows]

    async def acting_for_others(self, principal: Principal) -> list[Principal]:
        """Give the caller once for each person whom they may act for now."""
        if frozenset(principal.roles) == AUDITOR:
            return []
        async with self._database.tenant(principal.tenant) as conn:
            rows = await (
                await conn.execute(f"{_SELECT} and to_user = %s and {_OPEN} order by id".encode(), (principal.id,))
            ).fetchall()
            found = [await _acting(conn, principal, _of(row)) for row in rows]
        return [one for one in found if one is not None]

    async def check(self, principal: Principal, on_behalf_of: str) -> None:
        """Raise Refused where the caller may not act for somebody now; see `acting`."""
        async with self._database.tenant(principal.tenant) as conn:
            await acting(conn, principal, on_behalf_of)

    def _rights(self, principal: Principal, roles: Sequence[str] | None, limit: Decimal | None) -> Rights:
        """Give what is lent, none of it more than the caller has."""
        if not is_person(principal.id):
            raise Refused("Only a person lends their rights, and neither a service nor an agent does.")
        own = frozenset(principal.roles) - WITHOUT_REVIEWS
        for place, role in enumerate(roles or ()):
            if role not in own:
                raise InvalidInput.of(
                    f"/roles/{place}", f"You do not hold the role {role!r} for reviews.", "Lend what you have."
                )
        lent = own if roles is None else frozenset(roles)
        if not lent:
            raise InvalidInput.of(
                "/roles", "There is no role to lend: none of yours answers reviews.", "Name one that you hold."
            )
        given = Rights(roles=lent, limit=principal.approval_limit if limit is None else limit)
        if not given.within(Rights(roles=own, limit=principal.approval_limit)):
            raise InvalidInput.of(
                "/approval_limit", "The limit is over your own.", f"At most {principal.approval_limit}."
            )
        return given

    async def _check_other(self, conn: Connection, principal: Principal, to: str) -> None:
        if not is_person(to):
            raise InvalidInput.of("/to", "Rights are lent to a person.", "Write it as user:NAME.")
        if person_of(to) in await persons_behind(conn, [principal.id]):
            raise InvalidInput.of("/to", "Nobody lends their rights to themselves.", "Name another person.")
        row = await (
            await conn.execute(
                b"select not exists (select from accounts where tenant = current_tenant() and id = %(user)s and disabled_at is not null)"
                b" and (exists (select from accounts where tenant = current_tenant() and id = %(user)s)"
                b" or exists (select from api_keys where tenant = current_tenant() and user_id = %(user)s and revoked_at is null"
                b" and (expires_at is null or expires_at > time_now())))",
                {"user": to},
            )
        ).fetchone()
        if row is None or not row[0]:
            raise InvalidInput.of(
                "/to", f"There is no {to} who could act.", "Name somebody who has a key or an account."
            )
        held = await held_by(conn, to)
        if held and all(rights.roles == AUDITOR for rights in held):
            raise InvalidInput.of("/to", "An auditor changes nothing, and so answers no review.", "Name somebody else.")

    async def _check_end(self, conn: Connection, until: datetime) -> None:
        row = await (await conn.execute("select time_now()")).fetchone()
        assert row is not None
        if not row[0] < until <= row[0] + timedelta(days=self._days_max):
            raise InvalidInput.of(
                "/until",
                f"The end should be in the future and within {self._days_max} days.",
                "Give an earlier one; it can be lent again then.",
            )

    async def _record(
        self, conn: Connection, principal: Principal, kind: str, delegation_id: str, facts: dict[str, Any]
    ) -> None:
        said = {"delegation": delegation_id, "by_key": principal.key_id, **facts}
        leaf = audit.leaf(kind, tenant=principal.tenant, at=self._clock.now(), facts=said)
        await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)
        data = {"delegation": delegation_id}
        await tell(conn, tenant=principal.tenant, kind=kind, task_id=None, correlation_id=None, data=data)


async def acting(conn: Connection, principal: Principal, on_behalf_of: str) -> Principal:
    """Give the caller with the rights that somebody lent them, inside a transaction, which holds the delegation until its end.

    Raises:
        Refused: nothing was lent, or it has ended (says when), was taken back, or its giver no longer holds it; or the caller is an auditor.
    """
    if frozenset(principal.roles) == AUDITOR:
        raise Refused(
            "An auditor changes nothing, and so answers no review for others.",
            fix="Ask somebody who is no auditor.",
            extra={"reason": "delegate-auditor", "action": "review.answer"},
        )
    person = on_behalf_of if on_behalf_of.startswith("user:") else f"user:{on_behalf_of}"
    rows = await (
        await conn.execute(
            f"{_SELECT} and from_user = %s and to_user = %s order by {_OPEN} desc,"
            f" least(ends_at, revoked_at) desc limit {LIST_MAX} for share".encode(),
            (person, principal.id),
        )
    ).fetchall()
    if not rows:
        raise _cannot(f"{person} has lent you no rights.", "not-delegated")
    latest = _of(rows[0])
    if latest.state is Standing.REVOKED:
        at = latest.revoked_at.isoformat() if latest.revoked_at else ""
        raise _cannot(f"The delegation of {person} to you was taken back at {at}.", "delegation-revoked", at=at)
    if latest.state is Standing.ENDED:
        at = latest.ends_at.isoformat()
        raise _cannot(f"The delegation of {person} to you ended at {at}.", "delegation-ended", at=at)
    for row in rows:
        one = _of(row)
        if one.state is Standing.OPEN and (found := await _acting(conn, principal, one)) is not None:
            return found
    raise _cannot(f"{person} no longer holds the rights that were lent to you.", "delegation-empty")


async def _acting(conn: Connection, principal: Principal, delegation: Delegation) -> Principal | None:
    given = Rights(roles=frozenset(delegation.roles), limit=delegation.approval_limit)
    rights = usable(given, await held_by(conn, delegation.from_user))
    if rights is None:
        return None
    return replace(
        principal,
        roles=tuple(sorted(rights.roles)),
        approval_limit=rights.limit,
        single_operator=False,
        on_behalf_of=delegation.from_user,
        delegation_id=delegation.id,
    )


async def _get(conn: Connection, delegation_id: str) -> Delegation:
    row = await (await conn.execute(f"{_SELECT} and id = %s".encode(), (delegation_id,))).fetchone()
    if row is None:
        raise NotFound(f"There is no delegation {delegation_id}.")
    return _of(row)


def _of(row: tuple[Any, ...]) -> Delegation:
    fields = dict(zip(Delegation.__dataclass_fields__, row, strict=True))
    return Delegation(**{**fields, "roles": tuple(row[3])})


def _cannot(detail: str, reason: str, **extra: str) -> Refused:
    fix = "Answer as yourself, or ask them to lend you their rights again."
    return Refused(detail, fix=fix, extra={"reason": reason, "action": "review.answer", **extra})
