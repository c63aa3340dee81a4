"""What stands for the outside in a test: steps and models as plain functions, people as scripted answers, registers in memory."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from interlock.boundary.executors import PLATFORM, Plain
from interlock.domain import canonical, needs
from interlock.domain.approvals import Approval, counted
from interlock.domain.effects import Effect, Kind, Pending, Status
from interlock.domain.errors import ConfigurationError, Conflict, ExecutorFailed, InvalidInput, Refused
from interlock.domain.persons import person_of
from interlock.domain.ports import Call, Executed, Executor
from interlock.domain.reviews import ReviewRequest, ReviewState, Verdict, changes
from interlock.infra import modules
from interlock.infra.clock import Clock
from interlock.sdk.step import CALL, InvalidArguments, NonRetryable, Step, StepCall
from interlock.sdk.task import Fetched, Prediction

INJECTED = "InjectedFailure"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A scripted answer to a review.

    Attributes:
        values: amended fields, merged into what was shown; only with the verdict `amend`.
        after: how long after the review was opened it arrives.
    """

    verdict: Verdict | str
    values: BaseModel | Mapping[str, Any] | None = None
    by: str = "user:reviewer"
    reason: str | None = None
    after: timedelta = timedelta(0)


Script = Callable[[ReviewRequest], Answered | str | None]


@dataclass(kw_only=True)
class OpenedReview:
    """A review that an automation opened."""

    name: str
    task_id: str
    request: ReviewRequest
    opened_at: datetime
    state: ReviewState = ReviewState.OPEN
    answer: Mapping[str, Any] | None = None
    answers_at: datetime | None = None
    script: Answered | None = None
    values: Any = None
    given: list[Approval] = field(default_factory=list)

    @property
    def deadline(self) -> datetime | None:
        seconds = self.request.deadline_s
        return None if seconds is None else self.opened_at + timedelta(seconds=seconds)

    @property
    def unscripted(self) -> bool:
        """Nobody has said how it is answered: the test may, or lets it expire."""
        return self.state is ReviewState.OPEN and self.script is None


