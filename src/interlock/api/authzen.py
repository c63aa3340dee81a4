"""The policy as a service: AuthZEN Authorization API 1.0, so that anybody's gateway can ask it.

https://openid.net/specs/authorization-api-1_0.html. A subject's `type` is user, service or agent; its attributes come in
`properties`. The tenant is the caller's, whatever is sent: nobody asks for another one's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.problems import malformed, responses
from interlock.domain.decisions import Entity, Question
from interlock.domain.errors import InvalidInput, MalformedRequest, UnsupportedBody
from interlock.governance import ask
from interlock.governance.facts import PolicyError

EVALUATIONS_MAX: Final = 100
Name = Annotated[str, Field(min_length=1, max_length=256)]
Properties = Annotated[dict[str, Any], Field(default_factory=dict)]


class AuthZenRoute(StrictRoute):
    """A route on which whatever is wrong with a body is 400, as AuthZEN 1.0 has it (10.1.2), and not 415 or 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def as_specified(request: Request) -> Response:
            try:
                return await handle(request)
            except (InvalidInput, UnsupportedBody) as error:
                raise MalformedRequest(error.detail, fix=error.fix, fields=error.fields) from error
            except RequestValidationError as error:
                raise malformed(error) from error

        return as_specified


router = APIRouter(tags=["policy decisions"], route_class=AuthZenRoute)


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


class Part(BaseModel):
    """A subject or resource of one of several questions; a `type` or `id` that it leaves out is taken from the request's."""

    type: Name | None = None
    id: Name | None = None
    properties: Properties


class PartialAction(BaseModel):
    """An action of one of several questions."""

    name: Name | None = None
    properties: Properties


class PartialEvaluation(BaseModel):
    """One of several questions; what it leaves out is taken from the request."""

    subject: Part | None = None
    action: PartialAction | None = None
    resource: Part | None = None
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
    """Answer one question. One that cannot be read, or whose action nobody knows, is 400; a policy that errs answers false and says so."""
    caller.require("policy.ask", ask.policy(caller.tenant))
    answer = _answer(caller, body)
    await _recorded(caller, [answer])
    return answer


@router.post(
    "/access/v1/evaluations",
    operation_id="evaluate_accesses",
    response_model=EvaluationAnswers | EvaluationAnswer,
    responses=responses(413),
    summary="Ask the policy several things",
)
async def evaluate_accesses(caller: CallerDep, body: Evaluations) -> EvaluationAnswers | EvaluationAnswer:
    """Answer questions in order; one that lacks something or does not fit the schema is false, and says so, beside the others.

    Without any, the request is the question, and its answer stands alone, as that of `/access/v1/evaluation`.
    """
    caller.require("policy.ask", ask.policy(caller.tenant))
    if not body.evaluations:
        alone = _answer(caller, _whole(body, PartialEvaluation()))
        await _recorded(caller, [alone])
        return alone
    answers: list[EvaluationAnswer] = []
    for asked in body.evaluations:
        answers.append(_own_answer(caller, body, asked))
        stop = body.options.evaluations_semantic
        if (stop, answers[-1].decision) in (("deny_on_first_deny", False), ("permit_on_first_permit", True)):
            break
    await _recorded(caller, answers)
    return EvaluationAnswers(evaluations=answers)


def _whole(body: Evaluations, asked: PartialEvaluation) -> Evaluation:
    """Give the whole question: each part is the question's own, or the request's; so are a `type` and an `id`."""
    parts: dict[str, dict[str, Any]] = {}
    for name, needed in (("subject", ("type", "id")), ("action", ("name",)), ("resource", ("type", "id"))):
        own, of_all = getattr(asked, name), getattr(body, name)
        part = parts[name] = own.model_dump() if own else of_all.model_dump() if of_all else {}
        for key in needed:
            part[key] = part.get(key) or getattr(of_all, key, None)
            if part[key] is None:
                where = f"/{name}/{key}"
                raise InvalidInput.of(
                    where, f"The question has no {name} with a {key}.", f"Give {where}, or one for all."
                )
    context = asked.context if asked.context is not None else body.context or {}
    return Evaluation.model_validate({**parts, "context": context})


async def _recorded(caller: Caller, answers: Sequence[EvaluationAnswer]) -> None:
    """Put on record that the policy could not decide: a question that fits no schema, or a policy that errs."""
    if any(answer.context.get("answer") == "error" for answer in answers):
        await caller.app.access.refused(caller.tenant, "question.refused", caller.principal.key_id, PolicyError.code)


def _own_answer(caller: Caller, body: Evaluations, asked: PartialEvaluation) -> EvaluationAnswer:
    """Answer one of several: what is wrong with it is said in its own place (AuthZEN 1.0, 7.2)."""
    try:
        return _answer(caller, _whole(body, asked))
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
    # An emergency elevation is used by name, by who took it, and on record: it is no property that somebody sends along.
    attrs = {name: value for name, value in part.properties.items() if (type_, name) != ("User", "elevation")}
    return Entity(type=type_, id=part.id, attrs={**attrs, "tenant": tenant})
