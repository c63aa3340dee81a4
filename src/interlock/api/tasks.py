"""Tasks: submit, get, list, timeline, logs, cancel, retry, resolve."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Query, Request

from interlock.api import pages, task_schemas, visible
from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.problems import responses
from interlock.api.task_schemas import (
    AcceptedTask,
    CancelTask,
    EffectValue,
    LogPage,
    ResolveTask,
    RetryTask,
    Task,
    TaskAction,
    TaskPage,
    TaskSubmission,
    TaskSummary,
    Timeline,
)
from interlock.api.values import TEXT_CHARS_MAX, GivenAt, TaskId
from interlock.boundary.step_logs import Wanted
from interlock.domain.errors import FieldError, InvalidInput
from interlock.domain.tasks import State
from interlock.governance import ask
from interlock.orchestration.submit import IDEMPOTENCY_KEY_CHARS_MAX, Submission
from interlock.orchestration.task_views import Filter, TaskView

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], route_class=StrictRoute)

_CURSOR, _LOGS = "tasks", "logs"
LABELS_MAX = 16
Text = Annotated[str | None, Query(max_length=TEXT_CHARS_MAX)]


@router.post(
    "",
    operation_id="submit_task",
    status_code=202,
    response_model=AcceptedTask,
    responses=responses(404, 409, 413, 429),
    summary="Submit a task",
)
async def submit_task(
    caller: CallerDep,
    request: Request,
    body: TaskSubmission,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=IDEMPOTENCY_KEY_CHARS_MAX,
            description="Sent again with the same body, it gives the same task; with another body, 409.",
        ),
    ] = None,
    traceparent: Annotated[
        str | None,
        Header(description="W3C Trace Context: its trace ID becomes the correlation ID, if it is well formed."),
    ] = None,
) -> AcceptedTask:
    """Accept a task: it, its audit record and its event are durable when this returns, and it runs when a worker is free."""
    caller.require("task.submit", ask.automation_entity(caller.tenant, body.automation), automation=body.automation)
    accepted = await caller.app.submit.accept(
        caller.tenant,
        Submission(
            automation=body.automation,
            input=body.input,
            deadline=body.slo.deadline,
            complete_within_s=body.slo.complete_within,
            priority=body.slo.priority,
            callback_url=body.callback_url,
            labels=body.labels,
            correlation_id=request.state.correlation_id,
        ),
        by=caller.principal.id,
        idempotency_key=idempotency_key,
        check_document=lambda document_id: caller.require("document.read", ask.document(caller.tenant, document_id)),
    )
    request.state.correlation_id = (
        accepted.correlation_id
    )  # the headers name the matter, also where the task is an earlier one
    return AcceptedTask(
        id=accepted.task_id,
        state=State.ACCEPTED,
        correlation_id=accepted.correlation_id,
        links=task_schemas.links(accepted.task_id, accepted.correlation_id),
    )


@router.get(
    "", operation_id="list_tasks", response_model=TaskPage, responses=responses(), summary="List tasks, newest first"
)
async def list_tasks(
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    automation: Text = None,
    state: Annotated[list[State] | None, Query(max_length=len(State), description="Any of these; repeatable.")] = None,
    correlation_id: Text = None,
    submitted_by: Text = None,
    label: Annotated[
        list[str] | None, Query(max_length=LABELS_MAX, description="`name:value`; repeatable, all must be there.")
    ] = None,
    accepted_from: Annotated[GivenAt | None, Query(description="Accepted at this time or later.")] = None,
    accepted_to: Annotated[GivenAt | None, Query(description="Accepted before this time.")] = None,
    resolved: Annotated[
        bool | None, Query(description="Only those that somebody has dealt with, or with false only the others.")
    ] = None,
) -> TaskPage:
    """List the tasks of the tenant that the policy lets the caller read; without `task.list`, of those that they submitted themselves.

    A key that is narrowed to automations lists the tasks of these.
    """
    own = submitted_by == caller.principal.id
    listing = caller.for_any_automation()  # the query holds it to those that the key reaches
    if not own and not listing.may("task.list", ask.system(caller.tenant)):
        if submitted_by is not None:
            listing.require("task.list", ask.system(caller.tenant))
        submitted_by = caller.principal.id
    count = min(limit, caller.app.settings.list_page_size_max)
    found = await caller.app.views.find(
        caller.tenant,
        Filter(
            automation=automation,
            automations=caller.principal.scope.automations,
            states=state or (),
            correlation_id=correlation_id,
            submitted_by=submitted_by,
            labels=_labels(label or []),
            accepted_from=accepted_from,
            accepted_to=accepted_to,
            resolved=resolved,
        ),
        after=pages.after_time(_CURSOR, cursor),
        limit=count + 1,
    )
    shown = found[:count]
    more = pages.encode(_CURSOR, shown[-1].accepted_at, shown[-1].id) if len(found) > count else None
    return TaskPage(items=[task_schemas.summary(view) for view in visible.tasks(caller, shown)], next_cursor=more)


@router.get("/{task_id}", operation_id="get_task", response_model=Task, responses=responses(404), summary="Get a task")
async def get_task(caller: CallerDep, task_id: TaskId) -> Task:
    """Give a task as it stands, with its effects."""
    view = await readable(caller, task_id)
    return task_schemas.task(view, await caller.app.views.effects(caller.tenant, task_id))


@router.get(
    "/{task_id}/timeline",
    operation_id="get_task_timeline",
    response_model=Timeline,
    responses=responses(404),
    summary="Get a task's timeline",
)
async def get_task_timeline(caller: CallerDep, task_id: TaskId) -> Timeline:
    """Give every effect with its decision, model version, confidence, cost, duration, who, and its failed attempts."""
    view = await readable(caller, task_id)
    return task_schemas.timeline(view, await caller.app.views.effects(caller.tenant, task_id))


@router.get(
    "/{task_id}/logs",
    operation_id="list_task_logs",
    response_model=LogPage,
    responses=responses(404, 409),
    summary="List what a task's steps wrote",
)
async def list_task_logs(
    caller: CallerDep,
    task_id: TaskId,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    effect: Annotated[str | None, Query(max_length=1024, description="Only of this effect, by its ID.")] = None,
    attempt: Annotated[int | None, Query(ge=1, le=1_000_000, description="Only of this attempt.")] = None,
    generation: Annotated[int | None, Query(ge=1, le=1_000_000, description="Only of this generation.")] = None,
) -> LogPage:
    """Give what the task's steps wrote while they ran, line by line, with their secrets masked. A step that runs is some seconds behind."""
    await readable(caller, task_id)
    count = min(limit, caller.app.settings.list_page_size_max)
    keys = pages.after(_LOGS, cursor, (int, int))
    wanted = Wanted(effect_id=effect, attempt=attempt, generation=generation)
    found = await caller.app.step_logs.read(
        caller.tenant, task_id, wanted, after=None if keys is None else (keys[0], keys[1]), limit=count + 1
    )
    more = pages.encode(_LOGS, *found[count - 1].place) if len(found) > count else None
    return LogPage(items=[task_schemas.log_line(line) for line in found[:count]], next_cursor=more)


