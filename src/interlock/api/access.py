"""Ready questions to the policy: may this role do it, may this data go there, and what must be removed before?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.problems import responses
from interlock.domain.decisions import Decision
from interlock.domain.errors import InvalidInput
from interlock.governance import ask, questions

router = APIRouter(tags=["policy decisions"], route_class=StrictRoute)

Name = Annotated[str, Field(min_length=1, max_length=256)]


class AccessQuestion(BaseModel):
    """May this role do this?"""

    model_config = ConfigDict(extra="forbid")

    role: Name
    verb: Literal["trigger", "approve", "promote"]
    automation: Name | None = Field(None, description="Of which automation; needed to trigger and to approve.")
    amount: Annotated[str, Field(pattern=r"^\d{1,12}(\.\d{1,2})?$")] | None = Field(
        None, description="What is at stake, to approve."
    )


class ResidencyQuestion(BaseModel):
    """A class of data, and the model and region that it would go to."""

    model_config = ConfigDict(extra="forbid")

    data_class: Name
    model: Name = Field(description="The inference as the automation names it: read-receipt of infer:read-receipt.")
    region: Name
    automation: Name


class QuestionAnswer(BaseModel):
    """What the policy says, and what would have to be done."""

    answer: Literal["allow", "deny", "needs_review"]
    reasons: list[str]
    obligations: list[str]
    policy_version: str


class FilteringAnswer(QuestionAnswer):
    """What must be removed."""

    remove: list[str] = Field(description="Classes of data to be removed before it goes; empty where nothing must be.")
    possible: bool = Field(description="Whether it may go at all, once they are removed.")


@router.post(
    "/v1/policies/questions/access",
    operation_id="ask_access",
    response_model=QuestionAnswer,
    responses=responses(404, 413),
    summary="May this role trigger, approve, promote?",
)
async def ask_access(caller: CallerDep, body: AccessQuestion) -> QuestionAnswer:
    """Ask for somebody who holds this role and no other, about what is somebody else's."""
    caller.require("policy.ask", ask.policy(caller.tenant))
    if body.automation is None and body.verb != "promote":
        raise InvalidInput.of("/automation", f"It is not said what to {body.verb}.", "Name the automation.")
    _known(caller, body.automation)
    asked = questions.access(
        caller.tenant, role=body.role, verb=body.verb, automation=body.automation, amount=body.amount
    )
    return QuestionAnswer(**_said(caller.deciding.bundle(body.automation).decide(asked)))


@router.post(
    "/v1/policies/questions/residency",
    operation_id="ask_residency",
    response_model=QuestionAnswer,
    responses=responses(404, 413),
    summary="May this class of data go to this model in this region?",
)
async def ask_residency(caller: CallerDep, body: ResidencyQuestion) -> QuestionAnswer:
    """Ask as the boundary does before it sends."""
    caller.require("policy.ask", ask.policy(caller.tenant))
    return QuestionAnswer(**_said(_send(caller, body, redacted=False)))


@router.post(
    "/v1/policies/questions/filtering",
    operation_id="ask_filtering",
    response_model=FilteringAnswer,
    responses=responses(404, 413),
    summary="What must be removed before it goes there?",
)
async def ask_filtering(caller: CallerDep, body: ResidencyQuestion) -> FilteringAnswer:
    """Ask as it is, and where a redaction is owed, once more as it would be after it."""
    caller.require("policy.ask", ask.policy(caller.tenant))
    plain = _send(caller, body, redacted=False)
    if plain.allowed or "redact" not in plain.obligations:
        return FilteringAnswer(**_said(plain), remove=[], possible=plain.allowed)
    redacted = _send(caller, body, redacted=True)
    return FilteringAnswer(**_said(redacted), remove=[body.data_class], possible=redacted.allowed)


def _send(caller: Caller, body: ResidencyQuestion, *, redacted: bool) -> Decision:
    _known(caller, body.automation)
    effects = caller.app.automations.get(body.automation).manifest.effects
    asked = questions.sending(
        caller.tenant,
        automation=body.automation,
        effects=effects,
        model=body.model,
        region=body.region,
        data_class=body.data_class,
        redacted=redacted,
    )
    return caller.deciding.bundle(body.automation).decide(asked)


def _known(caller: Caller, automation: str | None) -> None:
    """Refuse an automation that is not deployed; raises NotFound."""
    if automation is not None:
        caller.app.automations.get(automation)


def _said(decision: Decision) -> dict[str, Any]:
    return {
        "answer": decision.answer.value,
        "reasons": [f"{r.text} [{r.policy}]" for r in decision.reasons],
        "obligations": list(decision.obligations),
        "policy_version": decision.policy_version,
    }
