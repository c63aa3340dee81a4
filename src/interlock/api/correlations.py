"""Everything about one matter, by its correlation ID."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from interlock.api import review_schemas, task_schemas, visible
from interlock.api.auth import CallerDep
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.api.review_schemas import ReviewSummary
from interlock.api.task_schemas import TaskSummary
from interlock.api.values import At
from interlock.domain.errors import NotFound
from interlock.governance import ask
from interlock.orchestration.review_rows import ReviewFilter
from interlock.orchestration.task_views import Filter

router = APIRouter(prefix="/v1/correlations", tags=["correlations"], route_class=KnownParametersRoute)


class DeliverySummary(BaseModel):
    """How a callback stands; its attempts are under its task."""

    id: str
    task_id: str
    url: str
    state: str = Field(description="pending, delivered or dead.")
    attempts: int
    created_at: At
    ended_at: At | None


class Correlation(BaseModel):
    """Everything about one matter in the tenant, as far as the caller may see it."""

    correlation_id: str
    tasks: list[TaskSummary] = Field(description="Newest first.")
    reviews: list[ReviewSummary] = Field(description="Oldest first.")
    deliveries: list[DeliverySummary] = Field(description="Callbacks, oldest first.")
    complete: bool = Field(description="False where there is more of one kind than a page holds.")


@router.get(
    "/{correlation_id}",
    operation_id="get_correlation",
    response_model=Correlation,
    responses=responses(404),
    summary="Get everything about one matter",
)
async def get_correlation(
    caller: CallerDep,
    correlation_id: Annotated[str, Path(max_length=128, description="The trace ID that its submission answered with.")],
) -> Correlation:
    """Give the tasks under a correlation ID with their reviews and callbacks."""
    app, most = caller.app, caller.app.settings.list_page_size_max
    tasks = await app.views.find(caller.tenant, Filter(correlation_id=correlation_id), limit=most + 1)
    if not tasks:
        raise NotFound(f"There is nothing under the correlation ID {correlation_id}.")
    first, seen = tasks[0], visible.tasks(caller, tasks)
    if not seen:
        resource = ask.task(caller.tenant, first.id, automation=first.automation, submitted_by=first.submitted_by)
        caller.require("task.read", resource, automation=first.automation)
    reviews = await app.reviews.find(caller.tenant, ReviewFilter(correlation_id=correlation_id), limit=most + 1)
    deliveries = await app.views.deliveries(caller.tenant, correlation_id, limit=most + 1)
    return Correlation(
        correlation_id=correlation_id,
        tasks=[task_schemas.summary(view) for view in seen[:most]],
        reviews=[
            review_schemas.summary(review)
            for review in visible.reviews([caller, *await caller.acting_for_others()], reviews[:most])
        ],
        deliveries=[
            DeliverySummary(**{name: getattr(one, name) for name in DeliverySummary.model_fields})
            for one in deliveries[:most]
        ],
        complete=max(len(tasks), len(reviews), len(deliveries)) <= most,
    )
