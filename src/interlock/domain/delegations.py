"""What a delegation is worth: the rule by which one person acts with another's rights to answer reviews."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Standing(StrEnum):
    """How a delegation stands at a time."""

    OPEN = "open"
    ENDED = "ended"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Roles, and the most that may be approved with them; no limit is None."""

    roles: frozenset[str]
    limit: Decimal | None = None

    def within(self, other: Rights) -> bool:
        """Tell whether these rights reach no further than the other ones."""
        return self.roles <= other.roles and (
            other.limit is None or (self.limit is not None and self.limit <= other.limit)
        )


def standing(at: datetime, *, ends_at: datetime, revoked_at: datetime | None) -> Standing:
    """Tell how a delegation stands; one that was taken back stays so after its end."""
    if revoked_at is not None:
        return Standing.REVOKED
    return Standing.OPEN if at < ends_at else Standing.ENDED


def usable(given: Rights, held: Iterable[Rights]) -> Rights | None:
    """Give what a delegate may act with now: what was given, as far as one of the giver's own keys or their account still holds it.

    Rights of several keys are never put together: a role of one and the limit of another were never one person's right.

    Returns:
        The most roles, and of those the highest limit; None where nothing of it is held any more.
    """
    possible = [
        Rights(roles=given.roles & own.roles, limit=_lower(given.limit, own.limit))
        for own in held
        if given.roles & own.roles
    ]
    return max(possible, key=_reach, default=None)


def _reach(rights: Rights) -> tuple[int, bool, Decimal, list[str]]:
    return len(rights.roles), rights.limit is None, rights.limit or Decimal(0), sorted(rights.roles)


def _lower(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)
