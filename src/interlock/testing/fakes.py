"""The stores in memory: what the engine's PostgreSQL tables do, for tests. They pass the same contract suite.

Everything is fenced by epoch, and every method does its work without waiting in the middle, so that it is as atomic as the one
statement that it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.boundary.perform import RETRY_IN_PROCESS_S
from interlock.domain import canonical
from interlock.domain.decisions import Decision
from interlock.domain.effects import Effect, Outcome, Recorded
from interlock.domain.errors import Fenced, InvalidInput, Nondeterministic, NotFound
from interlock.domain.ports import Attempt, Journal, ObjectStore, Opening
from interlock.domain.tasks import ENDED, Claimed, Ended, State, TaskInfo
from interlock.infra.clock import Clock

LEASE_S = 10.0
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class JumpingClock(Clock):
    """A clock that stands still until it is told to jump."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__()
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def jump(self, to: datetime) -> None:
        """Go on to a time; an earlier one changes nothing."""
        self._now = max(self._now, to)

    def advance(self, by: timedelta) -> None:
        self.jump(self._now + by)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One thing that happened to a task: `task.waiting`, `effect.opened`, `effect.failed`, `effect.ok` …, with the effect's ID."""

    at: datetime
    what: str
    effect: str | None = None
    detail: str | None = None


@dataclass(kw_only=True)
class Row:
    """A task's row, which is its own queue entry."""

    info: TaskInfo
    input: Any
    accepted_at: datetime
    deadline: datetime | None = None
    callback_url: str | None = None
    state: State = State.ACCEPTED
    epoch: int = 0
    generation: int = 1
    due_at: datetime | None = None
    lease_until: datetime | None = None
    cancel_requested: bool = False
    output: Any = None
    error: Any = None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A row of the journal, with the effect that it is the outcome of."""

    effect: Effect
    recorded: Recorded
    at: datetime


@dataclass
class Tables:
    """What stands for the database. Keys begin with (tenant, task ID)."""

    clock: Clock
    objects: ObjectStore
    tasks: dict[tuple[str, str], Row] = field(default_factory=dict)
    effects: dict[tuple[str, str, int, str], Stored] = field(default_factory=dict)
    openings: dict[tuple[str, str, int, str], tuple[Opening, bytes]] = field(default_factory=dict)
    attempts: dict[tuple[str, str, int, str, int], Attempt] = field(default_factory=dict)
    cuts: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    moments: dict[tuple[str, str], list[Moment]] = field(default_factory=dict)

    def row(self, tenant: str, task_id: str) -> Row:
        found = self.tasks.get((tenant, task_id))
        if found is None:
            raise NotFound(f"There is no task {task_id}.")
        return found

    def owned(self, task: Claimed) -> Row:
        """Give the task's row to who holds its epoch; raises Fenced for anybody else."""
        row = self.tasks.get((task.info.tenant, task.info.id))
        if row is None or row.epoch != task.epoch:
            raise Fenced
        return row

    def happened(self, info: TaskInfo, what: str, *, effect: str | None = None, detail: str | None = None) -> None:
        moment = Moment(at=self.clock.now(), what=what, effect=effect, detail=detail)
        self.moments.setdefault((info.tenant, info.id), []).append(moment)


