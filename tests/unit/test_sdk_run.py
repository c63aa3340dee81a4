"""A run against its journal: what parks it, what it takes back, its limits, and the verbs that stand in for asyncio's clock."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.runs import Body, begin, play, record, replay, say

from interlock.domain.effects import Effect, Outcome, Status
from interlock.domain.errors import Nondeterministic
from interlock.sdk.run import NotReplayable
from interlock.sdk.task import Task


def first(_: Any) -> int:
    return 0


def last(in_flight: Any) -> int:
    return len(in_flight) - 1


async def two(task: Task) -> str:
    return await say(task, "a", "1") + await say(task, "b", "2")


RECORDED = play(two, first).recorded


# What the journal holds and the code does not ask for, or the other way round.


async def renamed(task: Task) -> str:
    return await say(task, "a", "1") + await say(task, "c", "2")


async def removed(task: Task) -> str:
    return await say(task, "b", "2")


async def removed_last(task: Task) -> str:
    return await say(task, "a", "1")


async def reordered(task: Task) -> str:
    return await say(task, "b", "2") + await say(task, "a", "1")


async def inserted(task: Task) -> str:
    return await say(task, "new") + await two(task)


async def other_input(task: Task) -> str:
    return await say(task, "a", "1") + await say(task, "b", "3")


async def other_kind(task: Task) -> Any:
    await task.lookup("register", [], name="a")


async def in_a_branch(task: Task) -> Any:
    return await asyncio.gather(two(task))


async def fails_early(task: Task) -> Any:
    raise ValueError("changed")


async def swallows(task: Task) -> Any:
    try:
        return await renamed(task)
    except Exception:
        return "swallowed"


@pytest.mark.parametrize(
    "changed",
    [renamed, removed, removed_last, reordered, inserted, other_input, other_kind, in_a_branch, fails_early, swallows],
    ids=lambda b: b.__name__,
)
def test_code_that_no_longer_fits_its_journal_is_found(changed: Body) -> None:
    with pytest.raises(Nondeterministic) as found:
        replay(changed, RECORDED)
    assert found.value.recorded is not None
    assert found.value.recorded["id"] in ("/a#1", "/b#1")
    assert found.value.asked is not None


def test_both_sides_are_shown() -> None:
    with pytest.raises(Nondeterministic) as found:
        replay(renamed, RECORDED)
    assert found.value.recorded is not None
    assert (found.value.recorded["id"], found.value.recorded["kind"], found.value.recorded["name"]) == (
        "/b#1",
        "fetch",
        "b",
    )
    assert found.value.asked == {"asks": [{"id": "/c#1", "kind": "fetch", "name": "c"}]}
    with pytest.raises(Nondeterministic) as found:
        replay(other_input, RECORDED)
    assert found.value.asked is not None
    assert found.value.asked["input"]["url"] == "3"


def test_code_that_only_adds_at_its_end_goes_on() -> None:
    async def longer(task: Task) -> str:
        return await two(task) + await say(task, "c")

    assert replay(longer, RECORDED).ids == ["/a#1", "/b#1", "/c#1"]


def test_the_unchanged_code_replays() -> None:
    assert replay(two, RECORDED).result == "12"


# What the loop has not.


async def _sleeps(task: Task) -> None:
    await asyncio.sleep(1)


async def _waits_for(task: Task) -> None:
    await asyncio.wait_for(asyncio.get_running_loop().create_future(), 1)


async def _times_out(task: Task) -> None:
    async with asyncio.timeout(1):
        await say(task, "a")


async def _threads(task: Task) -> None:
    await asyncio.to_thread(len, "")


async def _connects(task: Task) -> None:
    await asyncio.open_connection("localhost", 1)


async def _calls_later(task: Task) -> None:
    asyncio.get_running_loop().call_later(1, print)


async def _runs_a_program(task: Task) -> None:
    await asyncio.create_subprocess_exec("true")


async def _spins(task: Task) -> None:
    while True:
        await asyncio.sleep(0)


VIOLATIONS = [_sleeps, _waits_for, _times_out, _threads, _connects, _calls_later, _runs_a_program, _spins]


@pytest.mark.parametrize("swallowed", [(), Exception, BaseException])
@pytest.mark.parametrize("body", VIOLATIONS, ids=lambda b: b.__name__)
def test_what_cannot_be_replayed_is_refused_with_its_fix_whatever_the_author_catches(
    body: Callable[[Task], Awaitable[None]], swallowed: Any
) -> None:
    async def wrapped(task: Task) -> str:
        try:
            await body(task)
        except swallowed:
            pass
        return await say(task, "after")

    run = begin(wrapped)
    with pytest.raises(NotReplayable, match=r"cannot be replayed in an automation\. Use .* instead"):
        run.drain()
    run.abandon()
    gc.collect()


@pytest.mark.parametrize("swallowed", [(), Exception])
def test_an_automation_that_exits_does_not_end_its_worker(swallowed: Any) -> None:
    async def body(task: Task) -> None:
        try:
            raise SystemExit(3)
        except swallowed:
            pass

    run = begin(body)
    with pytest.raises(NotReplayable, match="exit"):
        run.drain()
    run.abandon()


def test_a_violation_in_a_branch_is_found_too() -> None:
    async def body(task: Task) -> Any:
        return await asyncio.gather(_sleeps(task), say(task, "a"), return_exceptions=True)

    run = begin(body)
    with pytest.raises(NotReplayable, match=r"task\.sleep"):
        run.drain()
    run.abandon()


def test_more_effects_than_the_limit_are_refused() -> None:
    async def body(task: Task) -> None:
        for n in range(6):
            await say(task, "a", str(n))

    run = begin(body, effects_max=5)
    run.drain()
    for _ in range(4):
        (effect,) = run.take_fresh()
        run.deliver(record(effect, 1))
        run.drain()
    (effect,) = run.take_fresh()
    run.deliver(record(effect, 5))
    with pytest.raises(NotReplayable, match="INTERLOCK_EFFECTS_PER_TASK_MAX"):
        run.drain()
    run.abandon()


def test_what_passes_every_handler_is_turned_into_an_error() -> None:
    class Odd(BaseException):
        pass

    async def body(task: Task) -> None:
        raise Odd("x")

    run = begin(body)
    run.drain()
    with pytest.raises(RuntimeError, match="Odd: x"):
        run.result()
    run.abandon()


# What is no longer wanted.


def test_a_cancelled_effect_is_withdrawn_and_not_performed() -> None:
    async def body(task: Task) -> str:
        branch = asyncio.get_running_loop().create_task(say(task, "unwanted"))
        text = await say(task, "a")
        branch.cancel()
        return text + await say(task, "b")

    run = begin(body)
    run.drain()
    wanted, unwanted = sorted(run.take_fresh(), key=lambda e: e.name)
    run.deliver(record(wanted, 1))
    run.drain()
    assert [e.id for e in run.take_withdrawn()] == [unwanted.id]
    assert not run.wants(unwanted.id)
    assert [e.name for e in run.take_fresh()] == ["b"]
    run.deliver(record(unwanted, 2))  # its outcome was being recorded when it was cancelled: no contradiction
    run.abandon()


def test_an_effect_that_is_cancelled_at_once_is_never_fresh() -> None:
    async def body(task: Task) -> str:
        branch = asyncio.get_running_loop().create_task(say(task, "unwanted"))
        await asyncio.sleep(0)
        branch.cancel()
        return await say(task, "a")

    run = begin(body)
    run.drain()
    assert [e.name for e in run.take_fresh()] == ["a"]
    run.abandon()


def test_branches_that_outlive_the_automation_are_cancelled() -> None:
    async def body(task: Task) -> str:
        asyncio.get_running_loop().create_task(say(task, "left"))
        return await say(task, "a")

    run = begin(body)
    run.drain()
    effect = next(e for e in run.take_fresh() if e.name == "a")
    run.deliver(record(effect, 1))
    run.drain()
    assert run.ended
    assert run.result() == "a"
    assert [e.name for e in run.take_withdrawn()] == ["left"]
    run.abandon()


def test_the_clean_up_of_a_branch_that_outlives_the_automation_is_performed_before_it_ends() -> None:
    async def branch(task: Task) -> None:
        try:
            await say(task, "left")
        finally:
            await say(task, "undo")

    async def body(task: Task) -> str:
        asyncio.get_running_loop().create_task(branch(task))
        return await say(task, "a")

    played = play(body, first)
    assert [r.name for r in played.recorded] == ["a", "undo"]
    assert played.result == "a"
    assert replay(body, played.recorded).inputs == played.inputs


def test_cancelling_a_run_lets_it_compensate() -> None:
    async def body(task: Task) -> str:
        try:
            return await say(task, "a")
        except asyncio.CancelledError:
            await say(task, "undo")
            raise

    run = begin(body)
    run.drain()
    run.take_fresh()
    run.cancel()
    run.drain()
    (undo,) = run.take_fresh()
    assert undo.name == "undo"
    run.deliver(record(undo, 2))
    run.drain()
    assert run.ended
    with pytest.raises(asyncio.CancelledError):
        run.result()
    run.abandon()


# The verbs that stand in for asyncio's.


def of(*names: str) -> Callable[[Sequence[Effect]], int]:
    """Pick these effects whenever they are in flight."""
    return lambda some: next((n for n, e in enumerate(some) if e.name in names), 0)


async def limited(task: Task) -> str:
    try:
        async with task.timeout(timedelta(minutes=1)):
            return await say(task, "a") + await say(task, "b")
    except TimeoutError:
        return await say(task, "late")


def test_a_timeout_interrupts_its_block() -> None:
    assert play(limited, of("timeout")).result == "late"
    assert play(limited, of("a", "b")).result == "ab"


def test_a_timeout_that_is_not_reached_withdraws_its_timer() -> None:
    run = begin(limited)
    run.drain()
    for name in ("a", "b"):
        effect = next(e for e, _ in run.pending.values() if e.name == name)
        run.deliver(record(effect, 1))
        run.drain()
    assert run.ended
    assert [e.name for e in run.take_withdrawn()] == ["timeout"]
    run.abandon()


def test_a_timeout_works_while_the_task_compensates_for_its_cancellation() -> None:
    async def body(task: Task) -> str:
        try:
            await say(task, "a")
        except asyncio.CancelledError:
            return await limited(task)
        return "never"

    run = begin(body)
    run.drain()
    run.cancel()
    run.drain()
    for name in ("timeout", "late"):
        effect = next(e for e, _ in run.pending.values() if e.name == name)
        run.deliver(record(effect, 1))
        run.drain()
    assert run.result() == "late"
    run.abandon()


def test_a_cancellation_in_a_timeout_is_no_timeout() -> None:
    run = begin(limited)
    run.drain()
    run.cancel()
    run.drain()
    with pytest.raises(asyncio.CancelledError):
        run.result()
    run.abandon()


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_time_that_cannot_be_waited_is_refused(seconds: float) -> None:
    async def sleeps(task: Task) -> None:
        await task.sleep(seconds)

    async def limits(task: Task) -> None:
        async with task.timeout(seconds):
            await say(task, "a")

    for body in (sleeps, limits):
        assert "seconds from 0" in play(body, first).result


async def raced(task: Task) -> tuple[int, str]:
    async def branch(name: str) -> str:
        try:
            return await say(task, name)
        except asyncio.CancelledError:
            await say(task, f"undo-{name}")
            raise

    return await task.race(branch("a"), branch("b"))


def test_a_race_gives_the_first_and_lets_the_others_clean_up() -> None:
    played = play(raced, of("b"))
    assert played.result == (1, "b")
    assert [r.name for r in played.recorded] == ["b", "undo-a"]


def test_a_race_without_branches_is_refused() -> None:
    async def body(task: Task) -> Any:
        return await task.race()

    assert "at least one" in play(body, first).result


def test_an_error_of_the_first_is_the_race_s() -> None:
    def fails(effect: Effect) -> Outcome:
        return Outcome(status=Status.FAILED, error={"kind": "Broken", "message": "no"})

    async def body(task: Task) -> Any:
        return await task.race(say(task, "a"), say(task, "b"))

    assert "EffectFailed('a: no')" in play(body, first, outcome=fails).result


def test_wait_gives_results_and_errors_in_the_order_given() -> None:
    def outcome(effect: Effect) -> Outcome:
        if effect.name == "a":
            return Outcome(status=Status.FAILED, error={"kind": "Broken", "message": "no"})
        return Outcome(status=Status.OK, value={"status": 200, "body": effect.name})

    async def body(task: Task) -> Any:
        return [str(x) for x in await task.wait(say(task, "a"), say(task, "b"))]

    assert play(body, last, outcome=outcome).result == ["a: no", "b"]


def test_branches_that_are_cancelled_before_they_begin_leave_nothing_behind() -> None:
    async def body(task: Task) -> str:
        race = asyncio.get_running_loop().create_task(task.race(say(task, "a"), say(task, "b")))
        await asyncio.sleep(0)
        race.cancel()
        return await say(task, "c")

    assert play(body, first).ids == ["/c#1"]
    gc.collect()  # "never awaited" would be an error here


def test_an_effect_named_like_a_branch_has_an_id_of_its_own() -> None:
    async def body(task: Task) -> Any:
        return await asyncio.gather(say(task, "t"), say(task, "g")), await say(task, "t")

    ids = play(body, first).ids
    assert len(set(ids)) == len(ids) == 3
