"""API keys: make, narrow, rotate, expire, list, revoke."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.problems import responses
from interlock.api.values import At, GivenAt
from interlock.domain.decisions import Entity
from interlock.governance import ask
from interlock.governance.identity import KeyInfo
from interlock.governance.scope import ITEMS_MAX
from interlock.orchestration.api_keys import OVERLAP_S, OVERLAP_S_MAX

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=StrictRoute)

Role = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Amount = Annotated[Decimal, Field(ge=0, le=900_000_000_000, max_digits=14, decimal_places=2, allow_inf_nan=False)]


KeyId = Annotated[str, Path(max_length=64, description="The middle part of a key.")]
Item = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class KeyScope(BaseModel):
    """What a key is narrowed to. It takes away from what the roles allow and never adds; null narrows nothing."""

    model_config = ConfigDict(extra="forbid")

    actions: list[Item] | None = Field(
        None,
        max_length=ITEMS_MAX,
        description="Actions of routes, such as task.submit; task.* for all of a kind, read for all that change nothing.",
    )
    automations: list[Item] | None = Field(
        None,
        max_length=ITEMS_MAX,
        description="Automations whose tasks and reviews it reaches. It may upload documents too, and nothing that names no automation.",
    )


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
    scope: KeyScope = Field(default_factory=KeyScope, description="What it is narrowed to.")


class RotateRequest(BaseModel):
    """How long the secret before still opens."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap_s": 3600}]})

    overlap_s: float = Field(
        OVERLAP_S, ge=0, le=OVERLAP_S_MAX, allow_inf_nan=False, description="Seconds; 0 ends it now."
    )


class ExpireRequest(BaseModel):
    """When a key shall end."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"at": "2030-01-01T00:00:00Z"}]})

    at: GivenAt = Field(description="Sooner than it would end now.")


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
    scope: KeyScope
    last_used_at: At | None = Field(description="Within a minute; null is never.")
    old_secret_until: At | None = Field(description="Until when the secret before the last rotation opens.")


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
    info, key = await caller.app.access.keys.create(
        caller.principal,
        name=body.name,
        user=body.user,
        roles=body.roles,
        approval_limit=body.approval_limit,
        expires_at=body.expires_at,
        actions=body.scope.actions,
        automations=body.scope.automations,
    )
    return NewApiKey(**_shown(info).model_dump(mode="python"), key=key)


@router.get("", operation_id="list_keys", response_model=KeyList, responses=responses(), summary="List API keys")
async def list_keys(
    caller: CallerDep, own: Annotated[bool, Query(description="Those that stand for the caller alone.")] = False
) -> KeyList:
    """List keys without their secrets, revoked ones too: those of the tenant, or with `own` one's own."""
    if own:
        caller.principal.scope.must_be_whole("key.list")
    else:
        caller.require("key.list", ask.system(caller.tenant))
    found = await caller.app.access.keys.list(caller.tenant)
    return KeyList(items=[_shown(info) for info in found if not own or info.user == caller.principal.id])


@router.post(
    "/{key_id}:rotate",
    operation_id="rotate_key",
    response_model=NewApiKey,
    responses=responses(404),
    summary="Give an API key a new secret",
)
async def rotate_key(caller: CallerDep, key_id: KeyId, body: RotateRequest | None = None) -> NewApiKey:
    """Give the key a new secret. The one before opens as well until the overlap is over, so that programs can change in the meantime."""
    caller.require("key.rotate", await _entity(caller, key_id))
    overlap_s = body.overlap_s if body else OVERLAP_S
    info, key = await caller.app.access.keys.rotate(caller.principal, key_id, overlap_s=overlap_s)
    return NewApiKey(**_shown(info).model_dump(mode="python"), key=key)


@router.post(
    "/{key_id}:expire",
    operation_id="expire_key",
    response_model=ApiKey,
    responses=responses(404, 409),
    summary="Let an API key end",
)
async def expire_key(caller: CallerDep, key_id: KeyId, body: ExpireRequest) -> ApiKey:
    """Give the key an end, or an earlier one."""
    caller.require("key.expire", await _entity(caller, key_id))
    return _shown(await caller.app.access.keys.expire(caller.principal, key_id, body.at))


@router.delete(
    "/{key_id}",
    operation_id="revoke_key",
    status_code=204,
    response_class=Response,
    responses=responses(404, 409),
    summary="Revoke an API key",
)
async def revoke_key(caller: CallerDep, key_id: KeyId) -> Response:
    """Let nobody in with this key from now on."""
    caller.require("key.revoke", await _entity(caller, key_id))
    await caller.app.access.keys.revoke(caller.principal, key_id)
    return Response(status_code=204)


async def _entity(caller: Caller, key_id: str) -> Entity:
    """Give the key as policies know it: whose it is, where it is known."""
    return ask.api_key(caller.tenant, key_id, user=await caller.app.access.keys.user_of(caller.tenant, key_id))


def _shown(info: KeyInfo) -> ApiKey:
    limit = None if info.approval_limit is None else format(info.approval_limit, "f")
    narrowed = KeyScope(
        actions=None if info.scope.actions is None else list(info.scope.actions),
        automations=None if info.scope.automations is None else list(info.scope.automations),
    )
    fields = {name: getattr(info, name) for name in ApiKey.model_fields}
    return ApiKey(**(fields | {"approval_limit": limit, "roles": list(info.roles), "scope": narrowed}))
