"""Effects and their outcomes: what an automation asks of the outside world, and what was recorded of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from interlock.domain.decisions import Decision
from interlock.domain.values import value


class Kind(StrEnum):
    """What an effect does. `sleep`, `now` and `cancel` are journaled without a decision; `decide` is itself the question."""

    INFER = "infer"
    DECIDE = "decide"
    REVIEW = "review"
    STEP = "step"
    EMIT = "emit"
    FETCH = "fetch"
    TOOL = "tool"
    SLEEP = "sleep"
    NOW = "now"
    CANCEL = "cancel"


UNGOVERNED = frozenset({Kind.DECIDE, Kind.SLEEP, Kind.NOW, Kind.CANCEL})


class Status(StrEnum):
    OK = "ok"
    DENIED = "denied"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When a failed attempt is tried again: exponential backoff with full jitter.

    Attempt n+1 starts `initial_s * factor**(n-1)` seconds after attempt n, at most `max_s`, less a random part of up to `jitter` of it.
    An error whose kind (the name of its exception class) is in `non_retryable` ends the effect at once.
    """

    attempts: int = 3
    initial_s: float = 1.0
    factor: float = 2.0
    max_s: float = 300.0
    jitter: float = 0.5
    non_retryable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 100:
            raise ValueError("Retry.attempts must be from 1 to 100")
        if self.initial_s < 0 or self.max_s < 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ValueError("Retry: initial_s and max_s must be ≥ 0, factor ≥ 1, jitter from 0 to 1")

    def delay_s(self, attempt: int, random: float) -> float:
        """Give the seconds to wait after failed attempt number `attempt` (from 1); `random` is uniform in [0, 1)."""
        whole = min(self.max_s, self.initial_s * self.factor ** (attempt - 1))
        return whole * (1 - self.jitter * random)


@value
class Effect:
    """One call across the governed boundary.

    Attributes:
        id: path in the automation, `/t#2/read-receipt#1`: fixed by where it is asked, not by when.
        name: lower-case with dashes; what people see.
        target: what the executor acts on (endpoint, step, review form, event type …).
        input: plain JSON. input_digest: SHA-256 over kind, name, target and input. input_text: the input's canonical form, where it is known.
        options: how it is executed (time-out, retry …); not part of the digest, so that tuning them breaks no replay.
    """

    id: str
    kind: Kind
    name: str
    target: str
    input: Any
    input_digest: bytes
    options: Mapping[str, Any] = field(default_factory=dict)
    input_text: bytes | None = field(default=None, compare=False, repr=False)


@value
class Outcome:
    """What is recorded of an effect, once.

    Attributes:
        value: plain JSON, or None. error: `{"kind", "message", …}` where the status is not ok.
        cost_usd: decimal string in US dollars. duration_ms: wall time of the last attempt.
        redactions: what was removed before the effect was performed: type, where (pointer, or document, page and box) and count; no value.
        left_out: JSON pointers of what was not sent, since the effect declares that it does not need it.
        secrets: connection secrets that it was executed with, each as `NAME@VERSION`.
        by: who decided or did it, where that was a person or a named part (`user:amir`, `policy`).
    """

    status: Status
    value: Any = None
    error: Mapping[str, Any] | None = None
    decision: Decision | None = None
    model_version: str | None = None
    confidence: float | None = None
    cost_usd: str | None = None
    cpu_ms: float | None = None
    duration_ms: float | None = None
    attempts: int = 1
    redactions: tuple[Mapping[str, Any], ...] = ()
    left_out: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    by: str | None = None


@value
class Recorded:
    """A journal row: an effect with its outcome and its release sequence in the task."""

    id: str
    kind: Kind
    name: str
    input_digest: bytes
    seq: int
    outcome: Outcome
    generation: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """The effect has no outcome yet: it waits for a person (no `wake_at`) or until a time."""

    wake_at: datetime | None = None
