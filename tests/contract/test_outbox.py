"""The outbox: a reader that goes by positions misses nothing, however writers and sequencers overlap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.contract.prepared_database import TENANT, Prepared, opened, prepare

from interlock.infra import outbox
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.outbox import Event
from interlock.orchestration.store import tell

pytestmark = pytest.mark.postgres


@pytest.fixture
async def prepared(postgres_server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Prepared]:
    urls = await prepare(postgres_server.data_dir, database_url)
    async with opened(urls, size=12) as result:
        await result.add_tenant()
        await result.add_tenant("zeta")
        yield result


async def write(prepared: Prepared, kind: str, *, tenant: str = TENANT, task_id: str | None = None) -> None:
    async with prepared.app.tenant(tenant) as conn:
        await tell(conn, tenant=tenant, kind=kind, task_id=task_id, correlation_id=None, data={"n": 1})


async def events(prepared: Prepared, after: int = 0, *, tenant: str = TENANT, limit: int = 1000) -> list[Event]:
    async with prepared.app.tenant(tenant) as conn:
        return await outbox.read(conn, after=after, limit=limit)


async def test_an_event_without_a_position_is_not_read(prepared: Prepared) -> None:
    await write(prepared, "a")
    assert await events(prepared) == []
    assert await outbox.sequence(prepared.relay) == 1
    [event] = await events(prepared)
    assert (event.position, event.type, event.data) == (1, "a", {"n": 1})
    assert await outbox.sequence(prepared.relay) == 0


async def test_a_row_that_commits_late_is_not_lost(prepared: Prepared) -> None:
    """Its serial ID is lower than one that was read already: `id > cursor` would never see it."""
    async with prepared.app.tenant(TENANT) as slow:
        await tell(slow, tenant=TENANT, kind="slow", task_id=None, correlation_id=None, data={})
        await write(prepared, "fast")
        await outbox.sequence(prepared.relay)
        [first] = await events(prepared)
    await outbox.sequence(prepared.relay)
    [second] = await events(prepared, first.position)
    assert [(e.position, e.type) for e in (first, second)] == [(1, "fast"), (2, "slow")]


async def test_a_follower_sees_everything_once_in_order_under_load(prepared: Prepared) -> None:
    writers, each, done = 5, 20, asyncio.Event()

    async def writer(number: int) -> None:
        for step in range(each):
            async with prepared.app.tenant(TENANT) as conn:
                await tell(conn, tenant=TENANT, kind=f"{number}.{step}", task_id=None, correlation_id=None, data={})
                for _ in range(step % 4):  # commits late, by a few round trips
                    await conn.execute("select 1")

    async def sequencer() -> None:
        while not done.is_set():
            await outbox.sequence(prepared.relay, batch=7)

    async def follower() -> list[Event]:
        seen: list[Event] = []
        while len(seen) < writers * each:
            seen += await events(prepared, seen[-1].position if seen else 0, limit=9)
        return seen

    helpers = [asyncio.create_task(sequencer()) for _ in range(2)]
    async with asyncio.timeout(20):
        following = asyncio.create_task(follower())
        await asyncio.gather(*(writer(number) for number in range(writers)))
        seen = await following
    done.set()
    await asyncio.gather(*helpers)
    assert [event.position for event in seen] == list(range(1, writers * each + 1))
    assert {event.type for event in seen} == {f"{n}.{s}" for n in range(writers) for s in range(each)}


async def test_a_batch_takes_the_oldest(prepared: Prepared) -> None:
    for kind in "abcde":
        await write(prepared, kind)
    assert [await outbox.sequence(prepared.relay, batch=2) for _ in range(4)] == [2, 2, 1, 0]
    assert [event.type for event in await events(prepared)] == list("abcde")


async def test_readers_see_their_tenant_and_task_only(prepared: Prepared) -> None:
    for kind, tenant, task_id in (("a", TENANT, "t1"), ("b", "zeta", "t1"), ("c", TENANT, "t2"), ("d", TENANT, "t1")):
        await write(prepared, kind, tenant=tenant, task_id=task_id)
    await outbox.sequence(prepared.relay)
    assert [event.type for event in await events(prepared)] == ["a", "c", "d"]
    assert [event.type for event in await events(prepared, tenant="zeta")] == ["b"]
    async with prepared.app.tenant(TENANT) as conn:
        assert [e.position for e in await outbox.read(conn, after=0, task_id="t1")] == [1, 4]
        assert [e.position for e in await outbox.read(conn, after=1, task_id="t1")] == [4]
    async with prepared.app.across() as conn:
        assert await outbox.read(conn, after=0) == []


async def test_a_read_is_limited(prepared: Prepared) -> None:
    for kind in "abc":
        await write(prepared, kind)
    await outbox.sequence(prepared.relay)
    assert len(await events(prepared, limit=2)) == 2
    assert len(await events(prepared, limit=0)) == 1
