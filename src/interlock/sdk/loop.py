"""The private event loop: an automation runs on it, and the journal drives it.

It has no clock and no I/O. `drain` runs until every branch is blocked on an effect; the caller then delivers one outcome and
drains again, so code that depends on who finished first replays as it ran. The paths of effects are fixed by where a branch is
created, not by when it runs. See `docs/concepts/durable-execution.md` for the reasoning, and what was rejected.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any

STEPS_MAX = 100_000
CLOSES_MAX = 20


class NotReplayable(BaseException):
    """The automation used something that a replay cannot repeat (a clock, a thread, a socket).

    A BaseException, so that an author's `except Exception` does not swallow it.
    """


class TooMuch(NotReplayable):
    """The automation reached a limit. It goes on from there where more is allowed."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Scope:
    """The place of a branch in the tree of branches; numbers the effects that are asked there."""

    __slots__ = ("counts", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.counts: dict[str, int] = {}

    def next(self, name: str) -> str:
        count = self.counts[name] = self.counts.get(name, 0) + 1
        return f"{self.path}/{name}#{count}"


class Turn:
    """The turn of a private loop that runs now, for whoever watches over it. Automations run in one thread of a process.

    Attributes: `number` grows with each turn; `loop` is None between them.
    """

    __slots__ = ("loop", "number")

    def __init__(self) -> None:
        self.loop: ReplayLoop | None = None
        self.number = 0


TURN = Turn()
SCOPE: ContextVar[Scope] = ContextVar("interlock_scope")


class Handle:
    """A call that waits for its turn. asyncio's own does the same at twice the cost, for the sake of a debug mode."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        self._callback = callback
        self._args = args
        self._context = context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def run(self) -> None:
        """Call it; raises what ends a process. What else it raises is the automation's own affair, as its outcome shows."""
        if self._cancelled:
            return
        try:
            self._context.run(self._callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:  # asyncio tells the loop's exception handler, which stays silent here
            pass


class ReplayLoop:
    """A deterministic event loop: first in, first out, nothing else.

    It has what asyncio's tasks, futures and locks ask of a loop; everything else of a loop is refused with the fix.

    Attributes:
        violation: the first thing that cannot be replayed, kept here because code may swallow what is raised.
        dead: the run is being torn down; branches that are created now are closed at once.
    """

    def __init__(self) -> None:
        self._ready: deque[Handle] = deque()
        self._tasks: list[tuple[asyncio.Task[Any], Context]] = []
        self._generators: dict[int, Context] = {}
        self._lost = Scope("/lost")
        self._outside = asyncio._get_running_loop()  # whoever drives it; asking anew at each drain is a system call
        self.violation: NotReplayable | None = None
        self.dead = False

    def scope(self) -> Scope:
        """Give the scope of the running branch; code in a context that the author emptied shares one of the run."""
        return SCOPE.get(self._lost)

    # What asyncio asks of a loop.

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None, **_: Any
    ) -> asyncio.Task[Any]:
        # A context that is given is copied: two branches that shared one would share its scope, and so their effects' paths.
        context = context.copy() if context is not None else copy_context()
        context.run(SCOPE.set, Scope(self.scope().next("t")))
        task = asyncio.Task(coro, loop=self, name=name or "branch", context=context)  # type: ignore[arg-type]
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # a suspended run leaves its branches pending on purpose
        self._tasks.append((task, context))
        return task

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:
        handle = Handle(callback, args, context if context is not None else copy_context())
        self._ready.append(handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def time(self) -> float:
        return 0.0

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Stay silent: an exception that nobody fetched is the automation's own affair, as its outcome shows."""

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Stay silent, as above."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: there are no timers."""

    def refuse(self, what: str, instead: str) -> NotReplayable:
        return self._stop(NotReplayable(f"{what} cannot be replayed in an automation. Use {instead} instead."))

    def too_much(self, message: str, kind: str) -> NotReplayable:
        return self._stop(TooMuch(message, kind))

    def _stop(self, error: NotReplayable) -> NotReplayable:
        self.violation = self.violation or error
        return error

    def __getattr__(self, name: str) -> Any:
        """Refuse the rest of what an event loop can do: clocks, threads, sockets, processes, signals."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name in ("call_later", "call_at"):
            raise self.refuse("A timer (asyncio.sleep, wait_for, timeout)", "task.sleep, task.timeout or task.race")
        raise self.refuse(f"A thread, process or socket (loop.{name})", "a step, or task.fetch")

    # What the run asks of it.

    def start(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Make the root branch. Nothing runs before the first `drain`."""
        context = copy_context()
        context.run(SCOPE.set, Scope(""))
        task = asyncio.Task(coro, loop=self, name="automation", context=context)  # type: ignore[arg-type]
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.append((task, context))
        return task

    def drain(self) -> None:
        """Run until every branch is blocked; raises NotReplayable for what a replay could not repeat."""
        before = self._enter()
        try:
            for _ in range(STEPS_MAX):
                if not self._ready:
                    break
                try:
                    self._ready.popleft().run()
                except SystemExit:  # asyncio lets it through, and it would end the worker
                    self.refuse("exit() or SystemExit", "return, or an error that is raised,")
            else:
                raise self.refuse("A loop that never waits for an effect", "a loop with an effect in it")
        finally:
            self._leave(before)
        if self.violation is not None and not self.dead:
            raise self.violation

    def cancel_rest(self, main: asyncio.Task[Any]) -> bool:
        """Cancel the branches that outlive the automation, as `asyncio.run` does; tells whether there are any."""
        rest = [task for task, _ in self._tasks if task is not main and not task.done()]
        if not rest:
            return False
        before = self._enter()
        try:
            for task in rest:
                task.cancel()
        finally:
            self._leave(before)
        return True

    def close_all(self) -> int:
        """Tear the run down: close each coroutine, newest first, in its own context. Gives how many would not end.

        The caller has made effects refuse before. Branches made meanwhile (in a `finally`) are closed as well.
        """
        self.dead = True
        if all(task.done() for task, _ in self._tasks):
            self._tasks.clear()
            self._ready.clear()
            return 0
        before = self._enter()
        stuck = 0
        try:
            while self._tasks:
                task, context = self._tasks.pop()
                stuck += not self._close(task, context)
        finally:
            self._leave(before)
            self._ready.clear()
        return stuck

    @staticmethod
    def _close(task: asyncio.Task[Any], context: Context) -> bool:
        coro = task.get_coro()
        if task.done() or coro is None:
            return True
        for _ in range(CLOSES_MAX):  # a `finally` that awaits "ignores GeneratorExit": close again
            try:
                context.run(coro.close)
            except RuntimeError as error:
                if "ignored GeneratorExit" in str(error):
                    continue
            except BaseException:  # the refusal itself, or whatever the author's finally raised
                pass
            return True
        return False

    def _began_generator(self, generator: Any) -> None:
        """Fix the place of an async generator's `finally` when it begins: when it is let go may be anybody's moment."""
        context = copy_context()
        context.run(SCOPE.set, Scope(self.scope().next("g")))
        self._generators[id(generator)] = context

    def _close_generator(self, generator: Any) -> None:
        """An async generator was let go unfinished. As in asyncio its `finally` runs as a branch; in a teardown it is closed."""
        context = self._generators.pop(id(generator), None) or copy_context()
        closing = generator.aclose()
        if not self.dead:
            task = asyncio.Task(closing, loop=self, name="aclose", context=context)  # type: ignore[arg-type]
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            self._tasks.append((task, context))
            return
        try:
            context.run(closing.send, None)
        except BaseException:  # StopIteration, or whatever its finally raised
            pass

    def _enter(self) -> Any:
        before = sys.get_asyncgen_hooks()
        TURN.number += 1
        TURN.loop = self
        asyncio._set_running_loop(self)  # type: ignore[arg-type]
        sys.set_asyncgen_hooks(firstiter=self._began_generator, finalizer=self._close_generator)
        return before

    def _leave(self, before: Any) -> None:
        TURN.loop = None
        asyncio._set_running_loop(self._outside)
        sys.set_asyncgen_hooks(*before)


class Never:
    """Yields once and is never woken: what a spinning handler meets while its run is torn down."""

    def __await__(self) -> Generator[None, None, None]:
        yield
