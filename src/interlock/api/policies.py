"""A tenant's own policies: propose, approve, roll back, and see what a change would do before it does it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from interlock.api import pages, policy_schemas
from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.policy_schemas import PolicySummary, PolicyVersion
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.domain.decisions import Entity
from interlock.domain.errors import InvalidInput, NotFound
from interlock.governance import ask
from interlock.governance.policy_diff import Difference
from interlock.governance.policy_proof import Proof
from interlock.orchestration.policy_changes import SHOWN_MAX, Change, PolicySet

router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=StrictRoute)

_CURSOR = "policy-changes"
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Files = Annotated[
    dict[str, str],
    Field(
        min_length=1,
        max_length=50,
        description="Text by file name: *.cedar, and cases.yaml with what they must answer.",
        examples=[{"limits.cedar": '@id("x") @reason("…") forbid (…);'}],
    ),
]


class PolicyFiles(BaseModel):
    """A set of policies."""

    model_config = ConfigDict(extra="forbid")

    files: Files


class PolicyProposal(PolicyFiles):
    """A set that is to be put in force."""

    note: str = Field("", max_length=2_000, description="Why, for whoever decides on it.")
    shadow: bool = Field(False, description="Only look on: what it would answer otherwise is counted, nothing else.")


class PolicyRejection(BaseModel):
    """Why a change was turned down."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=2_000)


class PolicyRollback(BaseModel):
    """What to go back to."""

    model_config = ConfigDict(extra="forbid")

    to: int | None = Field(
        None, ge=0, le=2**31 - 1, description="A set that was in force once; 0: none. By default, the last."
    )


class PolicyChange(BaseModel):
    """A change of what is in force."""

    number: int
    set_number: int = Field(description="0: none of the tenant's own.")
    mode: Literal["active", "shadow"]
    kind: Literal["activate", "rollback"]
    state: Literal["proposed", "done", "rejected"]
    asked_by: str
    asked_at: At
    decided_by: str | None
    decided_at: At | None
    reason: str | None


class PolicyChangePage(BaseModel):
    """A page of changes, newest first."""

    items: list[PolicyChange]
    next_cursor: str | None = Field(None, description="Null on the last page.")


class PolicySetView(BaseModel):
    """A set of files."""

    number: int
    version: str = Field(description="SHA-256 (hex) over the files.")
    files: dict[str, str]
    note: str
    created_by: str
    created_at: At


class PolicyState(BaseModel):
    """What decides in the tenant now."""

    active: int = Field(description="The tenant's set in force; 0: none, only what is shipped.")
    shadow: int = Field(description="The set that only looks on; 0: none.")
    problem: str | None = Field(
        None,
        description="Why the set in force no longer fits what is deployed; until it is replaced or rolled back, nothing but policies"
        " can be decided on, and that by the shipped ones.",
    )
    version: str = Field(description="SHA-256 (hex) over everything that decides about routes.")
    automations: dict[str, str] = Field(description="The same for each automation.")
    policies: list[PolicySummary] = Field(description="Every policy that decides about routes.")


class PolicyCase(BaseModel):
    """How a case went."""

    name: str
    passed: bool
    wanted: str
    got: str
    reasons: list[str] = Field(description="IDs of the policies that decided.")
    detail: str


class PolicyChecked(BaseModel):
    """A set that compiles, with its cases."""

    version: str
    cases: list[PolicyCase]


class PolicyVerdict(BaseModel):
    """What a set says to a question."""

    answer: str = Field(description="allow, deny, needs_review, or error.")
    obligations: list[str]
    policies: list[str]


class PolicyDifference(BaseModel):
    """A question that is answered differently."""

    principal: dict[str, Any]
    action: str
    resource: dict[str, Any]
    context: dict[str, Any]
    before: PolicyVerdict
    after: PolicyVerdict
    task_id: str | None = None
    effect: str | None = None


class PolicySearch(BaseModel):
    """What a search over made-up requests found; it is no proof that there is nothing more."""

    requests: int
    actions: list[str] = Field(description="Those that other policies decide.")
    counterexamples: list[PolicyDifference] = Field(description="At most one an action, the smallest found.")


