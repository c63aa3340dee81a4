"""What a branch had begun when it was cancelled: it is shown as cancelled, and not as if somebody still waited for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from pydantic import BaseModel
from tests.eventually import eventually
from tests.small_engine import TENANT, SmallEngine, small_engine

from interlock import Retry, Task, step
from interlock.domain.errors import ExecutorFailed
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.task_views import TaskViews

pytestmark = pytest.mark.postgres


class Form(BaseModel):
    amount: int = 1


@step
async def quick() -> None:
    """Ends at once."""


@step(retry=Retry(attempts=5, initial_s=600, jitter=0))
async def unsure() -> None:
    """Fails, and would be tried again in ten minutes."""


@step(at_most_once=True)
async def endless() -> None:
    """Does not end by itself."""


@pytest.fixture
async def small(database_url: str, postgres_server: EmbeddedPostgres) -> AsyncIterator[SmallEngine]:
    async with small_engine(database_url, postgres_server.data_dir) as engine:
        yield engine


async def shown_in(small: SmallEngine, body: Any, *, when: str) -> dict[str, str]:
    """Give the status of each effect by name, when a task with this body has ended, or has begun the effect `when`."""
    small.automations["body"] = body
    (task_id,) = await small.submit("body")
    views = TaskViews(small.database, small.objects)

    async def reached() -> dict[str, str] | None:
        task = await views.get(TENANT, task_id)
        shown = {one.name: one.status for one in await views.effects(TENANT, task_id)}
        return shown if task.state == when or when in shown else None

    async with small.working():
        found: dict[str, str] = await eventually(reached)
    return found


async def test_the_losers_of_a_race_are_cancelled(small: SmallEngine) -> None:
    started, never = asyncio.Event(), asyncio.Event()

    async def fail(_: Any, call: Any) -> None:
        raise ExecutorFailed("not yet", kind="NotYet", retry=True)

    async def begin(_: Any, call: Any) -> None:
        started.set()
        await never.wait()

    async def wait(_: Any, call: Any) -> None:
        await started.wait()
        await eventually(lambda: small.rows("select 1 from attempts, reviews, openings o where o.name = 'sleep'"))

    small.steps.functions |= {"unsure": fail, "endless": begin, "quick": wait}

    async def body(task: Task, _: Any) -> None:
        branches: list[Awaitable[Any]] = [
            task.step(quick),
            task.step(unsure),
            task.step(endless),
            task.sleep(600),
            task.review("approve", Form(), title="?"),
        ]
        await task.race(*branches)

    assert await shown_in(small, body, when="succeeded") == {
        "quick": "ok",
        "unsure": "cancelled",
        "endless": "cancelled",
        "sleep": "cancelled",
        "approve": "cancelled",
    }


async def test_a_limit_that_was_not_reached_is_cancelled(small: SmallEngine) -> None:
    async def body(task: Task, _: Any) -> None:
        async with task.timeout(600):
            await task.step(quick)

    assert await shown_in(small, body, when="succeeded") == {"quick": "ok", "timeout": "cancelled"}


async def test_what_is_waited_for_is_pending_and_a_review_that_is_not_is_cancelled(small: SmallEngine) -> None:
    async def body(task: Task, _: Any) -> None:
        await task.race(task.sleep(0.2, name="short"), task.review("approve", Form(), title="?"))
        await task.sleep(600)

    assert await shown_in(small, body, when="sleep") == {
        "short": "ok",
        "approve": "cancelled",
        "sleep": "pending",
    }
