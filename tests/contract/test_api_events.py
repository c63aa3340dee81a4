"""Live updates: in order, resumable at any event, ended when all is told, limited, and gone at a shutdown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, listening, prepare, running_api
from tests.eventually import eventually

from interlock.infra.embedded_postgres import EmbeddedPostgres

pytestmark = MARKS
__all__ = ["api"]


@dataclass
class Told:
    id: int
    event: str
    data: dict[str, Any]


async def told(lines: AsyncIterator[str]) -> AsyncIterator[Told]:
    """Read a stream as a browser does (WHATWG, server-sent events)."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line == "":
            if "data" in fields:
                yield Told(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


@asynccontextmanager
async def over_the_wire(url: str, key: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as caller:
        yield caller


async def follow(
    caller: httpx.AsyncClient,
    path: str,
    *,
    after: int | None = None,
    first: int = 1000,
    found: list[Told] | None = None,
) -> list[Told]:
    """Give what a stream told until its end, or the first few; `found` is filled meanwhile."""
    headers = {} if after is None else {"last-event-id": str(after)}
    found = [] if found is None else found
    async with caller.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for one in told(answer.aiter_lines()):
            found.append(one)
            if len(found) == first:
                break
    return found


async def test_a_stream_tells_all_in_order_and_ends_with_the_task(api: Running) -> None:
    async with listening(api) as url, over_the_wire(url, api.keys["owner"]) as caller:
        task, review_id = await api.review()
        path = f"/v1/tasks/{task['id']}/events"
        following = asyncio.create_task(follow(caller, path))
        await eventually(lambda: api.api.state.streams.open == 1)
        await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
        whole = await asyncio.wait_for(following, 60)
        kinds = [one.event for one in whole]
        assert kinds[0] == "task.accepted"
        assert kinds[-1] == "task.succeeded"
        assert kinds.index("review.opened") < kinds.index("review.answered") < kinds.index("task.succeeded")
        assert [one.id for one in whole] == sorted({one.id for one in whole})
        assert all(one.data["task_id"] == task["id"] and one.data["position"] == one.id for one in whole)

        for place in range(len(whole)):  # resumed at each event: the rest, no gap and no repeat
            rest = await follow(caller, path, after=whole[place].id)
            assert [one.id for one in rest] == [one.id for one in whole[place + 1 :]]
        by_query = await follow(caller, f"{path}?after={whole[1].id}")
        assert [one.id for one in by_query] == [one.id for one in whole[2:]]


async def test_a_client_that_goes_away_gives_its_place_back(api: Running) -> None:
    async with listening(api) as url, over_the_wire(url, api.keys["owner"]) as caller:
        task, _ = await api.review()
        first = await follow(caller, f"/v1/tasks/{task['id']}/events", first=1)
        assert [one.event for one in first] == ["task.accepted"]
        await eventually(lambda: api.api.state.streams.open == 0)


async def test_the_tenants_stream_tells_of_every_task_of_it(api: Running) -> None:
    async with listening(api) as url, over_the_wire(url, api.keys["owner"]) as caller:
        one, two = [await api.submit(name=n, wait="succeeded") for n in ("one", "two")]
        strange = await api.submit("stranger", name="strange", wait=None)
        await api.until(strange["id"], "succeeded", who="stranger")
        last = await api.submit(name="last", wait="succeeded")
        wanted = {one["id"], two["id"], last["id"]}
        seen: set[str] = set()
        async with caller.stream("GET", "/v1/events") as answer:
            async for event in told(answer.aiter_lines()):
                seen.add(event.data["task_id"])
                if seen >= wanted:
                    break
        assert seen >= wanted
        assert strange["id"] not in seen


async def test_who_may_not_read_the_task_may_not_follow_it(api: Running) -> None:
    task = await api.submit(name="A", wait="succeeded")
    assert (await api.as_("nobody").get(f"/v1/tasks/{task['id']}/events")).status_code == 403
    assert (await api.as_("nobody").get("/v1/events")).status_code == 403
    assert (await api.as_("owner").get("/v1/tasks/task_nothing/events")).status_code == 404


@pytest.mark.parametrize("sent", ["x", "-1", "1.5", "99999999999999999999", "²"])
async def test_a_last_event_id_that_is_no_position_is_refused(api: Running, sent: str) -> None:
    task = await api.submit(name="A", wait="succeeded")
    headers = {b"last-event-id": sent.encode("latin-1")}
    answer = await api.as_("owner").get(f"/v1/tasks/{task['id']}/events", headers=headers)
    assert answer.status_code in (400, 422)


async def test_streams_are_limited_and_a_shutdown_ends_them(
    postgres_server: EmbeddedPostgres, make_database: Callable[[], str], tmp_path: Path
) -> None:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with running_api(tmp_path, urls, worker=False, event_streams_max=2) as running:
        task = await running.submit(name="waits for a worker")
        path = f"/v1/tasks/{task['id']}/events"
        async with AsyncExitStack() as clients:
            async with listening(running) as url:
                caller = await clients.enter_async_context(over_the_wire(url, running.keys["owner"]))
                seen: list[list[Told]] = [[], []]
                following = [asyncio.create_task(follow(caller, path, found=found)) for found in seen]
                await eventually(lambda: all(seen))
                assert running.api.state.streams.open == 2
                refused = await caller.get(path)
                assert refused.status_code == 503
                assert refused.headers["retry-after"]
                assert (await caller.get("/v1/whoami")).status_code == 200
            # The server has stopped: both streams ended cleanly, although the task is open.
            for one in following:
                assert [event.event for event in await asyncio.wait_for(one, 30)] == ["task.accepted"]
            assert running.api.state.streams.open == 0


async def test_a_stream_tells_only_what_the_policies_let_its_reader_see(api: Running) -> None:
    """Also where they are changed while it is open, and of events that belong to no task."""
    files = {
        "own.cedar": '@id("not-the-owners") @reason("Owners keep theirs to themselves.") forbid (principal, action == Action::"task.read", resource)'
        ' when { principal.roles.contains("reviewer") && resource has submitted_by && resource.submitted_by == User::"user:olga" };'
        ' @id("no-system") @reason("Not for reviewers.") forbid (principal, action == Action::"system.read", resource)'
        ' when { principal.roles.contains("reviewer") };'
    }
    hidden = await api.submit("owner", name="own", wait="succeeded")
    await eventually(lambda: all_placed(api))
    [(last,)] = await api.owner("select max(position) from outbox")
    async with listening(api) as url, over_the_wire(url, api.keys["reviewer"]) as caller:
        assert "text/event-stream" in (await sse_head(caller, f"/v1/tasks/{hidden['id']}/events"))
        proposed = (await api.as_("owner").post("/v1/policies/changes", json={"files": files})).json()["number"]
        seen: list[Told] = []
        following = asyncio.create_task(follow(caller, "/v1/events", after=last, found=seen))
        await eventually(lambda: api.api.state.streams.open == 1)
        assert (await api.as_("owner2").post(f"/v1/policies/changes/{proposed}:approve")).status_code == 200
        kept = await api.submit("owner", name="kept", wait="succeeded")
        given = (await api.as_("owner").post(
            "/v1/delegations", json={"to": "user:ravi", "until": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
        )).json()["id"]  # fmt: skip
        shown = await api.submit("author", name="shown", wait="succeeded")
        await eventually(lambda: any(t.event == "task.succeeded" and t.data["task_id"] == shown["id"] for t in seen))
        following.cancel()
        assert {t.data["task_id"] for t in seen} == {shown["id"]}
        assert (await sse_head(caller, f"/v1/tasks/{kept['id']}/events")) == "403"
        # The owner sees all of it, the delegation too.
        async with over_the_wire(url, api.keys["owner"]) as owner:
            everything: list[Told] = []
            other = asyncio.create_task(follow(owner, "/v1/events", after=last, found=everything))
            await eventually(lambda: {kept["id"], shown["id"]} <= {t.data["task_id"] for t in everything})
            await eventually(lambda: any(t.data["data"].get("delegation") == given for t in everything))
            other.cancel()
    assert (await api.as_("owner2").post("/v1/policies:rollback", json={})).status_code == 200
    assert (await api.as_("owner").post(f"/v1/delegations/{given}:revoke")).status_code == 200


async def all_placed(api: Running) -> bool:
    return not await api.owner("select 1 from outbox where position is null")


async def sse_head(caller: httpx.AsyncClient, path: str) -> str:
    """Give the media type that a stream begins with, or the status where it is refused."""
    async with caller.stream("GET", path) as answer:
        return answer.headers["content-type"] if answer.status_code == 200 else str(answer.status_code)
