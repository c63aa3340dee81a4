"""Callbacks against a real HTTP server: signed, tried again, dead at last, and never to an address inside."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.contract.prepared_database import TENANT, Prepared, Writers, opened, prepare
from tests.eventually import eventually

from interlock.domain.errors import ConfigurationError, Conflict, NotFound
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.http import GuardedClient
from interlock.ingress import signatures
from interlock.ingress.deliveries import Deliveries, DeliveryLimits
from interlock.ingress.delivery_log import Delivery, DeliveryLog

pytestmark = pytest.mark.postgres
SECRET = signatures.new_secret()
LIMITS = DeliveryLimits(attempts_max=12, timeout_s=2, lease_s=60, poll_s=0.02)


class Receiver:
    """A server that answers what it is told to, and remembers what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, str]] = []
        self.hold: asyncio.Event | None = None
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)}
        self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        if self.hold is not None:
            await self.hold.wait()
        status, more = self.answers.pop(0) if self.answers else (204, "")
        writer.write(f"HTTP/1.1 {status} X\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


class Given:
    """A prepared database, a receiver, and what delivers from one to the other."""

    def __init__(self, prepared: Prepared, receiver: Receiver, client: GuardedClient) -> None:
        self.prepared = prepared
        self.receiver = receiver
        self.client = client
        self.log = DeliveryLog(prepared.app, prepared.clock)

    def deliveries(self, limits: DeliveryLimits = LIMITS, *, uniform: Callable[[], float] = lambda: 0.5) -> Deliveries:
        return Deliveries(
            app=self.prepared.app,
            client=self.client,
            clock=self.prepared.clock,
            secrets=lambda tenant: [SECRET],
            limits=limits,
            uniform=uniform,
        )

    async def task(self, url: str | None = None) -> str:
        """End a task that wants to be called back; gives its ID."""
        writers = Writers(self.prepared)
        task = await writers.accept(callback_url=url or self.receiver.url)
        await writers.end(task, output={"decision": "approved"})
        return task.info.id

    async def only(self) -> Delivery:
        [delivery] = (await self.log.page(TENANT)).items
        return delivery

    async def leaves(self) -> list[dict[str, Any]]:
        rows = await self.prepared.ask("select leaf from audit_records where leaf like '%%delivery.%%' order by id")
        return [json.loads(leaf) for (leaf,) in rows]


@pytest.fixture
async def given(postgres_server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Given]:
    urls = await prepare(postgres_server.data_dir, database_url)
    receiver = Receiver()
    await receiver.start()
    async with (
        opened(urls) as prepared,
        GuardedClient([f"127.0.0.1:{receiver.port}"], 2.0, 1000) as client,
    ):
        await prepared.add_tenant()
        yield Given(prepared, receiver, client)
        await receiver.stop()


async def test_a_callback_is_signed_and_delivered_once(given: Given) -> None:
    task_id = await given.task()
    deliveries = given.deliveries()
    assert await deliveries.once() == 1
    assert await deliveries.once() == 0
    [(headers, body)] = given.receiver.got
    payload = Webhook(SECRET).verify(body, headers)
    assert (payload["type"], payload["data"]["id"]) == ("task.succeeded", task_id)
    delivery = await given.only()
    assert headers["webhook-id"] == delivery.id
    assert headers["content-type"] == "application/json"
    assert (delivery.state, [(a.number, a.status, a.error) for a in delivery.attempts]) == (
        "delivered",
        [(1, 204, None)],
    )
    [leaf] = await given.leaves()
    assert {**leaf, "at": ""} == {
        **{"v": 1, "kind": "delivery.delivered", "tenant": TENANT, "at": "", "task": task_id},
        **{"delivery": delivery.id, "attempts": 1},
    }


async def test_a_host_that_is_away_for_an_hour_gets_it_afterwards(given: Given) -> None:
    await given.task()
    await given.receiver.stop()
    deliveries = given.deliveries()
    tried = 0
    for _ in range(12):  # an hour in steps of five minutes
        tried += await deliveries.once()
        await given.prepared.skip("5 minutes")
    assert (await given.only()).state == "pending"
    assert 5 <= tried < 12
    await given.receiver.start()
    for _ in range(12):
        await given.prepared.skip("10 minutes")
        if await deliveries.once():
            break
    delivery = await given.only()
    assert delivery.state == "delivered"
    assert [a.status for a in delivery.attempts] == [None] * tried + [204]
    assert all("does not answer" in str(a.error) for a in delivery.attempts[:-1])
    [(headers, body)] = given.receiver.got
    # Signed at the time of the attempt, by the database's clock.
    [(now,)] = await given.prepared.ask("select extract(epoch from time_now())")
    assert abs(int(headers["webhook-timestamp"]) - float(now)) < 10
    assert body


async def test_a_dead_letter_is_kept_and_can_be_sent_again(given: Given) -> None:
    await given.task()
    given.receiver.answers = [(500, ""), (302, "location: http://10.0.0.1/\r\n"), (503, "")]
    deliveries = given.deliveries(DeliveryLimits(attempts_max=3, timeout_s=2))
    for _ in range(5):
        await deliveries.once()
        await given.prepared.skip("1 hour")
    delivery = await given.only()
    assert (delivery.state, [a.status for a in delivery.attempts]) == ("dead", [500, 302, 503])
    assert len(given.receiver.got) == 3
    await given.log.redeliver(TENANT, delivery.id)
    assert await deliveries.once() == 1
    delivery = await given.only()
    assert (delivery.state, [a.number for a in delivery.attempts]) == ("delivered", [1, 2, 3, 4])
    assert [leaf["kind"] for leaf in await given.leaves()] == [
        "delivery.dead",
        "delivery.redelivered",
        "delivery.delivered",
    ]
    assert len({headers["webhook-id"] for headers, _ in given.receiver.got}) == 1
    with pytest.raises(Conflict):
        await given.log.redeliver(TENANT, delivery.id)
    with pytest.raises(NotFound):
        await given.log.redeliver(TENANT, "dlv_none")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/hook", "http://169.254.169.254/latest", "http://[::1]/", "ftp://x/"]
)
async def test_an_address_inside_is_refused_at_once(given: Given, url: str) -> None:
    await given.task(url)
    assert await given.deliveries().once() == 1
    delivery = await given.only()
    assert (delivery.state, len(delivery.attempts), delivery.attempts[0].status) == ("dead", 1, None)
    assert delivery.attempts[0].error
    [leaf] = await given.leaves()
    assert url not in json.dumps(leaf)