class PolicyUndecided(BaseModel):
    """A kind of request about which nothing was proved."""

    principal: str = Field(description="The type that asks.")
    action: str
    resource: str = Field(description="The type that is asked about.")
    reason: str = Field(description="Why: the policies and what in them is not modelled, or that it took too long.")


class PolicyProof(BaseModel):
    """What was proved about every request that fits the schema, kind by kind: an action, between a type of principal and one of resource.

    `kinds` is the sum of `proved`, `differs` and those that are undecided.
    """

    kinds: int
    proved: int = Field(
        description="Kinds of which no request is answered otherwise, whatever it holds: neither the answer nor what is asked for."
    )
    differs: list[PolicyDifference] = Field(
        description="One request of each kind of which some are, as both sets answer it."
    )
    undecided: list[PolicyUndecided] = Field(description="Kinds about which it says nothing.")
    problem: str | None = Field(
        None, description="Why nothing was tried, such as that the extra `prove` is not installed."
    )


class PolicyImpact(BaseModel):
    """What a set would change."""

    recorded: int = Field(description="Recorded decisions and answers to reviews that were asked again.")
    changed: int = Field(description="Those that would go the other way.")
    examples: list[PolicyDifference] = Field(description=f"At most {SHOWN_MAX} of them, the newest.")
    searched: dict[str, PolicySearch] = Field(description="By automation, and for everything else.")
    proofs: dict[str, PolicyProof] | None = Field(
        None, description="Likewise, what was proved; null where that was not asked for."
    )


class ShadowDifference(BaseModel):
    """What a set that looks on would have answered otherwise."""

    set_number: int
    action: str
    answer: str
    would_be: str
    reasons: list[str]
    would_be_reasons: list[str]
    count: int
    first_at: At
    last_at: At


class ShadowDifferences(BaseModel):
    """Of each set, the most frequent first."""

    items: list[ShadowDifference]


@router.get(
    "", operation_id="get_policies", response_model=PolicyState, responses=responses(), summary="What decides now"
)
async def get_policies(caller: CallerDep) -> PolicyState:
    """Give what is in force: the policies, their versions, and what looks on."""
    caller.require("policy.read", ask.policy(caller.tenant))
    deciding = caller.deciding
    bundle, problem = deciding.about_policies()
    return PolicyState(
        active=deciding.active,
        shadow=deciding.shadow,
        version=bundle.version,
        problem=problem,
        automations={} if problem else {n: deciding.bundle(n).version for n in caller.app.automations.names},
        policies=policy_schemas.summaries(bundle.rules.policies.values()),
    )


@router.get(
    "/versions/{version}",
    operation_id="get_policy_version",
    response_model=PolicyVersion,
    responses=responses(404),
    summary="What decided under a version",
)
async def get_policy_version(
    caller: CallerDep,
    version: Annotated[str, Path(max_length=64, description="As a decision names it.")],
    action: Annotated[
        str | None, Query(max_length=200, description="Only the policies whose scope admits it, such as `task.cancel`.")
    ] = None,
) -> PolicyVersion:
    """Give the policies that a decision was made by, with their text: of what is deployed now, with the tenant's newest sets over it.

    The version of a release that is not deployed any more is not found; it stands in evidence packs of its time.
    """
    caller.require("policy.read", ask.policy(caller.tenant))
    rules = await caller.app.policy_changes.rules(caller.tenant, version)
    if rules is None:
        raise NotFound(
            "This version is made neither of what is deployed now nor of your newest sets over it.",
            fix="Its texts stand in evidence packs that were taken while it was deployed.",
        )
    found = rules.policies.values() if action is None else policy_schemas.about(rules, action)
    return PolicyVersion(version=version, policies=policy_schemas.summaries(found))


