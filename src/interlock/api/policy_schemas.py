"""A policy as the API shows it, wherever it does."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from interlock.governance.policies import Policy, Rules


class PolicySummary(BaseModel):
    """A policy, and what it tells people."""

    id: str
    effect: str
    reason: str
    obligations: list[str]
    advice: str | None
    fields: list[str] = Field(description="The fields of the values that it is about.")
    file: str
    text: str = Field(description="Its Cedar text, with the comments above it.")


class PolicyVersion(BaseModel):
    """What decided under a version."""

    version: str = Field(description="SHA-256 (hex) over schema and policies.")
    policies: list[PolicySummary] = Field(description="By ID.")


def summary(policy: Policy) -> PolicySummary:
    return PolicySummary(
        id=policy.id,
        effect=policy.effect,
        reason=policy.reason,
        obligations=list(policy.obligations),
        advice=policy.advice,
        fields=list(policy.fields),
        file=policy.file.rpartition("/")[2],
        text=policy.text,
    )


def summaries(policies: Iterable[Policy]) -> list[PolicySummary]:
    return [summary(policy) for policy in sorted(policies, key=lambda one: one.id)]


def about(rules: Rules, action: str) -> list[Policy]:
    """Give the policies whose scope admits an action, by ID."""
    admitted = rules.actions.get(action)
    return [] if admitted is None else [rules.policies[id_] for id_ in admitted.ids]
