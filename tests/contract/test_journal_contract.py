"""What every journal and task store must do: the ones in memory and the ones in PostgreSQL pass the same suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest
from tests.contract import prepared_database
from tests.contract.prepared_database import KEYS, TENANT, Prepared

from interlock.boundary.journal import PostgresJournal
from interlock.boundary.recorder import LANE_ROWS, Recorder
from interlock.data.objects import MemoryObjects
from interlock.domain import canonical
from interlock.domain.decisions import Answer, Decision, Reason
from interlock.domain.effects import Effect, Kind, Outcome, Recorded, Status
from interlock.domain.errors import Fenced, InvalidInput, Nondeterministic
from interlock.domain.ids import new_id
from interlock.domain.ports import Attempt, JournalStore, TaskStore
from interlock.domain.tasks import Claimed, Ended, State, TaskInfo
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.store import PostgresTasks
from interlock.sdk.task import input_digest
from interlock.testing.fakes import JumpingClock, MemoryJournal, MemoryTasks, Tables

INLINE_BYTES_MAX = 1_000
OUTCOME_BYTES_MAX = 20_000


@dataclass(frozen=True)
class Standing:
    """A task's row, as far as the contract speaks of it."""

    state: State
    due_at: datetime | None
    leased: bool
    output: Any = None
    error: Any = None


class World(Protocol):
    """A journal and a task store over the same tables, with what tests need beside the ports."""

    @property
    def journal(self) -> JournalStore: ...
    @property
    def tasks(self) -> TaskStore: ...
    @property
    def objects(self) -> MemoryObjects: ...

    async def accept(self) -> str: ...
    async def claim(self, task_id: str) -> Claimed | None: ...
    async def wake(self, task_id: str) -> None: ...
    async def skip(self, seconds: float) -> None: ...
    async def standing(self, task_id: str) -> Standing: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.objects = MemoryObjects()
        self._clock = JumpingClock()
        self._tables = Tables(clock=self._clock, objects=self.objects)
        self.tasks = MemoryTasks(self._tables)
        self.journal = MemoryJournal(
            self._tables, inline_bytes_max=INLINE_BYTES_MAX, outcome_bytes_max=OUTCOME_BYTES_MAX
        )

    async def accept(self) -> str:
        task_id = new_id("task")
        self.tasks.accept(_info(task_id), {"amount": "12.30"})
        return task_id

    async def claim(self, task_id: str) -> Claimed | None:
        return next(iter(self.tasks.claim(only=task_id)), None)

    async def wake(self, task_id: str) -> None:
        await self.tasks.wake(TENANT, task_id)

    async def skip(self, seconds: float) -> None:
        self._clock.advance(timedelta(seconds=seconds))

    async def standing(self, task_id: str) -> Standing:
        row = self._tables.row(TENANT, task_id)
        return Standing(row.state, row.due_at, row.lease_until is not None, row.output, row.error)


class PostgresWorld:
    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self.objects = MemoryObjects()
        recorder = Recorder(prepared.app)
        self.tasks = PostgresTasks(
            prepared.app, recorder, self.objects, KEYS, prepared.clock, inline_bytes_max=INLINE_BYTES_MAX
        )
        self.journal = PostgresJournal(
            prepared.app,
            recorder,
            self.objects,
            prepared.clock,
            inline_bytes_max=INLINE_BYTES_MAX,
            outcome_bytes_max=OUTCOME_BYTES_MAX,
        )

    async def accept(self) -> str:
        task_id = new_id("task")
        async with self._prepared.app.tenant(TENANT) as conn:
            await conn.execute(
                "insert into tasks (tenant, id, automation, automation_version, correlation_id, subject, input, submitted_by, due_at)"
                " values (%s, %s, 'refunds', '1.0.0', %s, 's', %s::json, 'user:amir', time_now())",
                (TENANT, task_id, "c" * 32, '{"amount":"12.30"}'),
            )
        return task_id

    async def claim(self, task_id: str) -> Claimed | None:
        async with self._prepared.app.across() as conn:
            rows = await (
                await conn.execute(
                    "select id, epoch, claimed_at from claim_tasks(1000, %s, 'postgres')", (timedelta(seconds=10),)
                )
            ).fetchall()
        mine = {row[0]: row[1] for row in rows if row[0] == task_id}
        for row in rows:
            self._prepared.clock.follow(row[2])
        return next(iter(await self.tasks.load(TENANT, mine)), None)

    async def wake(self, task_id: str) -> None:
        async with self._prepared.app.tenant(TENANT) as conn:
            await conn.execute(
                "update tasks set due_at = least(due_at, time_now()) where tenant = current_tenant() and id = %s",
                (task_id,),
            )

    async def skip(self, seconds: float) -> None:
        await self._prepared.skip(f"{seconds} seconds")
        ((now,),) = await self._prepared.ask("select time_now()")
        self._prepared.clock.follow(now)

    async def standing(self, task_id: str) -> Standing:
        ((state, *rest),) = await self._prepared.ask(
            "select state, due_at, lease_until is not null, output, error from tasks where id = %s", (task_id,)
        )
        return Standing(State(state), *rest)