class MemoryTasks:
    """The task's row in memory, and the claiming of it. See the port `TaskStore`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._clock = tables.clock

    def accept(
        self, info: TaskInfo, value: Any, *, deadline: datetime | None = None, callback_url: str | None = None
    ) -> None:
        """Store a task, due at once."""
        now = self._clock.now()
        row = Row(
            info=info, input=canonical.plain(value), accepted_at=now, deadline=deadline, callback_url=callback_url
        )
        row.due_at = now
        self._tables.tasks[info.tenant, info.id] = row
        self._tables.happened(info, "task.accepted")

    def claim(self, limit: int = 1, *, only: str | None = None, lease_s: float = LEASE_S) -> list[Claimed]:
        """Take tasks that are due, or whose owner's lease has run out; raises their epoch and clears their due time."""
        now = self._clock.now()
        rows = [r for r in self._tables.tasks.values() if _claimable(r, now) and only in (None, r.info.id)]
        rows.sort(key=lambda r: r.lease_until or r.due_at or now)
        return [self._take(row, now + timedelta(seconds=lease_s)) for row in rows[:limit]]

    def _take(self, row: Row, lease_until: datetime) -> Claimed:
        row.epoch += 1
        row.lease_until, row.due_at, row.state = lease_until, None, State.RUNNING
        return Claimed(
            info=row.info,
            epoch=row.epoch,
            generation=row.generation,
            input=row.input,
            accepted_at=row.accepted_at,
            deadline=row.deadline,
            cancel_requested=row.cancel_requested,
            callback_url=row.callback_url,
        )

    async def wake(self, tenant: str, task_id: str) -> None:
        await self.wake_at(tenant, task_id, self._clock.now())

    async def wake_at(self, tenant: str, task_id: str, at: datetime) -> None:
        """Make a task due at a time, or earlier where it is due earlier; one that has ended is left alone."""
        row = self._tables.row(tenant, task_id)
        if row.state not in ENDED:
            row.due_at = _earlier(row.due_at, at)

    async def cancel(self, tenant: str, task_id: str) -> None:
        """Ask a task to stop, and make it due."""
        row = self._tables.row(tenant, task_id)
        if row.state not in ENDED:
            row.cancel_requested = True
            await self.wake(tenant, task_id)

    def retry(self, tenant: str, task_id: str, from_seq: int) -> None:
        """Begin the next generation of a task: outcomes from this place of the release order on are not replayed."""
        row = self._tables.row(tenant, task_id)
        row.generation += 1
        self._tables.cuts.setdefault((tenant, task_id), []).append((row.generation, from_seq))
        row.state, row.output, row.error, row.due_at = State.ACCEPTED, None, None, self._clock.now()

    async def end(self, task: Claimed, ended: Ended) -> None:
        row = self._held(task)
        row.state, row.output, row.error = ended.state, canonical.plain(ended.output), canonical.plain(ended.error)
        row.lease_until = row.due_at = None
        self._tables.happened(task.info, f"task.{ended.state.value}", detail=_message(ended.error))

    async def suspend(self, task: Claimed, *, wake_at: datetime | None) -> bool:
        row = self._held(task)
        row.state, row.lease_until = State.WAITING, None
        row.due_at = _earlier(row.due_at, wake_at)
        self._tables.happened(task.info, "task.waiting")
        return row.due_at is not None and row.due_at <= self._clock.now()

    async def block(self, task: Claimed, error: Mapping[str, Any]) -> None:
        row = self._held(task)
        row.state, row.error = State.BLOCKED, canonical.plain(error)
        row.lease_until = row.due_at = None
        self._tables.happened(task.info, "task.blocked", detail=_message(error))

    def _held(self, task: Claimed) -> Row:
        """Give the row to who still holds its lease: what has been given back is not changed a second time."""
        row = self._tables.owned(task)
        if row.lease_until is None:
            raise Fenced
        return row


