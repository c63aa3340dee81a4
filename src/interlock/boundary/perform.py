"""`perform(effect) -> outcome`: the one governed door to models, people, policies, third parties and authors' side effects.

    (journal) → decide → oblige → (ask people) → open → execute → meter → record → release

An outcome is released only when its record is durable. A deny is an outcome and is recorded; an error in policy or audit
is not: it raises, releases nothing, and the task is tried again later. A redaction that
fails is tried again too, and fails the effect in the end. What is recorded is the effect as it was asked for; what was
performed may have been cured of what the policy was against (see `oblige.py`), or people agreed to it first (see `consent.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from interlock.boundary import consent
from interlock.domain.decisions import Answer, Decision
from interlock.domain.effects import UNGOVERNED, Effect, Kind, Outcome, Pending, Recorded, Retry, Status
from interlock.domain.errors import ExecutorFailed, InvalidInput
from interlock.domain.ports import Attempt, Call, Executed, Executor, Journal, JournalStore, Opening
from interlock.domain.tasks import Claimed
from interlock.governance.redaction.findings import RedactionFailed

Decide = Callable[[Effect, Claimed], Awaitable[Decision]]
Cure = Callable[[str, Effect, Call], Awaitable[Effect | None]]
"""Gives the effect cured by a remedy of the policy; None where this remedy does not help here."""
Finish = Callable[[Effect, Outcome], Outcome]
CURES_MAX = 4
FaultPoint = Callable[[str], Awaitable[None]]
RETRY_IN_PROCESS_S = 1.0
REDACTION_FAILED = "RedactionFailed"
REDACTION_RETRY = Retry(attempts=6, initial_s=2.0, factor=4.0, max_s=600.0)  # some ten minutes in all


async def no_fault(point: str) -> None:
    """The fault points of production: nothing happens."""


class Owner:
    """What an attempt at a task knows while it owns it: its journal, the next place in the release order, what is being recorded."""

    def __init__(self, task: Claimed, journal: Journal) -> None:
        self.task = task
        self.journal = journal
        self.recording: set[str] = set()
        self.attempts: dict[str, list[Attempt]] = {effect: list(made) for effect, made in journal.attempts.items()}
        self._seq = journal.next_seq

    def take_seq(self) -> int:
        """Give the next release sequence. Taken right before recording, so that the order of records is the order of release."""
        seq, self._seq = self._seq, self._seq + 1
        return seq


class Boundary:
    """The door, with the executor of each kind of effect behind it."""

    def __init__(
        self,
        *,
        store: JournalStore,
        decide: Decide,
        executors: Mapping[Kind, Executor],
        cost_usd: Callable[[float], str],
        cure: Cure | None = None,
        finish: Finish | None = None,
        fault: FaultPoint = no_fault,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._decide = decide
        self._executors = executors
        self._cost_usd = cost_usd
        self._cure = cure
        self._finish = finish
        self._fault = fault
        self._faulty = fault is not no_fault  # three awaits an effect saved, where nothing is to happen
        self._uniform = uniform

    async def perform(self, effect: Effect, owner: Owner) -> Recorded | Pending:
        """Perform an effect that the journal holds no outcome of, and record it.

        Returns:
            The recorded outcome, durable; or Pending, when a person or a time is waited for.

        Raises:
            Fenced: another worker owns the task. InterlockError: policy, redaction, store or audit failed; nothing is released.
        """
        performed = effect
        decision = None if effect.kind in UNGOVERNED else await self._decide(effect, owner.task)
        if decision is not None and not decision.allowed and self._cure is not None:
            past = owner.attempts.get(effect.id, [])
            if past and _of_redaction(past[-1]) and (wait := await self._until_next(past[-1])) is not None:
                return wait
            try:
                performed, decision = await self._oblige(effect, owner, decision)
            except RedactionFailed as failure:
                return await self._not_redacted(effect, owner, decision, failure)
        by = None
        if decision is not None and decision.answer is Answer.NEEDS_REVIEW and consent.may_ask(performed):
            asked = await self._ask_people(performed, owner, decision)
            if isinstance(asked, Pending):
                return asked
            if asked.why is not None:
                return await self._record(effect, owner, _denied(decision, asked.why, by=asked.by))
            by = asked.by
        elif decision is not None and not decision.allowed:
            return await self._record(effect, owner, _denied(decision, "; ".join(r.text for r in decision.reasons)))
        executor = self._executors[effect.kind]
        opening = owner.journal.openings.get(effect.id)
        if executor.opens(performed):
            if opening is not None and effect.options.get("at_most_once"):
                return await self._record(effect, owner, _interrupted(decision))
            if opening is None:
                opening = await self._store.open(owner.task, effect, wake_after_s=_wait_s(effect), decision=decision)
        result = await self._attempts(executor, performed, owner, opening, decision)
        if isinstance(result, Pending):
            return result
        if performed is not effect and self._finish is not None:
            result = self._finish(performed, result)
        if by is not None and result.by is None:
            result = replace(result, by=by)
        if self._faulty:
            await self._fault("executed")
        return await self._record(effect, owner, result)

    async def _oblige(self, effect: Effect, owner: Owner, decision: Decision) -> tuple[Effect, Decision]:
        """Apply the policy's remedies one by one and ask again after each. A cure that does not help stays denied."""
        assert self._cure is not None
        call = Call(task=owner.task, idempotency_key=idempotency_key(owner.task, effect), decision=decision)
        tried: list[str] = []
        performed = effect
        while not decision.allowed and len(tried) < CURES_MAX:
            remedy = next((one for one in decision.remedies if one not in tried), None)
            if remedy is None:
                break
            tried.append(remedy)
            cured = await self._cure(remedy, performed, call)
            if cured is not None:
                performed = cured
                decision = await self._decide(performed, owner.task)
        return performed, decision

    async def _not_redacted(
        self, effect: Effect, owner: Owner, decision: Decision, failure: RedactionFailed
    ) -> Recorded | Pending:
        """Record that personal data could not be removed; nothing leaves. After some tries the effect fails."""
        past = owner.attempts.setdefault(effect.id, [])
        tried = sum(map(_of_redaction, past)) + 1
        error = {"kind": REDACTION_FAILED, "message": failure.detail}
        final = tried >= REDACTION_RETRY.attempts
        delay_s = None if final else REDACTION_RETRY.delay_s(tried, self._uniform())
        attempt = Attempt(number=len(past) + 1, error=error)
        past.append(await self._store.attempt(owner.task, effect, attempt, retry_after_s=delay_s))
        if not final:
            return Pending(wake_at=past[-1].next_attempt_at)
        outcome = Outcome(status=Status.FAILED, error=error, decision=decision, attempts=len(past))
        return await self._record(effect, owner, outcome)

    async def _ask_people(self, effect: Effect, owner: Owner, decision: Decision) -> consent.Answered | Pending:
        """Ask the people whom the policy names before the effect; gives what they said, or Pending until they have."""
        call = Call(task=owner.task, idempotency_key=idempotency_key(owner.task, effect), decision=decision)
        said = await self._executors[Kind.REVIEW].execute(consent.question(effect, owner.task, decision), call)
        return said if isinstance(said, Pending) else consent.answered(said)

    async def withdraw(self, effect: Effect, owner: Owner) -> None:
        """Close what an effect left open that the automation no longer wants, the question that came before it too."""
        call = Call(task=owner.task, idempotency_key=idempotency_key(owner.task, effect))
        await self._executors[effect.kind].withdraw(effect, call)
        if consent.may_ask(effect):
            await self._executors[Kind.REVIEW].withdraw(replace(effect, kind=Kind.REVIEW), call)

    async def cancelled(self, owner: Owner) -> Recorded:
        """Record that the task's cancellation reaches the automation here."""
        effect = Effect(id="/#cancel", kind=Kind.CANCEL, name="cancel", target="cancel", input=None, input_digest=b"")
        return await self._record(effect, owner, Outcome(status=Status.OK))

    async def _record(self, effect: Effect, owner: Owner, outcome: Outcome) -> Recorded:
        owner.recording.add(effect.id)  # from here on it is not stopped: its place in the order is taken
        seq = owner.take_seq()
        try:
            recorded = await self._store.record(owner.task, effect, seq, outcome)
        except InvalidInput as error:  # over a limit, and for ever: an outcome, not a reason to do it again
            what = {"kind": "TooLarge", "message": error.detail}
            failed = replace(outcome, status=Status.FAILED, value=None, error=what)
            held = replace(effect, input=None, input_text=None) if error.extra.get("what") == "input" else effect
            recorded = await self._store.record(owner.task, held, seq, failed)
        if self._faulty:
            await self._fault("recorded")
        return recorded

    async def _attempts(
        self, executor: Executor, effect: Effect, owner: Owner, opening: Opening | None, decision: Decision | None
    ) -> Outcome | Pending:
        """Execute until it succeeds, gives up, or has to wait longer than is worth holding the task for."""
        past = owner.attempts.setdefault(effect.id, [])  # kept: a pause may end while the task is still held
        retry = effect.options.get("retry") or Retry(attempts=1)
        while True:
            number = len(past) + 1
            if past and (wait := await self._until_next(past[-1])) is not None:
                return wait
            call = Call(
                task=owner.task,
                idempotency_key=idempotency_key(owner.task, effect),
                attempt=number,
                opening=opening,
                decision=decision,
            )
            try:
                executed = await executor.execute(effect, call)
            except ExecutorFailed as failure:
                error = {"kind": failure.kind, "message": failure.detail}
                made = number - sum(map(_of_redaction, past))
                final = made >= retry.attempts or not failure.retry or failure.kind in retry.non_retryable
                delay_s = None if final else retry.delay_s(made, self._uniform())
                attempt = Attempt(number=number, error=error)
                past.append(await self._store.attempt(owner.task, effect, attempt, retry_after_s=delay_s))
                if final:
                    return Outcome(status=Status.FAILED, error=error, decision=decision, attempts=number)
                continue
            if isinstance(executed, Pending):
                return executed
            return self._outcome(executed, decision, number)

    async def _until_next(self, last: Attempt) -> Pending | None:
        """Wait out a short pause here; give Pending for a long one."""
        if last.next_attempt_at is None:
            return None
        left_s = (last.next_attempt_at - await self._store.now()).total_seconds()
        if left_s > RETRY_IN_PROCESS_S:
            return Pending(wake_at=last.next_attempt_at)
        if left_s > 0:
            await asyncio.sleep(left_s)
        return None

    def _outcome(self, executed: Executed, decision: Decision | None, attempts: int) -> Outcome:
        return Outcome(
            status=executed.status,
            value=executed.value,
            error=executed.error,
            decision=executed.decision or decision,
            model_version=executed.model_version,
            confidence=executed.confidence,
            cost_usd=None if executed.cpu_ms is None else self._cost_usd(executed.cpu_ms),
            cpu_ms=executed.cpu_ms,
            duration_ms=executed.duration_ms,
            attempts=attempts,
            redactions=executed.redactions,
            left_out=executed.left_out,
            secrets=executed.secrets,
            by=executed.by,
        )


def idempotency_key(task: Claimed, effect: Effect) -> str:
    """Give the key under which an effect acts outside: the effect's ID in its task, whatever the attempt or worker."""
    return f"{task.info.id}:{effect.id}"


def _of_redaction(attempt: Attempt) -> bool:
    return attempt.error.get("kind") == REDACTION_FAILED


def _denied(decision: Decision, why: str, *, by: str | None = None) -> Outcome:
    return Outcome(status=Status.DENIED, error={"kind": "Denied", "message": why}, decision=decision, by=by)


def _wait_s(effect: Effect) -> float | None:
    return float(effect.input["seconds"]) if effect.kind is Kind.SLEEP else None


def _interrupted(decision: Decision | None) -> Outcome:
    error = {
        "kind": "Interrupted",
        "message": "It began, and its worker was lost before its outcome was recorded; it is declared at_most_once, so it is not repeated.",
    }
    return Outcome(status=Status.FAILED, error=error, decision=decision)