@pytest.fixture(scope="module")
def prepared_urls(postgres_server: EmbeddedPostgres, make_database: Callable[[], str]) -> Any:
    return asyncio.run(prepared_database.prepare(postgres_server.data_dir, make_database()))


@pytest.fixture
async def prepared(prepared_urls: Any) -> AsyncIterator[Prepared]:
    async with prepared_database.opened(prepared_urls) as prepared:
        await prepared.add_tenant()
        yield prepared


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    return MemoryWorld() if request.param == "memory" else PostgresWorld(request.getfixturevalue("prepared"))


def _info(task_id: str) -> TaskInfo:
    return TaskInfo(
        id=task_id,
        tenant=TENANT,
        automation="refunds",
        version="1.0.0",
        correlation_id="c" * 32,
        submitted_by="user:amir",
        subject="s",
    )


def effect(name: str = "pay", value: Any = None, *, number: int = 1, kind: Kind = Kind.STEP) -> Effect:
    asked = {"value": value}
    return Effect(
        id=f"/{name}#{number}",
        kind=kind,
        name=name,
        target=f"steps:{name}",
        input=asked,
        input_digest=input_digest(kind, name, f"steps:{name}", canonical.dumps(asked)),
    )


async def claimed(world: World, task_id: str | None = None) -> Claimed:
    task = await world.claim(task_id or await world.accept())
    assert task is not None
    return task


async def fenced(world: World) -> tuple[Claimed, Claimed]:
    """Give an owner whose lease ran out, and the one who took over."""
    old = await claimed(world)
    await world.skip(11)
    return old, await claimed(world, old.info.id)


async def recorded(world: World, task: Claimed) -> list[Recorded]:
    return list((await world.journal.journal(replace(task, epoch=task.epoch + 1))).recorded)


OK = Outcome(status=Status.OK, value={"paid": "12.30"})
DECISION = Decision(
    answer=Answer.ALLOW, reasons=(Reason(policy="p", text="Because."),), policy_version="v", obligations=("review:x",)
)


# Claiming.


async def test_a_claim_raises_the_epoch_and_takes_the_task_from_the_queue(world: World) -> None:
    task = await claimed(world)
    assert (task.epoch, task.generation, task.input) == (1, 1, {"amount": "12.30"})
    assert await world.claim(task.info.id) is None
    standing = await world.standing(task.info.id)
    assert (standing.state, standing.due_at, standing.leased) == (State.RUNNING, None, True)


async def test_a_task_whose_owner_vanished_is_taken_over(world: World) -> None:
    old, new = await fenced(world)
    assert (old.epoch, new.epoch) == (1, 2)


# Recording.


async def test_what_is_recorded_reads_back_equal_in_the_order_of_release(world: World) -> None:
    task = await claimed(world)
    outcomes = [
        (effect("b"), Outcome(status=Status.OK, value=[1, "é", None], decision=DECISION, attempts=2, by="user:mia")),
        (effect("a"), Outcome(status=Status.DENIED, error={"kind": "Denied", "message": "no"}, decision=DECISION)),
        (effect("c", kind=Kind.INFER), Outcome(status=Status.OK, value={"x": 1.5}, model_version="m@1", confidence=0.25,
                                               cost_usd="0.001", cpu_ms=1.5, duration_ms=2.5,
                                               redactions=({"type": "EMAIL_ADDRESS", "pointer": "/a", "count": 1},),
                                               left_out=("/b",))),
        (effect("d", kind=Kind.SLEEP), Outcome(status=Status.OK)),
    ]  # fmt: skip
    given = [await world.journal.record(task, e, seq, outcome) for seq, (e, outcome) in enumerate(outcomes, 1)]
    assert await recorded(world, task) == given
    assert [(r.id, r.seq) for r in given] == [("/b#1", 1), ("/a#1", 2), ("/c#1", 3), ("/d#1", 4)]
    assert [r.outcome for r in given] == [outcome for _, outcome in outcomes]
    assert (await world.journal.journal(replace(task, epoch=2))).next_seq == 5


