"""What people do with a tenant's own policies: propose, approve, reject, roll back, and see what a change would do. Each is on record.

A change is proposed by one person and decided on by another (four eyes), unless the tenant has a single key. Rolling back to what was in
force before takes one person: it was approved once, and it is what is needed in a hurry.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from interlock.domain import canonical, pointers
from interlock.domain.decisions import Answer, Decision, Entity, Question
from interlock.domain.errors import ConfigurationError, Conflict, FieldError, InvalidInput, NotFound
from interlock.governance import ask, audit, policy_diff, policy_proof
from interlock.governance.audit import SubjectKeys
from interlock.governance.cases import CaseResult, run_text
from interlock.governance.decide import Bundle
from interlock.governance.facts import untagged
from interlock.governance.identity import Principal
from interlock.governance.policies import Rules
from interlock.governance.policy_diff import Difference, Searched
from interlock.governance.policy_proof import Proof, Prover
from interlock.governance.tenant_policies import Deciding, TenantPolicies, version_of
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration import recorded_answers
from interlock.orchestration.review_rights import persons_behind
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key
from interlock.orchestration.tenant_webhook import call

FILES_MAX: Final = 50
FILE_CHARS_MAX: Final = 128 * 1024
RECORDED_MAX: Final = 10_000
SHOWN_MAX: Final = 50
SOURCES_MAX: Final = 50
KNOWN_MAX: Final = 64
CASES: Final = "cases.yaml"
EVERYTHING_ELSE: Final = "everything else"
_COLUMNS: Final = "number, set_number, mode, kind, state, asked_by, asked_at, decided_by, decided_at, reason"
_RECORDED: Final = """
select e.task_id, e.effect_id, t.automation, e.kind, e.name, e.target, e.input::text, e.recorded_at from effects e
join (select tenant, id, automation from tasks where tenant = current_tenant() order by accepted_at desc, id desc limit %(tasks)s) t
    on t.tenant = e.tenant and t.id = e.task_id
where e.decision is not null order by e.recorded_at desc limit %(limit)s"""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of what is in force. `set_number` 0 stands for none of the tenant's own."""

    number: int
    set_number: int
    mode: str
    kind: str
    state: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class PolicySet:
    """A set of files, never changed. `version` is SHA-256 (hex) over them."""

    number: int
    version: str
    files: Mapping[str, str]
    note: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What a set would change: of `recorded` decisions and answers to reviews, asked again, those that go the other way; what a search found.

    `proofs` is what was proved, where that was asked for.
    """

    recorded: int
    changed: Sequence[Difference]
    searched: Mapping[str, Searched]
    proofs: Mapping[str, Proof] | None = None


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A set that compiles, and how its cases went."""

    version: str
    cases: Sequence[CaseResult]


