"""One attempt of one task, in memory: the automation on its private loop, and the effects that it waits for.

Whoever drives a run delivers recorded outcomes in their recorded order, one at a time, then performs what is `fresh`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from interlock.domain.effects import Effect, Outcome, Recorded
from interlock.domain.errors import Nondeterministic
from interlock.sdk.loop import Never, NotReplayable, ReplayLoop

REFUSALS_MAX = 100


class Abandoned(BaseException):
    """An effect was asked of a run that is being torn down."""


class Run:
    """An automation in execution.

    Attributes:
        pending: effect ID → (effect, future), in the order asked.
        fresh: IDs asked since the driver last took them.
        withdrawn: effects whose branch was cancelled by the automation before they had an outcome.
    """

    def __init__(self, start: Callable[[Run], Coroutine[Any, Any, Any]], effects_max: int = 10_000) -> None:
        self.loop = ReplayLoop()
        self.pending: dict[str, tuple[Effect, asyncio.Future[Outcome]]] = {}
        self.fresh: list[str] = []
        self.withdrawn: list[Effect] = []
        self._gone: set[str] = set()
        self._asked = 0
        self._effects_max = effects_max
        self._refused = 0
        self._returned = False
        self.main = self.loop.start(start(self))

    # What the author's kit calls.

    def next_id(self, name: str) -> str:
        return self.loop.scope().next(name)

    async def alive(self) -> None:
        """The first line of every effect: refuses at once, without yielding, while the run is torn down."""
        if not self.loop.dead:
            return
        self._refused += 1
        if self._refused < REFUSALS_MAX:
            raise Abandoned
        await Never()

    async def ask(self, effect: Effect) -> Outcome:
        """Wait for the outcome of an effect. Plain future: nothing is raised at the wait when the run suspends."""
        self._asked += 1
        if self._asked > self._effects_max:
            raise self.loop.too_much(
                f"The task asks for more than {self._effects_max} effects, the most that one may have. Raise "
                "INTERLOCK_EFFECTS_PER_TASK_MAX and start the worker again, and it goes on; or hand the work in as several tasks.",
                "TooManyEffects",
            )
        future = self.loop.create_future()
        self.pending[effect.id] = (effect, future)
        self.fresh.append(effect.id)
        try:
            outcome: Outcome = await future
            return outcome
        finally:
            self.pending.pop(effect.id, None)
            if future.cancelled() and not self.loop.dead:
                self.withdrawn.append(effect)
                self._gone.add(effect.id)

    # What the driver calls.

    @property
    def ended(self) -> bool:
        """Tell whether the automation is over: it returned, and what its cancelled branches still ask in their clean-up is done."""
        return self.main.done() and not self.pending

    def drain(self) -> None:
        """Run until every branch is blocked. When the automation has returned, its other branches are cancelled first."""
        self.loop.drain()
        if self.main.done() and not self._returned:
            self._returned = True
            if self.loop.cancel_rest(self.main):
                self.loop.drain()

    def take_fresh(self) -> list[Effect]:
        """Give the effects asked since the last call that are still wanted, in the order asked."""
        asked, self.fresh = self.fresh, []
        return [self.pending[i][0] for i in asked if i in self.pending]

    def take_withdrawn(self) -> list[Effect]:
        gone, self.withdrawn = self.withdrawn, []
        return gone

    def wants(self, effect_id: str) -> bool:
        return effect_id in self.pending

    def deliver(self, recorded: Recorded) -> None:
        """Release one outcome to the branch that waits for it; raises Nondeterministic where none, or another, does."""
        found = self.pending.get(recorded.id)
        if found is None and recorded.id in self._gone:
            return  # it was cancelled while its outcome was being recorded
        if found is None:
            asks = [{"id": e.id, "kind": e.kind.value, "name": e.name} for e, _ in self.pending.values()]
            done = "the automation has ended" if self.main.done() else "the automation does not ask for it"
            raise Nondeterministic(
                f"The journal holds an outcome of {recorded.id}, but {done}.",
                recorded=_told(recorded),
                asked={"asks": asks},
            )
        effect, future = found
        if effect.input_digest != recorded.input_digest:
            raise Nondeterministic(
                f"{recorded.id} is asked with another input than the journal holds.",
                recorded=_told(recorded),
                asked={
                    "id": effect.id, "kind": effect.kind.value, "name": effect.name, "input_digest": effect.input_digest.hex(),
                    "input": effect.input,
                },
            )  # fmt: skip
        if not future.done():
            future.set_result(recorded.outcome)

    def cancel(self) -> None:
        """Ask the automation to stop: `CancelledError` at what it waits for, so that its `except` and `finally` run."""
        self.main.cancel()

    def result(self) -> Any:
        """Give what the automation returned, or raise what it raised: an Exception, or CancelledError."""
        try:
            return self.main.result()
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # it would pass every handler of the worker
            raise RuntimeError(f"The automation raised {type(error).__name__}: {error}") from error

    def abandon(self) -> int:
        """Tear down: no effect is performed from here on. Gives how many coroutines would not end."""
        self.loop.dead = True
        return self.loop.close_all()


def _told(recorded: Recorded) -> dict[str, str]:
    """Tell what the journal holds, for whoever reads why a task is blocked."""
    return {
        "id": recorded.id,
        "kind": recorded.kind.value,
        "name": recorded.name,
        "input_digest": recorded.input_digest.hex(),
    }


__all__ = ["Abandoned", "NotReplayable", "Run"]
