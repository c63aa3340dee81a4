"""Reviews: a question to a person, with evidence, a deadline, an assignee role and an escalation path."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from interlock.domain import pointers
from interlock.domain.approvals import APPROVALS_MAX


class Verdict(StrEnum):
    """How a review ended. `expired` is its own outcome and never means approved."""

    APPROVE = "approve"
    REJECT = "reject"
    AMEND = "amend"
    EXPIRED = "expired"


class ReviewState(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Change(BaseModel):
    """One amended field: JSON pointer, before and after."""

    model_config = ConfigDict(frozen=True)

    pointer: str
    before: Any = None
    after: Any = None


class ReviewRequest(BaseModel):
    """What a review asks. `values` is what was read, shown in a form made from `form` (JSON Schema).

    Attributes:
        role: who may answer; also: further roles (`finance`) and people (`user:mei`) who may.
        approvals: how many different people must approve; one rejection ends it. subject: whom it is about; that person may not answer it.
        deadline_s: seconds until it expires; None never expires. escalate_after_s and escalate_to: when another role may answer too.
        model: `module:Class` of the values; answers are validated against it.
        amount: decimal string in the currency of approval limits; amount_field: JSON pointer to the amount in the values, so that
            an amended one is judged in proportion. currency_field: likewise, for the currency.
        policy: action of the automation's policy that is asked about each answer; None for none. policy_fields: fields of the
            values that it is asked with, as they would stand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(max_length=300)
    role: str = "reviewer"
    reasons: tuple[str, ...] = ()
    values: Any = None
    form: Mapping[str, Any] | None = None
    evidence: Mapping[str, Any] = Field(default_factory=dict)
    documents: tuple[str, ...] = ()
    subject: str | None = None
    model: str | None = None
    amount: str | None = None
    amount_field: str | None = None
    currency_field: str | None = None
    deadline_s: float | None = None
    escalate_after_s: float | None = None
    escalate_to: str | None = None
    policy: str | None = None
    policy_fields: tuple[str, ...] = ()
    allow: tuple[Verdict, ...] = (Verdict.APPROVE, Verdict.REJECT, Verdict.AMEND)
    approvals: int = Field(default=1, ge=1, le=APPROVALS_MAX)
    also: tuple[str, ...] = Field(default=(), max_length=32)

    @model_serializer(mode="wrap")
    def _as_recorded(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is as it was before it could be said: journals of then hold the digest of this form."""
        plain: dict[str, Any] = whole(self)
        for name, usual in (("approvals", 1), ("also", ())):
            if getattr(self, name) == usual:
                plain.pop(name, None)
        return plain


def changes(before: Any, after: Any, pointer: str = "") -> list[Change]:
    """Give every field that differs between two plain JSON values, in order of its pointer."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[Change] = []
        for key in sorted({*before, *after}):
            found += changes(before.get(key), after.get(key), pointer + pointers.step(key))
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [c for n, (b, a) in enumerate(zip(before, after, strict=True)) for c in changes(b, a, f"{pointer}/{n}")]
    return [] if before == after else [Change(pointer=pointer, before=before, after=after)]


def lost(amended: Any, kept: Any, pointer: str = "") -> list[str]:
    """Give the pointers of the fields that an amendment sets and the form does not have: validation dropped them."""
    if not isinstance(amended, dict) or not isinstance(kept, dict):
        return []
    found: list[str] = []
    for key, value in amended.items():
        at = pointer + pointers.step(key)
        found += lost(value, kept[key], at) if key in kept else [at]
    return found