@router.get(
    "/sets/{number}",
    operation_id="get_policy_set",
    response_model=PolicySetView,
    responses=responses(404),
    summary="Get a set with its files",
)
async def get_policy_set(caller: CallerDep, number: Number) -> PolicySetView:
    """Give a set as it was proposed; it never changes."""
    caller.require("policy.read", ask.policy(caller.tenant))
    return _set(await caller.app.policy_changes.set(caller.tenant, number))


@router.get(
    "/changes",
    operation_id="list_policy_changes",
    response_model=PolicyChangePage,
    responses=responses(),
    summary="List changes, newest first",
)
async def list_policy_changes(
    caller: CallerDep, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> PolicyChangePage:
    """List what was proposed, put in force, rolled back or turned down, and by whom."""
    caller.require("policy.read", ask.policy(caller.tenant))
    size = min(limit, caller.app.settings.list_page_size_max)
    before = pages.after_number(_CURSOR, cursor)
    found = await caller.app.policy_changes.history(caller.tenant, before=before, limit=size + 1)
    more = pages.encode(_CURSOR, found[size - 1].number) if len(found) > size else None
    return PolicyChangePage(items=[_change(change) for change in found[:size]], next_cursor=more)


@router.get(
    "/differences",
    operation_id="list_policy_differences",
    response_model=ShadowDifferences,
    responses=responses(),
    summary="What sets that look on would have answered otherwise",
)
async def list_policy_differences(
    caller: CallerDep, limit: Annotated[int, Query(ge=1, le=1_000)] = 200
) -> ShadowDifferences:
    """Count distinct questions, newest set first; a difference shows within seconds."""
    caller.require("policy.read", ask.policy(caller.tenant))
    found = await caller.app.policy_changes.differences(caller.tenant, limit=limit)
    return ShadowDifferences(items=[ShadowDifference(**row) for row in found])


@router.post(
    "/check",
    operation_id="check_policies",
    response_model=PolicyChecked,
    responses=responses(413),
    summary="Check a set",
)
async def check_policies(caller: CallerDep, body: PolicyFiles) -> PolicyChecked:
    """Compile a set over what is deployed, and run its cases. Changes nothing; a wrong one is 422, naming file and fix."""
    caller.require("policy.ask", ask.policy(caller.tenant))
    stored = await caller.app.policy_changes.checked(body.files)
    return PolicyChecked(
        version=stored.version,
        cases=[
            PolicyCase(
                name=c.name, passed=c.passed, wanted=c.wanted, got=c.got, reasons=list(c.reasons), detail=c.detail
            )
            for c in stored.cases
        ],
    )


@router.post(
    "/diff",
    operation_id="diff_policies",
    response_model=PolicyImpact,
    responses=responses(413),
    summary="Which answers a set would change",
)
async def diff_policies(
    caller: CallerDep,
    body: PolicyFiles,
    seconds: Annotated[float, Query(ge=0.5, le=30, description="How long to search.")] = 5.0,
    prove: Annotated[
        bool, Query(description="Also prove what can be, of every request; up to 15 seconds more, mostly one or two.")
    ] = False,
) -> PolicyImpact:
    """Ask recorded decisions and answers to reviews again, and search for a smallest request that is answered differently. Changes nothing.

    A search proves nothing; with `prove`, Z3 does, as far as it can.
    """
    caller.require("policy.ask", ask.policy(caller.tenant))
    impact = await caller.app.policy_changes.impact(caller.principal, body.files, seconds=seconds, prove=prove)
    return PolicyImpact(
        recorded=impact.recorded,
        changed=len(impact.changed),
        examples=[_difference(d) for d in impact.changed[:SHOWN_MAX]],
        searched={
            name: PolicySearch(
                requests=found.requests,
                actions=list(found.actions),
                counterexamples=[_difference(d) for d in found.differences],
            )
            for name, found in impact.searched.items()
        },
        proofs=None if impact.proofs is None else {name: _proof(found) for name, found in impact.proofs.items()},
    )


@router.post(
    "/changes",
    operation_id="propose_policies",
    status_code=201,
    response_model=PolicyChange,
    responses=responses(409, 413),
    summary="Propose a set",
)
async def propose_policies(caller: CallerDep, body: PolicyProposal) -> PolicyChange:
    """Store a set and ask for it to be put in force. A second person approves it; where the tenant has one key, it is in force at once."""
    _require(caller, "policy.propose")
    try:
        change, _ = await caller.app.policy_changes.propose(
            caller.principal, body.files, note=body.note, shadow=body.shadow
        )
    except InvalidInput as error:  # who tried to put what does not compile in force is on record
        await caller.app.access.refused(caller.tenant, "policy.refused", caller.principal.key_id, error.code)
        raise
    return _change(change)


@router.post(
    "/changes/{number}:approve",
    operation_id="approve_policy_change",
    response_model=PolicyChange,
    responses=responses(404, 409),
    summary="Approve a change",
)
async def approve_policy_change(caller: CallerDep, number: Number) -> PolicyChange:
    """Put a proposed change in force, everywhere within a second. Who proposed it may not."""
    _require(caller, "policy.approve")
    return _change(await caller.app.policy_changes.approve(caller.principal, number))


@router.post(
    "/changes/{number}:reject",
    operation_id="reject_policy_change",
    response_model=PolicyChange,
    responses=responses(404, 409, 413),
    summary="Turn a change down",
)
async def reject_policy_change(caller: CallerDep, number: Number, body: PolicyRejection) -> PolicyChange:
    """Turn a proposed change down, or take one's own back."""
    _require(caller, "policy.reject")
    return _change(await caller.app.policy_changes.reject(caller.principal, number, reason=body.reason))


@router.post(
    ":rollback",
    operation_id="roll_policies_back",
    response_model=PolicyChange,
    responses=responses(404, 413),
    summary="Go back to what was in force",
)
async def roll_policies_back(caller: CallerDep, body: PolicyRollback) -> PolicyChange:
    """Put an earlier set in force again, at once: it was approved before."""
    _require(caller, "policy.rollback")
    return _change(await caller.app.policy_changes.roll_back(caller.principal, to=body.to))


@router.post(
    ":stop-shadow",
    operation_id="stop_shadow_policies",
    response_model=PolicyChange,
    responses=responses(),
    summary="Let nothing look on",
)
async def stop_shadow_policies(caller: CallerDep) -> PolicyChange:
    """End a set's looking on; what it would have answered otherwise stays to be read."""
    _require(caller, "policy.propose")
    return _change(await caller.app.policy_changes.stop_looking(caller.principal))


def _require(caller: Caller, action: str) -> None:
    context = {"single_operator": caller.principal.single_operator}
    caller.require(action, ask.policy(caller.tenant), context=context)


def _change(change: Change) -> PolicyChange:
    return PolicyChange(**{name: getattr(change, name) for name in PolicyChange.model_fields})


def _set(stored: PolicySet) -> PolicySetView:
    return PolicySetView(**{name: getattr(stored, name) for name in PolicySetView.model_fields})


def _difference(found: Difference) -> PolicyDifference:
    question, where = found.question, found.where or {}
    return PolicyDifference(
        principal=_entity(question.principal),
        action=question.action,
        resource=_entity(question.resource),
        context=_plain(question.context),
        before=PolicyVerdict(**found.before.as_json()),
        after=PolicyVerdict(**found.after.as_json()),
        task_id=where.get("task_id"),
        effect=where.get("effect"),
    )


def _proof(found: Proof) -> PolicyProof:
    return PolicyProof(
        kinds=found.kinds,
        proved=found.proved,
        differs=[_difference(d) for d in found.differences],
        undecided=[PolicyUndecided(**one.kind._asdict(), reason=one.reason) for one in found.undecided],
        problem=found.problem,
    )


def _entity(entity: Entity) -> dict[str, Any]:
    return {"type": entity.type, "id": entity.id, "attrs": _plain(entity.attrs)}


def _plain(value: Any) -> Any:
    """Give facts as JSON that reads back: decimals as text, references as type and ID."""
    if isinstance(value, Entity):
        return {"type": value.type, "id": value.id}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | str) or value is None else str(value)