async def test_the_order_is_that_of_the_sequence_and_not_of_arrival(world: World) -> None:
    task = await claimed(world)
    for seq in (2, 3, 1):
        await world.journal.record(task, effect(number=seq), seq, OK)
    assert [r.seq for r in await recorded(world, task)] == [1, 2, 3]


async def test_an_effect_is_recorded_once(world: World) -> None:
    task = await claimed(world)
    await world.journal.record(task, effect(), 1, OK)
    with pytest.raises(Fenced):
        await world.journal.record(task, effect(), 2, Outcome(status=Status.OK, value="again"))
    with pytest.raises(Fenced):
        await world.journal.record(task, effect("other"), 1, OK)  # and a place in the order is given once
    assert [(r.id, r.outcome.value) for r in await recorded(world, task)] == [("/pay#1", {"paid": "12.30"})]


async def test_a_new_task_has_an_empty_journal(world: World) -> None:
    journal = await world.journal.journal(await claimed(world))
    assert (list(journal.recorded), dict(journal.openings), dict(journal.attempts), journal.next_seq) == ([], {}, {}, 1)


async def test_tasks_do_not_see_each_other_s_journals(world: World) -> None:
    one, other = await claimed(world), await claimed(world)
    await world.journal.record(one, effect(), 1, OK)
    await world.journal.open(one, effect("open"), wake_after_s=None, decision=None)
    assert await recorded(world, other) == []
    assert dict((await world.journal.journal(replace(other, epoch=2))).openings) == {}


async def test_a_large_outcome_goes_by_reference_and_reads_back(world: World) -> None:
    task = await claimed(world)
    large = {"text": "x" * (INLINE_BYTES_MAX + 1)}
    await world.journal.record(task, effect("small", "x"), 1, OK)
    assert len(world.objects._held) == 0
    await world.journal.record(task, effect("large"), 2, Outcome(status=Status.OK, value=large))
    assert len(world.objects._held) == 1
    assert (await recorded(world, task))[1].outcome.value == large


async def test_an_outcome_over_the_limit_is_refused_and_nothing_is_written(world: World) -> None:
    task = await claimed(world)
    with pytest.raises(InvalidInput, match="INTERLOCK_OUTCOME_BYTES_MAX"):
        await world.journal.record(task, effect(), 1, Outcome(status=Status.OK, value="x" * OUTCOME_BYTES_MAX))
    assert await recorded(world, task) == []


async def test_many_records_at_once_are_all_written(world: World) -> None:
    tasks = [await claimed(world) for _ in range(5)]
    await asyncio.gather(
        *(world.journal.record(task, effect(number=seq), seq, OK) for task in tasks for seq in range(1, 21))
    )
    for task in tasks:
        assert [r.seq for r in await recorded(world, task)] == list(range(1, 21))


# The fence.


async def test_a_fenced_owner_writes_nothing(world: World) -> None:
    old, new = await fenced(world)
    attempt = Attempt(number=1, error={"kind": "X", "message": "m"})
    writes: list[Callable[[], Any]] = [
        lambda: world.journal.record(old, effect(), 1, OK),
        lambda: world.journal.open(old, effect(), wake_after_s=5, decision=None),
        lambda: world.journal.attempt(old, effect(), attempt, retry_after_s=5),
        lambda: world.tasks.suspend(old, wake_at=None),
        lambda: world.tasks.end(old, Ended(state=State.SUCCEEDED)),
        lambda: world.tasks.block(old, {"kind": "X", "message": "m"}),
    ]
    for write in writes:
        with pytest.raises(Fenced):
            await write()
    journal = await world.journal.journal(new)
    assert (list(journal.recorded), dict(journal.openings), dict(journal.attempts)) == ([], {}, {})
    standing = await world.standing(new.info.id)
    assert (standing.state, standing.leased) == (State.RUNNING, True)
    await world.journal.record(new, effect(), 1, OK)