@router.get(
    "/{task_id}/effects/{effect_id:path}",
    operation_id="get_effect_value",
    response_model=EffectValue,
    responses=responses(404),
    summary="Get the whole value of an effect",
)
async def get_effect_value(
    caller: CallerDep,
    task_id: TaskId,
    effect_id: Annotated[str, Path(max_length=1024, description="ID of an effect, percent-encoded.")],
) -> EffectValue:
    """Give what came of a recorded effect, also what that stands by reference elsewhere."""
    await readable(caller, task_id)
    whole = effect_id if effect_id.startswith("/") else f"/{effect_id}"
    value = await caller.app.views.value(caller.tenant, task_id, whole)
    return EffectValue(task_id=task_id, effect_id=whole, value=value)


@router.post(
    "/{task_id}:cancel",
    operation_id="cancel_task",
    status_code=202,
    response_model=TaskAction,
    responses=responses(404, 409, 413),
    summary="Cancel a task",
)
async def cancel_task(
    caller: CallerDep, task_id: TaskId, body: Annotated[CancelTask | None, Body()] = None
) -> TaskAction:
    """Ask a task to stop. It may compensate first, so it ends as cancelled a moment later; one that has not begun ends at once."""
    view = await for_action(caller, "task.cancel", task_id)
    await caller.app.actions.cancel(
        caller.tenant, task_id, by=caller.principal.id, reason=body.reason if body else None
    )
    return await _action(caller, view.id)


