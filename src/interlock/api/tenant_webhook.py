"""The tenant's webhook: where it is called for loud events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from interlock.api.auth import CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.governance import ask
from interlock.orchestration.tenant_webhook import TenantWebhook as Stored

router = APIRouter(prefix="/v1/webhook", tags=["webhook"], route_class=StrictRoute)
URL_CHARS_MAX = 2_000


class TenantWebhookRequest(BaseModel):
    """Where to call."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": "https://alerts.example.com/interlock"}]}
    )

    url: Annotated[
        str,
        Field(min_length=1, max_length=URL_CHARS_MAX, description="An address that is public, or on the allow-list."),
    ]


class TenantWebhook(BaseModel):
    """Where the tenant is called for loud events, and who said so."""

    url: str
    set_by: str
    set_at: At


@router.get(
    "",
    operation_id="get_tenant_webhook",
    response_model=TenantWebhook,
    responses=responses(404),
    summary="Get the tenant's webhook",
)
async def get_tenant_webhook(caller: CallerDep) -> TenantWebhook:
    """Give where the tenant is called for emergency elevations, policies that are put in force or look on, and changes of this webhook."""
    caller.require("webhook.read", ask.system(caller.tenant))
    return shown(await caller.app.access.webhooks.get(caller.tenant))


@router.put(
    "",
    operation_id="set_tenant_webhook",
    response_model=TenantWebhook,
    responses=responses(422),
    summary="Set the tenant's webhook",
)
async def set_tenant_webhook(caller: CallerDep, given: TenantWebhookRequest) -> TenantWebhook:
    """Set or replace it. Calls are signed as callbacks are (Standard Webhooks); the address before it is told that it was replaced."""
    caller.require("webhook.write", ask.system(caller.tenant))
    return shown(await caller.app.access.webhooks.set(caller.principal, given.url))


@router.delete(
    "",
    operation_id="remove_tenant_webhook",
    status_code=204,
    responses=responses(404),
    summary="Remove the tenant's webhook",
)
async def remove_tenant_webhook(caller: CallerDep) -> None:
    """Remove it; the address is told."""
    caller.require("webhook.write", ask.system(caller.tenant))
    await caller.app.access.webhooks.remove(caller.principal)


def shown(stored: Stored) -> TenantWebhook:
    """Give it as the API does."""
    return TenantWebhook(url=stored.url, set_by=stored.set_by, set_at=stored.set_at)
