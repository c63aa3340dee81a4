"""Live updates by server-sent events, resumable by `Last-Event-ID`: the event's ID is its position in the outbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from interlock.api.auth import Caller, CallerDep
from interlock.api.limits import EVENT_STREAM
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.api.tasks import readable
from interlock.api.values import TaskId
from interlock.domain import canonical
from interlock.domain.errors import MalformedRequest, Refused, Unavailable
from interlock.governance import ask
from interlock.infra.outbox import Event

router = APIRouter(prefix="/v1", tags=["events"], route_class=KnownParametersRoute)

POLL_S: Final = 0.2
HEARTBEAT_S: Final = 15.0
RETRY_MS: Final = 1_000
BATCH: Final = 200
AGE_S_MAX: Final = 900.0  # then the client comes back, and its key is asked for again
_EVENT: Final = {
    "type": "object",
    "title": "ServerSentEvent",
    "properties": {
        "id": {"type": "string", "description": "The position; send it as Last-Event-ID to go on after it."},
        "event": {
            "type": "string",
            "description": "The type, such as `task.succeeded`, or what an automation emitted.",
        },
        "data": {"type": "string", "description": "JSON: position, type, task_id, correlation_id, at, data."},
    },
    "required": ["data"],
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Events as they happen.", "content": {EVENT_STREAM: {"schema": _EVENT}}}
}
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=20, description="ID of the last event that you have; 0 is before all."),
]
After = Annotated[
    int | None, Query(ge=0, lt=2**63, description="Likewise, where a client cannot send the header; the header wins.")
]


class Streams:
    """The open streams of this process: at most so many, and none of them holds up a shutdown."""

    def __init__(self, streams_max: int) -> None:
        self._streams_max = streams_max
        self._open = 0
        self._closing = asyncio.Event()

    @property
    def open(self) -> int:
        return self._open

    def close(self) -> None:
        """End all streams; clients come back with the ID of their last event."""
        self._closing.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one stream. Raises Unavailable beyond the limit."""
        if self._open >= self._streams_max or self._closing.is_set():
            raise Unavailable(
                f"{self._open} event streams are open.", fix="Close one, or poll the task instead.", retry_after_s=5
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def pause(self) -> bool:
        """Wait until the next look; False where the process stops."""
        try:
            async with asyncio.timeout(POLL_S):
                await self._closing.wait()
        except TimeoutError:
            return True
        return False


@router.get(
    "/tasks/{task_id}/events",
    operation_id="follow_task",
    response_class=StreamingResponse,
    responses={**responses(404), **_STREAM},
    summary="Follow a task",
)
async def follow_task(
    caller: CallerDep, request: Request, task_id: TaskId, last_event_id: LastEventId = None, after: After = None
) -> StreamingResponse:
    """Send what happens to a task, from its acceptance or from a position on; ends when the task has ended and all was sent."""
    view = await readable(caller, task_id)
    return _streamed(request, caller, position=_position(last_event_id, after), task_id=view.id)


@router.get(
    "/events",
    operation_id="follow_events",
    response_class=StreamingResponse,
    responses={**responses(), **_STREAM},
    summary="Follow the tenant",
)
async def follow_events(
    caller: CallerDep, request: Request, last_event_id: LastEventId = None, after: After = None
) -> StreamingResponse:
    """Send what happens in the tenant and the policies let you see, from its first event or from a position on, for a quarter of an hour; then
    come back."""
    caller.require("task.list", ask.system(caller.tenant))
    return _streamed(request, caller, position=_position(last_event_id, after), task_id=None)


def _position(header: str | None, query: int | None) -> int:
    if header is None or header == "":
        return query or 0
    if not (header.isascii() and header.isdigit() and int(header) < 2**63):
        raise MalformedRequest("Last-Event-ID is no position.", fix="Send the `id` of the last event as it was given.")
    return int(header)


def _streamed(request: Request, caller: Caller, *, position: int, task_id: str | None) -> StreamingResponse:
    if caller.principal.elevation is not None:
        raise Refused(
            "No stream is opened with an elevation, since it would outlast it.",
            fix="List and get instead.",
            extra={"reason": "elevation-stream"},
        )
    streams: Streams = request.app.state.streams
    return _EventStream(streams, _chunks(caller, streams, position, task_id))


class _EventStream(StreamingResponse):
    """Takes its place among the open streams before its first byte, so that the limit is an answer and not a broken stream."""

    def __init__(self, streams: Streams, chunks: AsyncIterator[bytes]) -> None:
        super().__init__(chunks, media_type=EVENT_STREAM, headers={"x-accel-buffering": "no"})
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.one():
            await super().__call__(scope, receive, send)


async def _chunks(caller: Caller, streams: Streams, position: int, task_id: str | None) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    began_at = said_at = time.monotonic()
    while time.monotonic() - began_at < AGE_S_MAX:
        try:
            events, settled = await caller.app.views.follow(caller.tenant, after=position, task_id=task_id, limit=BATCH)
            shown = await _readable(caller, events)
        except Unavailable:  # the client comes back with the ID of its last event, and is told then
            return
        for event in shown:
            yield _encoded(event)
        if events:
            position = events[-1].position
        if shown:
            said_at = time.monotonic()
        elif time.monotonic() - said_at >= HEARTBEAT_S:
            said_at = time.monotonic()
            yield b": still here\n\n"
        if len(events) == BATCH:
            continue
        if settled or not await streams.pause():
            return


async def _readable(caller: Caller, events: Sequence[Event]) -> list[Event]:
    """Give those that the policies of now let the caller see: of a task what `task.read` allows, of the system what `system.read` does."""
    if not events:
        return []
    asking = replace(caller, deciding=await caller.app.policies.current(caller.tenant))
    tasks = await caller.app.views.whose(caller.tenant, (e.task_id for e in events if e.task_id is not None))
    seen: dict[str | None, bool] = {
        task_id: asking.may(
            "task.read",
            ask.task(caller.tenant, task_id, automation=automation, submitted_by=submitted_by),
            automation=automation,
        )
        for task_id, (automation, submitted_by) in tasks.items()
    }
    if any(event.task_id is None for event in events):
        seen[None] = asking.may("system.read", ask.system(caller.tenant))
    return [event for event in events if seen.get(event.task_id, False)]


def _encoded(event: Event) -> bytes:
    data = canonical.dumps(
        {
            "position": event.position,
            "type": event.type,
            "task_id": event.task_id,
            "correlation_id": event.correlation_id,
            "at": event.at,
            "data": event.data,
        }
    ).decode()
    # JSON has no line breaks of its own; a type with one, which an automation could emit, would end the field.
    kind = "".join(c for c in event.type if c.isprintable())
    return f"id: {event.position}\nevent: {kind}\ndata: {data}\n\n".encode()
