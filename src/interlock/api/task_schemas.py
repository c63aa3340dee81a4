"""What the task routes take and give."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from interlock.api.values import At, GivenAt, Json
from interlock.boundary import step_logs
from interlock.domain.tasks import State
from interlock.orchestration.task_actions import NOTE_CHARS_MAX
from interlock.orchestration.task_views import EffectView, TaskView

EffectStatus = Literal["ok", "denied", "failed", "expired", "cancelled", "pending"]


class SloWish(BaseModel):
    """What the submitter wishes for. Give `complete_within` or `deadline`, not both."""

    model_config = ConfigDict(extra="forbid")

    complete_within: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Seconds from acceptance.", examples=[3600]
    )
    deadline: GivenAt | None = Field(None, description="A time with its zone (RFC 3339).")
    priority: int = Field(0, ge=0, le=100, description="0 is ordinary; each point is worth a minute of queueing.")


class TaskSubmission(BaseModel):
    """A task to accept."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "automation": "expenses",
                    "input": {"documents": [{"id": "doc_019a2b3c4d5e7f60718293a4b5c6d7e8"}]},
                    "slo": {"complete_within": 3600},
                    "labels": {"team": "sales"},
                }
            ]
        },
    )

    automation: str = Field(min_length=1, max_length=63, description="Name of a registered automation.")
    input: Json = Field(description="Valid by the automation's input schema; see GET /v1/automations/{name}.")
    slo: SloWish = SloWish()
    callback_url: str | None = Field(
        None, max_length=2048, description="Where the end of the task is sent, signed (Standard Webhooks)."
    )
    labels: dict[str, Annotated[str, StringConstraints(max_length=10_000)]] = Field(
        default_factory=dict, description="Names and values to find the task by."
    )


class TaskLinks(BaseModel):
    """Where to go on; paths relative to the API's address."""

    self: str
    timeline: str
    events: str
    correlation: str


class AcceptedTask(BaseModel):
    """A task that is stored durably and will run."""

    id: str
    state: State = Field(description="`accepted`, also where the key was used before; follow `links.self` for more.")
    correlation_id: str = Field(description="Trace ID of everything about this matter.")
    links: TaskLinks


class Effect(BaseModel):
    """A journaled thing that a task did, asked or waited for."""

    id: str = Field(description="Its path in the automation, the same in every replay.")
    name: str
    kind: str = Field(description="infer, decide, review, step, emit, fetch, tool, sleep, now or cancel.")
    status: EffectStatus = Field(
        description="How it ended; `pending` while an outcome may come, `cancelled` also where none can come any more."
    )
    outcome: Json = Field(
        None,
        description='What came of it, such as what a model read or a person answered; `{"ref": …}` where it is large.',
    )
    error: dict[str, Any] | None = None
    seq: int | None = Field(None, description="Its place in the task's record; null without an outcome.")
    generation: int = Field(1, description="Raised by each retry of the task.")
    target: str | None = Field(None, description="What acted: an endpoint, a step, a role, a URL.")
    decision: dict[str, Any] | None = Field(None, description="Why it was allowed or refused, and the policy version.")
    model_version: str | None = None
    confidence: float | None = None
    cost_usd: str | None = Field(None, description="Decimal string, US dollars.")
    cpu_ms: float | None = None
    duration_ms: float | None = Field(None, description="Wall time of the last attempt.")
    attempts: int = 1
    redactions: list[dict[str, Any]] = Field(
        default_factory=list,
        description="What was removed before it was performed: type, where (pointer, or document, page and box) and count; never a value.",
    )
    left_out: list[str] = Field(
        default_factory=list,
        description="JSON pointers of what was not sent, since the effect declares that it does not need it.",
    )
    secrets: list[str] = Field(
        default_factory=list,
        description="Connection secrets that it was executed with, as NAME@VERSION; never a value.",
    )
    by: str | None = Field(None, description="Who decided or did it, where that was a person or a named part.")
    review_id: str | None = None
    wake_at: At | None = Field(None, description="When a pending effect is looked at again, where that is known.")
    started_at: At | None = None
    recorded_at: At | None = None


class TimelineEffect(Effect):
    """An effect with what went in and the attempts that failed."""

    input: Json = None
    failed_attempts: list[dict[str, Any]] = Field(default_factory=list)


class Resolution(BaseModel):
    """That somebody has dealt with a task."""

    at: At
    by: str
    note: str | None = Field(description="Null where it was erased.")


