"""The engine's contract: nothing is lost, nothing is recorded twice, waiting costs nothing, order replays.

Written against the port `Engine` and the tables' promises, so that another engine has only to pass it.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psutil
import psycopg
import pytest
from pydantic import BaseModel
from tests.eventually import eventually
from tests.small_engine import SmallEngine, small_engine

from interlock import EffectFailed, Retry, Task, Verdict, step
from interlock.boundary.recorder import Write
from interlock.domain.errors import ExecutorFailed
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.engines.postgres import Limits
from interlock.orchestration.store import END, SUSPEND, PostgresTasks

pytestmark = pytest.mark.postgres
ANSWER = '{"verdict":"approve","values":{"amount":1},"by":"user:mei","at":"2026-01-01T00:00:00+00:00"}'


# Leases that run out when a test moves the clock, and never because the machine is slow.
LONG = Limits(lease_s=3600, lease_renew_s=3600, poll_s=0.1)


class Form(BaseModel):
    amount: int = 1


@step
async def work(n: int) -> int:
    return n


@step(retry=Retry(attempts=4, initial_s=0.01))
async def shaky() -> str:
    return "done"


@step(at_most_once=True)
async def once() -> str:
    return "done"


@pytest.fixture
async def small(database_url: str, postgres_server: EmbeddedPostgres) -> AsyncIterator[SmallEngine]:
    async with small_engine(database_url, postgres_server.data_dir, tenants=("default", "other")) as found:
        yield found


async def answer_all(owner_url: str) -> None:
    """Answer every open review at once, as the API's transaction does it."""
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as conn:
        await conn.execute("set search_path = interlock")
        async with conn.transaction():
            await conn.execute(
                "with answered as (update reviews set state = 'answered', answered_by = 'user:mei', answered_at = time_now(),"
                " closed_at = time_now(), answer = %s::json where state = 'open' returning task_id)"
                " update tasks t set due_at = least(due_at, time_now()) from answered a where t.id = a.task_id",
                (ANSWER,),
            )
            await conn.execute("select pg_notify('interlock_wake', '')")


async def all_in(small: SmallEngine, state: str, count: int, timeout_s: float = 60) -> None:
    async def reached() -> bool:
        return (await small.states()).get(state, 0) == count

    await eventually(reached, timeout_s=timeout_s)


async def test_runs_many_tasks_each_effect_once(small: SmallEngine) -> None:
    async def body(task: Task, _: Any) -> int:
        total = 0
        for n in range(3):
            total += await task.step(work, n)
        return total + sum(await asyncio.gather(*(task.step(work, n) for n in range(3))))

    small.automations["sum"] = body
    await small.submit("sum", count=100)
    async with small.working():
        await all_in(small, "succeeded", 100)
    assert await small.rows("select count(*), count(distinct (task_id, effect_id)) from effects") == [(600, 600)]
    assert await small.rows("select distinct output::text from tasks") == [("6",)]
    records = await small.rows("select leaf::json->>'kind', count(*) from audit_records group by 1 order by 1")
    assert records == [("effect", 600), ("task.succeeded", 100)]


async def test_vanished_owners_are_taken_over(small: SmallEngine) -> None:
    """A worker that dies in the middle loses nothing: after the lease another one goes on where it stopped."""
    died = 0

    async def body(task: Task, _: Any) -> int:
        return sum([await task.step(work, n) for n in range(4)])

    async def die(point: str) -> None:
        nonlocal died
        if point == "recorded" and died < 40:
            died += 1
            await asyncio.Event().wait()  # vanishes: no lease given back, no error

    small.automations["sum"] = body
    await small.submit("sum", count=40)
    running = asyncio.create_task(small.engine(LONG, die).run())
    await eventually(lambda: died == 40)
    await _skip(small, hours=3)
    async with small.working(Limits(lease_s=5, lease_renew_s=1, poll_s=0.1)):
        await all_in(small, "succeeded", 40)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await small.rows("select count(*), count(distinct (task_id, effect_id)) from effects") == [(160, 160)]
    assert max(row[0] for row in await small.rows("select epoch from tasks")) >= 2


