"""Personal data: what is kept of a person, and erasing it."""

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
from interlock.orchestration import erasures

_CURSOR: Final = "erasures"
router = APIRouter(prefix="/v1/privacy", tags=["privacy"], route_class=StrictRoute)
Subject = Annotated[str, Path(max_length=512, description="The person, as tasks name them.")]


class ErasureRequest(BaseModel):
    """Whom to erase."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"subject": "user:amir"}]})

    subject: str = Field(min_length=1, max_length=512, description="The person, as tasks name them.")


class Erasure(BaseModel):
    """How an erasure stands."""

    id: str
    subject: str
    state: str = Field(description="pending (tasks of the person are open, or callbacks not delivered) or done.")
    requested_by: str
    requested_at: At
    done_at: At | None
    tasks: int = Field(description="Tasks whose content was erased so far.")
    documents: int = Field(description="Documents that were erased so far.")
    kept_documents: int = Field(description="Documents that stay, since tasks of other people name them too.")
    open_tasks: int = Field(description="Tasks that it still waits for.")


class ErasurePage(BaseModel):
    """Erasures, newest first."""

    items: list[Erasure]
    next_cursor: str | None = Field(None, description="Send it as `cursor` for the next page; null at the end.")


class KeptTask(BaseModel):
    """A task about the person."""

    id: str
    automation: str
    state: str
    accepted_at: At
    ended_at: At | None
    erased_at: At | None


class KeptDocument(BaseModel):
    """A document that the person uploaded, or that a task about them names."""

    id: str
    filename: str
    media_type: str
    size_bytes: int
    created_at: At
    erased_at: At | None


class KeptAccount(BaseModel):
    """The person's account; its name is gone once they were erased."""

    id: str
    name: str
    roles: list[str]
    created_at: At
    disabled_at: At | None


class KeptSession(BaseModel):
    """A session that the person signed in to; those that ended are forgotten after 30 days."""

    id: str
    method: str
    created_at: At
    last_used_at: At
    expires_at: At
    ended_at: At | None


class KeptView(BaseModel):
    """A view that the person keeps; gone once they were erased."""

    id: str
    page: str
    name: str
    filters: dict[str, str]
    shared: bool
    changed_at: At


class KeptLink(BaseModel):
    """Another name of the person, that an owner linked to theirs."""

    id: str
    name: str
    linked_at: At
    ended_at: At | None


class KeptElevation(BaseModel):
    """An emergency elevation that the person took, or reviewed; what was written goes once they were erased."""

    id: str
    opened_at: At
    taken: bool = Field(description="False where they reviewed another person's.")
    reason: str
    note: str | None


class AboutSubject(BaseModel):
    """What is kept of a person."""

    subject: str
    tasks: list[KeptTask] = Field(description="Newest first.")
    documents: list[KeptDocument] = Field(description="Newest first.")
    accounts: list[KeptAccount]
    sessions: list[KeptSession] = Field(description="Newest first.")
    views: list[KeptView] = Field(description="By page and name.")
    links: list[KeptLink] = Field(description="Other names of the person, newest first; ended ones too.")
    elevations: list[KeptElevation] = Field(description="Newest first.")
    erasures: list[Erasure] = Field(description="Newest first.")
    complete: bool = Field(description="False where there is more of one kind than a page holds.")


@router.post(
    "/erasures",
    operation_id="request_erasure",
    status_code=202,
    response_model=Erasure,
    responses=responses(404, 409),
    summary="Erase a person",
)
async def request_erasure(caller: CallerDep, body: ErasureRequest) -> Erasure:
    """Ask that everything that is kept of a person be erased, once their open tasks have ended. It cannot be undone."""
    caller.require("privacy.erase", ask.system(caller.tenant))
    return _shown(await caller.app.erasures.request(caller.principal, body.subject))


@router.get(
    "/erasures",
    operation_id="list_erasures",
    response_model=ErasurePage,
    responses=responses(),
    summary="List erasures",
)
async def list_erasures(caller: CallerDep, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT) -> ErasurePage:
    """List erasures, newest first."""
    caller.require("privacy.read", ask.system(caller.tenant))
    count = min(limit, caller.app.settings.list_page_size_max)
    after = pages.after_time(_CURSOR, cursor)
    found = await caller.app.erasures.find(caller.tenant, after=after, limit=count + 1)
    shown = found[:count]
    more = pages.encode(_CURSOR, shown[-1].requested_at, shown[-1].id) if len(found) > count else None
    return ErasurePage(items=[_shown(one) for one in shown], next_cursor=more)


@router.get(
    "/erasures/{erasure_id}",
    operation_id="get_erasure",
    response_model=Erasure,
    responses=responses(404),
    summary="Get an erasure",
)
async def get_erasure(caller: CallerDep, erasure_id: Annotated[str, Path(max_length=64)]) -> Erasure:
    """Tell how an erasure stands."""
    caller.require("privacy.read", ask.system(caller.tenant))
    return _shown(await caller.app.erasures.get(caller.tenant, erasure_id))


@router.get(
    "/subjects/{subject:path}",
    operation_id="get_subject",
    response_model=AboutSubject,
    responses=responses(404),
    summary="See what is kept of a person",
)
async def get_subject(caller: CallerDep, subject: Subject) -> AboutSubject:
    """List the tasks about a person, the documents that they uploaded or that those tasks name, and what else is kept of them."""
    caller.require("privacy.read", ask.system(caller.tenant))
    most = caller.app.settings.list_page_size_max
    about = await caller.app.erasures.about(caller.tenant, subject, limit=most + 1)
    return AboutSubject(
        subject=about.subject,
        tasks=[KeptTask.model_validate(row) for row in about.tasks[:most]],
        documents=[KeptDocument.model_validate(row) for row in about.documents[:most]],
        accounts=[KeptAccount.model_validate(row) for row in about.accounts],
        sessions=[KeptSession.model_validate(row) for row in about.sessions[:most]],
        views=[KeptView.model_validate(row) for row in about.views[:most]],
        links=[KeptLink.model_validate(row) for row in about.links[:most]],
        elevations=[KeptElevation.model_validate(row) for row in about.elevations[:most]],
        erasures=[_shown(one) for one in about.erasures[:most]],
        complete=max(len(part) for part in about.lists) <= most,
    )


def _shown(one: erasures.Erasure) -> Erasure:
    return Erasure(**{name: getattr(one, name) for name in Erasure.model_fields})
