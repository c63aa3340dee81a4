"""Numbers of a period, by automation: what the console's home page shows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from interlock.api.auth import CallerDep
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.api.values import TEXT_CHARS_MAX, At
from interlock.domain.errors import InvalidInput
from interlock.governance import ask
from interlock.orchestration.statistics import Unit

router = APIRouter(prefix="/v1/statistics", tags=["tasks"], route_class=KnownParametersRoute)

HOURS_MAX = 31 * 24
HOURLY_MAX = 7 * 24


class AutomationNumbers(BaseModel):
    """What came of an automation's tasks."""

    automation: str
    tasks: int
    running: int = Field(description="Accepted or running.")
    waiting: int
    blocked: int
    succeeded: int
    failed: int
    cancelled: int
    straight_through: int = Field(description="Succeeded, and no person was asked.")
    p50_ms: float | None = Field(description="From acceptance to end, of those that went straight through.")
    p95_ms: float | None
    cost_usd: str = Field(description="Decimal string: measured processor time at the settings' price.")
    failed_resolved: int = Field(description="Of `failed`, those that somebody has dealt with.")
    blocked_resolved: int = Field(description="Of `blocked`, likewise.")


class SeriesPart(BaseModel):
    """What came of the tasks that were accepted within an hour or a day."""

    at: At = Field(description="When it begins.")
    succeeded: int
    failed: int
    cancelled: int
    open: int = Field(description="They have not ended.")
    straight_through: int = Field(description="Of `succeeded`, those that no person was asked about.")


class StatisticsOf(BaseModel):
    """Numbers of the tasks that were accepted since a time."""

    since: At
    items: list[AutomationNumbers]
    series: list[SeriesPart] = Field(
        description="All of them by hours or days of UTC, oldest first, where `bucket` is given; the first part may begin before `since`."
    )


@router.get(
    "", operation_id="get_statistics", response_model=StatisticsOf, responses=responses(), summary="Get numbers"
)
async def get_statistics(
    caller: CallerDep,
    hours: Annotated[int, Query(ge=1, le=HOURS_MAX, description="How far back.")] = 24,
    automation: Annotated[str | None, Query(max_length=TEXT_CHARS_MAX)] = None,
    bucket: Annotated[Unit | None, Query(description="Give a series too; hours for at most a week.")] = None,
) -> StatisticsOf:
    """Count the tasks of the last hours, by automation: how they ended, how many needed nobody, how long they took, what they cost."""
    caller.require("task.list", ask.system(caller.tenant))
    if bucket is Unit.HOUR and hours > HOURLY_MAX:
        raise InvalidInput.of("/bucket", f"Over {HOURLY_MAX} hours are too many parts.", "Ask for days.")
    now: datetime = caller.app.clock.now()
    since = now - timedelta(hours=hours)
    found = await caller.app.views.numbers(caller.tenant, since=since, automation=automation)
    items = [
        AutomationNumbers.model_validate(
            {**{n: getattr(one, n) for n in AutomationNumbers.model_fields}, "cost_usd": f"{one.cost_usd:f}"}
        )
        for one in found
    ]
    parts = []
    if bucket is not None:
        parts = await caller.app.views.series(caller.tenant, since=since, now=now, unit=bucket, automation=automation)
    series = [SeriesPart.model_validate({n: getattr(one, n) for n in SeriesPart.model_fields}) for one in parts]
    return StatisticsOf(since=since, items=items, series=series)