class TaskSummary(BaseModel):
    """A task in a list."""

    id: str
    automation: str
    version: str = Field(description="Version of the automation that it is pinned to.")
    state: State
    correlation_id: str
    labels: dict[str, str]
    priority: int
    deadline: At | None
    callback_url: str | None
    submitted_by: str
    generation: int
    cancel_requested: bool
    output: Json = Field(None, description='What the automation returned; `{"ref": …}` in lists where it is large.')
    error: dict[str, Any] | None = Field(None, description="Why it failed, is blocked or was cancelled.")
    accepted_at: At
    started_at: At | None
    ended_at: At | None
    resolved: Resolution | None = Field(
        description="Who says that nobody needs to look at it any more, of a failed, blocked or cancelled one."
    )
    links: TaskLinks


class Task(TaskSummary):
    """A task with what it did."""

    effects: list[Effect]


class TaskPage(BaseModel):
    """A page of tasks, newest first."""

    items: list[TaskSummary]
    next_cursor: str | None = Field(None, description="Null on the last page.")


class Timeline(BaseModel):
    """Everything that a task did, in the order of its record, then what has no outcome."""

    task_id: str
    state: State
    correlation_id: str
    cost_usd: str = Field(description="Sum over all effects, retries included; decimal string, US dollars.")
    effects: list[TimelineEffect]


class EffectValue(BaseModel):
    """The whole value of one effect's outcome, however large."""

    task_id: str
    effect_id: str
    value: Json = None


class LogLine(BaseModel):
    """A line that an attempt of a step wrote."""

    at: At = Field(description="When it was written, by the clock of the machine that ran the step.")
    effect_id: str
    generation: int
    attempt: int
    stream: Literal["stdout", "stderr", "log", "cut"] = Field(
        description="`log`: the module `logging`; `cut`: the text says which lines were not kept, and why."
    )
    level: str | None = Field(description="debug, info, warning, error or critical, of `log`.")
    logger: str | None
    text: str
    cut_chars: int = Field(description="How many characters of the line are not here, since it is over the limit.")


class LogPage(BaseModel):
    """A page of what a task's steps wrote, in the order in which it was kept."""

    items: list[LogLine]
    next_cursor: str | None = Field(None, description="Null where there is no more now; a step that runs may add some.")


class CancelTask(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(None, max_length=4000, description="Goes into the task's events.")


class ResolveTask(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "Paid by hand, voucher 4711."}]})

    note: str = Field(min_length=1, max_length=NOTE_CHARS_MAX, pattern=r"\S", description="Why; erased with the task.")


class RetryTask(BaseModel):
    model_config = ConfigDict(extra="forbid")

    redo: bool = Field(
        False,
        description="Also where the task acted outside after the failure; that is done again under the same idempotency keys.",
    )


class TaskAction(BaseModel):
    """Where the task stands after the request was taken."""

    id: str
    state: State
    generation: int
    links: TaskLinks


def links(task_id: str, correlation_id: str) -> TaskLinks:
    base = f"/v1/tasks/{quote(task_id)}"
    return TaskLinks(
        self=base,
        timeline=f"{base}/timeline",
        events=f"{base}/events",
        correlation=f"/v1/correlations/{correlation_id}",
    )


def summary(view: TaskView) -> TaskSummary:
    return TaskSummary(**_task(view))


def task(view: TaskView, effects: Sequence[EffectView]) -> Task:
    return Task(**_task(view), effects=[effect(e) for e in effects])


def timeline(view: TaskView, effects: Sequence[EffectView]) -> Timeline:
    cost = sum((Decimal(e.cost_usd) for e in effects if e.cost_usd), Decimal(0))
    return Timeline(
        task_id=view.id,
        state=view.state,
        correlation_id=view.correlation_id,
        cost_usd=format(cost, "f"),
        effects=[
            TimelineEffect(**_effect(e), input=e.input, failed_attempts=[dict(a) for a in e.failed_attempts])
            for e in effects
        ],
    )


def log_line(line: step_logs.LogLine) -> LogLine:
    return LogLine(**{name: getattr(line, name) for name in LogLine.model_fields})


def effect(view: EffectView) -> Effect:
    return Effect(**_effect(view))


def _task(view: TaskView) -> dict[str, Any]:
    fields = {name: getattr(view, name) for name in TaskView.__dataclass_fields__}
    return fields | {"links": links(view.id, view.correlation_id)}


def _effect(view: EffectView) -> dict[str, Any]:
    fields = {name: getattr(view, name) for name in EffectView.__dataclass_fields__}
    return {name: fields[name] for name in Effect.model_fields}
