"""The part of `verify` that holds every row of a tenant against its leaf, and every leaf against its row.

It goes through the tenant's task IDs in ranges that leave no gap, so that a row whose task is gone is met too. A range ends after a number
of leaves, which bounds the memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidTag

from interlock.domain import canonical
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings
from interlock.governance.verify_states import (
    TaskRow,
    check_approvals,
    check_assignee,
    check_commitment,
    check_cuts,
    check_history,
    check_resolution,
    check_review,
    check_state,
    settle_erasure,
)
from interlock.infra.database import Connection

TASKS_BATCH: Final = 200
EFFECTS_BATCH: Final = 500
LEAVES_MAX: Final = 20_000
_GENERATION_LAST: Final = 2**31 - 1

_TASKS = """
select t.id, t.state, t.generation, t.automation, t.automation_version, t.correlation_id, t.submitted_by, t.input::text, t.input_ref,
    t.output::text, t.output_ref, t.error::text, t.commit_salt, t.labels, t.priority, t.deadline,
    t.callback_url, t.subject, k.subject is not null, k.wrapped_key, k.erased_at,
    (select count(*) from audit_records r where r.tenant = t.tenant and r.task_id = t.id), t.erased_at,
    t.resolved_by, t.resolution_note, t.resolution_salt
from tasks t left join subject_keys k on k.tenant = t.tenant and k.subject = t.subject
where t.tenant = current_tenant() and t.id > %s order by t.id limit %s"""
_LEAVES = """
select task_id, leaf from audit_records where tenant = current_tenant() and task_id > %(low)s {upto} order by task_id, id"""
_EFFECTS = """
select task_id, generation, effect_id, seq, kind, name, target, input_digest, input::text, input_ref, status, value::text, value_ref,
    error::text, decision::text, meta::text, salt
from effects where tenant = current_tenant() and (task_id, generation, effect_id) > (%(task)s, %(generation)s, %(effect)s) {upto}
order by task_id, generation, effect_id limit %(limit)s"""
_OPENINGS = """
select task_id, generation, effect_id, kind from openings where tenant = current_tenant() and task_id > %(low)s {upto}"""
_REVIEWS = """
select id, task_id, state, answer::text, answer_salt, answered_by,
    role, request::text, subject, deadline, automation, name, task_submitted_by, assignee from reviews
where tenant = current_tenant() and task_id > %(low)s {upto}"""
_APPROVALS = """
select a.review_id, a.number, a.revision, a.verdict, a.answer::text, a.salt, a.by_whom, a.persons, a.revoked_at is not null
from review_approvals a join reviews r on r.tenant = a.tenant and r.id = a.review_id
where a.tenant = current_tenant() and task_id > %(low)s {upto} order by a.review_id, a.number"""
_CUTS = "select task_id, generation, from_seq from journal_cuts where tenant = current_tenant() and task_id > %(low)s {upto}"
_HISTORY = """
select e.review_id, e.kind, e.data::text, e.by_whom from review_events e join reviews r on r.tenant = e.tenant and r.id = e.review_id
where e.tenant = current_tenant() and task_id > %(low)s {upto} order by e.review_id, e.id"""

EffectKey = tuple[str, int, str]


@dataclass(slots=True)
class _Leaves:
    """The leaves of a range by what they speak of; what is matched is taken out."""

    tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    effects: dict[EffectKey, list[dict[str, Any]]] = field(default_factory=dict)
    openings: dict[EffectKey, list[dict[str, Any]]] = field(default_factory=dict)
    reviews: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, task_id: str, facts: dict[str, Any]) -> None:
        kind = str(facts.get("kind"))
        self.tasks.setdefault(task_id, [])
        key = (task_id, facts.get("generation", 1), str(facts.get("effect")))
        if kind == "effect":
            self.effects.setdefault(key, []).append(facts)
        elif kind == "effect.opened":
            self.openings.setdefault(key, []).append(facts)
        elif kind.startswith("review."):
            self.reviews.setdefault(str(facts.get("review")), []).append(facts)
        else:
            self.tasks[task_id].append(facts)


async def check_tasks(conn: Connection, tenant: str, keys: SubjectKeys, findings: Findings) -> None:
    """Check tasks, journal, openings and reviews of the tenant that is set in this snapshot of the application's role."""
    checker = _Checker(conn, tenant, findings)
    low = ""
    while True:
        rows = await (await conn.execute(_TASKS, (low, TASKS_BATCH))).fetchall()
        tasks = [_task(tenant, row, keys, findings) for row in rows]
        groups = list(_groups(tasks))
        last_page = len(rows) < TASKS_BATCH
        for number, group in enumerate(groups, start=1):
            # The very last range has no end: what lies behind the last task belongs to no task.
            high = None if last_page and number == len(groups) else group[-1].id
            await checker.range(low, high, {task.id: task for task in group})
            low = group[-1].id
        if last_page:
            break
    if not groups:
        await checker.range(low, None, {})


