"""Views: filters of the inbox or of the tasks, kept under a name."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.domain.decisions import Entity
from interlock.domain.errors import NotFound
from interlock.governance import ask
from interlock.orchestration.saved_views import NAME_CHARS_MAX, VALUE_CHARS_MAX
from interlock.orchestration.saved_views import SavedView as Stored

router = APIRouter(prefix="/v1/views", tags=["views"], route_class=StrictRoute)
ViewId = Annotated[str, Path(max_length=64, description="ID of a view.")]
Page = Literal["inbox", "tasks"]
_LISTS: Final = {"inbox": "review.list", "tasks": "task.list"}
FILTERS_MAX: Final = 16
Filters = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=32)],
        Annotated[str, StringConstraints(min_length=1, max_length=VALUE_CHARS_MAX)],
    ],
    Field(max_length=FILTERS_MAX, description="Names and values as they stand in the page's address."),
]


class SaveView(BaseModel):
    """A view to keep, whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"page": "tasks", "name": "To look at", "filters": {"find": "failed unresolved"}}]
        },
    )

    page: Page
    name: str = Field(
        min_length=1, max_length=NAME_CHARS_MAX, pattern=r"^\S(.*\S)?$", description="Unlike your others."
    )
    filters: Filters
    shared: bool = Field(False, description="Seen by everybody in the tenant.")


class View(BaseModel):
    """A view."""

    id: str
    owner: str
    page: Page
    name: str
    filters: dict[str, str]
    shared: bool
    changed_at: At
    may_change: bool = Field(description="Whether the policy lets you change it.")


class ViewList(BaseModel):
    """Your own views, and those that are shared."""

    items: list[View]


@router.get("", operation_id="list_views", response_model=ViewList, responses=responses(), summary="List views")
async def list_views(caller: CallerDep, page: Annotated[Page | None, Query()] = None) -> ViewList:
    """List your own views, and those that others share with the tenant where you may list what they narrow, by page and name."""
    found = await caller.app.saved_views.find(caller.tenant, of=caller.principal.id, page=page)
    lists = {name for name, action in _LISTS.items() if caller.may(action, ask.system(caller.tenant))}
    seen = [one for one in found if one.owner == caller.principal.id or one.page in lists]
    return ViewList(items=[_shown(caller, one) for one in seen if caller.may("view.read", _entity(caller, one))])


@router.post(
    "",
    operation_id="create_view",
    status_code=201,
    response_model=View,
    responses=responses(409, 413),
    summary="Keep a view",
)
async def create_view(caller: CallerDep, body: SaveView) -> View:
    """Keep filters under a name, for yourself or, where the policy lets you share, for the tenant."""
    own = ask.view(caller.tenant, "new", owner=caller.principal.id, shared=body.shared)
    caller.require("view.write", own)
    if body.shared:
        caller.require("view.share", own)
    return _shown(caller, await caller.app.saved_views.create(caller.principal, **body.model_dump()))


@router.put(
    "/{view_id}",
    operation_id="replace_view",
    response_model=View,
    responses=responses(404, 409, 413),
    summary="Replace a view",
)
async def replace_view(caller: CallerDep, view_id: ViewId, body: SaveView) -> View:
    """Give a view another name or other filters, share it, or share it no more."""
    found = await _writable(caller, view_id)
    if body.shared and not found.shared:
        caller.require("view.share", _entity(caller, found))
    return _shown(caller, await caller.app.saved_views.replace(caller.principal, view_id, **body.model_dump()))


@router.delete(
    "/{view_id}",
    operation_id="delete_view",
    status_code=204,
    response_class=Response,
    responses=responses(404),
    summary="Delete a view",
)
async def delete_view(caller: CallerDep, view_id: ViewId) -> Response:
    """Delete a view."""
    await _writable(caller, view_id)
    await caller.app.saved_views.remove(caller.principal, view_id)
    return Response(status_code=204)


async def _writable(caller: Caller, view_id: str) -> Stored:
    """Give a view that the caller may change. Raises Refused; NotFound also for what somebody else keeps for themselves."""
    found = await caller.app.saved_views.get(caller.tenant, view_id)
    caller.require("view.write", _entity(caller, found))
    if not found.shared and found.owner != caller.principal.id:
        raise NotFound(f"There is no view {view_id}.")
    return found


def _entity(caller: Caller, view: Stored) -> Entity:
    return ask.view(caller.tenant, view.id, owner=view.owner, shared=view.shared)


def _shown(caller: Caller, view: Stored) -> View:
    fields = {name: getattr(view, name) for name in View.model_fields if name != "may_change"}
    return View(**fields, may_change=caller.may("view.write", _entity(caller, view)))