class FakeReviews(Plain):
    """The executor of `review`: people who answer as scripted, later by hand, or never."""

    def __init__(
        self,
        clock: Clock,
        scripts: Mapping[str, Script | Sequence[Answered | str]],
        judge: Callable[[ReviewRequest, Verdict, Any], None],
    ) -> None:
        self._clock = clock
        self._judge = judge
        self._scripts: dict[str, Script] = {name: _script(script) for name, script in scripts.items()}
        self._held: dict[tuple[str, int, str], OpenedReview] = {}

    def of(self, task_id: str) -> list[OpenedReview]:
        return [review for review in self._held.values() if review.task_id == task_id]

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        now = self._clock.now()
        key = call.task.info.id, call.task.generation, effect.id
        review = self._held.get(key)
        if review is None:
            request = ReviewRequest.model_validate(effect.input)
            review = OpenedReview(
                name=effect.name, task_id=call.task.info.id, request=request, opened_at=now, values=request.values
            )
            said = self._scripts[effect.name](request) if effect.name in self._scripts else None
            if said is not None:
                review.script = said if isinstance(said, Answered) else Answered(verdict=said)
                review.answers_at = now + review.script.after
            self._held[key] = review
        return self._now(review, now)

    def _now(self, review: OpenedReview, now: datetime) -> Executed | Pending:
        expires = review.deadline is not None and review.deadline <= now
        if review.state is ReviewState.OPEN and review.script is not None and review.answers_at is not None:
            in_time = review.deadline is None or review.answers_at < review.deadline
            if review.answers_at <= now and in_time:
                self.answer(review, review.script, at=review.answers_at)
        if review.answer is not None:
            return Executed(value=review.answer, by=review.answer["by"])
        if expires:
            review.state = ReviewState.EXPIRED
            value = {
                "verdict": Verdict.EXPIRED.value,
                "values": review.request.values,
                "at": now.isoformat(),
                "by": None,
            }
            error = {"kind": "Expired", "message": "nobody answered before the deadline"}
            return Executed(status=Status.EXPIRED, value=value, error=error)
        times = [at for at in (review.deadline, review.answers_at) if at is not None]
        return Pending(wake_at=min(times, default=None))

    def answer(self, review: OpenedReview, answer: Answered, *, at: datetime) -> None:
        """Answer an open review; raises Conflict where it is not open any more, InvalidInput for what it does not
        allow, Refused where the automation's policy for answers is against it."""
        if review.state is not ReviewState.OPEN or (review.deadline is not None and review.deadline <= at):
            raise Conflict(f"The review {review.name!r} is {review.state.value} or past its deadline.")
        verdict = Verdict(answer.verdict)
        if verdict not in review.request.allow:
            raise InvalidInput(f"The review {review.name!r} cannot be answered with {verdict.value}.")
        if (verdict is Verdict.AMEND) != (answer.values is not None):
            raise InvalidInput("Amended values go with the verdict amend, and only with it.")
        amended = canonical.plain(answer.values) if answer.values is not None else {}
        after = _merged(review.values, amended) if amended else review.values
        if unknown := sorted(amended.keys() - (review.request.form or {}).get("properties", amended).keys()):
            raise InvalidInput(f"The form of the review {review.name!r} has no field {', '.join(unknown)}.")
        if verdict is Verdict.APPROVE and after != review.request.values:
            verdict = Verdict.AMEND
        self._judge(review.request, verdict, after)
        if verdict is not Verdict.REJECT and review.script is None and not self._enough(review, answer, after, at):
            return
        review.state = ReviewState.ANSWERED
        review.answer = {
            "verdict": verdict.value,
            "values": after,
            "changes": [change.model_dump(mode="json") for change in changes(review.request.values, after)],
            "reason": answer.reason,
            "by": answer.by,
            "at": at.isoformat(),
        }

    def _enough(self, review: OpenedReview, answer: Answered, after: Any, at: datetime) -> bool:
        """Count an answer by hand where several people must approve; an amendment counts alone. A script stands for all of them.

        Raises Refused for who has approved already.
        """
        revision = (review.given[-1].revision if review.given else 0) + (after != review.values)
        persons = frozenset({person_of(answer.by)})
        if any(persons & one.persons for one in counted(review.given, revision)):
            raise Refused(f"{answer.by} has approved these values already.")
        review.values = after
        review.given.append(
            Approval(
                number=len(review.given) + 1,
                revision=revision,
                by=answer.by,
                persons=persons,
                verdict=str(answer.verdict),
                reason=answer.reason,
                at=at,
            )
        )
        return len(counted(review.given, revision)) >= review.request.approvals

    async def withdraw(self, effect: Effect, call: Call) -> None:
        review = self._held.get((call.task.info.id, call.task.generation, effect.id))
        if review is not None and review.state is ReviewState.OPEN:
            review.state = ReviewState.CANCELLED


