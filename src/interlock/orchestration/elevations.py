"""Break-glass: open, use, end and afterwards review an emergency elevation. Each is one transaction with its audit leaf, its event and its call
of the tenant's webhook; so is that one ran out, which the relay sees.

An elevation is used by name (the header `Interlock-Elevation`), request by request: each use is on record before anything is done with it, and
each decision that it turned is on record before the answer is given.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from interlock.domain.decisions import Decision
from interlock.domain.elevations import ELEVATABLE, Elevated, ElevationState, state
from interlock.domain.errors import Conflict, InvalidInput, NotFound, Refused
from interlock.domain.ids import new_id
from interlock.domain.persons import is_person
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Principal
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.review_rights import persons_behind
from interlock.orchestration.store import log, tell
from interlock.orchestration.submit import subject_key
from interlock.orchestration.tenant_webhook import call

log_ = structlog.get_logger("interlock.elevations")  # `log` writes the audit log here
MINUTES: Final = 30
REASON_CHARS_MIN, REASON_CHARS_MAX = 10, 2_000
LIST_MAX: Final = 200
_COLUMNS: Final = "id, user_id, persons, actions, reason, opened_at, ends_at, ended_at, ended_by, acknowledged_at, acknowledged_by, note, time_now()"
_SELECT: Final = f"select {_COLUMNS} from elevations where tenant = current_tenant()"
_OPEN: Final = "ended_at is null and ends_at > time_now()"
_RUN_OUT: Final = """
update elevations set ran_out_at = time_now()
where tenant = current_tenant() and id = any(%s) and ended_at is null and ran_out_at is null and ends_at <= time_now()
returning id, actions, ends_at"""
RUN_OUT_BATCH: Final = 100
_STATES: Final[Mapping[str, str]] = {
    "open": _OPEN,
    "to_review": f"not ({_OPEN}) and acknowledged_at is null",
    "unreviewed": "acknowledged_at is null",
    "any": "true",
}


@dataclass(frozen=True, kw_only=True)
class Elevation:
    """An elevation as it stands at `at`, the database's time when it was read."""

    id: str
    user_id: str
    persons: tuple[str, ...]
    actions: tuple[str, ...]
    reason: str
    opened_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    at: datetime

    @property
    def state(self) -> ElevationState:
        return state(self.at, ends_at=self.ends_at, ended_at=self.ended_at, acknowledged_at=self.acknowledged_at)