class MemoryJournal:
    """The journal in memory. See the port `JournalStore`."""

    def __init__(self, tables: Tables, *, inline_bytes_max: int = 65_536, outcome_bytes_max: int = 10_000_000) -> None:
        self._tables = tables
        self._clock = tables.clock
        self._inline_bytes_max = inline_bytes_max
        self._outcome_bytes_max = outcome_bytes_max

    async def journal(self, task: Claimed) -> Journal:
        rows = sorted(self.rows(task.info, task.generation), key=lambda s: (s.recorded.seq, s.recorded.generation))
        key = (task.info.tenant, task.info.id, task.generation)
        failed: dict[str, list[Attempt]] = {}
        for place, attempt in sorted(self._tables.attempts.items()):
            if place[:3] == key:
                failed.setdefault(place[3], []).append(attempt)
        return Journal(
            recorded=[await self._fetched(stored.recorded) for stored in rows],
            openings={place[3]: opening for place, (opening, _) in self._tables.openings.items() if place[:3] == key},
            attempts=failed,
            next_seq=max((stored.recorded.seq for stored in rows), default=0) + 1,
        )

    def rows(self, info: TaskInfo, generation: int) -> Iterator[Stored]:
        """Give what a generation of a task replays."""
        cuts = [c for c in self._tables.cuts.get((info.tenant, info.id), ()) if c[0] <= generation]
        for place, stored in self._tables.effects.items():
            if place[:2] == (info.tenant, info.id):
                made, seq = stored.recorded.generation, stored.recorded.seq
                if not any(made < generation_ and seq >= from_seq for generation_, from_seq in cuts):
                    yield stored

    async def open(
        self, task: Claimed, effect: Effect, *, wake_after_s: float | None, decision: Decision | None
    ) -> Opening:
        self._tables.owned(task)
        now = self._clock.now()
        wake_at = None if wake_after_s is None else now + timedelta(seconds=wake_after_s)
        place = _place(task, effect)
        if place not in self._tables.openings:
            self._tables.happened(task.info, "effect.opened", effect=effect.id)
        fresh = Opening(opened_at=now, wake_at=wake_at), effect.input_digest
        opening, digest = self._tables.openings.setdefault(place, fresh)
        if digest != effect.input_digest:
            raise Nondeterministic(
                f"{effect.id} began with another input than it is asked with now.",
                recorded={"id": effect.id, "input_digest": digest.hex()},
                asked={"id": effect.id, "input_digest": effect.input_digest.hex(), "input": effect.input},
            )
        return opening

    async def record(self, task: Claimed, effect: Effect, seq: int, outcome: Outcome) -> Recorded:
        effect = replace(effect, input=await self._kept(task, effect.input, "input"), input_text=None)
        kept = replace(
            outcome, value=await self._kept(task, outcome.value, "value"), error=canonical.plain(outcome.error)
        )
        self._tables.owned(task)
        place = _place(task, effect)
        used = {s.recorded.seq for p, s in self._tables.effects.items() if p[:3] == place[:3]}
        if place in self._tables.effects or seq in used:
            raise Fenced
        recorded = Recorded(
            id=effect.id,
            kind=effect.kind,
            name=effect.name,
            input_digest=effect.input_digest,
            seq=seq,
            outcome=kept,
            generation=task.generation,
        )
        self._tables.effects[place] = Stored(effect=effect, recorded=recorded, at=self._clock.now())
        self._tables.happened(
            task.info, f"effect.{outcome.status.value}", effect=effect.id, detail=_message(outcome.error)
        )
        return replace(recorded, outcome=outcome)

    async def attempt(self, task: Claimed, effect: Effect, attempt: Attempt, *, retry_after_s: float | None) -> Attempt:
        self._tables.owned(task)
        at = None if retry_after_s is None else self._clock.now() + timedelta(seconds=retry_after_s)
        fresh = Attempt(number=attempt.number, error=canonical.plain(attempt.error), next_attempt_at=at)
        place = (*_place(task, effect), attempt.number)
        if place not in self._tables.attempts:
            self._tables.happened(task.info, "effect.attempt-failed", effect=effect.id, detail=_message(attempt.error))
        stands = self._tables.attempts.setdefault(place, fresh)
        return replace(fresh, next_attempt_at=stands.next_attempt_at)

    async def now(self) -> datetime:
        return self._clock.now()

    async def _kept(self, task: Claimed, value: Any, what: str) -> Any:
        """Give the value as it is kept: plain JSON, or where a large one was put."""
        data = canonical.dumps(value)
        if value is not None and len(data) > self._outcome_bytes_max:
            raise InvalidInput(
                f"The {what} of an effect has {len(data)} bytes.",
                fix="Pass documents by reference, or raise INTERLOCK_OUTCOME_BYTES_MAX.",
            )
        if value is None or len(data) <= self._inline_bytes_max:
            return canonical.loads(data)
        key = f"tenants/{task.info.tenant}/tasks/{task.info.id}/{canonical.digest(value).hex()}.json"
        await self._tables.objects.put(key, data)
        return _Ref(key)

    async def _fetched(self, recorded: Recorded) -> Recorded:
        value = recorded.outcome.value
        if not isinstance(value, _Ref):
            return recorded
        content = canonical.loads(await self._tables.objects.get(value.key))
        return replace(recorded, outcome=replace(recorded.outcome, value=content))


class HurriedJournal(MemoryJournal):
    """Lets the clock jump over the short pauses between attempts that are waited out in the process."""

    async def attempt(self, task: Claimed, effect: Effect, attempt: Attempt, *, retry_after_s: float | None) -> Attempt:
        stands = await super().attempt(task, effect, attempt, retry_after_s=retry_after_s)
        short = retry_after_s is not None and retry_after_s <= RETRY_IN_PROCESS_S
        if short and stands.next_attempt_at is not None and isinstance(self._clock, JumpingClock):
            self._clock.jump(stands.next_attempt_at)
        return stands


@dataclass(frozen=True)
class _Ref:
    """Where a large value was put."""

    key: str


def _place(task: Claimed, effect: Effect) -> tuple[str, str, int, str]:
    return task.info.tenant, task.info.id, task.generation, effect.id


def _claimable(row: Row, now: datetime) -> bool:
    if row.lease_until is not None:
        return row.lease_until < now
    return row.due_at is not None and row.due_at <= now


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _message(error: Mapping[str, Any] | None) -> str | None:
    return None if error is None else str(error.get("message"))
