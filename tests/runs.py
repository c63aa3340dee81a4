"""Drive the private event loop by hand: play an automation in an order of one's choice, and replay what was recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock.domain.effects import Effect, Kind, Outcome, Recorded, Status
from interlock.domain.errors import Nondeterministic
from interlock.domain.tasks import TaskInfo
from interlock.sdk.run import Run
from interlock.sdk.task import Task

INFO = TaskInfo(
    id="task_1", tenant="acme", automation="a", version="1.0.0", correlation_id="0" * 32, submitted_by="user:a", subject="s"
)  # fmt: skip

Body = Callable[[Task], Awaitable[Any]]
Pick = Callable[[Sequence[Effect]], int]


@dataclass
class Played:
    """What came of a run: effects in the order asked, what was recorded in its order, and the result or error."""

    asked: list[Effect] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    result: Any = None

    @property
    def ids(self) -> list[str]:
        return [effect.id for effect in self.asked]

    @property
    def inputs(self) -> list[tuple[str, bytes]]:
        return [(effect.id, effect.input_digest) for effect in self.asked]


def begin(body: Body, *, effects_max: int = 10_000, kind: type[Run] = Run) -> Run:
    async def start(run: Run) -> Any:
        return await body(Task(INFO, run))

    return kind(start, effects_max)


async def say(task: Task, name: str, text: str = "") -> str:
    """An effect for tests; its outcome is its own text."""
    return (await task.fetch(text or name, name=name)).body


def outcome_of(effect: Effect) -> Outcome:
    if effect.kind is Kind.FETCH:
        return Outcome(status=Status.OK, value={"status": 200, "body": effect.target})
    if effect.kind is Kind.NOW:
        return Outcome(status=Status.OK, value="2026-01-01T00:00:00+00:00")
    return Outcome(status=Status.OK)


def record(effect: Effect, seq: int, outcome: Outcome | None = None) -> Recorded:
    return Recorded(
        id=effect.id,
        kind=effect.kind,
        name=effect.name,
        input_digest=effect.input_digest,
        seq=seq,
        outcome=outcome or outcome_of(effect),
    )


def play(body: Body, pick: Pick, *, until: int = 10_000, outcome: Callable[[Effect], Outcome] = outcome_of) -> Played:
    """Run to its end, or for `until` outcomes; `pick` says which of the effects in flight is recorded next."""
    run, played, in_flight = begin(body), Played(), list[Effect]()
    run.drain()
    while True:
        fresh = run.take_fresh()
        played.asked += fresh
        in_flight = [effect for effect in in_flight + fresh if run.wants(effect.id)]
        if run.ended or len(played.recorded) >= until:
            return _finish(run, played)
        assert in_flight, "the automation waits for nothing that could be recorded"
        effect = in_flight.pop(pick(in_flight) % len(in_flight))
        played.recorded.append(record(effect, len(played.recorded) + 1, outcome(effect)))
        run.deliver(played.recorded[-1])
        run.drain()


def replay(body: Body, recorded: Sequence[Recorded]) -> Played:
    """Deliver what was recorded in its order, one at a time."""
    run, played = begin(body), Played(recorded=list(recorded))
    seen: dict[str, Effect] = {}
    run.drain()
    _note(run, seen)
    for row in recorded:
        run.deliver(row)
        run.drain()
        _note(run, seen)
    played.asked = list(seen.values())
    return _finish(run, played)


def replay_at_once(body: Body, recorded: Sequence[Recorded]) -> Played:
    """The mutant: whatever is recorded is delivered as soon as it is asked for, all at once."""
    run, played = begin(body), Played(recorded=list(recorded))
    known = {row.id: row for row in recorded}
    seen: dict[str, Effect] = {}
    run.drain()
    while True:
        _note(run, seen)
        due = [known[i] for i in list(run.pending) if i in known and not run.pending[i][1].done()]
        if not due:
            played.asked = list(seen.values())
            return _finish(run, played)
        try:
            for row in due:
                run.deliver(row)
            run.drain()
        except Nondeterministic as found:
            run.abandon()
            return Played(recorded=list(recorded), result=repr(found))


def _note(run: Run, seen: dict[str, Effect]) -> None:
    for identity in run.fresh:
        if identity in run.pending:
            seen.setdefault(identity, run.pending[identity][0])
    run.fresh.clear()


def _finish(run: Run, played: Played) -> Played:
    if run.main.done():
        try:
            played.result = run.result()
        except BaseException as error:
            played.result = repr(error)
    run.abandon()
    return played