class Elevations:
    """What people do with elevations."""

    def __init__(self, database: Database, keys: SubjectKeys, clock: Clock, *, minutes_max: int) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._minutes_max = minutes_max

    async def open(
        self, principal: Principal, *, actions: Sequence[str], reason: str, minutes: int | None = None
    ) -> Elevation:
        """Open an elevation for oneself; in force, on record and told when it returns.

        Raises:
            InvalidInput: names the field: an action that no elevation opens, a reason too short, too long a time.
            Refused: no person, a narrowed key, or with another elevation. Conflict: one is open already.
        """
        principal.scope.must_be_whole("elevation.open")
        if principal.elevation is not None:
            raise Refused("An elevation opens no other one.", extra={"reason": "elevation-nested"})
        if not is_person(principal.id):
            raise Refused("Only a person takes an elevation, and neither a service nor an agent does.")
        lasts = self._checked(actions, reason, minutes)
        async with self._database.tenant(principal.tenant) as conn:
            persons = sorted(await persons_behind(conn, [principal.id]))
            # One open elevation a person, also where two are asked for at once.
            await conn.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
                (f"elevation {principal.tenant} {persons[0]}",),
            )
            already = await (
                await conn.execute(f"{_SELECT} and persons && %s and {_OPEN} limit 1".encode(), (persons,))
            ).fetchone()
            if already is not None:
                raise Conflict(f"You have an open elevation, {already[0]}.", fix="Use it, or end it first.")
            row = await (
                await conn.execute(
                    "insert into elevations (tenant, id, user_id, persons, actions, reason, ends_at)"
                    f" values (current_tenant(), %s, %s, %s, %s, %s, time_now() + %s) returning {_COLUMNS}".encode(),
                    (new_id("elv"), principal.id, persons, sorted(set(actions)), reason, lasts),
                )
            ).fetchone()
            assert row is not None
            made = _of(row)
            key, salt = await subject_key(conn, self._keys, principal.tenant, principal.id), audit.new_salt()
            said = {"actions": list(made.actions), "ends_at": made.ends_at}
            committed = {"salt": salt.hex(), "commit": audit.commit(key, salt, (made.user_id, made.reason, *persons))}
            await self._record(conn, principal, "elevation.opened", made.id, said, committed)
        log_.warning("elevation_opened", elevation=made.id, actions=made.actions, ends_at=made.ends_at.isoformat())
        return made

    def _checked(self, actions: Sequence[str], reason: str, minutes: int | None) -> timedelta:
        for place, action in enumerate(actions):
            if action not in ELEVATABLE:
                raise InvalidInput.of(
                    f"/actions/{place}",
                    f"No elevation opens {action!r}.",
                    f"These it may: {', '.join(sorted(ELEVATABLE))}.",
                )
        if not actions:
            raise InvalidInput.of("/actions", "An elevation names what it is for.", "Name one action or more.")
        if not REASON_CHARS_MIN <= len(reason.strip()) <= REASON_CHARS_MAX:
            raise InvalidInput.of(
                "/reason",
                f"The reason should have {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters.",
                "Say what is wrong, for whoever looks at this afterwards.",
            )
        lasts = min(MINUTES, self._minutes_max) if minutes is None else minutes
        if not 1 <= lasts <= self._minutes_max:
            raise InvalidInput.of(
                "/minutes", f"It should last 1 to {self._minutes_max} minutes.", "Open another one later."
            )
        return timedelta(minutes=lasts)

    async def elevated(self, principal: Principal, elevation_id: str, *, method: str, route: str) -> Principal:
        """Give the caller with their open elevation, for one request, which is on record when it returns.

        Raises:
            Refused: it is not the caller's, it has ended (says when), or the key is narrowed.
        """
        principal.scope.must_be_whole("Using an elevation")
        async with self._database.tenant(principal.tenant) as conn:
            row = await (
                await conn.execute(f"{_SELECT} and id = %s and user_id = %s".encode(), (elevation_id, principal.id))
            ).fetchone()
            if row is None:
                raise _cannot("You have no such elevation.", "elevation-unknown")
            found = _of(row)
            if found.state is not ElevationState.OPEN:
                at = (found.ended_at or found.ends_at).isoformat()
                raise _cannot(f"The elevation ended at {at}.", "elevation-ended", at=at)
            facts = {"elevation": found.id, "method": method, "route": route, "by_key": principal.key_id}
            leaf = audit.leaf("elevation.used", tenant=principal.tenant, at=self._clock.now(), facts=facts)
            await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)
        return replace(principal, elevation=Elevated(id=found.id, actions=frozenset(found.actions)))

    async def record_decisions(self, principal: Principal, decided: Sequence[tuple[str, str, Decision]]) -> None:
        """Put on record what was decided under an elevation, each (action, type of resource, decision) once; durable when it returns."""
        if principal.elevation is None or not decided:
            return
        async with self._database.tenant(principal.tenant) as conn:
            for (action, kind, _), decision in {(a, k, d.text): d for a, k, d in decided}.items():
                facts = {
                    "elevation": principal.elevation.id,
                    "action": action,
                    "resource": kind,
                    "answer": decision.answer.value,
                    "policies": [reason.policy for reason in decision.reasons],
                    "policy_version": decision.policy_version,
                }
                leaf = audit.leaf("elevation.decided", tenant=principal.tenant, at=self._clock.now(), facts=facts)
                await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)

    async def end(self, principal: Principal, elevation_id: str) -> Elevation:
        """End an open elevation; nothing more is done with it. Raises NotFound, Conflict where it has ended."""
        async with self._database.tenant(principal.tenant) as conn:
            row = await (
                await conn.execute(
                    "update elevations set ended_at = time_now(), ended_by = %s where tenant = current_tenant() and id = %s"
                    f" and {_OPEN} returning {_COLUMNS}".encode(),
                    (principal.id, elevation_id),
                )
            ).fetchone()
            if row is None:
                await _get(conn, elevation_id)
                raise Conflict("The elevation has ended already.")
            await self._record(conn, principal, "elevation.ended", elevation_id, {}, {})
        return _of(row)

    async def run_out(self) -> bool:
        """Put elevations on record that ran out since the last time, of any tenant, and tell them: each once. Tells whether there are more."""
        async with self._database.across() as conn:
            rows = await (
                await conn.execute("select tenant, id from elevations_run_out(%s)", (RUN_OUT_BATCH,))
            ).fetchall()
        for tenant, found in itertools.groupby(sorted(rows), key=lambda row: str(row[0])):
            async with self._database.tenant(tenant) as conn:
                await self._run_out(conn, tenant, [row[1] for row in found])
        return len(rows) == RUN_OUT_BATCH

    async def _run_out(self, conn: Connection, tenant: str, ids: Sequence[str]) -> None:
        """Do it of those among them that did; the mark on the row is what makes it once, whoever else is about it."""
        rows = await (await conn.execute(_RUN_OUT.encode(), (list(ids),))).fetchall()
        for elevation_id, actions, ends_at in rows:
            data = {"elevation": elevation_id, "actions": actions, "ends_at": ends_at}
            await self._tell(conn, tenant, "elevation.ran-out", data, {})
            log_.warning("elevation_ran_out", elevation=elevation_id, ends_at=ends_at.isoformat())

    async def acknowledge(self, principal: Principal, elevation_id: str, note: str) -> Elevation:
        """Say that one has looked at what was done with an elevation. Raises NotFound, Refused for one's own, Conflict while it is open."""
        async with self._database.tenant(principal.tenant) as conn:
            found = await _get(conn, elevation_id, lock=True)
            # Also where a tenant has a single key: then it stays to be reviewed until there is somebody else.
            if not (await persons_behind(conn, [principal.id])).isdisjoint(found.persons):
                raise Refused(
                    "Whoever took an elevation does not review it.",
                    fix="Ask another person.",
                    extra={"reason": "elevation-own", "action": "elevation.acknowledge"},
                )
            if found.state is ElevationState.OPEN:
                raise Conflict("The elevation is still open.", fix="End it first.")
            if found.acknowledged_at is not None:
                raise Conflict(f"{found.acknowledged_by} has reviewed it already.")
            await self._run_out(conn, principal.tenant, [elevation_id])  # its end is on record before its review
            row = await (
                await conn.execute(
                    "update elevations set acknowledged_at = time_now(), acknowledged_by = %s, note = %s"
                    f" where tenant = current_tenant() and id = %s returning {_COLUMNS}".encode(),
                    (principal.id, note, elevation_id),
                )
            ).fetchone()
            assert row is not None
            key, salt = await subject_key(conn, self._keys, principal.tenant, principal.id), audit.new_salt()
            committed = {"salt": salt.hex(), "commit": audit.commit(key, salt, (principal.id, note))}
            await self._record(conn, principal, "elevation.acknowledged", elevation_id, {}, committed)
        return _of(row)

    async def get(self, tenant: str, elevation_id: str) -> Elevation:
        """Give an elevation; raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            return await _get(conn, elevation_id)

    async def find(
        self, tenant: str, *, which: str = "any", of: str | None = None, after: str | None = None, limit: int = LIST_MAX
    ) -> list[Elevation]:
        """List elevations, newest first. `which`: open, to_review, unreviewed (either) or any; `of`: one person's."""
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    f"{_SELECT} and {_STATES[which]} and (%(of)s::text is null or user_id = %(of)s)"
                    " and (%(after)s::text is null or id < %(after)s) order by id desc limit %(limit)s".encode(),
                    {"of": of, "after": after, "limit": min(limit, LIST_MAX + 1)},
                )
            ).fetchall()
        return [_of(row) for row in rows]

    async def _record(
        self,
        conn: Connection,
        principal: Principal,
        kind: str,
        elevation_id: str,
        said: Mapping[str, Any],
        committed: Mapping[str, str],
    ) -> None:
        facts = {"by_key": principal.key_id, **committed}
        await self._tell(conn, principal.tenant, kind, {"elevation": elevation_id, **said}, facts)

    async def _tell(
        self, conn: Connection, tenant: str, kind: str, data: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> None:
        """Call the tenant's webhook, put it on record, and tell the event. `data` goes everywhere, `facts` into the record alone."""
        at = self._clock.now()
        called = await call(conn, kind=kind, at=at, data={"tenant": tenant, **data})
        leaf = audit.leaf(kind, tenant=tenant, at=at, facts={**data, **facts, **called})
        await log(conn, tenant=tenant, task_id=None, leaf=leaf)
        await tell(conn, tenant=tenant, kind=kind, task_id=None, correlation_id=None, data=data)


async def _get(conn: Connection, elevation_id: str, *, lock: bool = False) -> Elevation:
    query = f"{_SELECT} and id = %s{' for update' if lock else ''}"
    row = await (await conn.execute(query.encode(), (elevation_id,))).fetchone()
    if row is None:
        raise NotFound(f"There is no elevation {elevation_id}.")
    return _of(row)


def _of(row: tuple[Any, ...]) -> Elevation:
    fields = dict(zip(Elevation.__dataclass_fields__, row, strict=True))
    return Elevation(**{**fields, "persons": tuple(row[2]), "actions": tuple(row[3])})


def _cannot(detail: str, reason: str, **extra: str) -> Refused:
    return Refused(
        detail,
        fix="Go on without it, or open another one: `interlock elevation open`.",
        extra={"reason": reason, **extra},
    )