async def test_gone_is_taken_at_its_word(given: Given) -> None:
    await given.task()
    given.receiver.answers = [(410, "")]
    await given.deliveries().once()
    assert (await given.only()).state == "dead"


@pytest.mark.parametrize(("header", "wait_s"), [("120", 120), ("999999", 3600), ("Mon, 01 Jan 2001 00:00:00 GMT", 0.5)])
async def test_retry_after_is_honoured_within_bounds(given: Given, header: str, wait_s: float) -> None:
    await given.task()
    given.receiver.answers = [(503, f"retry-after: {header}\r\n")]
    await given.deliveries().once()
    [(left,)] = await given.prepared.ask("select extract(epoch from due_at - time_now()) from deliveries")
    assert wait_s - 60 < float(left) <= wait_s


async def test_a_receiver_that_says_nothing_is_given_up_in_time(given: Given) -> None:
    await given.task()
    given.receiver.hold = asyncio.Event()
    await given.deliveries(DeliveryLimits(timeout_s=0.1)).once()
    given.receiver.hold.set()
    delivery = await given.only()
    assert (delivery.state, delivery.attempts[0].status) == ("pending", None)
    assert "0.1 s" in str(delivery.attempts[0].error)


async def test_who_lost_the_lease_writes_nothing(given: Given) -> None:
    await given.task()
    given.receiver.hold = asyncio.Event()
    first = asyncio.create_task(given.deliveries().once())
    await eventually(lambda: len(given.receiver.got) == 1)
    await given.prepared.skip("2 minutes")  # past the lease
    second = asyncio.create_task(given.deliveries().once())
    await eventually(lambda: len(given.receiver.got) == 2)
    given.receiver.hold.set()
    assert [await first, await second] == [1, 1]
    delivery = await given.only()
    assert (delivery.state, len(delivery.attempts)) == ("delivered", 1)
    assert len(await given.leaves()) == 1


async def test_the_loop_delivers_at_most_so_many_at_once_and_gives_back_when_it_stops(given: Given) -> None:
    for _ in range(4):
        await given.task()
    given.receiver.hold = asyncio.Event()
    running = asyncio.create_task(given.deliveries(DeliveryLimits(in_flight_max=2, timeout_s=5, poll_s=0.02)).run())
    await eventually(lambda: len(given.receiver.got) == 2)
    assert await given.prepared.ask("select count(*) from deliveries where lease_until is not null") == [(2,)]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await given.prepared.ask(
        "select count(*) from deliveries where lease_until is not null or due_at is null"
    ) == [(0,)]
    given.receiver.hold.set()
    running = asyncio.create_task(given.deliveries().run())

    async def delivered() -> bool:
        return await given.prepared.ask("select count(*) from deliveries where state = 'delivered'") == [(4,)]

    await eventually(delivered)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_lists_are_paged_and_of_one_tenant(given: Given) -> None:
    tasks = [await given.task() for _ in range(3)]
    first = await given.log.page(TENANT, limit=2)
    assert [d.task_id for d in first.items] == tasks[:0:-1]
    second = await given.log.page(TENANT, limit=2, cursor=first.next_cursor)
    assert ([d.task_id for d in second.items], second.next_cursor) == (tasks[:1], None)
    assert len((await given.log.page(TENANT, task_id=tasks[1])).items) == 1
    assert (await given.log.page(TENANT, state="dead")).items == []
    assert (await given.log.page("zeta")).items == []


def test_pauses_grow_to_a_bound_with_full_jitter() -> None:
    limits = DeliveryLimits(backoff_initial_s=1, backoff_max_s=100)
    assert [limits.wait_s(n, 1.0, None) for n in (1, 2, 3, 4, 5, 99)] == [1, 4, 16, 64, 100, 100]
    assert limits.wait_s(4, 0.25, None) == 16
    assert limits.wait_s(4, 0.0, None) == 0


def test_a_lease_outlasts_an_attempt() -> None:
    with pytest.raises(ConfigurationError):
        DeliveryLimits(timeout_s=30, lease_s=31)