async def test_the_new_owner_finds_what_the_old_one_recorded(world: World) -> None:
    old = await claimed(world)
    given = await world.journal.record(old, effect(), 1, OK)
    await world.skip(11)
    new = await claimed(world, old.info.id)
    journal = await world.journal.journal(new)
    assert (list(journal.recorded), journal.next_seq) == ([given], 2)


async def test_of_an_old_and_a_new_owner_at_once_only_the_new_one_is_told_that_it_wrote(world: World) -> None:
    old, new = await fenced(world)
    busy = [world.journal.record(await claimed(world), effect(), 1, OK) for _ in range(LANE_ROWS[0])]
    mine, theirs = Outcome(status=Status.OK, value="old"), Outcome(status=Status.OK, value="new")
    *_, first, second = await asyncio.gather(
        *busy,
        world.journal.record(old, effect(), 1, mine),
        world.journal.record(new, effect(), 1, theirs),
        return_exceptions=True,
    )
    assert isinstance(first, Fenced)
    assert isinstance(second, Recorded)
    assert [r.outcome.value for r in await recorded(world, new)] == ["new"]


# Openings and attempts.


async def test_an_opening_stands_until_its_effect_is_asked_otherwise(world: World) -> None:
    task = await claimed(world)
    first = await world.journal.open(task, effect(), wake_after_s=60, decision=DECISION)
    assert first.wake_at == first.opened_at + timedelta(seconds=60)
    await world.skip(5)
    assert await world.journal.open(task, effect(), wake_after_s=60, decision=None) == first
    assert dict((await world.journal.journal(replace(task, epoch=2))).openings) == {"/pay#1": first}
    with pytest.raises(Nondeterministic, match="another input"):
        await world.journal.open(task, effect(value="other"), wake_after_s=60, decision=None)


async def test_an_opening_without_a_time_has_none(world: World) -> None:
    opening = await world.journal.open(await claimed(world), effect(), wake_after_s=None, decision=None)
    assert opening.wake_at is None


async def test_a_new_owner_finds_openings_and_attempts(world: World) -> None:
    old = await claimed(world)
    opened = await world.journal.open(old, effect(), wake_after_s=5, decision=None)
    error = {"kind": "ConnectionError", "message": "no"}
    one = await world.journal.attempt(old, effect(), Attempt(number=1, error=error), retry_after_s=30)
    two = await world.journal.attempt(old, effect(), Attempt(number=2, error=error), retry_after_s=None)
    await world.skip(11)
    journal = await world.journal.journal(await claimed(world, old.info.id))
    assert dict(journal.openings) == {"/pay#1": opened}
    assert {k: list(v) for k, v in journal.attempts.items()} == {"/pay#1": [one, two]}
    assert one.next_attempt_at is not None
    assert abs(one.next_attempt_at - opened.opened_at - timedelta(seconds=30)) < timedelta(seconds=20)
    assert two.next_attempt_at is None


async def test_the_same_attempt_again_keeps_the_time_of_the_next(world: World) -> None:
    task = await claimed(world)
    attempt = Attempt(number=1, error={"kind": "X", "message": "m"})
    first = await world.journal.attempt(task, effect(), attempt, retry_after_s=30)
    await world.skip(3)
    assert await world.journal.attempt(task, effect(), attempt, retry_after_s=30) == first


# Suspending, ending, blocking.


async def test_a_suspended_task_waits_until_its_time(world: World) -> None:
    task = await claimed(world)
    wake_at = await world.journal.now() + timedelta(seconds=60)
    assert await world.tasks.suspend(task, wake_at=wake_at) is False
    standing = await world.standing(task.info.id)
    assert (standing.state, standing.due_at, standing.leased) == (State.WAITING, wake_at, False)
    assert await world.claim(task.info.id) is None
    await world.skip(61)
    assert (await claimed(world, task.info.id)).epoch == 2


