"""Live updates by server-sent events, resumable by `Last-Event-ID`: the event's ID is its position in the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from interlock.api.auth import Caller, CallerDep
from interlock.api.limits import EVENT_STREAM
from interlock.api.problems import responses
from interlock.api.tasks import readable
from interlock.api.values import TaskId
from interlock.domain import canonical
from interlock.domain.errors import MalformedRequest, Unavailable
from interlock.domain.tasks import ENDED
from interlock.governance import ask
from interlock.infra import outbox
from interlock.infra.outbox import Event

router = APIRouter(prefix="/v1", tags=["events"])

POLL_S: Final = 0.2
HEARTBEAT_S: Final = 15.0
RETRY_MS: Final = 1_000
BATCH: Final = 200
_ENDS: Final = frozenset(f"task.{state.value}" for state in ENDED)
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events as they happen: `id` is the position, `event` the type, `data` JSON.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    }
}
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=20, description="ID of the last event that you have; 0 is before all.")
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
    tags=["tasks"],
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
    """Send what happens in the tenant, from its first event or from a position on; does not end."""
    caller.require("task.list", ask.system(caller.tenant))
    return _streamed(request, caller, position=_position(last_event_id, after), task_id=None)


def _position(header: str | None, query: int | None) -> int:
    if header is None or header == "":
        return query or 0
    if not (header.isascii() and header.isdigit() and int(header) < 2**63):
        raise MalformedRequest("Last-Event-ID is no position.", fix="Send the `id` of the last event as it was given.")
    return int(header)


def _streamed(request: Request, caller: Caller, *, position: int, task_id: str | None) -> StreamingResponse:
    streams: Streams = request.app.state.streams
    slot = streams.one()
    slot.__enter__()  # before the first byte, so that the limit is an answer and not a broken stream

    async def body() -> AsyncIterator[bytes]:
        try:
            async for chunk in _chunks(caller, streams, position, task_id):
                yield chunk
        finally:
            slot.__exit__(None, None, None)

    return StreamingResponse(body(), media_type=EVENT_STREAM, headers={"x-accel-buffering": "no"})


async def _chunks(caller: Caller, streams: Streams, position: int, task_id: str | None) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    silent_s = 0.0
    while True:
        ended = task_id is not None and await _has_ended(caller, task_id)
        events = await _read(caller, position, task_id)
        for event in events:
            yield _encoded(event)
            position = event.position
        if ended and not events and await _all_sent(caller, position, task_id):
            return
        silent_s = 0.0 if events else silent_s + POLL_S
        if silent_s >= HEARTBEAT_S:
            silent_s = 0.0
            yield b": still here\n\n"
        if len(events) < BATCH and not await streams.pause():
            return