def _given(secrets: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    for name in names:
        if name not in secrets:
            raise ExecutorFailed(
                f"There is no secret {name!r}.",
                kind="SecretMissing",
                retry=False,
                fix="Give secrets={…} to the harness.",
            )
    return {name: secrets[name] for name in names}


@dataclass
class FakeSteps(Plain):
    """The executor of `step`: the real function in this process, or what the test gives in its place."""

    given: Mapping[Step[Any, Any] | str, Callable[..., Any]]
    config: Mapping[str, Any]
    registers: FakeRegisters
    secrets: Mapping[str, str] = field(default_factory=dict)

    def opens(self, effect: Effect) -> bool:
        return bool(effect.options.get("at_most_once"))

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        if effect.target.startswith(PLATFORM):
            return self.registers.execute(effect, call)
        step = _step(effect.target)
        token = CALL.set(
            StepCall(
                idempotency_key=call.idempotency_key,
                attempt=call.attempt,
                task_id=call.task.info.id,
                config=self.config,
                secrets=_given(self.secrets, effect.options.get("secrets", ())),
            )
        )
        try:
            arguments, left_out = needs.keep(effect.input, effect.options.get("needs", ()))
            value = canonical.plain(await self._run(step, arguments))
            return Executed(value=value, duration_ms=0.0, left_out=left_out)
        except InvalidArguments as error:
            raise ExecutorFailed(str(error), kind="InvalidArguments", retry=False) from error
        except NonRetryable as error:
            raise ExecutorFailed(str(error), kind="NonRetryable", retry=False) from error
        except ExecutorFailed:
            raise
        except Exception as error:
            raise ExecutorFailed(str(error), kind=type(error).__name__) from error
        finally:
            CALL.reset(token)

    async def _run(self, step: Step[Any, Any], arguments: Mapping[str, Any]) -> Any:
        instead = next((f for key, f in self.given.items() if key is step or key == step.name), None)
        if instead is None:
            return await step.run(arguments)
        result = instead(**step.values(arguments))
        return await result if inspect.isawaitable(result) else result


@dataclass
class FakeRegisters:
    """Keys that are unique in the tenant, shared by all tasks of a harness."""

    held: dict[tuple[str, str], str] = field(default_factory=dict)

    def execute(self, effect: Effect, call: Call) -> Executed:
        _, verb, register = effect.target.split(":", 2)
        keys, me = sorted(set(effect.input["keys"])), call.task.info.id
        holders = {key: self.held[register, key] for key in keys if (register, key) in self.held}
        if verb == "reserve" and all(holder == me for holder in holders.values()):
            self.held |= {(register, key): me for key in keys}
        if verb == "release":
            for key in [key for key in keys if holders.get(key) == me]:
                del self.held[register, key]
        holders = {key: self.held[register, key] for key in keys if (register, key) in self.held}
        return Executed(value={"held": all(holders.get(key) == me for key in keys), "holders": holders})


@dataclass
class FakeModels(Plain):
    """The executor of `infer`: a function an endpoint, from the request in plain JSON to what was read."""

    given: Mapping[str, Callable[[dict[str, Any]], Any]]

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        predict = self.given.get(effect.target)
        if predict is None:
            raise ConfigurationError(
                f"The automation infers against {effect.target!r}, and the harness has no predictor for it.",
                fix=f"Give predictors={{{effect.target!r}: lambda request: …}}.",
            )
        found = await _called(predict, effect.input)
        if isinstance(found, Prediction):
            return Executed(
                value=canonical.plain(found.value), confidence=found.confidence, model_version=found.model_version
            )
        return Executed(value=canonical.plain(found), model_version="testing")


@dataclass
class FakeFetch(Plain):
    """The executor of `fetch`: one function, from the request (url, method, body, headers) to the answer."""

    given: Callable[[dict[str, Any]], Any] | None

    def opens(self, effect: Effect) -> bool:
        return True

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        if self.given is None:
            raise ConfigurationError(
                f"The automation fetches {effect.target}, and the harness has nothing for it.",
                fix="Give fetch=lambda request: Fetched(status=200, body=…).",
            )
        found = await _called(self.given, effect.input)
        answer = found if isinstance(found, Fetched) else Fetched(status=200, body=canonical.dumps(found).decode())
        return Executed(value={"status": answer.status, "body": answer.body, "headers": dict(answer.headers)})


@dataclass
class Faulty:
    """Stands before an executor: lets one effect fail, and shuffles the order in which effects end."""

    inner: Executor
    failing: str | None = None
    for_good: bool = False
    shuffle: random.Random | None = None

    def opens(self, effect: Effect) -> bool:
        return self.inner.opens(effect)

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        for _ in range(self.shuffle.randrange(6) if self.shuffle is not None else 0):
            await asyncio.sleep(0)
        if effect.id == self.failing and (self.for_good or call.attempt == 1):
            raise ExecutorFailed("It fails because the test says so.", kind=INJECTED, retry=not self.for_good)
        return await self.inner.execute(effect, call)

    async def withdraw(self, effect: Effect, call: Call) -> None:
        await self.inner.withdraw(effect, call)


CAN_FAIL = frozenset({Kind.INFER, Kind.STEP, Kind.FETCH})


async def _called(function: Callable[[dict[str, Any]], Any], value: Any) -> Any:
    """Call what a test gave; an error of it is the failure of the effect."""
    try:
        result: Any = function(canonical.plain(value))
        if isinstance(result, Awaitable):
            result = await result
    except ExecutorFailed:
        raise
    except NonRetryable as error:
        raise ExecutorFailed(str(error), kind="NonRetryable", retry=False) from error
    except Exception as error:
        raise ExecutorFailed(str(error), kind=type(error).__name__) from error
    return result


def _step(target: str) -> Step[Any, Any]:
    module, _, name = target.partition(":")
    found = getattr(modules.load(module), name, None)
    if not isinstance(found, Step):
        raise ConfigurationError(f"{target} is no step.", fix="Declare it with @step at the top level of its module.")
    return found


def _script(script: Script | Sequence[Answered | str]) -> Script:
    if callable(script):
        return script
    answers: Iterator[Answered | str] = iter((script,) if isinstance(script, str) else tuple(script))
    return lambda _: next(answers, None)


def _merged(shown: Any, amended: Any) -> Any:
    if not isinstance(shown, dict) or not isinstance(amended, dict):
        return amended
    return {**shown, **{name: _merged(shown.get(name), value) for name, value in amended.items()}}