class PolicyChanges:
    """The verbs. Each is one transaction with its audit leaf."""

    def __init__(self, *, database: Database, policies: TenantPolicies, keys: SubjectKeys, clock: Clock) -> None:
        self._database = database
        self._policies = policies
        self._keys = keys
        self._clock = clock
        self._searching = asyncio.Lock()
        self._prover = Prover()
        self._known: OrderedDict[tuple[str, str], Rules | None] = OrderedDict()

    @classmethod
    def within(
        cls,
        stack: contextlib.AsyncExitStack,
        database: Database,
        policies: TenantPolicies,
        keys: SubjectKeys,
        clock: Clock,
    ) -> Self:
        """Make it, and have the stack close it."""
        made = cls(database=database, policies=policies, keys=keys, clock=clock)
        stack.push_async_callback(made.close)
        return made

    async def close(self) -> None:
        """End the process that proves, where there is one."""
        await self._prover.close()

    def check(self, files: Mapping[str, str]) -> list[CaseResult]:
        """Compile the files over everything that is deployed, and run their cases.

        Raises:
            InvalidInput: a file that is wrong; names it, the policy and the fix.
        """
        _check_form(files)
        try:
            self._policies.shipped.check(files)
            if CASES not in files:
                return []
            deciding = Deciding(self._policies.shipped, 1, 0, files, None)
            return run_text(lambda action: deciding.bundle(action.partition(".")[0]), files[CASES], CASES)
        except ConfigurationError as error:
            fields = [FieldError(pointer="/files", detail=error.detail)]
            raise InvalidInput(error.detail, fix=error.fix, fields=fields) from error

    async def checked(self, files: Mapping[str, str]) -> Checked:
        """Check beside the event loop: compiling everything takes a moment. Raises as `check`."""
        return Checked(version=version_of(files), cases=await asyncio.to_thread(self.check, files))

    async def impact(
        self, principal: Principal, files: Mapping[str, str], *, seconds: float = 5.0, prove: bool = False
    ) -> Impact:
        """Say which answers the files would change, of recorded decisions, of recorded answers to reviews, and of requests made for it.

        Changes nothing. Where that is asked for, what can be proved of every request is.
        """
        await asyncio.to_thread(self.check, files)
        now = (await self._policies.current(principal.tenant)).alone()
        async with self._database.tenant(principal.tenant) as conn:
            rows = await (
                await conn.execute(_RECORDED.encode(), {"tasks": RECORDED_MAX, "limit": RECORDED_MAX})
            ).fetchall()
            answers = await recorded_answers.recorded_answers(conn, RECORDED_MAX)
        then = Deciding(self._policies.shipped, 1, 0, files, None)
        declared = {name: self._policies.shipped.effects.get(name, ()) for name in self._policies.shipped.bundles}

        def compare() -> Impact:
            asked = [
                *self._questions(principal.tenant, rows),
                *recorded_answers.questions(principal.tenant, answers, declared),
            ]
            asked.sort(key=lambda one: one[1]["at"], reverse=True)
            return self._impact(now, then, asked[:RECORDED_MAX], seconds)

        impact = await asyncio.to_thread(compare)
        return replace(impact, proofs=await self._proofs(now, then)) if prove else impact

    async def _proofs(self, now: Deciding, then: Deciding) -> dict[str, Proof]:
        """Prove what can be, of every bundle, in the time that there is for all."""
        until = time.monotonic() + policy_proof.SECONDS
        return {
            name or EVERYTHING_ELSE: await self._prover.prove(now.bundle(name), then.bundle(name), until=until)
            for name in (None, *self._policies.shipped.bundles)
        }

    def _impact(
        self, now: Deciding, then: Deciding, asked: Sequence[tuple[Question, dict[str, Any]]], seconds: float
    ) -> Impact:
        """Compare, off the event loop: it takes seconds."""
        by_automation: dict[str, list[tuple[Question, dict[str, Any]]]] = {}
        for question, where in asked:
            by_automation.setdefault(where["automation"], []).append((question, where))
        changed: list[Difference] = []
        for name, questions in by_automation.items():
            changed += policy_diff.on_recorded(now.bundle(name), then.bundle(name), questions)[1]
        names = (None, *self._policies.shipped.bundles)
        searched = {
            name or EVERYTHING_ELSE: policy_diff.search(
                now.bundle(name), then.bundle(name), seconds=seconds / len(names)
            )
            for name in names
        }
        return Impact(recorded=len(asked), changed=changed, searched=searched)

    def _questions(self, tenant: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Question, dict[str, Any]]]:
        """Give what the policy was asked at each recorded effect, as far as its input still stands in the journal."""
        for task_id, effect_id, automation, kind, name, target, text, at in rows:
            if automation not in self._policies.shipped.bundles:
                continue
            where = {"task_id": task_id, "effect": effect_id, "automation": automation, "at": at}
            declared = self._policies.shipped.effects.get(automation, ())
            if kind != "decide":
                told = self._policies.shipped.facts.get(automation)
                facts = told(kind, target) if told is not None else ()
                yield ask.effect_question(tenant, automation, declared, kind, name, facts), where
            elif text is not None:
                stated = untagged(canonical.loads(text))
                yield ask.business_question(tenant, automation, declared, target, stated), where

    async def propose(
        self, principal: Principal, files: Mapping[str, str], *, note: str, shadow: bool = False
    ) -> tuple[Change, PolicySet]:
        """Store a set, and ask for it to be put in force, or to look on. Where the tenant has a single key, that is done at once.

        Raises:
            InvalidInput: the files are wrong, a case fails, or nobody could undo it. Conflict: another change waits.
        """
        failed = [c for c in (await self.checked(files)).cases if not c.passed]
        if failed:
            detail = "; ".join(f'"{c.name}" wanted {c.wanted}, got {c.got} ({c.detail})' for c in failed[:5])
            raise InvalidInput(f"{len(failed)} of the set's cases fail: {detail}", fix="Correct policies or cases.")
        await asyncio.to_thread(self._check_way_back, principal.tenant, files)
        async with self._locked(principal) as conn:
            number = await _next(conn, "policy_sets")
            await conn.execute(
                "insert into policy_sets (tenant, number, version, files, note, created_by)"
                " values (current_tenant(), %s, %s, %s::json, %s, %s)",
                (number, version_of(files), canonical.dumps(dict(files)).decode(), note, principal.id),
            )
            change = await self._ask(conn, principal, set_number=number, mode="shadow" if shadow else "active")
            stored = await _set(conn, number)
        self._policies.forget(principal.tenant)
        return change, stored

    async def stop_looking(self, principal: Principal) -> Change:
        """End a set's looking on. It decided nothing, so one person may."""
        async with self._locked(principal) as conn:
            change = await self._insert(conn, principal, 0, "shadow", "activate", "done")
            await self._put(conn, principal, change)
        self._policies.forget(principal.tenant)
        return change

    async def approve(self, principal: Principal, number: int) -> Change:
        """Put a proposed change in force. Raises Refused for who proposed it, Conflict where it was decided on already."""
        async with self._database.tenant(principal.tenant) as conn:
            proposed = await self._open(conn, number)
            stored = await _set(conn, proposed.set_number)
            await self._may_decide(conn, principal, proposed)
        # Automations may have changed since. Not in the transaction: it takes a moment, and a set is never changed.
        await asyncio.to_thread(self.check, stored.files)
        async with self._locked(principal) as conn:
            await self._open(conn, number)
            await conn.execute(
                "update policy_changes set state = 'done', decided_by = %s, decided_at = time_now()"
                " where tenant = current_tenant() and number = %s",
                (principal.id, number),
            )
            change = await _change(conn, number)
            await self._put(conn, principal, change)
        self._policies.forget(principal.tenant)
        return change

    async def reject(self, principal: Principal, number: int, *, reason: str) -> Change:
        """Turn a proposed change down; who proposed it may, which takes it back."""
        async with self._locked(principal) as conn:
            await self._open(conn, number)
            await conn.execute(
                "update policy_changes set state = 'rejected', decided_by = %s, decided_at = time_now(), reason = %s"
                " where tenant = current_tenant() and number = %s",
                (principal.id, reason, number),
            )
            change = await _change(conn, number)
            await self._logged(conn, principal, "policy.rejected", change)
        return change

    async def roll_back(self, principal: Principal, *, to: int | None = None) -> Change:
        """Put what was in force before in force again, or an earlier set that once was. In one step, by one person.

        Raises:
            NotFound: there is no such set that was in force.
        """
        async with self._locked(principal) as conn:
            rows = await (
                await conn.execute(
                    "select set_number from policy_changes where tenant = current_tenant() and mode = 'active'"
                    " and state = 'done' order by decided_at, number"
                )
            ).fetchall()
            past = [0, *(row[0] for row in rows)]
            now = await (await conn.execute("select active from policy_now where tenant = current_tenant()")).fetchone()
            active = 0 if now is None else now[0]
            earlier = [number for number in past if number != active]
            if to is None and not earlier:
                raise NotFound(
                    "Nothing else was in force before.", fix="Propose a set with `interlock policy activate`."
                )
            target = earlier[-1] if to is None else to
            if target not in past or target == active:
                raise NotFound(
                    f"Set {target} was never in force, or is now.",
                    fix=f"Sets that were: {', '.join(map(str, sorted(set(earlier)))) or 'none'}; 0 is none of your own.",
                )
            change = await self._insert(conn, principal, target, "active", "rollback", "done")
            await self._put(conn, principal, change)
        self._policies.forget(principal.tenant)
        return change

    async def history(self, tenant: str, *, before: int | None = None, limit: int = 50) -> list[Change]:
        """List changes, newest first."""
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    f"select {_COLUMNS} from policy_changes where tenant = current_tenant()"
                    " and (%s::int is null or number < %s) order by number desc limit %s".encode(),
                    (before, before, limit),
                )
            ).fetchall()
        return [_read(row) for row in rows]

    async def set(self, tenant: str, number: int) -> PolicySet:
        """Give a set with its files. Raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            return await _set(conn, number)

    async def sources(self, tenant: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """Give the texts of every version that is deployed, with each of the tenant's newest sets that were ever in force over it."""
        return await asyncio.to_thread(self._sources, await self._past_sets(tenant))

    async def _past_sets(self, tenant: str) -> list[Mapping[str, str]]:
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    "select files from policy_sets s where tenant = current_tenant() and exists (select 1 from policy_changes c"
                    " where c.tenant = s.tenant and c.set_number = s.number and c.state = 'done') order by number desc limit %s",
                    (SOURCES_MAX,),
                )
            ).fetchall()
        return [row[0] for row in rows]

    def _sources(self, sets: Sequence[Mapping[str, str]]) -> dict[str, tuple[tuple[str, str], ...]]:
        return {bundle.version: bundle.rules.sources for bundle in self._bundles(sets)}

    def _bundles(self, sets: Sequence[Mapping[str, str]]) -> Iterator[Bundle]:
        shipped = self._policies.shipped
        yield from (shipped.base, *shipped.bundles.values())
        for files in sets:
            for name in (None, *shipped.bundles):
                with contextlib.suppress(
                    ConfigurationError
                ):  # it no longer fits what is deployed; its version is said to be missing
                    yield shipped.compose(name, files)

    async def rules(self, tenant: str, version: str) -> Rules | None:
        """Give what decided under a version, as far as what is deployed and the tenant's newest sets still make it; None where they do not.

        It compiles what it has not met, one search at a time, and remembers what came of it, also that nothing did.
        """
        async with self._searching:
            if (tenant, version) not in self._known:
                sets = await self._past_sets(tenant)
                self._known[tenant, version] = await asyncio.to_thread(self._search, sets, version)
                while len(self._known) > KNOWN_MAX:
                    self._known.popitem(last=False)
            return self._known[tenant, version]

    def _search(self, sets: Sequence[Mapping[str, str]], version: str) -> Rules | None:
        return next((bundle.rules for bundle in self._bundles(sets) if bundle.version == version), None)

    async def differences(self, tenant: str, *, limit: int = 200) -> list[dict[str, Any]]:
        """List what sets that look on would have answered otherwise, the most frequent first."""
        await self._policies.flush()
        async with self._database.tenant(tenant) as conn:
            cursor = await conn.execute(
                "select set_number, action, answer, would_be, reasons, would_be_reasons, count, first_at, last_at"
                " from policy_differences where tenant = current_tenant() order by set_number desc, count desc limit %s",
                (limit,),
            )
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    def _locked(self, principal: Principal) -> _Locked:
        return _Locked(self._database, principal.tenant)

    def _check_way_back(self, tenant: str, files: Mapping[str, str]) -> None:
        """Refuse a set under which no owner, or no admin, could take it back: a tenant may have only one of the two."""
        bundle = Deciding(self._policies.shipped, 1, 0, files, None).bundle()
        for role, action in itertools.product(
            ("owner", "admin"), ("policy.rollback", "policy.propose", "policy.approve")
        ):
            person = Entity(type="User", id=f"user:{role}", attrs={"tenant": tenant, "roles": [role]})
            question = Question(
                principal=person, action=action, resource=ask.policy(tenant), context={"single_operator": False}
            )
            decision = bundle.decide(question)
            if decision.answer is not Answer.ALLOW:
                reasons = "; ".join(f"{r.text} [{r.policy}]" for r in decision.reasons)
                raise InvalidInput(
                    f"With this set no {role} could do {action}: {reasons}",
                    fix="Leave owners and admins a way to change policies.",
                )

    async def _may_decide(self, conn: Connection, principal: Principal, change: Change) -> Decision:
        proposers = await persons_behind(conn, [change.asked_by])
        resource = ask.policy(principal.tenant, proposed_by=change.asked_by, proposers=proposers)
        bundle, _ = self._policies.held(principal.tenant).about_policies()
        persons = sorted(await persons_behind(conn, [principal.id]))
        context = {"single_operator": principal.single_operator, "persons": persons}
        return ask.require(bundle, principal, "policy.approve", resource, context=context)

    async def _open(self, conn: Connection, number: int) -> Change:
        change = await _change(conn, number)
        if change.state != "proposed":
            at = "" if change.decided_at is None else f" at {change.decided_at.isoformat()}"
            raise Conflict(
                f"Change {number} is {change.state} already, by {change.decided_by}{at}.",
                fix="See `interlock policy history`.",
            )
        return change

    async def _ask(self, conn: Connection, principal: Principal, *, set_number: int, mode: str) -> Change:
        waiting = await (
            await conn.execute(
                "select number from policy_changes where tenant = current_tenant() and state = 'proposed'"
            )
        ).fetchone()
        if waiting is not None:
            raise Conflict(f"Change {waiting[0]} waits for a decision.", fix="Approve or reject it first.")
        alone = principal.single_operator
        change = await self._insert(conn, principal, set_number, mode, "activate", "done" if alone else "proposed")
        if alone:
            await self._put(conn, principal, change)
        else:
            await self._logged(conn, principal, "policy.proposed", change)
        return change

    async def _insert(
        self, conn: Connection, principal: Principal, set_number: int, mode: str, kind: str, state: str
    ) -> Change:
        number = await _next(conn, "policy_changes")
        done = state == "done"
        await conn.execute(
            "insert into policy_changes (tenant, number, set_number, mode, kind, state, asked_by, decided_by, decided_at)"
            " values (current_tenant(), %s, %s, %s, %s, %s, %s, %s, case when %s then time_now() end)",
            (number, set_number, mode, kind, state, principal.id, principal.id if done else None, done),
        )
        return await _change(conn, number)

    async def _put(self, conn: Connection, principal: Principal, change: Change) -> None:
        """Put a change in force; what becomes active no longer looks on."""
        active = change.mode == "active"
        await conn.execute(
            "insert into policy_now (tenant, active, shadow) values (current_tenant(), %(active)s, %(shadow)s)"
            " on conflict (tenant) do update set changed_at = time_now(),"
            " active = case when %(is_active)s then excluded.active else policy_now.active end,"
            " shadow = case when not %(is_active)s then excluded.shadow"
            " when policy_now.shadow = excluded.active then 0 else policy_now.shadow end",
            {
                "is_active": active,
                "active": change.set_number if active else 0,
                "shadow": 0 if active else change.set_number,
            },
        )
        await self._logged(
            conn, principal, "policy.rolled-back" if change.kind == "rollback" else "policy.activated", change
        )

    async def _logged(self, conn: Connection, principal: Principal, kind: str, change: Change) -> None:
        version = None if change.set_number == 0 else (await _set(conn, change.set_number)).version
        key, salt = await subject_key(conn, self._keys, principal.tenant, principal.id), audit.new_salt()
        facts = {
            "change": change.number,
            "set": change.set_number,
            "set_version": version,
            "mode": change.mode,
            "by_key": principal.key_id,
            "alone": change.state == "done" and change.kind == "activate" and change.asked_by == change.decided_by,
            "salt": salt.hex(),
            "commit": audit.commit(key, salt, (principal.id, change.reason)),
        }
        at, called = self._clock.now(), {}
        if change.state == "done":  # what is in force, or looks on, is another one now
            told = {name: facts[name] for name in ("change", "set", "set_version", "mode", "alone")}
            called = await call(conn, kind=kind, at=at, data={"tenant": principal.tenant, **told})
        leaf = audit.leaf(kind, tenant=principal.tenant, at=at, facts={**facts, **called})
        await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)


