"""Links: which names are one person."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from interlock.api import pages
from interlock.api.auth import CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.governance import ask
from interlock.orchestration.person_links import LIST_MAX
from interlock.orchestration.person_links import PersonLink as Stored

router = APIRouter(prefix="/v1/person-links", tags=["accounts"], route_class=StrictRoute)
_CURSOR: Final = "person-links"
LinkId = Annotated[str, Path(max_length=64, description="ID of a link.")]
Person = Annotated[str, Field(pattern=r"^user:[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}$")]


class PersonLinkRequest(BaseModel):
    """Two names that are one person."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"one": "user:mei", "other": "user:entra.mei"}]}
    )

    one: Person = Field(description="A name of the person.")
    other: Person = Field(description="Another name of theirs.")


class PersonLink(BaseModel):
    """Two names that count as one person until it is ended."""

    id: str
    one: str
    other: str
    linked_by: str
    linked_at: At
    ended_at: At | None
    ended_by: str | None


class PersonLinkPage(BaseModel):
    """Links, newest first."""

    items: list[PersonLink]
    next_cursor: str | None = Field(None, description="Send it as `cursor` for the next page; null at the end.")


@router.post(
    "", operation_id="link_person", status_code=201, response_model=PersonLink, responses=responses(409, 413),
    summary="State that two names are one person",
)  # fmt: skip
async def link_person(caller: CallerDep, body: PersonLinkRequest) -> PersonLink:
    """Let duties and approvals count two names once, also in what is open already. Roles, limits and what is each name's own stay as they are."""
    caller.require("account.link", ask.system(caller.tenant))
    return _shown(await caller.app.access.links.link(caller.principal, body.one, body.other))


@router.get(
    "", operation_id="list_person_links", response_model=PersonLinkPage, responses=responses(), summary="List links"
)
async def list_person_links(caller: CallerDep, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT) -> PersonLinkPage:
    """List which names are one person, ended links too."""
    caller.require("account.list", ask.system(caller.tenant))
    count = min(limit, caller.app.settings.list_page_size_max, LIST_MAX)
    keys = pages.after(_CURSOR, cursor, (str,))
    found = await caller.app.access.links.find(caller.tenant, after=keys[0] if keys else None, limit=count + 1)
    shown = found[:count]
    more = pages.encode(_CURSOR, shown[-1].id) if len(found) > count else None
    return PersonLinkPage(items=[_shown(one) for one in shown], next_cursor=more)


@router.post(
    "/{link_id}:end", operation_id="end_person_link", response_model=PersonLink, responses=responses(404, 409),
    summary="End a link",
)  # fmt: skip
async def end_person_link(caller: CallerDep, link_id: LinkId) -> PersonLink:
    """Count the names as two persons from now on. Whom the link is about is refused."""
    caller.require("account.unlink", ask.system(caller.tenant))
    return _shown(await caller.app.access.links.end(caller.principal, link_id))


def _shown(one: Stored) -> PersonLink:
    return PersonLink(**{name: getattr(one, name) for name in PersonLink.model_fields})
