"""Delegations: lend one's rights to answer reviews until a stated end, list, take back."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from interlock.api import pages
from interlock.api.auth import CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.keys import Amount, Role
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.problems import responses
from interlock.api.values import At, GivenAt
from interlock.governance import ask
from interlock.orchestration.delegations import LIST_MAX
from interlock.orchestration.delegations import Delegation as Stored

router = APIRouter(prefix="/v1/delegations", tags=["delegations"], route_class=StrictRoute)
_CURSOR: Final = "delegations"
DelegationId = Annotated[str, Path(max_length=64, description="ID of a delegation.")]


class DelegationRequest(BaseModel):
    """Rights to lend."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"to": "user:ravi", "until": "2030-01-14T18:00:00Z"}]}
    )

    to: str = Field(pattern=r"^user:[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}$", description="The person who acts for you.")
    until: GivenAt = Field(description="When it ends.")
    roles: list[Role] | None = Field(
        None, min_length=1, max_length=32, description="Some of your own; left out, all of yours that answer reviews."
    )
    approval_limit: Amount | None = Field(None, description="At most your own; left out, your own.")


class Delegation(BaseModel):
    """Rights that one person lends to another."""

    id: str
    from_user: str
    to_user: str
    roles: list[str]
    approval_limit: str | None = Field(description="Decimal string; null is no limit.")
    given_at: At
    ends_at: At
    revoked_at: At | None
    state: Literal["open", "ended", "revoked"]


class DelegationPage(BaseModel):
    """Delegations, newest first."""

    items: list[Delegation]
    next_cursor: str | None = Field(None, description="Send it as `cursor` for the next page; null at the end.")


@router.post(
    "",
    operation_id="give_delegation",
    status_code=201,
    response_model=Delegation,
    responses=responses(409, 413),
    summary="Lend your rights to answer reviews",
)
async def give_delegation(caller: CallerDep, body: DelegationRequest) -> Delegation:
    """Let another person answer reviews on your behalf until a stated end. They act with your roles and your limit, and nothing else."""
    caller.require("delegation.give", ask.system(caller.tenant))
    made = await caller.app.access.delegations.give(
        caller.principal, body.to, until=body.until, roles=body.roles, approval_limit=body.approval_limit
    )
    return _shown(made)


@router.get(
    "",
    operation_id="list_delegations",
    response_model=DelegationPage,
    responses=responses(),
    summary="List delegations",
)
async def list_delegations(
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    everybody: Annotated[bool, Query(alias="all", description="Everybody's, for owners and auditors.")] = False,
) -> DelegationPage:
    """List those that you gave or were given, ended ones too."""
    if everybody:
        caller.require("delegation.list", ask.system(caller.tenant))
    else:
        caller.principal.scope.must_be_whole("delegation.list")
    count = min(limit, caller.app.settings.list_page_size_max, LIST_MAX)
    keys = pages.after(_CURSOR, cursor, (str,))
    found = await caller.app.access.delegations.find(
        caller.tenant, of=None if everybody else caller.principal.id, after=keys[0] if keys else None, limit=count + 1
    )
    shown = found[:count]
    more = pages.encode(_CURSOR, shown[-1].id) if len(found) > count else None
    return DelegationPage(items=[_shown(one) for one in shown], next_cursor=more)


@router.post(
    "/{delegation_id}:revoke",
    operation_id="revoke_delegation",
    response_model=Delegation,
    responses=responses(404, 409),
    summary="Take a delegation back",
)
async def revoke_delegation(caller: CallerDep, delegation_id: DelegationId) -> Delegation:
    """End it now, as who gave it, as whom it was given to, or as an owner. What was answered with it stays."""
    found = await caller.app.access.delegations.get(caller.tenant, delegation_id)
    caller.require(
        "delegation.revoke",
        ask.delegation(caller.tenant, found.id, from_user=found.from_user, to_user=found.to_user),
    )
    return _shown(await caller.app.access.delegations.revoke(caller.principal, delegation_id))


def _shown(one: Stored) -> Delegation:
    return Delegation(
        id=one.id,
        from_user=one.from_user,
        to_user=one.to_user,
        roles=list(one.roles),
        approval_limit=None if one.approval_limit is None else format(one.approval_limit, "f"),
        given_at=one.given_at,
        ends_at=one.ends_at,
        revoked_at=one.revoked_at,
        state=one.state.value,
    )
