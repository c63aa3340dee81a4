"""`advance(task)`: run the automation against its journal as far as it goes now.

Recorded outcomes are delivered in their recorded order, one at a time; past the record, fresh effects are performed, recorded
and delivered in the order of their records. It ends when the task has ended, waits, is blocked, or is somebody else's.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from interlock.boundary.perform import Boundary, FaultPoint, Owner, no_fault
from interlock.domain import canonical
from interlock.domain.effects import Effect, Kind, Pending, Recorded
from interlock.domain.errors import Fenced, Nondeterministic
from interlock.domain.ports import JournalStore, TaskStore
from interlock.domain.tasks import Claimed, Ended, State
from interlock.sdk.loop import NotReplayable, TooMuch
from interlock.sdk.run import Run
from interlock.sdk.task import EffectFailed, Task

Start = Callable[[Claimed, Task], Coroutine[Any, Any, Any]]
TRACE_CHARS_MAX = 4000
# The least pause before a time that is waited for is looked at again, where the database's clock says that it is not yet.
LOOK_AGAIN_S = 0.01


class Advance:
    """One attempt at one task."""

    def __init__(
        self,
        *,
        task: Claimed,
        start: Start,
        journal: JournalStore,
        tasks: TaskStore,
        boundary: Boundary,
        effects_max: int,
        fault: FaultPoint = no_fault,
    ) -> None:
        self._task = task
        self._start = start
        self._journal = journal
        self._tasks = tasks
        self._boundary = boundary
        self._effects_max = effects_max
        self._fault = fault
        # The loop is remembered, and the bell is a future of it: before Python 3.12, asking for the loop is a system call, and an
        # Event asks at each wait.
        self._loop = asyncio.get_running_loop()
        self._rung = False  # an effect came to an end, or the cancellation arrived
        self._listening: asyncio.Future[None] | None = None
        self._cancel_requested = task.cancel_requested
        self._running: dict[asyncio.Task[Recorded | Pending], Effect] = {}
        self._waiting: dict[str, tuple[Effect, Pending]] = {}
        self._ready: dict[int, Recorded] = {}
        self._cancel_delivered = False

    def request_cancel(self) -> None:
        """The task's cancellation arrived while it runs."""
        self._cancel_requested = True
        self._ring()

    async def go(self) -> State:
        """Run until the task has ended, waits or is blocked; gives which. Raises Fenced, or an error that releases nothing."""
        owner = Owner(self._task, await self._journal.journal(self._task))
        run = Run(lambda r: self._start(self._task, Task(self._task.info, r)), self._effects_max)
        try:
            try:
                self._replay(run, owner)
                return await self._past_the_record(run, owner)
            except Nondeterministic as found:
                return await self._block(found.message, recorded=found.recorded, asked=found.asked)
            except NotReplayable as found:
                kind = found.kind if isinstance(found, TooMuch) else "Nondeterministic"
                return await self._block(str(found), recorded=None, asked=None, kind=kind)
        finally:
            for task in self._running:
                task.cancel()
            run.abandon()
            if self._running:
                await asyncio.gather(*self._running, return_exceptions=True)

    def _replay(self, run: Run, owner: Owner) -> None:
        run.drain()
        for recorded in owner.journal.recorded:
            self._release(run, recorded)

    def _release(self, run: Run, recorded: Recorded) -> None:
        if recorded.kind is Kind.CANCEL:
            self._cancel_delivered = True
            run.cancel()
        else:
            run.deliver(recorded)
        run.drain()

    async def _past_the_record(self, run: Run, owner: Owner) -> State:
        next_seq = owner.journal.next_seq
        while True:
            await self._follow(run, owner)
            if run.ended:
                return await self._end(run)
            if self._cancel_requested and not self._cancel_delivered:
                self._cancel_delivered = True
                recorded = await self._boundary.cancelled(owner)
                self._ready[recorded.seq] = recorded
            elif not self._running:
                return await (self._suspend() if run.pending else self._stuck())
            elif next_seq not in self._ready:
                await self._one_more(owner)
            while next_seq in self._ready:
                self._release(run, self._ready.pop(next_seq))
                next_seq += 1

    async def _follow(self, run: Run, owner: Owner) -> None:
        """Begin what the automation asked for, and stop what it no longer wants."""
        for effect in run.take_withdrawn() if run.withdrawn else ():
            self._waiting.pop(effect.id, None)
            for task, running in self._running.items():
                if running.id == effect.id and effect.id not in owner.recording:
                    task.cancel()
                    task.add_done_callback(self._ring)  # cancelled before it began, it rings no bell itself
            await self._boundary.withdraw(effect, owner)
        for effect in run.take_fresh():
            self._begin(effect, owner)

    def _begin(self, effect: Effect, owner: Owner) -> None:
        self._running[self._loop.create_task(self._perform(effect, owner))] = effect

    async def _perform(self, effect: Effect, owner: Owner) -> Recorded | Pending:
        # It rings as its last act, not in a done-callback: that would be another turn of the loop for each effect.
        try:
            return await self._boundary.perform(effect, owner)
        finally:
            self._ring()

    def _ring(self, _: object = None) -> None:
        self._rung = True
        if self._listening is not None and not self._listening.done():
            self._listening.set_result(None)

    async def _bell(self) -> None:
        if not self._rung:
            self._listening = self._loop.create_future()
            try:
                await self._listening
            finally:
                self._listening = None

    async def _one_more(self, owner: Owner) -> None:
        """Wait for an effect to be recorded or found pending, for the cancellation, or for a time that is waited for."""
        # One bell for all of them: asyncio.wait made a task, a set and callbacks anew for each effect.
        if self._waiting and any(pending.wake_at is not None for _, pending in self._waiting.values()):
            await self._bell_or_time(owner)
        else:
            await self._bell()
        self._rung = False
        for task in [t for t in self._running if t.done()]:
            effect = self._running.pop(task)
            if task.cancelled():
                continue
            result = task.result()
            if isinstance(result, Pending):
                self._waiting[effect.id] = effect, result
            else:
                self._ready[result.seq] = result

    async def _bell_or_time(self, owner: Owner) -> None:
        """Wait for the bell until the first timer or deadline is due; what is due then is asked again, beside what runs."""
        left_s = (min(self._times()) - await self._journal.now()).total_seconds()
        try:
            async with asyncio.timeout(max(left_s, LOOK_AGAIN_S)):
                await self._bell()
        except TimeoutError:
            now = await self._journal.now()
            due = [e for e, pending in self._waiting.values() if pending.wake_at is not None and pending.wake_at <= now]
            for effect in due:
                del self._waiting[effect.id]
                self._begin(effect, owner)

    def _times(self) -> list[datetime]:
        return [pending.wake_at for _, pending in self._waiting.values() if pending.wake_at is not None]

    async def _suspend(self) -> State:
        times = self._times()
        await self._fault("suspending")
        await self._tasks.suspend(self._task, wake_at=min(times, default=None))
        return State.WAITING

    async def _stuck(self) -> State:
        """It waits, and no effect is left that could wake it: an event that nobody sets, a lock that nobody frees."""
        message = "The automation waits for something that is no effect, and nothing is left that could wake it."
        ended = Ended(state=State.FAILED, error={"kind": "WaitsForNothing", "message": message})
        await self._tasks.end(self._task, ended)
        return ended.state

    async def _block(self, message: str, *, recorded: Any, asked: Any, kind: str = "Nondeterministic") -> State:
        error = {"kind": kind, "message": message, "recorded": recorded, "asked": asked}
        await self._tasks.block(self._task, error)
        return State.BLOCKED

    async def _end(self, run: Run) -> State:
        try:
            ended = Ended(state=State.SUCCEEDED, output=canonical.plain(run.result()))
        except asyncio.CancelledError:
            state = State.CANCELLED if self._cancel_delivered else State.FAILED
            message = "cancelled on request" if self._cancel_delivered else "the automation cancelled itself"
            ended = Ended(state=state, error={"kind": "Cancelled", "message": message})
        except (Nondeterministic, NotReplayable, Fenced):
            raise
        except Exception as error:
            ended = Ended(state=State.FAILED, error=_explain(error))
        await self._fault("ending")
        await self._tasks.end(self._task, ended)
        return ended.state


