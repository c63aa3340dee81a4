"""API keys: make, list, revoke."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from interlock.api.auth import CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.problems import responses
from interlock.api.values import At, GivenAt
from interlock.governance import ask
from interlock.governance.identity import KeyInfo

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=StrictRoute)

Role = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Amount = Annotated[Decimal, Field(ge=0, le=900_000_000_000, max_digits=14, decimal_places=2, allow_inf_nan=False)]


class KeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Mei's key", "user": "user:mei", "roles": ["reviewer"]}]},
    )

    name: str = Field(min_length=1, max_length=128, description="What people call it.")
    user: str = Field(
        pattern=r"^(user|service|agent):[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}$", description="Whom it stands for."
    )
    roles: list[Role] = Field(
        min_length=1,
        max_length=32,
        description="owner, author, operator, reviewer, auditor, or a role that reviews name.",
    )
    approval_limit: Amount | None = Field(
        None, description="The most that it may approve, in the currency of approval limits; without one, no limit."
    )
    expires_at: GivenAt | None = None


class ApiKey(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    user: str
    roles: list[str]
    approval_limit: str | None = Field(description="Decimal string.")
    created_by: str
    created_at: At
    expires_at: At | None
    revoked_at: At | None


class NewApiKey(ApiKey):
    """A key that was made just now."""

    key: str = Field(description="The whole key. It is not stored, and never shown again.")


class KeyList(BaseModel):
    """Every key of the tenant, newest first."""

    items: list[ApiKey]


@router.post(
    "",
    operation_id="create_key",
    status_code=201,
    response_model=NewApiKey,
    responses=responses(413),
    summary="Make an API key",
)
async def create_key(caller: CallerDep, body: KeyRequest) -> NewApiKey:
    """Make a key in the tenant of the key that asks."""
    caller.require("key.create", ask.system(caller.tenant))
    info, key = await caller.app.api_keys.create(
        caller.principal,
        name=body.name,
        user=body.user,
        roles=body.roles,
        approval_limit=body.approval_limit,
        expires_at=body.expires_at,
    )
    return NewApiKey(**_shown(info).model_dump(mode="python"), key=key)


@router.get("", operation_id="list_keys", response_model=KeyList, responses=responses(), summary="List API keys")
async def list_keys(caller: CallerDep) -> KeyList:
    """List keys without their secrets, revoked ones too."""
    caller.require("key.list", ask.system(caller.tenant))
    return KeyList(items=[_shown(info) for info in await caller.app.api_keys.list(caller.tenant)])


@router.delete(
    "/{key_id}",
    operation_id="revoke_key",
    status_code=204,
    response_class=Response,
    responses=responses(404, 409),
    summary="Revoke an API key",
)
async def revoke_key(
    caller: CallerDep, key_id: Annotated[str, Path(max_length=64, description="The middle part of a key.")]
) -> Response:
    """Let nobody in with this key from now on."""
    caller.require("key.revoke", ask.api_key(caller.tenant, key_id))
    await caller.app.api_keys.revoke(caller.principal, key_id)
    return Response(status_code=204)


def _shown(info: KeyInfo) -> ApiKey:
    limit = None if info.approval_limit is None else format(info.approval_limit, "f")
    fields = {name: getattr(info, name) for name in ApiKey.model_fields}
    return ApiKey(**(fields | {"approval_limit": limit, "roles": list(info.roles)}))