class _Checker:
    def __init__(self, conn: Connection, tenant: str, findings: Findings) -> None:
        self._conn = conn
        self._tenant = tenant
        self._findings = findings

    async def range(self, low: str, high: str | None, tasks: dict[str, TaskRow]) -> None:
        """Check everything whose task ID is over `low` and up to `high`."""
        leaves = await self._leaves(low, high)
        for task_id in leaves.tasks.keys() - tasks.keys():
            self._findings.add("a task with leaves is there", self._at(task_id))
        cuts: dict[str, list[tuple[int, int]]] = {}
        for task_id, *cut in await self._rows(_CUTS, low, high):
            cuts.setdefault(task_id, []).append((cut[0], cut[1]))
        for task_id in leaves.tasks.keys() | cuts.keys():
            check_cuts(self._at(task_id), cuts.get(task_id, []), leaves.tasks.get(task_id, []), self._findings)
        for task in tasks.values():
            self._findings.tasks += 1
            settle_erasure(self._at(task.id), task, leaves.tasks.get(task.id, []), self._findings)
            check_state(self._at(task.id), task, leaves.tasks.get(task.id, []), self._findings)
            check_resolution(self._at(task.id), task, leaves.tasks.get(task.id, []), self._findings)
        async for row in self._effects(low, high):
            self._effect(row, tasks, leaves)
        for row in await self._rows(_OPENINGS, low, high):
            self._opening(row, leaves)
        history: dict[str, list[tuple[str, str, str]]] = {}
        for review_id, *line in await self._rows(_HISTORY, low, high):
            history.setdefault(review_id, []).append((line[0], line[1], line[2]))
        approvals: dict[str, list[Sequence[Any]]] = {}
        for review_id, *approval in await self._rows(_APPROVALS, low, high):
            approvals.setdefault(review_id, []).append(approval)
        for row in await self._rows(_REVIEWS, low, high):
            self._findings.reviews += 1
            where, said = f"{self._tenant}/{row[0]}", leaves.reviews.pop(row[0], [])
            check_review(where, row[:-1], tasks, said, self._findings)
            check_approvals(where, approvals.get(row[0], []), row, said, tasks.get(row[1]), self._findings)
            if (owner := tasks.get(row[1])) is None or not owner.content_gone:
                check_history(where, history.get(row[0], []), said, owner, self._findings)
                check_assignee(where, history.get(row[0], []), row[-1], self._findings)
        for key in leaves.effects:
            self._findings.add("an effect with a leaf is in the journal", self._at(*key))
        for key in leaves.openings:
            self._findings.add("an opening with a leaf is there", self._at(*key))
        for review_id in leaves.reviews:
            self._findings.add("a review with leaves is there", self._at(review_id))

    def _effect(self, row: Sequence[Any], tasks: dict[str, TaskRow], leaves: _Leaves) -> None:
        key, findings = (row[0], row[1], row[2]), self._findings
        where = self._at(*key)
        findings.effects += 1
        found = leaves.effects.pop(key, [])
        findings.check("an effect has one leaf", where, expected=1, found=len(found))
        task = tasks.get(row[0])
        if task is None:
            findings.add("an effect's task is there", where)
        if not found or task is None:
            return
        facts = found[-1]
        _, _, _, seq, kind, name, target, digest, text, ref, status, *outcome, salt = row
        said = tuple(facts.get(part) for part in ("seq", "effect_kind", "status"))
        findings.check(
            "sequence, kind and status are those of the leaf", where, expected=said, found=(seq, kind, status)
        )
        check_commitment(
            "the content is what the leaf commits to",
            where,
            task,
            salt,
            (name, target, bytes(digest).hex(), text, ref, *outcome),
            facts,
            findings,
        )
        # A cancellation is the engine's own effect and has no digest; a large input is checked by its commitment only.
        if kind != "cancel" and ref is None and not task.content_gone:
            expected = _digest(kind, name, target, text)
            findings.check("the input's digest is that of the input", where, expected=expected, found=bytes(digest))

    def _opening(self, row: Sequence[Any], leaves: _Leaves) -> None:
        key = (row[0], row[1], row[2])
        found = leaves.openings.pop(key, [])
        if self._findings.check("an opening has one leaf", self._at(*key), expected=1, found=len(found)):
            said = found[0].get("effect_kind")
            self._findings.check("the opening's kind is that of the leaf", self._at(*key), expected=said, found=row[3])

    async def _leaves(self, low: str, high: str | None) -> _Leaves:
        leaves = _Leaves()
        for task_id, text in await self._rows(_LEAVES, low, high):
            try:
                leaves.add(task_id, canonical.loads(text))
            except (ValueError, AttributeError, TypeError):
                self._findings.add("the leaf can be read", self._at(task_id), found=text)
        return leaves

    async def _effects(self, low: str, high: str | None) -> AsyncIterator[tuple[Any, ...]]:
        """Give the journal's rows of a range, a few hundred at a time: their contents may be large."""
        query = _bounded(_EFFECTS, high)
        place: dict[str, Any] = {
            "task": low,
            "generation": _GENERATION_LAST,
            "effect": "",
            "limit": EFFECTS_BATCH,
            "high": high,
        }
        while True:
            rows = await (await self._conn.execute(query, place)).fetchall()
            for row in rows:
                yield row
            if len(rows) < EFFECTS_BATCH:
                return
            place |= dict(zip(("task", "generation", "effect"), rows[-1][:3], strict=True))

    async def _rows(self, query: str, low: str, high: str | None) -> list[tuple[Any, ...]]:
        return await (await self._conn.execute(_bounded(query, high), {"low": low, "high": high})).fetchall()

    def _at(self, *parts: object) -> str:
        return "/".join(map(str, (self._tenant, *parts)))