class Parked:
    """An attempt at a task that this code may not run: it is parked as `blocked`, and looked at again when a worker starts."""

    def __init__(self, task: Claimed, tasks: TaskStore, message: str) -> None:
        self._task = task
        self._tasks = tasks
        self._message = message

    def request_cancel(self) -> None:
        """Nothing runs, so nothing is told; a blocked task is cancelled at once by whoever asks."""

    async def go(self) -> State:
        """Park the task. Raises Fenced where it is somebody else's."""
        await self._tasks.block(self._task, {"kind": "OtherVersion", "message": self._message})
        return State.BLOCKED


def pinned_elsewhere(pinned: str, deployed: str) -> bool:
    """Tell whether a task may not run on what is deployed: another major version promises nothing to open tasks (semver.org)."""
    return pinned.partition(".")[0] != deployed.partition(".")[0]


def _explain(error: BaseException) -> dict[str, Any]:
    """Say what failed: kind, message, the effect where it was one, and where in the author's code."""
    inner = error
    while isinstance(inner, BaseExceptionGroup) and inner.exceptions:
        inner = inner.exceptions[0]
    found: dict[str, Any] = {"kind": type(inner).__name__, "message": str(inner)}
    if isinstance(inner, EffectFailed):
        found |= {"kind": inner.kind, "effect": inner.effect}
    frames = [f"{f.name}:{f.lineno}" for f in traceback.extract_tb(inner.__traceback__)]
    found["at"] = " > ".join(frames)[-TRACE_CHARS_MAX:]
    return found
