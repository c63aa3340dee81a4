"""Tasks: one submitted piece of work for an automation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from interlock.domain.values import value


class State(StrEnum):
    """Where a task stands. `blocked`: its code no longer matches its journal, and nothing is lost; restoring the code resumes it."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    WAITING = "waiting"
    BLOCKED = "blocked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskInfo:
    """What an automation may know of its own task."""

    id: str
    tenant: str
    automation: str
    version: str
    correlation_id: str
    submitted_by: str
    subject: str
    labels: Mapping[str, str] = field(default_factory=dict)


@value
class Claimed:
    """A task that this worker owns until its lease ends, with what it needs to go on."""

    info: TaskInfo
    epoch: int
    generation: int
    input: Any
    accepted_at: datetime
    deadline: datetime | None = None
    cancel_requested: bool = False
    subject_key: bytes = b""
    callback_url: str | None = None


@value
class Ended:
    """How a task ended."""

    state: State
    output: Any = None
    error: Mapping[str, Any] | None = None
