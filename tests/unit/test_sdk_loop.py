"""The private event loop: the same IDs in any order of completion, and a teardown that performs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs import Body, begin, play, record, replay, replay_at_once, say

from interlock.sdk.loop import SCOPE, NotReplayable
from interlock.sdk.run import Run
from interlock.sdk.task import Task

# Automations that wait at "wait" and would, if they were cancelled there, perform "bad".


async def finally_(task: Task) -> None:
    try:
        await say(task, "wait")
    finally:
        await say(task, "bad")


async def except_exception(task: Task) -> None:
    try:
        await say(task, "wait")
    except Exception:
        await say(task, "bad")


async def except_base(task: Task) -> None:
    try:
        await say(task, "wait")
    except BaseException:
        pass
    await say(task, "bad")


async def except_cancelled(task: Task) -> None:
    try:
        await say(task, "wait")
    except asyncio.CancelledError:
        await say(task, "bad")
        raise


async def nested(task: Task) -> None:
    try:
        try:
            await finally_(task)
        finally:
            await say(task, "bad")
    finally:
        await say(task, "bad")


class Resource:
    def __init__(self, task: Task) -> None:
        self._task = task

    async def __aenter__(self) -> None:
        await say(self._task, "ready")

    async def __aexit__(self, *_: object) -> None:
        await say(self._task, "bad")


async def with_(task: Task) -> None:
    async with Resource(task):
        await say(task, "wait")


@contextlib.asynccontextmanager
async def resource(task: Task) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await say(task, "bad")


async def context_manager(task: Task) -> None:
    async with resource(task):
        await say(task, "wait")


async def gather(task: Task) -> None:
    await asyncio.gather(finally_(task), finally_(task), except_cancelled(task), say(task, "wait"))


async def gather_in_finally(task: Task) -> None:
    try:
        await say(task, "wait")
    finally:
        await asyncio.gather(say(task, "bad"), say(task, "bad"))


async def group(task: Task) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(finally_(task))
        group.create_task(except_base(task))
        await say(task, "wait")


async def task_made_in_finally(task: Task) -> None:
    try:
        await say(task, "wait")
    finally:
        await asyncio.get_running_loop().create_task(finally_(task))


async def _numbers(task: Task) -> AsyncIterator[int]:
    try:
        for number in range(3):
            await say(task, "ready")
            yield number
    finally:
        await say(task, "bad")


async def generator(task: Task) -> None:
    async for _ in _numbers(task):
        await say(task, "wait")


async def generator_in_hand(task: Task) -> None:
    numbers = _numbers(task)
    await anext(numbers)
    await say(task, "wait")
    await numbers.aclose()  # type: ignore[attr-defined]


async def event(task: Task) -> None:
    done = asyncio.Event()

    async def waits() -> None:
        await done.wait()
        await say(task, "bad")

    async def sets() -> None:
        try:
            await say(task, "wait")
        finally:
            done.set()

    await asyncio.gather(waits(), sets())


async def lock(task: Task) -> None:
    lock = asyncio.Lock()

    async def holds() -> None:
        async with lock:
            await say(task, "wait")

    async def wants() -> None:
        async with lock:
            await say(task, "bad")

    await asyncio.gather(holds(), wants())


async def shield(task: Task) -> None:
    try:
        await asyncio.shield(finally_(task))
    except asyncio.CancelledError:
        await say(task, "bad")


async def race(task: Task) -> None:
    await task.race(finally_(task), except_cancelled(task))


async def timeout(task: Task) -> None:
    try:
        async with task.timeout(60):
            await finally_(task)
    except (TimeoutError, asyncio.CancelledError):
        await say(task, "bad")


async def completed_in_finally(task: Task) -> None:
    try:
        await say(task, "wait")
    finally:
        async for _ in task.as_completed(say(task, "bad"), say(task, "bad")):
            await say(task, "bad")


async def suppressed(task: Task) -> None:
    with contextlib.suppress(BaseException):
        await say(task, "wait")
    await say(task, "bad")


async def spins(task: Task) -> None:
    while True:
        try:
            await say(task, "wait")
        except BaseException:
            with contextlib.suppress(BaseException):
                await say(task, "bad")


SUSPENDED: list[Body] = [
    finally_, except_exception, except_base, except_cancelled, nested, with_, context_manager, gather, gather_in_finally, group,
    task_made_in_finally, generator, generator_in_hand, event, lock, shield, race, timeout, completed_in_finally, suppressed,
]  # fmt: skip


def suspend(body: Body, kind: type[Run] = Run) -> Run:
    """Run until it waits for nothing but "wait" (and the timer of a timeout)."""
    run = begin(body, kind=kind)
    run.drain()
    while ready := [e for e in run.take_fresh() if e.name == "ready"]:
        for effect in ready:
            run.deliver(record(effect, 1))
            run.drain()
    assert "wait" in {effect.name for effect, _ in run.pending.values()}
    return run


def performed(run: Run) -> int:
    """How many effects were asked for that a driver would perform."""
    asked, run.fresh = run.fresh, []
    return sum("/bad#" in identity for identity in asked)


@pytest.mark.parametrize("body", SUSPENDED, ids=lambda b: b.__name__)
def test_a_suspended_run_performs_nothing_when_it_is_torn_down(body: Body) -> None:
    run = suspend(body)
    assert run.abandon() == 0
    assert performed(run) == 0
    assert run.take_withdrawn() == []
    gc.collect()  # what the teardown left must not act when it is collected
    assert performed(run) == 0


async def spins_in_a_branch(task: Task) -> None:
    await asyncio.gather(spins(task))


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # that is how the interpreter says that it spins
@pytest.mark.parametrize("body", [spins, spins_in_a_branch], ids=lambda b: b.__name__)
def test_a_handler_that_spins_is_given_up_and_performs_nothing(body: Body) -> None:
    run = suspend(body)
    assert run.abandon() == (body is spins_in_a_branch)
    assert performed(run) == 0
    run.main = None  # type: ignore[assignment]
    gc.collect()
    assert performed(run) == 0


def test_cancelling_instead_of_closing_would_perform_what_must_not_happen() -> None:
    acted = {}
    for body in SUSPENDED:
        run = suspend(body)
        run.loop.cancel_rest(object())  # type: ignore[arg-type]
        run.loop.drain()
        acted[body.__name__] = performed(run)
        run.abandon()
    assert sum(count > 0 for count in acted.values()) >= 8, acted


class Ungated(Run):
    async def alive(self) -> None:
        return None


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the mutant leaves coroutines that will not end
def test_closing_without_the_gate_would_perform_what_must_not_happen() -> None:
    acted = {}
    for body in SUSPENDED:
        run = suspend(body, Ungated)
        run.abandon()
        acted[body.__name__] = performed(run)
    gc.collect()
    assert sum(count > 0 for count in acted.values()) >= 8, acted


def test_plain_code_of_a_finally_runs_and_its_tasks_are_closed() -> None:
    seen: list[str] = []

    async def never() -> None:
        seen.append("ran")

    async def body(task: Task) -> None:
        try:
            await say(task, "wait")
        finally:
            seen.append("finally")
            asyncio.get_running_loop().create_task(never())

    run = suspend(body)
    assert run.abandon() == 0
    gc.collect()
    assert seen == ["finally"]


def test_branches_are_closed_newest_first_each_in_its_own_context() -> None:
    mine: ContextVar[str] = ContextVar("mine")
    seen: list[str] = []

    async def branch(task: Task, name: str) -> None:
        mine.set(name)
        try:
            await say(task, "wait")
        finally:
            seen.append(mine.get())

    async def body(task: Task) -> None:
        await asyncio.gather(*(branch(task, name) for name in "abc"))

    suspend(body).abandon()
    assert seen == ["c", "b", "a"]


async def test_the_outer_loop_and_context_are_untouched() -> None:
    outer, hooks, before = asyncio.get_running_loop(), sys.get_asyncgen_hooks(), copy_context()
    me = asyncio.current_task()
    for body in SUSPENDED:
        suspend(body).abandon()
        assert asyncio.get_running_loop() is outer
        assert asyncio.current_task() is me
        assert sys.get_asyncgen_hooks() == hooks
    assert list(copy_context().items()) == list(before.items())
    assert SCOPE not in copy_context()


async def test_the_outer_loop_is_untouched_after_a_violation() -> None:
    async def body(task: Task) -> None:
        await asyncio.sleep(1)

    run = begin(body)
    with pytest.raises(NotReplayable):
        run.drain()
    run.abandon()
    await asyncio.sleep(0)
    assert asyncio.get_running_loop().time() > 0


# The same again, in whatever order effects end.


async def gathers(task: Task) -> Any:
    return await asyncio.gather(*(say(task, "a", str(n)) for n in range(5)))


async def gathers_nested(task: Task) -> Any:
    async def branch(n: int) -> Any:
        first = await say(task, "a", str(n))
        return first, await asyncio.gather(*(say(task, "b", f"{first}.{m}") for m in range(2)))

    return await asyncio.gather(*(branch(n) for n in range(3)))


async def groups(task: Task) -> Any:
    async with asyncio.TaskGroup() as group:
        found = [group.create_task(gathers_two(task, n)) for n in range(3)]
    return [t.result() for t in found]


async def gathers_two(task: Task, n: int) -> Any:
    return await say(task, "a", str(n)), await say(task, "a", str(-n))


async def semaphores(task: Task) -> Any:
    gate = asyncio.Semaphore(2)

    async def branch(n: int) -> str:
        async with gate:
            return await say(task, "a", str(n)) + await say(task, "b", str(n))

    return await asyncio.gather(*(branch(n) for n in range(5)))


async def shares_a_list(task: Task) -> Any:
    seen: list[str] = []

    async def branch(n: int) -> None:
        seen.append(await say(task, "a", str(n)))
        await say(task, "b", f"{n} after {len(seen)}")

    await asyncio.gather(*(branch(n) for n in range(4)))
    return await say(task, "c", ",".join(seen))


async def races(task: Task) -> Any:
    async def branch(n: int) -> str:
        return await say(task, "a", str(n)) + await say(task, "b", str(n))

    winner, value = await task.race(*(branch(n) for n in range(4)))
    return await say(task, "won", f"{winner} {value}")


async def completes(task: Task) -> Any:
    seen: list[str] = []
    async for number, text in task.as_completed(*(say(task, "a", str(n)) for n in range(4))):
        seen.append(await say(task, "then", f"{number} {text} {len(seen)}"))
    return seen


async def times_out(task: Task) -> Any:
    try:
        async with task.timeout(60):
            return await say(task, "a") + await say(task, "b")
    except TimeoutError:
        return await say(task, "late")


async def queues(task: Task) -> Any:
    queue: asyncio.Queue[str] = asyncio.Queue()
    seen: list[str] = []

    async def worker(n: int) -> None:
        while not queue.empty():
            item = await queue.get()
            seen.append(await say(task, f"w{n}", item))

    for n in range(5):
        queue.put_nowait(str(n))
    await asyncio.gather(worker(1), worker(2))
    return seen


ANY_ORDER: list[Body] = [gathers, gathers_nested, groups, semaphores]  # the same effects whoever is first
RACES: list[Body] = [shares_a_list, races, completes, times_out, queues]  # what they ask depends on who was first


def chosen(numbers: list[int]) -> Callable[[Any], int]:
    order = iter(numbers)
    return lambda _: next(order, 0)


@given(st.sampled_from([*ANY_ORDER, *RACES]), st.lists(st.integers(0, 30), max_size=20))
def test_a_replay_in_recorded_order_asks_the_same_and_ends_the_same(body: Body, order: list[int]) -> None:
    first = play(body, chosen(order))
    again = replay(body, first.recorded)
    assert again.inputs == first.inputs
    assert again.result == first.result


@given(st.sampled_from(ANY_ORDER), st.lists(st.integers(0, 30), max_size=20))
def test_ids_are_fixed_where_a_branch_is_made_and_not_when_it_runs(body: Body, order: list[int]) -> None:
    in_order, other = play(body, lambda _: 0), play(body, chosen(order))
    assert dict(other.inputs) == dict(in_order.inputs)
    assert other.result == in_order.result


@given(st.sampled_from([*ANY_ORDER, *RACES]), st.lists(st.integers(0, 30), max_size=20), st.data())
def test_a_replay_of_a_part_goes_on_as_the_first_would(body: Body, order: list[int], data: st.DataObject) -> None:
    first = play(body, chosen(order))
    part = data.draw(st.integers(0, len(first.recorded)))
    again = replay(body, first.recorded[:part])
    assert first.inputs[: len(again.inputs)] == again.inputs


def test_delivering_all_at_once_would_diverge_in_races() -> None:
    diverged = 0
    for seed in range(200):
        numbers = random.Random(seed)
        body = RACES[seed % len(RACES)]
        first = play(body, lambda some, n=numbers: n.randrange(len(some)))  # type: ignore[misc]
        mutant = replay_at_once(body, first.recorded)
        diverged += mutant.result != first.result or mutant.inputs != first.inputs
    assert diverged > 120


def test_the_path_of_an_effect_is_the_place_of_its_branch() -> None:
    assert play(gathers_nested, lambda _: 0).ids == [
        "/t#1/a#1", "/t#2/a#1", "/t#3/a#1",
        "/t#1/t#1/b#1", "/t#1/t#2/b#1", "/t#2/t#1/b#1", "/t#2/t#2/b#1", "/t#3/t#1/b#1", "/t#3/t#2/b#1",
    ]  # fmt: skip


def test_a_context_that_is_shared_or_empty_still_gives_each_effect_its_own_id() -> None:
    async def body(task: Task) -> Any:
        loop, shared = asyncio.get_running_loop(), copy_context()
        one = [loop.create_task(say(task, "a", str(n)), context=shared) for n in range(2)]
        two = [type(shared)().run(loop.create_task, say(task, "a", str(n))) for n in range(2, 4)]
        return await asyncio.gather(*one, *two)

    played = play(body, lambda _: 1)
    assert len(set(played.ids)) == 4
    assert played.result == ["0", "1", "2", "3"]
    assert replay(body, played.recorded).inputs == played.inputs


def test_the_finally_of_a_generator_that_is_left_runs_as_a_branch() -> None:
    async def numbers(task: Task) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await say(task, "first")
            await say(task, "second")

    async def body(task: Task) -> str:
        async for _ in numbers(task):
            break
        return await say(task, "a") + await say(task, "b") + await say(task, "c")

    played = play(body, lambda _: 0)
    assert played.result == "abc"
    assert [i for i in played.ids if "g#1" in i] == ["/g#1/first#1", "/g#1/second#1"]
    assert replay(body, played.recorded).inputs == played.inputs
