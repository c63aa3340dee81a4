"""Defects that were found by reading the core against its promises, each with the run that showed it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.eventually import eventually
from tests.small_engine import TENANT, SmallEngine, small_engine

from interlock import EffectFailed, Task, step
from interlock.boundary.executors import Registers
from interlock.boundary.recorder import Recorder, Write
from interlock.domain.effects import Effect, Kind
from interlock.domain.errors import Fenced, NotFound
from interlock.domain.ports import Call
from interlock.domain.tasks import Claimed, State
from interlock.infra.child_pool import ChildPool
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.advance import Parked, pinned_elsewhere
from interlock.orchestration.engines.postgres import Limits, PostgresEngine
from interlock.orchestration.task_actions import TaskActions

pytestmark = pytest.mark.postgres


@step
async def work(n: int) -> int:
    return n


@step
async def slow() -> str:
    return "done"


@step
async def large() -> str:
    return ""


@pytest.fixture
async def small(database_url: str, postgres_server: EmbeddedPostgres) -> AsyncIterator[SmallEngine]:
    async with small_engine(database_url, postgres_server.data_dir) as found:
        yield found


async def reached(small: SmallEngine, state: str, count: int) -> None:
    async def so() -> bool:
        return (await small.states()).get(state, 0) == count

    await eventually(so, message=f"{count} tasks {state}")


async def test_a_task_whose_input_cannot_be_read_does_not_hold_up_its_batch(small: SmallEngine) -> None:
    async def one(task: Task, value: Any) -> int:
        return await task.step(work, 1)

    small.automations["one"] = one
    ids = await small.submit("one", count=6)
    await small.run_sql("update tasks set input = null, input_ref = 'gone' where id = %s", ids[2])
    async with small.working(Limits(poll_s=0.1)):
        await reached(small, "succeeded", 5)
        assert (await small.states())["running"] == 1


async def test_a_task_of_an_unknown_automation_does_not_hold_up_its_batch(small: SmallEngine) -> None:
    async def one(task: Task, value: Any) -> int:
        return await task.step(work, 1)

    small.automations["one"] = one
    known = small.engine()._attempt

    def attempt(task: Claimed) -> Any:
        if task.info.automation == "removed":
            raise NotFound("There is no automation removed.")
        return known(task)

    await small.submit("one", count=2)
    await small.submit("removed")
    await small.submit("one", count=2)
    engine = PostgresEngine(
        database=small.database, tasks=small.tasks, attempt=attempt, clock=small.clock, limits=Limits(poll_s=0.1)
    )
    running = asyncio.create_task(engine.run())
    try:
        await reached(small, "succeeded", 4)
        await reached(small, "waiting", 1)
        rows = await small.rows("select state from tasks where automation = 'removed'")
        assert rows == [("waiting",)]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_time_limit_ends_a_step_that_runs(small: SmallEngine) -> None:
    never = asyncio.Event()

    async def wait(arguments: Any, call: Call) -> str:
        await never.wait()
        return "done"

    async def limited(task: Task, value: Any) -> str:
        try:
            async with task.timeout(0.3):
                return await task.step(slow)
        except TimeoutError:
            return "too slow"

    small.steps.functions["slow"] = wait
    small.automations["limited"] = limited
    (task_id,) = await small.submit("limited")
    async with small.working():
        await reached(small, "succeeded", 1)
    assert await small.rows("select output #>> '{}' from tasks where id = %s", task_id) == [("too slow",)]


async def test_an_outcome_over_the_limit_fails_the_effect_once(small: SmallEngine) -> None:
    async def much(arguments: Any, call: Call) -> str:
        return "x" * 11_000_000

    async def reads(task: Task, value: Any) -> str:
        try:
            return await task.step(large)
        except EffectFailed as failure:
            return failure.kind

    small.steps.functions["large"] = much
    small.automations["reads"] = reads
    (task_id,) = await small.submit("reads")
    async with small.working():
        await reached(small, "succeeded", 1)
    assert await small.rows("select output #>> '{}' from tasks where id = %s", task_id) == [("TooLarge",)]
    assert len(small.steps.ran) == 1


async def test_a_second_retry_keeps_what_the_first_one_did(small: SmallEngine) -> None:
    broken = {"work": True, "end": True}

    async def maybe(arguments: Any, call: Call) -> int:
        if broken["work"]:
            raise ValueError("not the automation's doing")
        return 1

    async def late(task: Task, value: Any) -> int:
        n = await task.step(work, 1)
        if broken["end"]:
            raise ValueError("a mistake after the step")
        return n

    actions = TaskActions(small.database, small.keys, small.clock)
    small.automations["late"] = late
    (task_id,) = await small.submit("late")
    # Generation 1 failed at its first effect; that outcome is behind the cut of generation 2.
    await small.run_sql(
        "insert into effects (tenant, task_id, generation, effect_id, seq, kind, name, target, input_digest, status, meta, salt, epoch)"
        " values (current_tenant(), %s, 1, '/work#1', 1, 'step', 'work', 'x', '', 'failed', '{}', '', 0),"
        " (current_tenant(), %s, 1, '/undo#1', 2, 'step', 'undo', 'x', '', 'ok', '{}', '', 0)",
        task_id,
        task_id,
    )
    await small.run_sql("update tasks set state = 'failed', epoch = 1, due_at = null where id = %s", task_id)
    assert await actions.retry(TENANT, task_id, by="user:test", redo=True) == 2
    async with small.working():
        await reached(small, "failed", 1)
    assert len(small.steps.ran) == 1
    broken["end"] = False
    assert await actions.retry(TENANT, task_id, by="user:test") == 3
    async with small.working():
        await reached(small, "succeeded", 1)
    assert len(small.steps.ran) == 1  # what succeeded in generation 2 is not repeated in generation 3


async def test_a_task_that_is_cancelled_before_it_begins_calls_back(small: SmallEngine) -> None:
    (task_id,) = await small.submit("never")
    await small.run_sql("update tasks set callback_url = 'https://example.test/done' where id = %s", task_id)
    actions = TaskActions(small.database, small.keys, small.clock)
    assert await actions.cancel(TENANT, task_id, by="user:test") is State.CANCELLED
    found = await small.rows(
        "select url, (body::json ->> 'type'), state from deliveries where task_id = %s and due_at is not null", task_id
    )
    assert found == [("https://example.test/done", "task.cancelled", "pending")]


async def test_a_fenced_owner_reserves_nothing(small: SmallEngine) -> None:
    (task_id,) = await small.submit("any")
    await small.run_sql("update tasks set epoch = 2 where id = %s", task_id)
    (task,) = await small.tasks.load(TENANT, {task_id: 2})
    stale = Claimed(**{name: getattr(task, name) for name in task.__dataclass_fields__} | {"epoch": 1})
    effect = Effect(
        id="/reserve#1",
        kind=Kind.STEP,
        name="reserve",
        target="interlock:reserve:expenses",
        input={"keys": ["k"]},
        input_digest=b"",
    )
    registers = Registers(small.database)
    with pytest.raises(Fenced):
        await registers.execute(effect, Call(task=stale, idempotency_key="k"))
    assert await small.rows("select key from reservations") == []
    assert (await registers.execute(effect, Call(task=task, idempotency_key="k"))).value["held"] is True


async def test_a_child_that_died_while_idle_costs_no_attempt() -> None:
    pool = ChildPool(name="tests", handler="tests.contract.child_handlers:handler", config={"a": 1}, size=1)
    try:
        assert (await pool.call({"do": "await"}, timeout_s=20)).value == "awaited"
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not pool._idle[0].alive, message="its end is noticed")
        assert (await pool.call({"do": "await"}, timeout_s=20)).value == "awaited"
    finally:
        await pool.close()


async def test_a_row_written_as_the_last_lane_ends_is_not_left_behind(small: SmallEngine) -> None:
    recorder = Recorder(small.database)
    sql = "select k from json_to_recordset($1::json) as i(k int) where exists (select 1 from tenants)"  # any statement will do
    write = Write(name="probe", sql=sql, key=("k",))

    async def in_turn() -> list[Any]:
        return [await recorder.write(TENANT, write, {"k": number}) for number in range(5)]

    async with asyncio.timeout(30):
        assert await in_turn() == [()] * 5


async def test_a_task_of_another_major_version_is_parked_and_resumes(small: SmallEngine) -> None:
    async def one(task: Task, value: Any) -> int:
        return await task.step(work, 1)

    assert pinned_elsewhere("1.4.0", "2.0.0")
    assert not pinned_elsewhere("1.4.0", "1.0.9")
    small.automations["one"] = one
    await small.submit("one")
    right = small.engine()
    parks = PostgresEngine(
        database=small.database,
        tasks=small.tasks,
        attempt=lambda task: Parked(task, small.tasks, "pinned to another version"),
        clock=small.clock,
        limits=Limits(poll_s=0.1),
    )
    running = asyncio.create_task(parks.run())
    await reached(small, "blocked", 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await small.rows("select error->>'kind' from tasks") == [("OtherVersion",)]
    async with small.database.across() as conn:
        await conn.execute("select wake_blocked(%s)", (["one"],))
    running = asyncio.create_task(right.run())
    await reached(small, "succeeded", 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
