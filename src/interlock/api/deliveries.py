"""Callbacks: how each one stands, every attempt, and a dead letter sent again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from interlock.api import pages, tenant_webhook
from interlock.api.auth import Caller, CallerDep
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.api.tasks import for_action, readable
from interlock.api.tenant_webhook import TenantWebhook
from interlock.api.values import TEXT_CHARS_MAX, At, TaskId
from interlock.domain.errors import NotFound
from interlock.governance import ask
from interlock.ingress import delivery_log

router = APIRouter(prefix="/v1", tags=["deliveries"], route_class=KnownParametersRoute)

_CURSOR = "deliveries"
State = Literal["pending", "delivered", "dead"]


class DeliveryAttempt(BaseModel):
    """One attempt to deliver."""

    number: int
    status: int | None = Field(description="What the receiver answered; null where it did not.")
    error: str | None
    duration_ms: float
    at: At


class Delivery(BaseModel):
    """A callback as it stands."""

    id: str = Field(description="Also the `webhook-id` that the receiver sees, the same in every attempt.")
    task_id: str | None = Field(description="Null for a call of the tenant's webhook.")
    url: str
    state: State = Field(description="`dead` after the last attempt: it is kept, and can be sent again.")
    due_at: At | None = Field(description="When it is tried next.")
    created_at: At
    ended_at: At | None
    attempts: list[DeliveryAttempt]


class DeliveryPage(BaseModel):
    """A page of callbacks, newest first."""

    items: list[Delivery]
    next_cursor: str | None = Field(None, description="Null on the last page.")


class WebhookCalls(DeliveryPage):
    """A page of calls of the tenant's webhook, newest first."""

    webhook: TenantWebhook | None = Field(description="As it is set now; null where the tenant has none.")


@router.get(
    "/deliveries",
    operation_id="list_deliveries",
    response_model=DeliveryPage,
    responses=responses(),
    summary="List callbacks, newest first",
)
async def list_deliveries(
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    state: State | None = None,
    task_id: Annotated[str | None, Query(max_length=TEXT_CHARS_MAX)] = None,
) -> DeliveryPage:
    """List the callbacks of the tenant with their attempts; `state=dead` gives the dead letters."""
    caller.require("task.list", ask.system(caller.tenant))
    return await _page(caller, state=state, task_id=task_id, cursor=cursor, limit=limit)


@router.get(
    "/tasks/{task_id}/deliveries",
    operation_id="list_task_deliveries",
    response_model=DeliveryPage,
    responses=responses(404),
    summary="List a task's callbacks",
)
async def list_task_deliveries(
    caller: CallerDep, task_id: TaskId, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> DeliveryPage:
    """List the callbacks of one task with their attempts."""
    await readable(caller, task_id)
    return await _page(caller, state=None, task_id=task_id, cursor=cursor, limit=limit)


@router.get(
    "/webhook/deliveries",
    operation_id="list_webhook_deliveries",
    response_model=WebhookCalls,
    responses=responses(),
    summary="List calls of the tenant's webhook, newest first",
)
async def list_webhook_deliveries(
    caller: CallerDep, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> WebhookCalls:
    """List what the tenant's webhook was told, with every attempt; also calls of an address that it had before."""
    caller.require("webhook.read", ask.system(caller.tenant))
    page = await _page(caller, state=None, task_id=None, of_webhook=True, cursor=cursor, limit=limit)
    try:
        webhook = tenant_webhook.shown(await caller.app.access.webhooks.get(caller.tenant))
    except NotFound:
        webhook = None
    return WebhookCalls(webhook=webhook, items=page.items, next_cursor=page.next_cursor)


@router.post(
    "/tasks/{task_id}/deliveries/{delivery_id}:redeliver",
    operation_id="redeliver",
    status_code=202,
    response_model=Delivery,
    responses=responses(404, 409),
    summary="Send a dead letter again",
)
async def redeliver(
    caller: CallerDep,
    task_id: TaskId,
    delivery_id: Annotated[str, Path(max_length=128, description="ID of a callback.")],
) -> Delivery:
    """Send a dead letter again, under the same ID, with all its attempts anew. Whoever may retry the task may do so."""
    await for_action(caller, "task.retry", task_id)
    await _one(caller, task_id, delivery_id)
    await caller.app.delivery_log.redeliver(caller.tenant, delivery_id)
    return await _one(caller, task_id, delivery_id)


@router.post(
    "/deliveries/{delivery_id}:redeliver",
    operation_id="redeliver_to_tenant",
    status_code=202,
    response_model=Delivery,
    responses=responses(404, 409),
    summary="Send a dead letter of the tenant's webhook again",
)
async def redeliver_to_tenant(
    caller: CallerDep, delivery_id: Annotated[str, Path(max_length=128, description="ID of a call of the webhook.")]
) -> Delivery:
    """Send a dead letter of the tenant's webhook again, under the same ID, with all its attempts anew."""
    caller.require("webhook.write", ask.system(caller.tenant))
    found = await caller.app.delivery_log.get(caller.tenant, delivery_id)
    if found.task_id is not None:
        raise NotFound(
            f"The tenant's webhook has no call {delivery_id}.",
            fix="Callbacks of a task are sent again by the task's route.",
        )
    await caller.app.delivery_log.redeliver(caller.tenant, delivery_id)
    return _shown(await caller.app.delivery_log.get(caller.tenant, delivery_id))


async def _one(caller: Caller, task_id: str, delivery_id: str) -> Delivery:
    cursor = None
    while True:
        page = await caller.app.delivery_log.page(
            caller.tenant, task_id=task_id, cursor=cursor, limit=delivery_log.PAGE_MAX
        )
        for found in page.items:
            if found.id == delivery_id:
                return _shown(found)
        cursor = page.next_cursor
        if cursor is None:
            raise NotFound(f"The task {task_id} has no callback {delivery_id}.")


async def _page(
    caller: Caller,
    *,
    state: State | None,
    task_id: str | None,
    of_webhook: bool = False,
    cursor: str | None,
    limit: int,
) -> DeliveryPage:
    after = pages.after(_CURSOR, cursor, (str,))
    found = await caller.app.delivery_log.page(
        caller.tenant,
        state=state,
        task_id=task_id,
        of_webhook=of_webhook,
        cursor=None if after is None else str(after[0]),
        limit=min(limit, caller.app.settings.list_page_size_max),
    )
    more = None if found.next_cursor is None else pages.encode(_CURSOR, found.next_cursor)
    return DeliveryPage(items=[_shown(one) for one in found.items], next_cursor=more)


def _shown(found: delivery_log.Delivery) -> Delivery:
    fields = {name: getattr(found, name) for name in Delivery.model_fields if name != "attempts"}
    attempts = [
        DeliveryAttempt(**{name: getattr(one, name) for name in DeliveryAttempt.model_fields}) for one in found.attempts
    ]
    return Delivery(**fields, attempts=attempts)
