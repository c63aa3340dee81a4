"""Break-glass: open an emergency elevation, list, end, and review it afterwards."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from interlock.api import pages
from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.domain.decisions import Entity
from interlock.domain.elevations import ELEVATABLE
from interlock.governance import ask
from interlock.orchestration.elevations import LIST_MAX, MINUTES, REASON_CHARS_MAX, REASON_CHARS_MIN
from interlock.orchestration.elevations import Elevation as Stored

router = APIRouter(prefix="/v1/elevations", tags=["elevations"], route_class=StrictRoute)
_CURSOR: Final = "elevations"
ElevationId = Annotated[str, Path(max_length=64, description="ID of an elevation.")]
Action = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Which = Literal["open", "to_review", "unreviewed", "any"]


class ElevationRequest(BaseModel):
    """What an elevation shall open, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"actions": ["task.cancel"], "reason": "Runaway imports, nobody of them is in."}]
        },
    )

    actions: list[Action] = Field(min_length=1, max_length=len(ELEVATABLE), description="What it is for.")
    reason: str = Field(
        min_length=REASON_CHARS_MIN, max_length=REASON_CHARS_MAX, description="Why; it is looked at afterwards."
    )
    minutes: int | None = Field(None, ge=1, le=1440, description=f"How long; {MINUTES} where nothing is said.")


class Acknowledgement(BaseModel):
    """What whoever looked at it says."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "Right, and talked over."}]})

    note: str = Field(min_length=1, max_length=REASON_CHARS_MAX, pattern=r"\S")


class Elevation(BaseModel):
    """An emergency elevation."""

    id: str = Field(description="Send it as the header `Interlock-Elevation` with each request that needs it.")
    user_id: str
    actions: list[str]
    reason: str
    state: Literal["open", "to_review", "reviewed"]
    opened_at: At
    ends_at: At
    ended_at: At | None = Field(description="When it was ended before its time.")
    ended_by: str | None
    acknowledged_at: At | None
    acknowledged_by: str | None
    note: str | None


class ElevationPage(BaseModel):
    """Elevations, newest first."""

    items: list[Elevation]
    next_cursor: str | None = Field(None, description="Send it as `cursor` for the next page; null at the end.")


@router.post(
    "",
    operation_id="open_elevation",
    status_code=201,
    response_model=Elevation,
    responses=responses(409, 413),
    summary="Break the glass",
)
async def open_elevation(caller: CallerDep, body: ElevationRequest) -> Elevation:
    """Take what the policies deny for a short time. Everybody who may see the system sees it, and another person reviews it afterwards."""
    caller.require("elevation.open", ask.system(caller.tenant))
    return _shown(
        await caller.app.access.elevations.open(
            caller.principal, actions=body.actions, reason=body.reason, minutes=body.minutes
        )
    )


@router.get(
    "", operation_id="list_elevations", response_model=ElevationPage, responses=responses(), summary="List elevations"
)
async def list_elevations(
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    state: Annotated[
        Which, Query(description="`to_review`: over, and not reviewed; `unreviewed`: open or so.")
    ] = "any",
) -> ElevationPage:
    """List everybody's for owners, operators and auditors, else one's own."""
    of = None if caller.may("elevation.list", ask.system(caller.tenant)) else caller.principal.id
    if of is not None:
        caller.principal.scope.must_be_whole("elevation.list")
    count = min(limit, caller.app.settings.list_page_size_max, LIST_MAX)
    keys = pages.after(_CURSOR, cursor, (str,))
    found = await caller.app.access.elevations.find(
        caller.tenant, which=state, of=of, after=keys[0] if keys else None, limit=count + 1
    )
    shown = found[:count]
    more = pages.encode(_CURSOR, shown[-1].id) if len(found) > count else None
    return ElevationPage(items=[_shown(one) for one in shown], next_cursor=more)


@router.post(
    "/{elevation_id}:end",
    operation_id="end_elevation",
    response_model=Elevation,
    responses=responses(404, 409),
    summary="End an elevation",
)
async def end_elevation(caller: CallerDep, elevation_id: ElevationId) -> Elevation:
    """End it before its time, as who took it or as an owner."""
    caller.require("elevation.end", await _entity(caller, elevation_id))
    return _shown(await caller.app.access.elevations.end(caller.principal, elevation_id))


@router.post(
    "/{elevation_id}:acknowledge",
    operation_id="acknowledge_elevation",
    response_model=Elevation,
    responses=responses(404, 409, 413),
    summary="Say that you reviewed an elevation",
)
async def acknowledge_elevation(caller: CallerDep, elevation_id: ElevationId, body: Acknowledgement) -> Elevation:
    """Close an elevation that is over, as another person than who took it, once you have looked at what was done with it."""
    caller.require("elevation.acknowledge", await _entity(caller, elevation_id))
    return _shown(await caller.app.access.elevations.acknowledge(caller.principal, elevation_id, body.note))


async def _entity(caller: Caller, elevation_id: str) -> Entity:
    found = await caller.app.access.elevations.get(caller.tenant, elevation_id)
    return ask.elevation(caller.tenant, found.id, user=found.user_id)


def _shown(one: Stored) -> Elevation:
    fields = {name: getattr(one, name) for name in Elevation.model_fields}
    return Elevation(**{**fields, "actions": list(one.actions), "state": one.state.value})
