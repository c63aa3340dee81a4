"""Run an automation in this process, against fakes, in milliseconds, with a clock that jumps.

Behind the harness stand the real `Advance` and the real effect boundary; only the stores and the executors are fakes. So what a
test sees is what an engine does: replay from the journal at each wake-up, retries, suspension, parking.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from interlock.boundary.executors import DecideExecutor, EmitExecutor, NowExecutor, SleepExecutor
from interlock.boundary.perform import Boundary
from interlock.data.objects import MemoryObjects
from interlock.domain import canonical
from interlock.domain.decisions import Answer, Decision, Reason
from interlock.domain.effects import Effect, Kind, Outcome, Status
from interlock.domain.errors import ConfigurationError, Conflict, NotFound, Refused
from interlock.domain.ids import is_name, new_correlation_id, new_id
from interlock.domain.ports import Executor
from interlock.domain.reviews import ReviewRequest, Verdict
from interlock.domain.tasks import ENDED, Claimed, State, TaskInfo
from interlock.governance import ask
from interlock.governance.decide import Bundle
from interlock.orchestration.advance import Advance
from interlock.orchestration.answers import answer_facts
from interlock.orchestration.automations import Registered
from interlock.orchestration.task_actions import ACTING
from interlock.sdk.automation import Automation
from interlock.sdk.step import Step
from interlock.sdk.task import Task
from interlock.testing import journals
from interlock.testing.executors import (
    CAN_FAIL,
    Answered,
    FakeFetch,
    FakeModels,
    FakeRegisters,
    FakeReviews,
    FakeSteps,
    Faulty,
    OpenedReview,
    Script,
)
from interlock.testing.fakes import START, HurriedJournal, JumpingClock, MemoryTasks, Moment, Row, Tables

TENANT = "testing"
ROUNDS_MAX = 10_000
BYTES_MAX = 100_000_000

Policy = Callable[[str, Mapping[str, Any]], Decision | Answer | str]


@dataclass(frozen=True, kw_only=True)
class EffectRow:
    """An effect as the journal holds it."""

    id: str
    kind: Kind
    name: str
    target: str
    input: Any
    outcome: Outcome
    at: datetime

    @property
    def status(self) -> Status:
        return self.outcome.status

    @property
    def value(self) -> Any:
        return self.outcome.value

    @property
    def attempts(self) -> int:
        return self.outcome.attempts


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a task stands.

    Attributes:
        output: what the automation returned, in plain JSON. error: `{"kind", "message", …}` where it failed or is blocked.
        effects: the journal, in the order of release. timeline: what happened and when, attempts and waits too.
        journal: plain JSON to keep and to `replay`.
    """

    task_id: str
    state: State
    output: Any
    error: Mapping[str, Any] | None
    effects: tuple[EffectRow, ...]
    timeline: tuple[Moment, ...]
    journal: Mapping[str, Any]

    def effect(self, name: str) -> EffectRow:
        """Give the last effect of this name; raises NotFound that lists those there are."""
        found = [row for row in self.effects if row.name == name]
        if not found:
            raise NotFound(f"No effect {name!r} is recorded.", fix=f"There are: {', '.join(self.names) or 'none'}.")
        return found[-1]

    @property
    def names(self) -> list[str]:
        """Names of the recorded effects, in the order of release."""
        return [row.name for row in self.effects]

    def dump_journal(self, path: Path) -> None:
        """Write the journal to a file, for `replay` in CI."""
        journals.write(self.journal, path)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run of `each_effect_failing_once`: which effect failed, at its first attempt or for good, and what came of it."""

    effect: EffectRow
    for_good: bool
    result: Result

    def __str__(self) -> str:
        return f"{self.effect.id} failing {'for good' if self.for_good else 'once'}"


@dataclass(kw_only=True)
class Harness:
    """An automation with fakes around it. Registers and the clock are shared by the tasks of one harness.

    Args:
        automation: what `@automation` made, or a `Registered` one, which brings its name, policy and declared effects.
        steps: by step or by its name, what to call in place of the real function, with the same arguments.
        predictors: by endpoint, from the request in plain JSON to what was read (plain, a model, or a Prediction).
        decide: the answer to `task.decide`, from action and facts; by default `policy`, the automation's policy folder.
        reviews: by the review's name, answers in turn or a function of the request; None, or none left, leaves it open.
        fetch: from a request to a Fetched, or to the JSON of its body.
        denied: effects that the policy refuses, as `kind:name`.
        config: the `[config]` table that steps see.
        secrets: values of connection secrets that steps declare, by name.
        seed: shuffles the order in which effects end. name: the automation's, by default its function's with dashes.
    """

    automation: Automation[Any, Any] | Registered
    steps: Mapping[Step[Any, Any] | str, Callable[..., Any]] = field(default_factory=dict)
    predictors: Mapping[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    decide: Policy | None = None
    policy: Path | None = None
    reviews: Mapping[str, Script | Sequence[Answered | str]] = field(default_factory=dict)
    fetch: Callable[[dict[str, Any]], Any] | None = None
    denied: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    name: str | None = None
    start: datetime = START
    submitted_by: str = "user:submitter"
    labels: Mapping[str, str] = field(default_factory=dict)
    effects_max: int = 10_000
    seed: int | None = None
    failing: str | None = None
    for_good: bool = False

    def __post_init__(self) -> None:
        registered = self.automation if isinstance(self.automation, Registered) else None
        self._code = registered.automation if registered else _automation(self.automation)
        self._name = registered.name if registered else self.name or _name(self._code)
        self._effects = registered.manifest.effects if registered else tuple(kind.value for kind in Kind)
        self._version = registered.manifest.version if registered else "0.0.0"
        self._bundle = registered.bundle if registered else Bundle.load([self.policy]) if self.policy else None
        self.clock = JumpingClock(self.start)
        self._tables = Tables(clock=self.clock, objects=MemoryObjects())
        self._tasks = MemoryTasks(self._tables)
        self._journal = HurriedJournal(self._tables, inline_bytes_max=BYTES_MAX, outcome_bytes_max=BYTES_MAX)
        self._people = FakeReviews(self.clock, self.reviews, self._judge)
        self.registers = FakeRegisters()
        self._boundary = Boundary(
            store=self._journal,
            decide=self._may,
            executors=self._executors(),
            cost_usd=lambda _: "0",
            uniform=lambda: 0.0,
        )
        self._task_id = ""

    # What a test does.

    async def run(self, value: BaseModel | Mapping[str, Any]) -> Result:
        """Submit a task and go on until it ends, is blocked, or waits for a person whom nobody scripted."""
        self._task_id = new_id("task")
        info = TaskInfo(
            id=self._task_id,
            tenant=TENANT,
            automation=self._name,
            version=self._version,
            correlation_id=new_correlation_id(),
            submitted_by=self.submitted_by,
            subject=f"task:{self._task_id}",
            labels=dict(self.labels),
        )
        valid = self._code.input.model_validate(canonical.plain(value))
        self._tasks.accept(info, valid.model_dump(mode="json", by_alias=True))
        return await self._go()

    async def answer(
        self,
        name: str,
        verdict: Verdict | str,
        *,
        values: BaseModel | Mapping[str, Any] | None = None,
        by: str = "user:reviewer",
        reason: str | None = None,
    ) -> Result:
        """Answer the open review of this name, now, and go on. Raises NotFound, Conflict, InvalidInput or Refused."""
        review = next((r for r in self.open_reviews if r.name == name), None)
        if review is None:
            there = ", ".join(r.name for r in self.open_reviews) or "none"
            raise NotFound(f"No review {name!r} is open.", fix=f"Open are: {there}.")
        answer = Answered(verdict=verdict, values=values, by=by, reason=reason)
        self._people.answer(review, answer, at=self.clock.now())
        await self._tasks.wake(TENANT, self._task_id)
        return await self._go()

    async def advance(self, by: timedelta) -> Result:
        """Let time pass: whatever becomes due meanwhile happens at its time, reviews expire at their deadline."""
        until = self.clock.now() + by
        result = await self._go(until)
        self.clock.jump(until)
        return result

    async def cancel(self) -> Result:
        """Ask the task to stop, and go on: its `except` and `finally` run."""
        await self._tasks.cancel(TENANT, self._task_id)
        return await self._go()

    async def retry(self) -> Result:
        """Try the failed task again from the effect that failed, and go on. Raises Conflict where it has not failed, or acted outside since."""
        row = self._tables.row(TENANT, self._task_id)
        if row.state is not State.FAILED:
            raise Conflict(f"Only a failed task can be tried again; this one is {row.state.value}.")
        stored = sorted(self._journal.rows(row.info, row.generation), key=lambda s: s.recorded.seq)
        failed = [s.recorded.seq for s in stored if s.recorded.outcome.status in (Status.FAILED, Status.DENIED)]
        from_seq = failed[-1] if failed else len(stored) + 1
        later = [s.effect.name for s in stored if s.recorded.seq > from_seq and s.effect.kind.value in ACTING]
        if later:
            raise Conflict(f"After the effect that failed the task went on to {', '.join(later)}.")
        self._tasks.retry(TENANT, self._task_id, from_seq)
        return await self._go()

    async def deploy(self, automation: Automation[Any, Any]) -> Result:
        """Go on with changed code, as after a release: code that no longer fits the journal parks the task as blocked."""
        self._code = _automation(automation)
        await self._tasks.wake(TENANT, self._task_id)
        return await self._go()

    async def replay(self) -> Result:
        """Wake the task for no reason: it runs again from the top, and must stand where it stood."""
        await self._tasks.wake(TENANT, self._task_id)
        return await self._go()

    async def each_effect_failing_once(self, value: BaseModel | Mapping[str, Any]) -> AsyncIterator[Case]:
        """Run the automation twice for each step, model and fetch: failing at its first attempt, and failing for good.

        Each run has fresh registers, journal and clock. An effect without retries that fails once has failed.
        """
        first = await self._fresh(None, False).run(value)
        for row in first.effects:
            if row.kind in CAN_FAIL:
                for for_good in (False, True):
                    result = await self._fresh(row.id, for_good).run(value)
                    yield Case(effect=row, for_good=for_good, result=result)

    @property
    def open_reviews(self) -> list[OpenedReview]:
        """Reviews of the task that wait for an answer that nobody scripted."""
        return [review for review in self._people.of(self._task_id) if review.unscripted]

    # How it goes on.

    async def _go(self, until: datetime | None = None) -> Result:
        for _ in range(ROUNDS_MAX):
            row = self._tables.row(TENANT, self._task_id)
            claimed = self._tasks.claim(only=self._task_id)
            if claimed:
                await self._attempt(claimed[0]).go()
            elif row.state in ENDED or not self._jump(row, until):
                return self._result(row)
        raise ConfigurationError(
            f"The task was woken {ROUNDS_MAX} times and has not ended.",
            fix="Look for a loop that waits in the automation.",
        )

    def _jump(self, row: Row, until: datetime | None) -> bool:
        """Let the clock jump to when the task is due; never past a person who may still answer, unless told until when."""
        if row.due_at is None or (until is None and self.open_reviews) or (until is not None and row.due_at > until):
            return False
        self.clock.jump(row.due_at)
        return True

    def _attempt(self, task: Claimed) -> Advance:
        async def begin(task: Claimed, handle: Task) -> Any:
            return await self._code.run(handle, task.input)

        return Advance(
            task=task,
            start=begin,
            journal=self._journal,
            tasks=self._tasks,
            boundary=self._boundary,
            effects_max=self.effects_max,
        )

    def _result(self, row: Row) -> Result:
        stored = sorted(self._journal.rows(row.info, row.generation), key=lambda s: s.recorded.seq)
        rows = [(s.effect, s.recorded) for s in stored]
        return Result(
            task_id=row.info.id,
            state=row.state,
            output=row.output,
            error=row.error,
            effects=tuple(
                EffectRow(
                    id=s.effect.id,
                    kind=s.effect.kind,
                    name=s.effect.name,
                    target=s.effect.target,
                    input=s.effect.input,
                    outcome=s.recorded.outcome,
                    at=s.at,
                )
                for s in stored
            ),
            timeline=tuple(self._tables.moments.get((TENANT, row.info.id), ())),
            journal=journals.to_json(row.info, row.input, rows, row.state, row.output, row.error),
        )

    # What stands behind the boundary.

    def _executors(self) -> dict[Kind, Executor]:
        shuffle = None if self.seed is None else random.Random(self.seed)  # noqa: S311
        behind: dict[Kind, Executor] = {
            Kind.INFER: FakeModels(self.predictors),
            Kind.STEP: FakeSteps(self.steps, self.config, self.registers, self.secrets),
            Kind.REVIEW: self._people,
            Kind.EMIT: EmitExecutor(),
            Kind.FETCH: FakeFetch(self.fetch),
            Kind.SLEEP: SleepExecutor(self.clock),
            Kind.NOW: NowExecutor(self.clock),
            Kind.DECIDE: DecideExecutor(self._decided),
        }
        return {
            kind: Faulty(executor, failing=self.failing, for_good=self.for_good, shuffle=shuffle)
            for kind, executor in behind.items()
        }

    async def _may(self, effect: Effect, task: Claimed) -> Decision:
        if f"{effect.kind.value}:{effect.name}" in self.denied:
            return _decision(Answer.DENY, "The test denies it.")
        if self._bundle is None:
            return _decision(Answer.ALLOW, "A harness without a policy allows every effect.")
        return ask.effect(
            self._bundle,
            tenant=TENANT,
            automation=self._name,
            effects=self._effects,
            kind=effect.kind.value,
            name=effect.name,
        )

    async def _decided(self, task: Claimed, action: str, facts: Mapping[str, Any]) -> Decision:
        if self.decide is not None:
            found = self.decide(action, facts)
            return found if isinstance(found, Decision) else _decision(Answer(found), "The test decides so.")
        if self._bundle is None:
            raise ConfigurationError(
                f"The automation asks its policy about {action!r}, and the harness has none.",
                fix="Give decide=lambda action, facts: 'allow', or policy=Path('policy').",
            )
        return ask.business(
            self._bundle, tenant=TENANT, automation=self._name, effects=self._effects, action=action, facts=facts
        )

    def _judge(self, request: ReviewRequest, verdict: Verdict, after: Any) -> None:
        """Ask the automation's policy for answers, where there is one; who may answer at all is the API's, not the automation's."""
        if request.policy is None or self._bundle is None:
            return
        facts = answer_facts(request, verdict, after, today=self.clock.now().date())
        decision = ask.business(
            self._bundle,
            tenant=TENANT,
            automation=self._name,
            effects=self._effects,
            action=request.policy,
            facts=facts,
        )
        if not decision.allowed:
            raise Refused(
                "; ".join(f"{r.text} [{r.policy}]" for r in decision.reasons), extra={"decision": decision.as_json()}
            )

    def _fresh(self, failing: str | None, for_good: bool) -> Harness:
        given = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Harness(**{**given, "failing": failing, "for_good": for_good})


def _automation(value: Any) -> Automation[Any, Any]:
    if not isinstance(value, Automation):
        raise TypeError(f"{value!r} is no automation: give what @automation made of the function")
    return value


def _name(code: Automation[Any, Any]) -> str:
    name = getattr(code.function, "__name__", "").strip("_").replace("_", "-")
    return name if is_name(name) else "automation"


def _decision(answer: Answer, why: str) -> Decision:
    return Decision(answer=answer, reasons=(Reason(policy="testing", text=why),), policy_version="testing")