async def test_expired_leases_must_be_claimable(small: SmallEngine) -> None:
    """The mutant of the test above: a claim that takes only due tasks leaves every vanished one behind."""
    async with await psycopg.AsyncConnection.connect(small.owner_url, autocommit=True) as conn:
        row = await (await conn.execute("select pg_get_functiondef('interlock.claim_tasks'::regproc)")).fetchone()
        assert row is not None
        mutant = row[0].replace("t.lease_until < time_now()", "false")
        assert mutant != row[0]
        await conn.execute(mutant.encode())

    async def body(task: Task, _: Any) -> int:
        return await task.step(work, 1)

    gone = asyncio.Event()

    async def die(point: str) -> None:
        if point == "recorded":
            gone.set()
            await asyncio.Event().wait()

    small.automations["one"] = body
    await small.submit("one")
    running = asyncio.create_task(small.engine(LONG, die).run())
    await gone.wait()
    await _skip(small, hours=3)
    with pytest.raises(AssertionError):
        async with small.working(Limits(lease_s=0.5, lease_renew_s=0.2, poll_s=0.05)):
            await all_in(small, "succeeded", 1, timeout_s=2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("fenced", [True, False], ids=["fenced", "mutant without the fence"])
async def test_a_stale_owner_writes_nothing(small: SmallEngine, fenced: bool) -> None:
    """Owners are held past their lease at the end of their task while another one ends it differently."""
    held = asyncio.Event()
    turns = {"n": 0}

    async def body(task: Task, _: Any) -> str:
        await task.step(work, 1)
        turns["n"] += 1
        return f"owner {turns['n']}"

    async def hold(point: str) -> None:
        if point == "ending" and turns["n"] == 1:
            held.set()
            await ended.wait()

    ended = asyncio.Event()
    small.automations["one"] = body
    if not fenced:
        small.tasks = _without_fence(small)
    await small.submit("one")
    stale = small.engine(Limits(lease_s=3600, lease_renew_s=3600, poll_s=60, concurrency=1), hold)
    running = asyncio.create_task(stale.run())
    await asyncio.wait_for(held.wait(), 30)
    await _skip(small, hours=3)
    async with small.working(Limits(poll_s=0.05)):
        await all_in(small, "succeeded", 1)
        ended.set()

        async def stale_owner_is_through() -> bool:
            return stale.counts.fenced + stale.counts.states.get("succeeded", 0) == 1

        await eventually(stale_owner_is_through)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    ends = await small.rows("select count(*) from audit_records where leaf like '%%task.succeeded%%'")
    outputs = await small.rows("select output::text from tasks")
    assert ends == [(1,)]
    assert outputs == [('"owner 2"',) if fenced else ('"owner 1"',)]  # without the fence, what had ended is overwritten


def _without_fence(small: SmallEngine) -> PostgresTasks:
    sql = END.sql.replace(" and t.epoch = i.epoch\n        and t.state not in ('succeeded', 'failed', 'cancelled')", "")
    assert sql != END.sql
    parts = small.tasks
    return PostgresTasks(
        parts._database,
        parts._recorder,
        parts._objects,
        parts._keys,
        parts._clock,
        inline_bytes_max=65_536,
        end=Write(name=END.name, key=END.key, sql=sql),
    )


@pytest.mark.parametrize("mutant", [False, True], ids=["keeps due_at", "mutant that wipes due_at"])
async def test_an_answer_inside_every_suspension_is_not_lost(small: SmallEngine, mutant: bool) -> None:
    """Each answer commits between the last look at the review and the suspension: the wake-up must survive it."""
    count = 60

    async def body(task: Task, _: Any) -> str:
        answer = await task.review("approve", Form(), title="May it?")
        return answer.verdict

    async def at(point: str) -> None:
        if point == "suspending":
            await answer_all(small.owner_url)

    write = SUSPEND
    if mutant:
        wiped = SUSPEND.sql.replace("least(t.due_at, i.wake_at)", "i.wake_at")
        assert wiped != SUSPEND.sql
        write = type(SUSPEND)(name=SUSPEND.name, key=SUSPEND.key, sql=wiped)
    small.tasks = _suspending_with(small, write)
    small.automations["ask"] = body
    await small.submit("ask", count=count)
    # The mutant's one at a time: of several, one may answer another's review before that one has looked at it.
    async with small.working(Limits(concurrency=1 if mutant else 4, poll_s=0.05), at):
        if not mutant:
            await all_in(small, "succeeded", count)
            return

        async def quiet() -> bool:
            states = await small.states()
            return states.get("accepted", 0) + states.get("running", 0) == 0

        await eventually(quiet, timeout_s=60)
    assert (await small.states()).get("succeeded", 0) == 0


def _suspending_with(small: SmallEngine, write: Any) -> PostgresTasks:
    parts = small.tasks
    return PostgresTasks(
        parts._database,
        parts._recorder,
        parts._objects,
        parts._keys,
        parts._clock,
        inline_bytes_max=65_536,
        suspend=write,
    )


async def test_a_review_expires_and_is_no_approval(small: SmallEngine) -> None:
    async def body(task: Task, _: Any) -> list[Any]:
        answer = await task.review("approve", Form(), title="May it?", deadline=timedelta(hours=2))
        return [answer.verdict, answer.approved]

    small.automations["ask"] = body
    await small.submit("ask")
    async with small.working():
        await all_in(small, "waiting", 1)
        await _skip(small, hours=3)
        await all_in(small, "succeeded", 1)
    assert await small.rows("select output::text from tasks") == [('["expired",false]',)]
    assert await small.rows("select state from reviews") == [("expired",)]


async def test_sleep_survives_the_worker_and_skipped_time(small: SmallEngine) -> None:
    async def body(task: Task, _: Any) -> str:
        before = await task.now()
        await task.sleep(timedelta(days=2))
        return str((await task.now()) - before >= timedelta(days=2))

    small.automations["nap"] = body
    await small.submit("nap")
    async with small.working():
        await all_in(small, "waiting", 1)
    await _skip(small, hours=49)
    async with small.working():
        await all_in(small, "succeeded", 1)
    assert await small.rows("select output::text from tasks") == [('"True"',)]


async def test_a_step_that_fails_twice_then_works(small: SmallEngine) -> None:
    calls: list[str] = []

    async def flaky(_: Any, call: Any) -> str:
        calls.append(call.idempotency_key)
        if len(calls) < 3:
            raise ExecutorFailed("not yet", kind="Busy")
        return "done"

    async def body(task: Task, _: Any) -> str:
        return await task.step(shaky)

    small.steps.functions["shaky"] = flaky
    small.automations["shaky"] = body
    await small.submit("shaky")
    async with small.working():
        await all_in(small, "succeeded", 1)
    assert len(calls) == 3
    assert len(set(calls)) == 1
    assert await small.rows("select attempt, error->>'kind' from attempts order by 1") == [(1, "Busy"), (2, "Busy")]
    assert await small.rows("select meta->>'attempts' from effects") == [("3",)]


async def test_at_most_once_is_not_repeated(small: SmallEngine) -> None:
    began = asyncio.Event()

    async def lost(_: Any, __: Any) -> str:
        began.set()
        await asyncio.Event().wait()
        return "never"

    async def body(task: Task, _: Any) -> str:
        try:
            return await task.step(once)
        except EffectFailed as error:
            return error.kind

    small.steps.functions["once"] = lost
    small.automations["once"] = body
    await small.submit("once")
    first = asyncio.create_task(small.engine(LONG).run())
    await asyncio.wait_for(began.wait(), 30)
    await _skip(small, hours=3)
    async with small.working(Limits(poll_s=0.05)):
        await all_in(small, "succeeded", 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await small.rows("select output::text from tasks") == [('"Interrupted"',)]
    assert len(small.steps.ran) == 1


async def test_cancelling_a_waiting_task_compensates(small: SmallEngine) -> None:
    async def body(task: Task, _: Any) -> str:
        await task.step(work, 1)
        try:
            await task.review("approve", Form(), title="May it?")
        except asyncio.CancelledError:
            await task.step(work, -1)
            raise
        return "approved"

    small.automations["ask"] = body
    ids = await small.submit("ask")
    async with small.working() as engine:
        await all_in(small, "waiting", 1)
        await engine.cancel("default", ids[0])
        await all_in(small, "cancelled", 1)
    assert [row[0] for row in await small.rows("select kind from effects order by seq")] == ["step", "cancel", "step"]
    assert await small.rows("select state from reviews") == [("cancelled",)]


async def test_changed_code_is_parked_and_resumes_when_restored(small: SmallEngine) -> None:
    async def right(task: Task, _: Any) -> str:
        await task.step(work, 1)
        answer = await task.review("approve", Form(), title="May it?")
        return answer.verdict

    async def changed(task: Task, _: Any) -> str:
        await task.step(work, 2)
        answer = await task.review("approve", Form(), title="May it?")
        return answer.verdict

    small.automations["ask"] = right
    ids = await small.submit("ask")
    async with small.working() as engine:
        await all_in(small, "waiting", 1)
        small.automations["ask"] = changed
        await answer_all(small.owner_url)
        await all_in(small, "blocked", 1)
        error = (await small.rows("select error from tasks"))[0][0]
        assert error["kind"] == "Nondeterministic"
        assert error["recorded"]["id"] == error["asked"]["id"]
        small.automations["ask"] = right
        await engine.wake("default", ids[0])
        await all_in(small, "succeeded", 1)
    assert await small.rows("select output::text from tasks") == [(f'"{Verdict.APPROVE}"',)]


async def test_the_order_of_outcomes_replays(small: SmallEngine) -> None:
    """Who finished first decides what is done next; after a restart the same branch is taken."""
    dice = random.Random(5)

    async def wait_a_little(value: Any, _: Any) -> Any:
        for _n in range(dice.randrange(1, 4)):
            await small.rows("select 1")
        return value["n"]

    async def body(task: Task, _: Any) -> list[int]:
        order: list[int] = []

        async def branch(n: int) -> None:
            order.append(await task.step(work, n))
            order.append(await task.step(work, order[0] * 10 + n))

        async with asyncio.TaskGroup() as group:
            for n in range(1, 5):
                group.create_task(branch(n))
        answer = await task.review("approve", Form(), title=str(order))
        return [*order, int(answer.approved)]

    small.steps.functions["work"] = wait_a_little
    small.automations["race"] = body
    await small.submit("race", count=20)
    async with small.working():
        await all_in(small, "waiting", 20)
    before = dict(await small.rows("select task_id, request->>'title' from reviews"))
    assert len(set(before.values())) > 1, "nothing raced, so nothing is shown"
    async with small.working():
        await answer_all(small.owner_url)
        await all_in(small, "succeeded", 20)
    after = dict(await small.rows("select id, output from tasks"))
    assert {task_id: str(output[:-1]) for task_id, output in after.items()} == before


async def test_tenants_take_turns(small: SmallEngine) -> None:
    order: list[str] = []

    async def body(task: Task, _: Any) -> None:
        order.append(task.info.tenant)

    small.automations["turn"] = body
    await small.submit("turn", count=200)
    await small.submit("turn", tenant="other", count=5)
    async with small.working(Limits(concurrency=8, claim_batch_max=8)):
        await eventually(lambda: len(order) == 205)
    assert max(n for n, tenant in enumerate(order) if tenant == "other") < 60


async def test_waiting_tasks_cost_no_memory(small: SmallEngine) -> None:
    """Thousands that wait for a person, one worker: its memory stays flat, and it holds none of them."""

    async def body(task: Task, _: Any) -> str:
        return (await task.review("approve", Form(), title="May it?")).verdict

    small.automations["ask"] = body
    me = psutil.Process()
    async with small.working() as engine:
        await small.submit("ask", count=200)
        await all_in(small, "waiting", 200)
        gc.collect()
        before = me.memory_info().rss
        await small.submit("ask", count=1800)
        await all_in(small, "waiting", 2000, timeout_s=150)
        gc.collect()
        grown_mb = (me.memory_info().rss - before) / 2**20
        assert engine.owned == 0
    assert grown_mb < 16, f"{grown_mb:.1f} MiB more for 1800 waiting tasks"


async def _skip(small: SmallEngine, *, hours: int) -> None:
    async with await psycopg.AsyncConnection.connect(small.owner_url, autocommit=True) as conn:
        await conn.execute("update interlock.clock set shift = shift + %s", (timedelta(hours=hours),))
