"""What the core asks of the outside, as Protocols. Each has a contract suite that its fake and its real implementation pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from interlock.domain.decisions import Decision
from interlock.domain.effects import Effect, Outcome, Pending, Recorded, Status
from interlock.domain.tasks import Claimed, Ended
from interlock.domain.values import value


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """A durable note that an effect began: when, until when it waits."""

    opened_at: datetime
    wake_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A failed attempt of an effect, and when the next may start (None: it was the last)."""

    number: int
    error: Mapping[str, Any]
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What is recorded of a task: outcomes in release order, openings and failed attempts by effect ID."""

    recorded: Sequence[Recorded] = ()
    openings: Mapping[str, Opening] = field(default_factory=dict)
    attempts: Mapping[str, Sequence[Attempt]] = field(default_factory=dict)
    next_seq: int = 1


@value
class Call:
    """One execution of an effect: for which task, which attempt, under which idempotency key.

    Attributes:
        idempotency_key: the same across retries, workers and generations of the task.
        opening: what was recorded when it began, where it was.
    """

    task: Claimed
    idempotency_key: str
    attempt: int = 1
    opening: Opening | None = None
    decision: Decision | None = None


@value
class Executed:
    """What an executor gives back: the value and what is known of how it came about."""

    value: Any = None
    status: Status = Status.OK
    error: Mapping[str, Any] | None = None
    decision: Decision | None = None
    model_version: str | None = None
    confidence: float | None = None
    cpu_ms: float | None = None
    duration_ms: float | None = None
    redactions: tuple[Mapping[str, Any], ...] = ()
    left_out: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    by: str | None = None


class Executor(Protocol):
    """Executes one kind of effect. A failure raises ExecutorFailed, which carries its retry decision."""

    def opens(self, effect: Effect) -> bool:
        """Tell whether an opening must be durable before it executes (third parties, at-most-once, timers)."""
        ...

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending: ...

    async def withdraw(self, effect: Effect, call: Call) -> None:
        """The automation no longer wants it (a cancelled branch): close what is open. Safe to repeat."""
        ...


class JournalStore(Protocol):
    """The journal of tasks. Every write stands behind the fence: it raises Fenced where the task's epoch moved on."""

    async def journal(self, task: Claimed) -> Journal: ...

    async def open(
        self, task: Claimed, effect: Effect, *, wake_after_s: float | None, decision: Decision | None
    ) -> Opening:
        """Record that an effect begins; gives the opening that stands, an earlier one where there is one."""
        ...

    async def record(self, task: Claimed, effect: Effect, seq: int, outcome: Outcome) -> Recorded:
        """Record an outcome with its audit leaf and event; durable when it returns."""
        ...

    async def attempt(
        self, task: Claimed, effect: Effect, attempt: Attempt, *, retry_after_s: float | None
    ) -> Attempt: ...

    async def now(self) -> datetime:
        """Give the time by the store's clock."""
        ...


class PseudonymStore(Protocol):
    """What stands for what in a task, readable only as long as the key of the task's subject exists."""

    async def known(self, task: Claimed) -> dict[str, str]:
        """Give pseudonym → value, as given out in this task so far."""
        ...

    async def keep(self, task: Claimed, fresh: Mapping[str, str]) -> None:
        """Keep more of them, durable when it returns. Raises Fenced, or Conflict where one stands for another value already."""
        ...


class TaskStore(Protocol):
    """The task's row, behind the same fence."""

    async def end(self, task: Claimed, ended: Ended) -> None: ...

    async def suspend(self, task: Claimed, *, wake_at: datetime | None) -> bool:
        """Give the lease back. True when the task is due at once (a wake-up arrived meanwhile)."""
        ...

    async def block(self, task: Claimed, error: Mapping[str, Any]) -> None: ...


class Engine(Protocol):
    """Decides when and where `advance(task)` runs. The journal is the record; an engine can be lost or changed."""

    async def start(self, tenant: str, task_id: str) -> None:
        """Make an accepted task due. Starting twice is harmless."""
        ...

    async def wake(self, tenant: str, task_id: str) -> None:
        """Make a task due now: an answer or a signal arrived."""
        ...

    async def wake_at(self, tenant: str, task_id: str, at: datetime) -> None:
        """Make a task due at a time, or earlier where it is due earlier."""
        ...

    async def cancel(self, tenant: str, task_id: str) -> None:
        """Make a task due so that it sees its cancellation."""
        ...

    async def run(self) -> None:
        """Run `advance` with a lease for whatever is due, until cancelled."""
        ...


class Predictor(Protocol):
    """A model version that is loaded somewhere and can answer."""

    async def predict(self, request: Mapping[str, Any], files: Mapping[str, bytes]) -> Executed: ...


class ObjectStore(Protocol):
    """Bytes by key. A key is written once."""

    async def put(self, key: str, data: bytes) -> None: ...

    async def get(self, key: str) -> bytes: ...

    async def sha256(self, key: str) -> str: ...
    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        ...


__all__ = [
    "Attempt",
    "Call",
    "Engine",
    "Executed",
    "Executor",
    "Journal",
    "JournalStore",
    "ObjectStore",
    "Opening",
    "Predictor",
    "PseudonymStore",
    "TaskStore",
]
