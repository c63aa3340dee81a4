"""What an automation sees of its task: the effects, as awaitable verbs.

Loops, branches, `asyncio.gather`, `asyncio.TaskGroup` and `try`/`except` work as in Python. What asyncio does with a clock or a
set (`sleep`, `wait_for`, `timeout`, `wait`, `as_completed`) has a replayable twin here.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from types import TracebackType
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel, TypeAdapter

from interlock.domain import canonical, pointers
from interlock.domain.decisions import Decision
from interlock.domain.effects import Effect, Kind, Outcome, Status
from interlock.domain.ids import is_name
from interlock.domain.reviews import Change, ReviewRequest, Verdict
from interlock.domain.tasks import TaskInfo
from interlock.sdk.step import Step

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
I = TypeVar("I", bound=BaseModel)  # noqa: E741
O = TypeVar("O")  # noqa: E741
M = TypeVar("M", bound=BaseModel)


class EffectFailed(Exception):  # reads as a sentence where it is caught
    """An effect ended without a result, all its retries included.

    Attributes: `kind` is the name of the error's class where it happened, `effect` the effect's ID.
    """

    def __init__(self, message: str, *, kind: str, effect: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.effect = effect


class Denied(EffectFailed):
    """The policy refused the effect. `decision` says why."""

    def __init__(self, message: str, *, effect: str, decision: Decision | None) -> None:
        super().__init__(message, kind="Denied", effect=effect)
        self.decision = decision


@dataclass(frozen=True)
class Endpoint(Generic[I, O]):
    """A stable name to infer against, with the types of its input and output."""

    name: str
    input: type[I]
    output: type[O]


@dataclass(frozen=True, kw_only=True)
class Prediction(Generic[O]):
    """What a model answered. `confidence` is the calibrated probability that it is right, None where the model has none."""

    value: O
    confidence: float | None
    model_version: str


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[M]):
    """How a review ended. `values` are the amended ones where the verdict is amend, else those that were shown."""

    verdict: Verdict
    values: M
    by: str | None
    at: datetime
    reason: str | None = None
    changes: tuple[Change, ...] = ()
    approvals: tuple[Mapping[str, Any], ...] = ()
    """Where several people had to approve: who did, when and why."""

    @property
    def approved(self) -> bool:
        """Approved as shown, or as amended. An expired review is not."""
        return self.verdict in (Verdict.APPROVE, Verdict.AMEND)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """An HTTP answer: status, and the body as text (JSON by `.json()`)."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return canonical.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """Who holds each key of a register. `held` is true when this task holds them all."""

    held: bool
    holders: Mapping[str, str]


class Asker(Protocol):
    """What the kit needs of a run: an ID for the next effect, and its outcome."""

    def next_id(self, name: str) -> str: ...
    async def alive(self) -> None: ...
    async def ask(self, effect: Effect) -> Outcome: ...


@lru_cache(maxsize=4_096)
def _begun(kind: Kind, name: str, target: str) -> hashlib._Hash:
    """Give the hash over the canonical form of a list of the three and one value more, up to where that begins."""
    return hashlib.sha256(canonical.dumps([kind.value, name, target])[:-1] + b",")


def input_digest(kind: Kind, name: str, target: str, text: bytes) -> bytes:
    """Give what a replay compares: SHA-256 over the canonical list of kind, name, target and input, whose canonical text is given."""
    found = _begun(kind, name, target).copy()
    found.update(text + b"]")
    return found.digest()


class Task:
    """The running task. Everything that touches the world outside goes through one of its verbs."""

    def __init__(self, info: TaskInfo, asker: Asker) -> None:
        self.info = info
        self._asker = asker

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def correlation_id(self) -> str:
        return self.info.correlation_id

    @property
    def labels(self) -> Mapping[str, str]:
        return self.info.labels

    @property
    def submitted_by(self) -> str:
        """Who submitted the task, such as `user:amir`."""
        return self.info.submitted_by

    async def _perform(
        self, kind: Kind, name: str, target: str, value: Any, options: Mapping[str, Any] | None = None
    ) -> Outcome:
        await self._asker.alive()
        if not is_name(name):
            raise ValueError(f"effect name {name!r}: use lower-case words of letters and digits joined by dashes")
        plain, text = canonical.both(value)
        effect = Effect(
            id=self._asker.next_id(name),
            kind=kind,
            name=name,
            target=target,
            input=plain,
            input_digest=input_digest(kind, name, target, text),
            options=options or {},
            input_text=text,
        )
        return await self._asker.ask(effect)

    async def _result(
        self, kind: Kind, name: str, target: str, value: Any, options: Mapping[str, Any] | None = None
    ) -> Outcome:
        outcome = await self._perform(kind, name, target, value, options)
        if outcome.status is Status.OK:
            return outcome
        error = outcome.error or {}
        message = str(error.get("message", outcome.status.value))
        if outcome.status is Status.DENIED:
            raise Denied(f"{name}: {message}", effect=name, decision=outcome.decision)
        raise EffectFailed(f"{name}: {message}", kind=str(error.get("kind", outcome.status.value)), effect=name)

    async def infer(self, endpoint: Endpoint[I, O], value: I, *, name: str | None = None) -> Prediction[O]:
        """Let a model read. Raises Denied or EffectFailed.

        Args:
            name: what people see; by default the endpoint's name.
        """
        outcome = await self._result(Kind.INFER, name or endpoint.name, endpoint.name, value)
        return Prediction(
            value=TypeAdapter(endpoint.output).validate_python(outcome.value),
            confidence=outcome.confidence,
            model_version=outcome.model_version or "",
        )

    async def decide(self, action: str, facts: BaseModel | Mapping[str, Any]) -> Decision:
        """Ask the automation's policy; the answer is allow, deny or needs review, with reasons."""
        outcome = await self._result(Kind.DECIDE, action, action, _tagged(facts))
        assert outcome.decision is not None
        return outcome.decision

    async def review(
        self,
        name: str,
        values: M,
        *,
        title: str,
        role: str = "reviewer",
        reasons: Sequence[str] = (),
        evidence: Mapping[str, Any] | None = None,
        documents: Sequence[str] = (),
        subject: str | None = None,
        amount: Decimal | None = None,
        amount_field: str | None = None,
        currency_field: str | None = None,
        deadline: timedelta | None = None,
        escalate_after: timedelta | None = None,
        escalate_to: str | None = None,
        policy: str | None = None,
        policy_fields: Sequence[str] = (),
        allow: Sequence[Verdict] = (Verdict.APPROVE, Verdict.REJECT, Verdict.AMEND),
        approvals: int = 1,
        also: Sequence[str] = (),
    ) -> Answer[M]:
        """Ask a person, and wait for days if it must; costs neither memory nor a connection meanwhile.

        Args:
            values: what was read, shown in a form made from its model; the answer brings them back, amended or not.
            role: who may answer; also: further roles (`finance`) and people (`user:mei`) who may.
            approvals: how many different people must approve the same values, 1 to 9; one rejection ends it. A policy's `review:N` is
                `decision.approvals`.
            subject: whom it is about; that person may not answer.
            deadline: when it expires; None never does. An expired review is `Verdict.EXPIRED`, never an approval.
            amount: what is at stake, in the currency of approval limits; amount_field and currency_field are JSON pointers into
                the values, so that an amended amount is judged too.
            policy: an action of the automation's policy that is asked about each answer; policy_fields: the fields of the values
                that it is asked with, as they would stand after the answer.
        """
        if unknown := sorted({*policy_fields} - type(values).model_fields.keys()):
            raise ValueError(f"policy_fields: {type(values).__name__} has no field {', '.join(unknown)}")
        request = ReviewRequest(
            title=title,
            role=role,
            reasons=tuple(reasons),
            values=values.model_dump(mode="json", by_alias=True),
            form=type(values).model_json_schema(mode="validation"),
            evidence=canonical.plain(evidence or {}),
            documents=tuple(documents),
            subject=subject,
            model=f"{type(values).__module__}:{type(values).__qualname__}",
            amount=None if amount is None else format(amount, "f"),
            amount_field=amount_field,
            currency_field=currency_field,
            deadline_s=deadline.total_seconds() if deadline else None,
            escalate_after_s=escalate_after.total_seconds() if escalate_after else None,
            escalate_to=escalate_to,
            policy=policy,
            policy_fields=tuple(policy_fields),
            allow=tuple(allow),
            approvals=approvals,
            also=tuple(also),
        )
        outcome = await self._perform(Kind.REVIEW, name, role, request)
        if outcome.status not in (Status.OK, Status.EXPIRED):
            error = outcome.error or {}
            message = str(error.get("message", outcome.status.value))
            if outcome.status is Status.DENIED:
                raise Denied(f"{name}: {message}", effect=name, decision=outcome.decision)
            raise EffectFailed(f"{name}: {message}", kind=str(error.get("kind", "error")), effect=name)
        body = outcome.value
        return Answer(
            verdict=Verdict(body["verdict"]),
            values=type(values).model_validate(body["values"]),
            by=body.get("by"),
            at=datetime.fromisoformat(body["at"]),
            reason=body.get("reason"),
            changes=tuple(Change.model_validate(c) for c in body.get("changes", ())),
            approvals=tuple(body.get("approvals", ())),
        )

    async def step(self, step: Step[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the author's own code in a child process. Raises Denied, or EffectFailed when its retries are used up."""
        outcome = await self._result(Kind.STEP, step.name, step.target, step.bind(*args, **kwargs), step.options)
        result: R = step.returns.validator.validate_python(outcome.value)
        return result

    async def emit(self, event_type: str, data: BaseModel | Mapping[str, Any], *, name: str = "emit") -> None:
        """Send an event to subscribers, exactly once, with the record of this effect."""
        await self._result(Kind.EMIT, name, event_type, data)

    async def fetch(
        self,
        url: str,
        *,
        name: str = "fetch",
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        needs: Sequence[str] = (),
        secrets: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Call a third party over HTTP, behind the address guard; an opening is recorded before anything leaves.

        Args:
            needs: JSON pointers of the body's fields that are sent (`/claim/amount`); empty: all.
            secrets: headers whose whole value is a connection secret, by its name (`{"authorization": "vendor-token"}`). It is sent to
                the secret's own hosts only, and recorded nowhere.
        """
        plain = canonical.plain(body)
        if unknown := [need for need in needs if not _is_there(plain, need)]:
            raise ValueError(f"fetch {name}: needs names {unknown[0]!r}, which is no field of the body")
        request = {"url": url, "method": method, "body": plain, "headers": dict(headers or {})}
        outcome = await self._result(Kind.FETCH, name, url, request, _options(needs, secrets))
        return Fetched(
            status=outcome.value["status"], body=outcome.value["body"], headers=outcome.value.get("headers", {})
        )

    async def lookup(self, register: str, keys: Sequence[str], *, name: str = "lookup") -> dict[str, str]:
        """Give which of the keys a register holds already, each with the ID of the task that holds it."""
        outcome = await self._result(Kind.STEP, name, f"interlock:lookup:{register}", {"keys": list(keys)})
        return dict(outcome.value["holders"])

    async def reserve(self, register: str, keys: Sequence[str], *, name: str = "reserve") -> Reservation:
        """Take keys that are unique in the tenant, all or none; asking again for what this task holds succeeds."""
        outcome = await self._result(Kind.STEP, name, f"interlock:reserve:{register}", {"keys": list(keys)})
        return Reservation(held=outcome.value["held"], holders=outcome.value["holders"])

    async def release(self, register: str, keys: Sequence[str], *, name: str = "release") -> None:
        """Give back keys that this task holds, such as in an `except` that compensates."""
        await self._result(Kind.STEP, name, f"interlock:release:{register}", {"keys": list(keys)})

    async def sleep(self, duration: float | timedelta, *, name: str = "sleep") -> None:
        """Wait for seconds, hours or months; costs neither memory nor a connection meanwhile."""
        await self._result(Kind.SLEEP, name, "sleep", {"seconds": _seconds(duration)})

    async def now(self) -> datetime:
        """Give the time, recorded, so that a replay sees the same one."""
        outcome = await self._result(Kind.NOW, "now", "now", None)
        return datetime.fromisoformat(outcome.value).astimezone(UTC)

    def timeout(self, duration: float | timedelta) -> Timeout:
        """Limit a block: `async with task.timeout(3600): …` raises TimeoutError when the time is up."""
        return Timeout(self, _seconds(duration))

    async def race(self, *branches: Awaitable[T]) -> tuple[int, T]:
        """Wait for the first of several to end; gives its position and result, and cancels the others.

        It returns when the clean-up of the others is done too, so that their compensation is not lost.
        """
        if not branches:
            raise ValueError("task.race: give it at least one branch")
        tasks = _branches(branches)
        first: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        for number, branch in enumerate(tasks):
            branch.add_done_callback(_report(first, number))
        try:
            winner = await first
        finally:
            for branch in tasks:
                branch.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return winner, tasks[winner].result()

    async def as_completed(self, *branches: Awaitable[T]) -> AsyncIterator[tuple[int, T]]:
        """Give (position, result) of several in the order in which they end; an error of one is raised at its turn."""
        tasks = _branches(branches)
        ended: list[int] = []
        more = asyncio.Event()

        def note(number: int) -> Callable[[asyncio.Task[T]], None]:
            def done(_: asyncio.Task[T]) -> None:
                ended.append(number)
                more.set()

            return done

        for number, branch in enumerate(tasks):
            branch.add_done_callback(note(number))
        for given in range(len(tasks)):
            while len(ended) <= given:
                more.clear()
                await more.wait()
            yield ended[given], tasks[ended[given]].result()

    async def wait(self, *branches: Awaitable[T]) -> list[T | BaseException]:
        """Wait for all, and give results or errors in the order given."""
        return list(await asyncio.gather(*branches, return_exceptions=True))


def _options(needs: Sequence[str], secrets: Mapping[str, str] | None) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if needs:
        found["needs"] = tuple(needs)
    if secrets:
        found["secrets"] = dict(secrets)
    return found or None


def _is_there(value: Any, need: str) -> bool:
    """Tell whether a need names a field of a value; through a list, of one of its items."""
    found = [value]
    for key in pointers.parts(need):
        objects = [one for item in found for one in (item if isinstance(item, list) else [item])]
        found = [one[key] for one in objects if isinstance(one, dict) and key in one]
    return need.startswith("/") and bool(found)


def _seconds(duration: float | timedelta) -> float:
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{duration!r} is no time to wait: give seconds from 0, or a timedelta")
    return seconds


def _tagged(value: Any) -> Any:
    """Keep decimals apart from text, so that the policy is asked with the types that the author gave."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="python")
    if isinstance(value, Decimal):
        return {"$decimal": format(value, "f")}
    if isinstance(value, Mapping):
        return {key: _tagged(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    return value


def _report(first: asyncio.Future[int], number: int) -> Callable[[asyncio.Task[Any]], None]:
    def done(_: asyncio.Task[Any]) -> None:
        if not first.done():
            first.set_result(number)

    return done


def _branches(branches: Sequence[Awaitable[T]]) -> list[asyncio.Task[T]]:
    async def run(branch: Awaitable[T]) -> T:
        return await branch

    loop = asyncio.get_running_loop()
    # A coroutine as it is: inside another one it would never be awaited where the branch is cancelled before it begins.
    return [loop.create_task(branch if isinstance(branch, Coroutine) else run(branch)) for branch in branches]


class Timeout:
    """A time limit on a block, by a journaled timer."""

    def __init__(self, task: Task, duration_s: float) -> None:
        self._task = task
        self._duration_s = duration_s
        self._fired = False
        self._cancelling = 0
        self._owner: asyncio.Task[Any] | None = None
        self._alarm: asyncio.Task[None] | None = None

    async def _ring(self) -> None:
        await self._task.sleep(self._duration_s, name="timeout")
        self._fired = True
        if self._owner is not None:
            self._owner.cancel()

    async def __aenter__(self) -> Timeout:
        self._owner = asyncio.current_task()
        # Over 0 inside a handler that compensates for a cancellation: only what the alarm adds to it is ours.
        self._cancelling = self._owner.cancelling() if self._owner is not None else 0
        self._alarm = asyncio.get_running_loop().create_task(self._ring())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self._fired and self._owner is not None:
            ours = self._owner.uncancel() <= self._cancelling
            if ours and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError("the time limit of task.timeout is reached") from error
        return None
