"""The rules that bear on a review: what the automation's policy had said when it asked, and what else it looks at, field by field."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from interlock.api import policy_schemas
from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.problems import responses
from interlock.api.reviews import readable
from interlock.api.values import ReviewId
from interlock.domain.decisions import Decision
from interlock.governance import ask
from interlock.orchestration.review_rights import entity
from interlock.orchestration.review_rows import Review

router = APIRouter(prefix="/v1/reviews", tags=["reviews"], route_class=StrictRoute)


class ConfidenceBands(BaseModel):
    """How the automation names confidences."""

    high: float = Field(description="From this on a reading is called high.")
    medium: float = Field(description="From this on, medium; below, low.")


class ReviewRule(BaseModel):
    """A policy that was asked about the case."""

    id: str
    effect: str = Field(description="permit or forbid.")
    reason: str
    fields: list[str] = Field(description="The fields of the values that it is about.")
    decided: bool = Field(description="Whether it is one of those that decided: of a forbid, that it holds.")
    text: str | None = Field(description="Its Cedar text; null where the caller may not read it, or it is not known.")


class ReviewRules(BaseModel):
    """What the policy had said before a person was asked."""

    action: str | None = Field(description="What it was asked; null where the automation had not asked it.")
    answer: str | None
    policy_version: str | None
    known: bool = Field(
        description="Whether the caller sees every rule: the version is still made of what is deployed, and they may answer reviews"
        " of this kind or read policies. Else only the rules that decided."
    )
    rules: list[ReviewRule]
    bands: ConfidenceBands | None = Field(description="Null where the automation names none.")


@router.get(
    "/{review_id}/rules",
    operation_id="get_review_rules",
    response_model=ReviewRules,
    responses=responses(404),
    summary="Get the rules that bear on a review",
)
async def get_review_rules(caller: CallerDep, review_id: ReviewId) -> ReviewRules:
    """Give what the policy said before this review was opened, rule by rule. Who submitted the case sees the reasons, not the rules."""
    review = await readable(caller, review_id)
    deployed = review.automation in caller.app.automations.names
    bands = caller.app.automations.get(review.automation).manifest.bands if deployed else None
    named = None if bands is None else ConfidenceBands(high=bands.high, medium=bands.medium)
    asked = await caller.app.views.decision_before(caller.tenant, review.task_id, review.opened_at)
    if asked is None:
        return ReviewRules(action=None, answer=None, policy_version=None, known=False, rules=[], bands=named)
    decision = Decision.from_json(asked[1])
    action = f"{review.automation}.{asked[0]}"
    rules = await _rules(caller, review, decision, action)
    return ReviewRules(
        action=action,
        answer=decision.answer.value,
        policy_version=decision.policy_version,
        known=rules is not None,
        rules=_decided(decision) if rules is None else rules,
        bands=named,
    )


async def _rules(caller: Caller, review: Review, decision: Decision, action: str) -> list[ReviewRule] | None:
    """Give every rule with its text; None where they are not known, or the caller is not among those who judge by them."""
    judges = caller.may("review.claim", entity(caller.tenant, review), automation=review.automation)
    own = caller.principal.id in (review.task_submitted_by, review.subject)
    if own or not (judges or caller.may("policy.read", ask.policy(caller.tenant))):
        return None
    found = await caller.app.policy_changes.rules(caller.tenant, decision.policy_version)
    if found is None:
        return None
    by = {reason.policy for reason in decision.reasons}
    return [
        ReviewRule(id=p.id, effect=p.effect, reason=p.reason, fields=list(p.fields), decided=p.id in by, text=p.text)
        for p in policy_schemas.about(found, action)
    ]


def _decided(decision: Decision) -> list[ReviewRule]:
    effect = "permit" if decision.allowed else "forbid"
    return [
        ReviewRule(id=r.policy, effect=effect, reason=r.text, fields=list(r.fields), decided=True, text=None)
        for r in decision.reasons
    ]