def _bounded(query: str, high: str | None) -> bytes:
    return query.format(upto="" if high is None else "and task_id <= %(high)s").encode()


def _groups(tasks: Sequence[TaskRow]) -> Iterator[list[TaskRow]]:
    group: list[TaskRow] = []
    leaves = 0
    for task in tasks:
        if group and leaves + task.leaf_count > LEAVES_MAX:
            yield group
            group, leaves = [], 0
        group.append(task)
        leaves += task.leaf_count
    if group:
        yield group


def _task(tenant: str, row: Sequence[Any], keys: SubjectKeys, findings: Findings) -> TaskRow:
    subject, known, wrapped, erased_at, leaf_count, task_erased_at, *resolution = row[17:]
    key = _key(tenant, row[0], subject, known, wrapped, erased_at, keys, findings)
    names = (
        *("id", "state", "generation", "automation", "version", "correlation_id", "submitted_by"),
        *("input", "input_ref", "output", "output_ref", "error", "salt"),
        *("labels", "priority", "deadline", "callback_url"),
    )
    return TaskRow(
        **dict(zip(names, row[:17], strict=True)),
        leaf_count=leaf_count,
        key=key,
        erased=key is None and known and wrapped is None and erased_at is not None,
        erased_at=task_erased_at,
        **dict(zip(("resolved_by", "resolution_note", "resolution_salt"), resolution, strict=True)),
    )


def _key(
    tenant: str,
    task_id: str,
    subject: str,
    known: bool,
    wrapped: bytes | None,
    erased_at: datetime | None,
    keys: SubjectKeys,
    findings: Findings,
) -> bytes | None:
    """Open the key of a task's subject. One that is gone without having been erased is a finding: nothing can be checked with it."""
    if wrapped is None:
        if not known or erased_at is None:
            findings.add("the subject's key is there, or was erased", f"{tenant}/{task_id}")
        return None
    try:
        return keys.unwrap(tenant, subject, wrapped)
    except (InvalidTag, ValueError):
        findings.add("the subject's key opens under the master key", f"{tenant}/{task_id}")
        return None


def _digest(kind: str, name: str, target: str, text: str | None) -> bytes | None:
    try:
        return canonical.digest([kind, name, target, None if text is None else canonical.loads(text)])
    except ValueError:
        return None  # JSON that the journal would not have written