async def test_a_task_that_waits_for_a_person_has_no_time(world: World) -> None:
    task = await claimed(world)
    assert await world.tasks.suspend(task, wake_at=None) is False
    assert (await world.standing(task.info.id)).due_at is None
    await world.skip(100_000)
    assert await world.claim(task.info.id) is None
    await world.wake(task.info.id)
    assert (await claimed(world, task.info.id)).epoch == 2


async def test_a_wake_up_that_arrives_while_the_task_runs_is_kept_and_told(world: World) -> None:
    task = await claimed(world)
    await world.wake(task.info.id)
    assert await world.claim(task.info.id) is None  # its owner still holds it
    assert await world.tasks.suspend(task, wake_at=await world.journal.now() + timedelta(hours=1)) is True
    assert (await claimed(world, task.info.id)).epoch == 2


async def test_a_time_that_has_passed_is_due_at_once(world: World) -> None:
    task = await claimed(world)
    assert await world.tasks.suspend(task, wake_at=await world.journal.now() - timedelta(seconds=5)) is True


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
async def test_an_ended_task_is_never_due_again(world: World, state: State) -> None:
    task = await claimed(world)
    await world.wake(task.info.id)
    error = None if state is State.SUCCEEDED else {"kind": "X", "message": "m"}
    output = {"decision": "approved"} if state is State.SUCCEEDED else None
    await world.tasks.end(task, Ended(state=state, output=output, error=error))
    assert await world.standing(task.info.id) == Standing(state, None, False, output, error)
    await world.skip(100)
    assert await world.claim(task.info.id) is None


async def test_a_blocked_task_rests_until_it_is_woken(world: World) -> None:
    task = await claimed(world)
    await world.journal.record(task, effect(), 1, OK)
    error = {"kind": "Nondeterministic", "message": "m", "recorded": {"id": "/a#1"}, "asked": None}
    await world.tasks.block(task, error)
    assert await world.standing(task.info.id) == Standing(State.BLOCKED, None, False, None, error)
    assert await world.claim(task.info.id) is None
    await world.wake(task.info.id)
    again = await claimed(world, task.info.id)
    assert [r.id for r in (await world.journal.journal(again)).recorded] == ["/pay#1"]


async def test_what_was_given_back_is_not_changed_a_second_time_by_the_same_owner(world: World) -> None:
    """An owner that is not told that its end was committed must not turn the task back into one that waits."""
    task = await claimed(world)
    await world.tasks.end(task, Ended(state=State.SUCCEEDED, output={"a": 1}))
    for write in (
        lambda: world.tasks.suspend(task, wake_at=None),
        lambda: world.tasks.end(task, Ended(state=State.FAILED)),
        lambda: world.tasks.block(task, {"kind": "X", "message": "m"}),
    ):
        with pytest.raises(Fenced):
            await write()
    assert (await world.standing(task.info.id)).state is State.SUCCEEDED


# PostgreSQL only: group commit.


async def test_one_bad_row_does_not_fail_its_neighbours(prepared: Prepared) -> None:
    world = PostgresWorld(prepared)
    task = await claimed(world)
    bad = replace(effect("bad"), id="/bad\0#1")  # PostgreSQL has no text with a NUL
    writes = [world.journal.record(task, bad if n == 25 else effect(number=n), n, OK) for n in range(1, 51)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [n for n, r in enumerate(results, 1) if isinstance(r, BaseException)] == [25]
    assert len(await recorded(world, task)) == 49


async def test_a_fenced_row_writes_no_leaf_and_no_event(prepared: Prepared) -> None:
    world = PostgresWorld(prepared)
    old, new = await fenced(world)
    counts = "select (select count(*) from audit_records where task_id = %s), (select count(*) from outbox where task_id = %s)"
    before = await prepared.ask(counts, (new.info.id, new.info.id))
    busy = [world.journal.record(await claimed(world), effect(), 1, OK) for _ in range(LANE_ROWS[0])]
    await asyncio.gather(
        *busy,
        world.journal.record(old, effect(), 1, OK),
        world.journal.record(new, effect(), 1, OK),
        return_exceptions=True,
    )
    ((leaves, events),) = await prepared.ask(counts, (new.info.id, new.info.id))
    assert (leaves - before[0][0], events - before[0][1]) == (1, 1)
