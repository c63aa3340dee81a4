"""When enough people have approved the same values: the rule by which approvals of a review are counted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

APPROVALS_MAX: Final = 9


class Approval(BaseModel):
    """One person's approval of a review that needs several.

    Attributes:
        revision: of the values that it approves; an amendment begins a new one. persons: who stands behind it, in one spelling.
        on_behalf_of: who lent the author their rights; gone with what the approval said, where that was erased.
        lapsed: the key that it was given with was revoked, or an account behind it disabled, while the review is open and the values are
            those that it approves.
        hold_until: until then its author may take it back.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    revision: int
    by: str
    persons: frozenset[str]
    verdict: str
    reason: str | None = None
    on_behalf_of: str | None = None
    at: datetime
    hold_until: datetime | None = None
    revoked: bool = False
    lapsed: bool = False


def counted(approvals: Iterable[Approval], revision: int) -> list[Approval]:
    """Give the approvals that count: of the values as they stand now, not taken back nor lapsed, and nobody twice (the earlier one stays)."""
    found: list[Approval] = []
    seen: set[str] = set()
    for approval in sorted(approvals, key=lambda a: a.number):
        if (
            approval.revision == revision
            and not (approval.revoked or approval.lapsed)
            and seen.isdisjoint(approval.persons)
        ):
            found.append(approval)
            seen |= approval.persons
    return found
