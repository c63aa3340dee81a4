"""The relay's loops, all at once: each does its work, and none stops the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.prepared_database import KEYS, SIGNING_KEY, TENANT, Prepared, Writers, opened, prepare
from tests.eventually import eventually

from interlock.domain.errors import Unavailable
from interlock.governance.identity import Principal
from interlock.governance.verify import verify
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.http import GuardedClient
from interlock.ingress import signatures
from interlock.ingress.deliveries import Deliveries, DeliveryLimits
from interlock.ingress.relay import Relay
from interlock.ingress.watched_folder import WatchedFolders
from interlock.orchestration.elevations import Elevations

pytestmark = pytest.mark.postgres


@pytest.fixture
async def prepared(postgres_server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Prepared]:
    urls = await prepare(postgres_server.data_dir, database_url)
    async with opened(urls) as result:
        await result.add_tenant()
        yield result


@contextlib.asynccontextmanager
async def relaying(prepared: Prepared, watched: WatchedFolders | None = None) -> AsyncIterator[None]:
    secret, ready = signatures.new_secret(), asyncio.Event()

    async def say_ready() -> None:
        ready.set()

    async with GuardedClient([], 1.0, 1000) as client:
        relay = Relay(
            app=prepared.app,
            relay=prepared.relay,
            audit_log=prepared.audit_log(),
            deliveries=Deliveries(
                app=prepared.app,
                client=client,
                clock=prepared.clock,
                secrets=lambda tenant: [secret],
                limits=DeliveryLimits(poll_s=0.05),
            ),
            watched=watched,
            sequence_interval_s=0.02,
            checkpoint_interval_s=0.05,
            watch_poll_s=0.02,
            elevations=elevations(prepared),
        )
        running = asyncio.create_task(relay.run(say_ready))
        try:
            await asyncio.wait({running, asyncio.ensure_future(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
            yield
            assert not running.done(), running
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


def elevations(prepared: Prepared) -> Elevations:
    return Elevations(prepared.app, KEYS, prepared.clock, minutes_max=60)


async def end_a_task(prepared: Prepared) -> None:
    writers = Writers(prepared)
    # An address that is refused: the delivery ends as a dead letter, with no network at all.
    await writers.end(await writers.accept(callback_url="http://127.0.0.1:1/"), output={"n": 1})


async def settled(prepared: Prepared, tasks: int) -> bool:
    query = (
        "select (select count(*) from tasks where state = 'succeeded'), (select count(*) from audit_pending),"
        " (select count(*) from outbox where position is null), (select count(*) from deliveries where state <> 'dead'),"
        " (select count(*) from audit_positions) = (select coalesce(max(size), 0) from audit_checkpoints)"
    )
    return await prepared.ask(query) == [(tasks, 0, 0, 0, True)]


async def test_everything_is_carried_on_and_outlives_broken_connections(prepared: Prepared, tmp_path: Path) -> None:
    submitted: list[str] = []

    async def submit(automation: str, filename: str, data: bytes, key: str) -> str:
        submitted.append(filename)
        if len(submitted) == 1:
            raise Unavailable("The database does not answer.")
        return "task_1"

    (tmp_path / "receipt.jpg").write_bytes(b"jpeg")
    async with relaying(prepared, WatchedFolders([("expenses", tmp_path)], submit, size_bytes_max=100)):
        await end_a_task(prepared)
        await eventually(lambda: settled(prepared, 1))
        await prepared.ask(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"  # and waits: one that dies later breaks what comes next
            " where usename = any(%s) and datname = current_database()",
            (["interlock_relay", "interlock_app"],),
        )
        await end_a_task(prepared)
        await eventually(lambda: settled(prepared, 2))
        await eventually((tmp_path / "done" / "receipt.jpg").exists)
    assert submitted == ["receipt.jpg", "receipt.jpg"]
    report = await verify(prepared.app, prepared.relay, prepared.audit_log(), KEYS, SIGNING_KEY.public_key())
    assert (report.ok, report.tasks) == (True, 2), report.findings


async def test_old_idempotency_keys_are_forgotten(prepared: Prepared) -> None:
    insert = "insert into idempotency_keys values ('acme', 'user:a', 'tasks', '{}', '', 'task_1', time_now() - interval '{}')"
    await prepared.tamper(insert.format("old", "8 days"), insert.format("young", "6 days"))
    async with relaying(prepared):

        async def forgotten() -> bool:
            return await prepared.ask("select key from idempotency_keys") == [("young",)]

        await eventually(forgotten)


async def test_an_elevation_that_runs_out_is_put_on_record(prepared: Prepared) -> None:
    person = Principal(tenant=TENANT, id="user:otis", roles=("operator",), key_id="k", approval_limit=None)
    made = await elevations(prepared).open(person, actions=["task.cancel"], reason="The imports run away.")
    await prepared.skip("31 minutes")

    async def told() -> bool:
        leaves = await prepared.ask("select leaf from audit_records where leaf like '%%elevation.ran-out%%'")
        return len(leaves) == 1 and made.id in leaves[0][0]

    async with relaying(prepared), relaying(prepared):
        await eventually(told)
    assert await told()
    assert len(await prepared.ask("select 1 from outbox where type = 'elevation.ran-out'")) == 1


async def test_a_log_that_was_tampered_with_keeps_callbacks_and_events_going(prepared: Prepared) -> None:
    await end_a_task(prepared)
    await prepared.audit_log().sequence()
    await prepared.audit_log().checkpoint()
    await prepared.tamper("delete from audit_positions where position = 1", "update audit_checkpoints set size = 90")
    await end_a_task(prepared)
    async with relaying(prepared):

        async def carried_on() -> bool:
            return await prepared.ask(
                "select (select count(*) from deliveries where state = 'dead'), (select count(*) from outbox where position is null)"
            ) == [(2, 0)]

        await eventually(carried_on)
    assert await prepared.ask("select count(*) from audit_checkpoints") == [(1,)]
    assert TENANT in str(await prepared.ask("select tenant from audit_pending"))
