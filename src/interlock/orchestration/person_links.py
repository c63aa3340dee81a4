"""Which names are one person: stated by an owner, on record, and counted by everything that holds duties apart (`persons_behind`).

A link takes away and never gives: roles, limits and what is one's own stay with each name. To end one gives something back, so none of the
persons that it is about may do that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interlock.domain.errors import Conflict, InvalidInput, NotFound, Refused
from interlock.domain.ids import new_id
from interlock.domain.persons import is_person, person_of
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Principal
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.review_rights import persons_behind
from interlock.orchestration.store import log, tell
from interlock.orchestration.submit import subject_key

NAMES_MAX: Final = 16
LIST_MAX: Final = 200
_COLUMNS: Final = "id, one, other, linked_by, linked_at, ended_at, ended_by"
_SELECT: Final = f"select {_COLUMNS} from person_links where tenant = current_tenant()"
_ONE_AT_A_TIME: Final = b"select pg_advisory_xact_lock(hashtextextended('person links ' || current_tenant(), 0))"
_KNOWN: Final = b"""
select exists (select from accounts where tenant = current_tenant() and id = %(user)s)
    or exists (select from api_keys where tenant = current_tenant() and user_id = %(user)s)"""


@dataclass(frozen=True, kw_only=True)
class PersonLink:
    """Two names of one person; in force until it is ended."""

    id: str
    one: str
    other: str
    linked_by: str
    linked_at: datetime
    ended_at: datetime | None
    ended_by: str | None


class PersonLinks:
    """What owners do with links."""

    def __init__(self, database: Database, keys: SubjectKeys, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def link(self, principal: Principal, one: str, other: str) -> PersonLink:
        """State that two names are one person; in force and on record when it returns. What is open counts them once from now on.

        Raises:
            InvalidInput: names the field: nobody of that name, no person. Conflict: they are one already, too many names, or one was erased.
        """
        principal.scope.must_be_whole("account.link")
        async with self._database.tenant(principal.tenant) as conn:
            await conn.execute(_ONE_AT_A_TIME)
            for field, name in (("one", one), ("other", other)):
                await _check_known(conn, f"/{field}", name)
            names, others = await persons_behind(conn, [one]), await persons_behind(conn, [other])
            if person_of(other) in names:
                raise Conflict("These names are one person already.", fix="See `interlock user links`.")
            if len(names | others) > NAMES_MAX:
                raise Conflict(f"One person has at most {NAMES_MAX} names.", fix="End a link that is not needed.")
            row = await (
                await conn.execute(
                    "insert into person_links (tenant, id, one, other, linked_by) values (current_tenant(), %s, %s, %s, %s)"
                    f" returning {_COLUMNS}".encode(),
                    (new_id("lnk"), one, other, principal.id),
                )
            ).fetchone()
            assert row is not None
            made = _of(row)
            # Under both keys, so that erasing either person takes the proof of the name with it.
            committed: dict[str, str] = {}
            for part, name in (("", one), ("other_", other)):
                key, salt = await subject_key(conn, self._keys, principal.tenant, name), audit.new_salt()
                committed |= {f"{part}salt": salt.hex(), f"{part}commit": audit.commit(key, salt, (name,))}
            await self._record(conn, principal, "person.linked", made.id, committed)
        return made

    async def end(self, principal: Principal, link_id: str) -> PersonLink:
        """End a link: from now on its names count as two persons. Raises NotFound, Refused for one's own, Conflict where it has ended."""
        principal.scope.must_be_whole("account.unlink")
        async with self._database.tenant(principal.tenant) as conn:
            found = await _get(conn, link_id, lock=True)
            about = await persons_behind(conn, [found.one, found.other])
            # Also where a tenant has a single key: nobody makes two persons of themselves.
            if not about.isdisjoint(await persons_behind(conn, [principal.id])):
                raise Refused(
                    "Whom a link is about does not end it.",
                    fix="Ask another owner.",
                    extra={"reason": "link-own", "action": "account.unlink"},
                )
            if found.ended_at is not None:
                raise Conflict("The link has ended already.")
            row = await (
                await conn.execute(
                    "update person_links set ended_at = time_now(), ended_by = %s where tenant = current_tenant() and id = %s"
                    f" returning {_COLUMNS}".encode(),
                    (principal.id, link_id),
                )
            ).fetchone()
            assert row is not None
            await self._record(conn, principal, "person.unlinked", link_id, {})
        return _of(row)

    async def find(self, tenant: str, *, after: str | None = None, limit: int = LIST_MAX) -> list[PersonLink]:
        """List links, newest first, ended ones too."""
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    f"{_SELECT} and (%(after)s::text is null or id < %(after)s) order by id desc limit %(limit)s".encode(),
                    {"after": after, "limit": min(limit, LIST_MAX + 1)},
                )
            ).fetchall()
        return [_of(row) for row in rows]

    async def _record(
        self, conn: Connection, principal: Principal, kind: str, link_id: str, committed: dict[str, Any]
    ) -> None:
        facts = {"link": link_id, "by_key": principal.key_id, **committed}
        leaf = audit.leaf(kind, tenant=principal.tenant, at=self._clock.now(), facts=facts)
        await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)
        await tell(conn, tenant=principal.tenant, kind=kind, task_id=None, correlation_id=None, data={"link": link_id})


async def _check_known(conn: Connection, pointer: str, name: str) -> None:
    if not is_person(name):
        raise InvalidInput.of(pointer, "A link is between names of a person.", "Write it as user:NAME.")
    row = await (await conn.execute(_KNOWN, {"user": name})).fetchone()
    if row is None or not row[0]:
        raise InvalidInput.of(pointer, f"There is no {name}.", "Name somebody who has a key or an account.")


async def _get(conn: Connection, link_id: str, *, lock: bool = False) -> PersonLink:
    query = f"{_SELECT} and id = %s{' for update' if lock else ''}"
    row = await (await conn.execute(query.encode(), (link_id,))).fetchone()
    if row is None:
        raise NotFound(f"There is no link {link_id}.")
    return _of(row)


def _of(row: tuple[Any, ...]) -> PersonLink:
    return PersonLink(**dict(zip(PersonLink.__dataclass_fields__, row, strict=True)))
