"""The real API on a real database, with a worker beside it and a relay's sequencing, all in the test's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
from fastapi import FastAPI
from tests.eventually import eventually

from interlock.api.events import Streams
from interlock.api.server import Server, create_api
from interlock.app import App, Worker, audit_log, opened
from interlock.infra import database, outbox
from interlock.infra.database import Database, DatabaseUrls
from interlock.infra.settings import Settings
from interlock.orchestration.api_keys import create as create_recorded

AUTOMATIONS = Path(__file__).parents[1] / "automations"
TENANTS = ("default", "other", "alone")
# Who calls in tests: name → (tenant, user, roles, approval limit).
PEOPLE: dict[str, tuple[str, str, tuple[str, ...], str | None]] = {
    "owner": ("default", "user:olga", ("owner",), None),
    "owner2": ("default", "user:otto", ("owner",), None),
    "auditor": ("default", "user:ana", ("auditor",), None),
    "author": ("default", "user:amir", ("author",), None),
    "reviewer": ("default", "user:mei", ("reviewer",), None),
    "reviewer2": ("default", "user:ravi", ("reviewer",), None),
    "limited": ("default", "user:lena", ("reviewer",), "500"),
    "boss": ("default", "user:bo", ("boss",), None),
    "agent": ("default", "agent:bot", ("agent",), None),
    "nobody": ("default", "user:nora", ("guest",), None),
    "single": ("alone", "user:una", ("owner",), None),
    "stranger": ("other", "user:sam", ("owner",), None),
    "stranger2": ("other", "user:sue", ("reviewer",), None),
}


@dataclass(kw_only=True)
class Running:
    """A running API. `as_` gives a client of a person (of nobody for a name without a key); `app` is what runs behind it."""

    app: App
    api: FastAPI
    urls: DatabaseUrls
    relay: Database
    keys: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def as_(self, who: str) -> httpx.AsyncClient:
        if who not in self.clients:
            self.clients[who] = client(self.api, self.keys.get(who))
        return self.clients[who]

    async def submit(self, who: str = "author", *, wait: str | None = None, **given: Any) -> dict[str, Any]:
        """Submit a greeting; with `wait`, until its task is in that state."""
        response = await self.as_(who).post("/v1/tasks", json={"automation": "greet", "input": given})
        assert response.status_code == 202, response.text
        task: dict[str, Any] = response.json()
        if wait is not None:
            return await self.until(task["id"], wait, who=who)
        return task

    async def until(self, task_id: str, state: str, *, who: str = "author") -> dict[str, Any]:
        async def reached() -> dict[str, Any] | None:
            task: dict[str, Any] = (await self.as_(who).get(f"/v1/tasks/{task_id}")).json()
            return task if task["state"] == state else None

        found: dict[str, Any] = await eventually(reached, timeout_s=60, message=f"the task being {state}")
        return found

    async def review(self, **given: Any) -> tuple[dict[str, Any], str]:
        """Submit a greeting that needs a review; gives the waiting task and the review's ID."""
        task = await self.submit(wait="waiting", **{"name": "Ada", "amount": "200", **given})
        return task, next(e["review_id"] for e in task["effects"] if e["kind"] == "review")

    async def skip(self, interval: str) -> None:
        """Move the database's clock on."""
        await self.owner("update clock set shift = shift + %s::interval", (interval,))

    async def at_rest(self) -> bool:
        """Tell whether the worker has nothing to do."""
        due = "select 1 from tasks where lease_until is not null or due_at <= time_now() limit 1"
        return not await self.owner(due)

    async def owner(self, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Run a statement as the database's owner."""
        async with await psycopg.AsyncConnection.connect(self.urls.owner, autocommit=True) as conn:
            await conn.execute("set search_path = interlock")
            cursor = await conn.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description else []


def client(api: FastAPI, key: str | None, **options: Any) -> httpx.AsyncClient:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    given = {"base_url": "http://interlock.test", **options}
    transport = httpx.ASGITransport(api, raise_app_exceptions=False, client=given.pop("peer", ("127.0.0.1", 123)))
    return httpx.AsyncClient(transport=transport, headers=headers, **given)


def settings_for(folder: Path, urls: DatabaseUrls, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "data_dir": folder,
        "environment": "test",
        "automations_dir": AUTOMATIONS,
        "database_app_url": urls.app,
        "database_relay_url": urls.relay,
        "step_processes": 1,
        "poll_s": 0.1,
        "database_pool_size": 8,
        "list_page_size_max": 20,
        "body_size_bytes_max": 100_000,
        "document_size_bytes_max": 3_000_000,
        "task_input_bytes_max": 50_000,
    }
    return Settings(**{**given, **changes})


async def prepare(server_dir: Path, owner_url: str) -> DatabaseUrls:
    """Make roles and tables. The roles belong to the server, so their passwords come from its folder."""
    return await database.prepare(Settings(data_dir=server_dir), owner_url)


@asynccontextmanager
async def running_api(
    folder: Path, urls: DatabaseUrls, *, worker: bool = True, timeout_s: float = 30.0, **changes: Any
) -> AsyncIterator[Running]:
    """Run the API with `people` of two tenants, and a worker unless told otherwise."""
    settings = settings_for(folder, urls, **changes)
    relay = Database(urls.relay, size=2, wait_s=5)
    await relay.open()
    async with opened(settings, name="test-api") as app:
        running = Running(app=app, api=create_api(app, timeout_s=timeout_s), urls=urls, relay=relay)
        await _populate(running)
        helpers = [asyncio.create_task(_sequence(running))]
        works = Worker(app) if worker else None
        if works is not None:
            helpers.append(asyncio.create_task(works.engine.run()))
        try:
            yield running
        finally:
            if works is not None:
                await eventually(running.at_rest, message="the worker being at rest")
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            if works is not None:
                await works.close()
            for one in running.clients.values():
                await one.aclose()
            await relay.close()


@asynccontextmanager
async def listening(running: Running) -> AsyncIterator[str]:
    """Serve the API on a free port of this machine; gives its address."""
    running.api.state.streams = Streams(running.app.settings.event_streams_max)  # those of an earlier server are closed
    server = Server(running.api, running.app.settings)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        sock.setblocking(False)
        served = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            await eventually(lambda: server.started, message="the server")
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            await served


async def _populate(running: Running) -> None:
    for tenant in TENANTS:
        await running.owner(
            "insert into tenants (tenant, name) values (%s, %s) on conflict do nothing", (tenant, tenant)
        )
    for who, (tenant, user, roles, limit) in PEOPLE.items():
        async with running.app.database.tenant(tenant) as conn:
            _, key = await create_recorded(
                conn,
                running.app.identity,
                running.app.subject_keys,
                running.app.clock,
                tenant=tenant,
                by="tests",
                by_key=None,
                name=who,
                user=user,
                roles=roles,
                approval_limit=limit,  # type: ignore[arg-type]
            )
        running.keys[who] = key


async def _sequence(running: Running) -> None:
    """Do what the relay does: give positions, sign checkpoints."""
    audit = audit_log(running.app.settings, running.relay)
    while True:
        with contextlib.suppress(psycopg.Error):
            await outbox.sequence(running.relay)
            await audit.sequence()
            await audit.checkpoint()
        await asyncio.sleep(0.05)


def effect_path(effect_id: str) -> str:
    return quote(effect_id, safe="")


__all__ = ["AUTOMATIONS", "PEOPLE", "Running", "client", "effect_path", "listening", "prepare", "running_api"]
