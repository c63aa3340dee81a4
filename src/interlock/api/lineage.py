"""Lineage: from a document to each value that was read from it, and to each decision that used the value."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from interlock.api import visible
from interlock.api.auth import CallerDep
from interlock.api.documents import DocumentId
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.api.tasks import readable
from interlock.api.values import At, Json, TaskId
from interlock.domain.documents import Document
from interlock.domain.errors import NotFound
from interlock.orchestration.lineage import TaskLineage, Use

router = APIRouter(prefix="/v1", tags=["lineage"], route_class=KnownParametersRoute)


class LineageUse(BaseModel):
    """An effect that a value reached."""

    effect: str
    kind: str
    name: str
    status: str
    how: Literal["equal", "derived", "before"] = Field(
        description="equal: the value stands in its input, at `at`; derived: something does that an effect gave which took the value in;"
        " before: it was known when this was decided, and nothing shows that it was used, or that it was not."
    )
    at: str | None = Field(description="JSON pointer into its input.")
    recorded_at: At | None
    answer: str | None = Field(description="What the policy answered: allow, deny, needs_review.")
    policy_version: str | None = Field(description="SHA-256 (hex) over the policies that decided.")
    reasons: list[str] = Field(description="IDs of the policies that decided.")
    by: str | None = Field(description="Who answered, where a person did.")
    names: str | None = Field(description="The ID that its outcome names, such as that of a posting.")


class LineageValue(BaseModel):
    """A value that a model read, and what used it."""

    effect: str = Field(description="The inference that read it.")
    pointer: str = Field(description="JSON pointer into the inference's outcome.")
    value: Json
    confidence: float | None
    page: int | None = Field(description="From 1.")
    box: list[float] | None = Field(description="x0, y0, x1, y1 as fractions of the page.")
    model_version: str | None
    documents: list[str] = Field(description="IDs of the documents that the inference was given.")
    decisions: list[LineageUse] = Field(description="In the order of their record.")
    effects: list[LineageUse]


class TaskLineageView(BaseModel):
    """A task, and every value that models read in it."""

    task_id: str
    automation: str
    version: str
    state: str
    documents: list[Document]
    values: list[LineageValue]
    complete: bool = Field(description="False where there were more values than are traced.")


class DocumentLineage(BaseModel):
    """A document, and the tasks that read it."""

    document: Document
    tasks: list[TaskLineageView] = Field(description="Newest first, as far as the caller may see them.")
    complete: bool = Field(description="False where more tasks name the document than are shown.")


@router.get(
    "/tasks/{task_id}/lineage",
    operation_id="get_task_lineage",
    response_model=TaskLineageView,
    responses=responses(404),
    summary="Get what a task made of its documents",
)
async def get_task_lineage(caller: CallerDep, task_id: TaskId) -> TaskLineageView:
    """Trace each value that a model read to the decisions and effects that used it. Computed from the journal."""
    await readable(caller, task_id)
    return await _view(caller, await caller.app.lineages.of_task(caller.tenant, task_id))


@router.get(
    "/documents/{document_id}/lineage",
    operation_id="get_document_lineage",
    response_model=DocumentLineage,
    responses=responses(404),
    summary="Get what came of a document",
)
async def get_document_lineage(caller: CallerDep, document_id: DocumentId) -> DocumentLineage:
    """Trace a document to each value that was read from it, and each decision that used the value, over the tasks that name it."""
    document = await visible.document(caller, document_id)
    ids, complete = await caller.app.lineages.of_document(caller.tenant, document.id)
    found = []
    for task_id in ids:
        if visible.may_read_task(caller, await caller.app.views.get(caller.tenant, task_id)):
            found.append(await _view(caller, await caller.app.lineages.of_task(caller.tenant, task_id)))
    return DocumentLineage(document=document, tasks=found, complete=complete)


async def _view(caller: CallerDep, lineage: TaskLineage) -> TaskLineageView:
    return TaskLineageView(
        task_id=lineage.task.id,
        automation=lineage.task.automation,
        version=lineage.task.version,
        state=lineage.task.state.value,
        documents=[document async for document in _stored(caller, lineage.documents)],
        values=[
            LineageValue(
                **{n: getattr(one, n) for n in LineageValue.model_fields if n not in ("decisions", "effects")},
                decisions=[_use(use) for use in one.decisions],
                effects=[_use(use) for use in one.effects],
            )
            for one in lineage.values
        ],
        complete=lineage.complete,
    )


async def _stored(caller: CallerDep, ids: Sequence[str]) -> AsyncIterator[Document]:
    """Give the documents that are stored: what a request names may be the author's own."""
    for one in ids:
        with contextlib.suppress(NotFound):
            yield await caller.app.documents.get(caller.tenant, one)


def _use(use: Use) -> LineageUse:
    return LineageUse(**{name: getattr(use, name) for name in LineageUse.model_fields})
