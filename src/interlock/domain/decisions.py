"""Questions to the policy and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from interlock.domain import canonical


class Answer(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    NEEDS_REVIEW = "needs_review"


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A Cedar entity: its type and ID, its attributes, and the entities it stands under (`Type::"id"` pairs)."""

    type: str
    id: str
    attrs: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Question:
    """May this principal do this action to this resource, in this context?"""

    principal: Entity
    action: str
    resource: Entity
    context: Mapping[str, Any] = field(default_factory=dict)
    entities: tuple[Entity, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A policy that decided, with its `@reason` text, and the fields of the values that it is about (`@field`)."""

    policy: str
    text: str
    fields: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give it as it is recorded; without fields as it was before there were any."""
        plain: dict[str, Any] = {"policy": self.policy, "text": self.text}
        return plain | ({"fields": list(self.fields)} if self.fields else {})


CURES = ("redact", "reroute:")


def is_cure(obligation: str) -> bool:
    """Tell whether the boundary can meet an obligation itself, without a person."""
    return obligation.startswith(CURES)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The outcome of a policy question. Every decision has a reason and a policy version, allow as well as deny.

    Attributes:
        answer: allow, deny or needs review.
        reasons: the deciding policies; for a default deny, one reason that says that nothing permits it.
        obligations: what must be done for it to be allowed: `redact`, `reroute:REGION`, `escalate`, `review:ROLE`, `review:N`.
        policy_version: SHA-256 (hex) of schema and policies of the bundle that decided.
    """

    answer: Answer
    reasons: tuple[Reason, ...]
    policy_version: str
    obligations: tuple[str, ...] = ()

    @property
    def remedies(self) -> tuple[str, ...]:
        """What the boundary can do itself about a deny: then it asks again."""
        return tuple(o for o in self.obligations if self.answer is Answer.DENY and is_cure(o))

    @property
    def approvals(self) -> int:
        """How many different people must approve: the most that an obligation `review:N` says, else one."""
        said = [o.removeprefix("review:") for o in self.obligations if o.startswith("review:")]
        return max((int(n) for n in said if n.isdigit()), default=1)

    @property
    def only_counts(self) -> bool:
        """Tell whether all that stands against it is met by more people saying the same (`review:N`)."""
        said = [o.removeprefix("review:") for o in self.obligations]
        return self.answer is Answer.NEEDS_REVIEW and bool(said) and all(n.isdigit() for n in said)

    @property
    def allowed(self) -> bool:
        return self.answer is Answer.ALLOW

    @cached_property
    def text(self) -> str:
        """The canonical JSON, made once: a decision that is remembered stands in the record of many effects."""
        return canonical.dumps(self.as_json()).decode()

    def as_json(self) -> dict[str, Any]:
        return {
            "answer": self.answer.value,
            "reasons": [r.as_json() for r in self.reasons],
            "obligations": list(self.obligations),
            "policy_version": self.policy_version,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Decision:
        return cls(
            answer=Answer(value["answer"]),
            reasons=tuple(
                Reason(policy=r["policy"], text=r["text"], fields=tuple(r.get("fields", ()))) for r in value["reasons"]
            ),
            obligations=tuple(value.get("obligations", ())),
            policy_version=value["policy_version"],
        )
