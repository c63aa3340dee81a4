"""The policy as a service: AuthZEN Authorization API 1.0, so that anybody's gateway can ask it.

https://openid.net/specs/authorization-api-1_0.html. A subject's `type` is user, service or agent; its attributes come in
`properties`. The tenant is the caller's, whatever is sent: nobody asks for another one's.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.problems import responses
from interlock.domain.decisions import Decision, Entity, Question
from interlock.domain.errors import InvalidInput
from interlock.governance import ask, questions
from interlock.governance.facts import PolicyError

router = APIRouter(tags=["policy decisions"], route_class=StrictRoute)

EVALUATIONS_MAX: Final = 100
Name = Annotated[str, Field(min_length=1, max_length=256)]
Properties = Annotated[dict[str, Any], Field(default_factory=dict)]


class Subject(BaseModel):
    """Who wants to do something."""

    type: Name = Field(description="user, service or agent.")
    id: Name
    properties: Properties


class Resource(BaseModel):
    """What it would be done to."""

    type: Name = Field(description="A type of the schema, such as task, review, endpoint.")
    id: Name
    properties: Properties


class Action(BaseModel):
    """What would be done."""

    name: Name
    properties: Properties


class Evaluation(BaseModel):
    """May the subject do the action to the resource, in this context?"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": {"type": "user", "id": "user:mei", "properties": {"roles": ["reviewer"]}},
                    "action": {"name": "task.read"},
                    "resource": {"type": "task", "id": "task_1", "properties": {"automation": "expenses"}},
                }
            ]
        }
    )

    subject: Subject
    action: Action
    resource: Resource
    context: Properties


class PartialEvaluation(BaseModel):
    """One of several questions; what it leaves out is taken from the request."""

    subject: Subject | None = None
    action: Action | None = None
    resource: Resource | None = None
    context: dict[str, Any] | None = None


class Options(BaseModel):
    """How several questions are answered."""

    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = "execute_all"


class Evaluations(PartialEvaluation):
    """Several questions at once, with defaults for what they leave out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": {"type": "user", "id": "user:mei", "properties": {"roles": ["reviewer"]}},
                    "action": {"name": "task.read"},
                    "evaluations": [
                        {"resource": {"type": "task", "id": "task_1", "properties": {"automation": "expenses"}}},
                        {"resource": {"type": "task", "id": "task_2", "properties": {"automation": "resumes"}}},
                    ],
                }
            ]
        }
    )

    evaluations: list[PartialEvaluation] = Field(default_factory=list, max_length=EVALUATIONS_MAX)
    options: Options = Options()


class EvaluationAnswer(BaseModel):
    """The decision: true only for allow. Needs review is false, and says so in the context."""

    decision: bool
    context: dict[str, Any] = Field(description="answer, reasons, obligations, policy_version; or error.")


class EvaluationAnswers(BaseModel):
    """The decisions, in the order of the questions; fewer where the semantic stopped early."""

    evaluations: list[EvaluationAnswer]


class Configuration(BaseModel):
    """Where the endpoints are (AuthZEN 1.0, section 9)."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str


@router.get(
    "/.well-known/authzen-configuration",
    operation_id="get_authzen_configuration",
    response_model=Configuration,
    responses=responses(),
    summary="Where to ask",
)
async def get_authzen_configuration(caller: CallerDep, request: Request) -> Configuration:
    """Give the endpoints of the decision point."""
    base = str(request.base_url).rstrip("/")
    return Configuration(
        policy_decision_point=base,
        access_evaluation_endpoint=f"{base}/access/v1/evaluation",
        access_evaluations_endpoint=f"{base}/access/v1/evaluations",
    )


@router.post(
    "/access/v1/evaluation",
    operation_id="evaluate_access",
    response_model=EvaluationAnswer,
    responses=responses(413),
    summary="Ask the policy",
)
async def evaluate_access(caller: CallerDep, body: Evaluation) -> EvaluationAnswer:
    """Answer one question. A question that does not fit the schema is 422; a policy that errs answers false and says so."""
    caller.require("policy.ask", ask.policy(caller.tenant))
    return _answer(caller, body)


@router.post(
    "/access/v1/evaluations",
    operation_id="evaluate_accesses",
    response_model=EvaluationAnswers,
    responses=responses(413),
    summary="Ask the policy several things",
)
async def evaluate_accesses(caller: CallerDep, body: Evaluations) -> EvaluationAnswers:
    """Answer questions in order; one that does not fit the schema is false, and says so, beside the others. Without any, the request is the one."""
    caller.require("policy.ask", ask.policy(caller.tenant))
    answers: list[EvaluationAnswer] = []
    for place, asked in enumerate(body.evaluations or [PartialEvaluation()]):
        answers.append(_own_answer(caller, _whole(body, asked, place)))
        stop = body.options.evaluations_semantic
        if (stop, answers[-1].decision) in (("deny_on_first_deny", False), ("permit_on_first_permit", True)):
            break
    return EvaluationAnswers(evaluations=answers)


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


def _whole(body: Evaluations, asked: PartialEvaluation, place: int) -> Evaluation:
    parts = {name: getattr(asked, name) or getattr(body, name) for name in ("subject", "action", "resource")}
    if missing := [name for name, part in parts.items() if part is None]:
        raise InvalidInput(
            f"Question {place} has no {missing[0]}, and the request has none for all.",
            fix=f"Give {missing[0]} in the question, or beside `evaluations`.",
        )
    context = asked.context if asked.context is not None else body.context or {}
    return Evaluation(**parts, context=context)


def _own_answer(caller: Caller, body: Evaluation) -> EvaluationAnswer:
    """Answer one of several: what is wrong with it is said in its own place (AuthZEN 1.0, 7.2)."""
    try:
        return _answer(caller, body)
    except InvalidInput as error:
        return EvaluationAnswer(decision=False, context={"answer": "error", "error": error.detail, "fix": error.fix})


def _answer(caller: Caller, body: Evaluation) -> EvaluationAnswer:
    automation = body.action.name.partition(".")[0]
    bundle = caller.deciding.bundle(automation)
    if body.action.name not in bundle.rules.actions:
        raise InvalidInput(
            f"There is no action {body.action.name!r}.", fix="Name one of the schema, such as task.read."
        )
    question = Question(
        principal=_entity(caller.tenant, body.subject),
        action=body.action.name,
        resource=_entity(caller.tenant, body.resource),
        context=body.context,
    )
    try:
        decision = bundle.decide(question)
    except PolicyError as error:
        return EvaluationAnswer(decision=False, context={"answer": "error", "error": error.detail, "fix": error.fix})
    return EvaluationAnswer(decision=decision.allowed, context=decision.as_json())


def _entity(tenant: str, part: Subject | Resource) -> Entity:
    """Give an entity of the caller's tenant. Types may be written as in the schema, or in lower case with dashes."""
    type_ = "".join(word[:1].upper() + word[1:] for word in part.type.replace("_", "-").split("-"))
    return Entity(type=type_, id=part.id, attrs={**part.properties, "tenant": tenant})
