"""What an emergency elevation may reach, and how one stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

ELEVATABLE: Final = frozenset(
    {
        "account.list",
        "automation.read",
        "document.read",
        "key.expire",
        "key.list",
        "key.revoke",
        "policy.read",
        "policy.rollback",
        "review.list",
        "review.read",
        "secret.read",
        "session.end",
        "session.list",
        "system.read",
        "task.cancel",
        "task.list",
        "task.read",
        "task.retry",
        "task.signal",
        "task.submit",
    }
)
"""All that an elevation can open. Nothing here answers a review, touches the audit log, deletes, gives rights or makes keys."""


class ElevationState(StrEnum):
    """`to_review`: it is over, and nobody has looked at it yet."""

    OPEN = "open"
    TO_REVIEW = "to_review"
    REVIEWED = "reviewed"


@dataclass(frozen=True, kw_only=True)
class Elevated:
    """The elevation that a caller uses for a request."""

    id: str
    actions: frozenset[str]


def state(
    at: datetime, *, ends_at: datetime, ended_at: datetime | None, acknowledged_at: datetime | None
) -> ElevationState:
    """Tell how an elevation stands at a time."""
    if ended_at is None and at < ends_at:
        return ElevationState.OPEN
    return ElevationState.TO_REVIEW if acknowledged_at is None else ElevationState.REVIEWED