class _Locked:
    """A transaction of a tenant in which nobody else changes its policies."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._opened = database.tenant(tenant)
        self._tenant = tenant

    async def __aenter__(self) -> Connection:
        conn = await self._opened.__aenter__()
        await conn.execute("select pg_advisory_xact_lock(hashtextextended('policies ' || %s, 0))", (self._tenant,))
        return conn

    async def __aexit__(self, *error: Any) -> None:
        await self._opened.__aexit__(*error)


def _check_form(files: Mapping[str, str]) -> None:
    if not 0 < len(files) <= FILES_MAX or not any(name.endswith(".cedar") for name in files):
        raise InvalidInput(
            f"A set has 1 to {FILES_MAX} files, with at least one *.cedar.",
            fields=[FieldError(pointer="/files", detail="1 to 50 files")],
        )
    for name, text in files.items():
        where = "/files" + pointers.step(name)
        if name != CASES and not (name.endswith(".cedar") and "/" not in name and len(name) <= 128):
            raise InvalidInput(
                f"{name!r} is no file of a set.",
                fix=f"A set holds *.cedar and {CASES}; schemas belong to automations.",
                fields=[FieldError(pointer=where, detail="not *.cedar")],
            )
        if len(text) > FILE_CHARS_MAX:
            raise InvalidInput(
                f"{name} has over {FILE_CHARS_MAX} characters.",
                fields=[FieldError(pointer=where, detail="too long")],
            )


async def _next(conn: Connection, table: str) -> int:
    row = await (
        await conn.execute(f"select coalesce(max(number), 0) + 1 from {table} where tenant = current_tenant()".encode())
    ).fetchone()
    assert row is not None
    return int(row[0])


async def _change(conn: Connection, number: int) -> Change:
    row = await (
        await conn.execute(
            f"select {_COLUMNS} from policy_changes where tenant = current_tenant() and number = %s".encode(), (number,)
        )
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no change {number} of policies.", fix="See `interlock policy history`.")
    return _read(row)


def _read(row: Sequence[Any]) -> Change:
    names = _COLUMNS.split(", ")
    return Change(**dict(zip(names, row, strict=True)))


async def _set(conn: Connection, number: int) -> PolicySet:
    row = await (
        await conn.execute(
            "select number, version, files, note, created_by, created_at from policy_sets"
            " where tenant = current_tenant() and number = %s",
            (number,),
        )
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no set {number} of policies.", fix="See `interlock policy history`.")
    return PolicySet(number=row[0], version=row[1], files=row[2], note=row[3], created_by=row[4], created_at=row[5])