@router.post(
    "/{task_id}:retry",
    operation_id="retry_task",
    status_code=202,
    response_model=TaskAction,
    responses=responses(404, 409, 413),
    summary="Retry a task from the effect that failed",
)
async def retry_task(
    caller: CallerDep, task_id: TaskId, body: Annotated[RetryTask | None, Body()] = None
) -> TaskAction:
    """Try a failed or blocked task again; what succeeded before the failure is not repeated."""
    view = await for_action(caller, "task.retry", task_id)
    await caller.app.actions.retry(caller.tenant, task_id, by=caller.principal.id, redo=body.redo if body else False)
    return await _action(caller, view.id)


@router.post(
    "/{task_id}:resolve",
    operation_id="resolve_task",
    response_model=TaskSummary,
    responses=responses(404, 409, 413),
    summary="Say that a task is dealt with",
)
async def resolve_task(caller: CallerDep, task_id: TaskId, body: ResolveTask) -> TaskSummary:
    """Say of a failed, blocked or cancelled task that nobody needs to look at it any more, and why. A retry clears it."""
    await for_action(caller, "task.resolve", task_id)
    await caller.app.actions.resolve(caller.tenant, task_id, by=caller.principal.id, note=body.note)
    return task_schemas.summary(await caller.app.views.get(caller.tenant, task_id))


@router.post(
    "/{task_id}:reopen",
    operation_id="reopen_task",
    response_model=TaskSummary,
    responses=responses(404, 409),
    summary="Take back that a task is dealt with",
)
async def reopen_task(caller: CallerDep, task_id: TaskId) -> TaskSummary:
    """Take back that nobody needs to look at a task any more."""
    await for_action(caller, "task.resolve", task_id)
    await caller.app.actions.reopen(caller.tenant, task_id, by=caller.principal.id)
    return task_schemas.summary(await caller.app.views.get(caller.tenant, task_id))


async def readable(caller: Caller, task_id: str) -> TaskView:
    """Give a task that the caller may read. Raises NotFound or Refused."""
    return await for_action(caller, "task.read", task_id)


async def for_action(caller: Caller, action: str, task_id: str) -> TaskView:
    """Give a task that the caller may do this to. Raises NotFound or Refused."""
    view = await caller.app.views.get(caller.tenant, task_id)
    resource = ask.task(caller.tenant, view.id, automation=view.automation, submitted_by=view.submitted_by)
    caller.require(action, resource, automation=view.automation)
    return view


async def _action(caller: Caller, task_id: str) -> TaskAction:
    view = await caller.app.views.get(caller.tenant, task_id)
    return TaskAction(
        id=view.id,
        state=view.state,
        generation=view.generation,
        links=task_schemas.links(view.id, view.correlation_id),
    )


def _labels(given: list[str]) -> dict[str, str]:
    found = {}
    for item in given:
        name, colon, value = item.partition(":")
        if not colon or not name or len(item) > 2 * TEXT_CHARS_MAX:
            raise InvalidInput(
                f"The label {item[:100]!r} is not readable.",
                fix="Write name:value.",
                fields=[FieldError(pointer="/label", detail="write name:value")],
            )
        found[name] = value
    return found
