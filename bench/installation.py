"""A database server and the product's own parts over it, for measurements in one process.

Everything is what `interlock up` runs: the embedded PostgreSQL, prepared databases with their roles and row-level security, and
the worker of the composition root with its policies, journal, audit leaves and step processes.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
from psycopg import sql

from interlock.app import App, Worker, opened
from interlock.boundary.executors import Plain
from interlock.domain.effects import Effect, Kind, Pending
from interlock.domain.ports import Call, Executed, Executor
from interlock.infra import embedded_postgres, settings
from interlock.infra.database import Database, prepare
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.submit import subject_key

AUTOMATIONS = Path(__file__).resolve().parent / "automations"
TENANT = "default"
SUBJECT = "user:bench"
TABLES = (
    "tasks, effects, outbox, audit_records, audit_pending, audit_positions, attempts, openings, reviews, review_events"
)


@contextmanager
def server() -> Iterator[EmbeddedPostgres]:
    """Run the embedded PostgreSQL with its own settings in a folder that goes away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-bench-"))
    folder.chmod(0o711)  # called by root, the server runs as another user
    try:
        with embedded_postgres.running(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database(found: EmbeddedPostgres, name: str) -> str:
    """Make an empty database; gives its URL as the owner."""
    with psycopg.connect(found.owner_url, autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return urlunsplit(urlsplit(found.owner_url)._replace(path=f"/{name}"))


def server_processes(found: EmbeddedPostgres) -> list[psutil.Process]:
    """Give the server's processes: the postmaster counts what its ended backends used."""
    living = found.living()
    if living is None:
        return []
    postmaster = psutil.Process(living.identity.pid)
    return [postmaster, *postmaster.children()]


class Nothing(Plain):
    """An executor that does nothing: what is left is the price of the boundary."""

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        return Executed(value=effect.input["number"], cpu_ms=0.01, duration_ms=0.01)


class Installation:
    """One prepared database with the parts of the product over it."""

    def __init__(self, app: App, owner_url: str) -> None:
        self.app = app
        self.owner_url = owner_url

    def worker(self, *, noop: bool) -> Worker:
        """Build a worker. With `noop` its steps do nothing, in this process; else they run in step processes."""
        executors: Mapping[Kind, Executor] = {Kind.STEP: Nothing()} if noop else {}
        return Worker(self.app, executors=executors)

    async def owner(self, *statements: str) -> None:
        """Run statements outside of any tenant and transaction."""
        async with await psycopg.AsyncConnection.connect(self.owner_url, autocommit=True) as conn:
            await conn.execute("set search_path = interlock")
            for statement in statements:
                await conn.execute(statement.encode())

    async def accept(self, count: int, *, automation: str = "five-steps", value: str = '{"first":1}') -> list[str]:
        """Accept tasks in one transaction, due in a known order, and wake whoever listens."""
        async with self.app.database.tenant(TENANT) as conn:
            await subject_key(conn, self.app.subject_keys, TENANT, SUBJECT)
            cursor = await conn.execute(
                "insert into tasks (tenant, id, automation, automation_version, correlation_id, subject, input, submitted_by, due_at)"
                " select current_tenant(), 'task_' || replace(gen_random_uuid()::text, '-', ''), %s, '1.0.0', md5(n::text), %s, %s::json, %s,"
                " time_now() - interval '1 hour' + n * interval '1 ms' from generate_series(1, %s) n returning id",
                (automation, SUBJECT, value, SUBJECT, count),
            )
            ids = [row[0] for row in await cursor.fetchall()]
            await conn.execute("select pg_notify('interlock_wake', '')")
        return ids

    async def empty(self) -> None:
        """Begin again with empty tables and a fresh checkpoint, so that each round finds the same."""
        await self.owner(f"truncate {TABLES} cascade", "checkpoint")


@asynccontextmanager
async def installation(
    found: EmbeddedPostgres, name: str, *, database_type: type[Database] = Database, **overrides: Any
) -> AsyncIterator[Installation]:
    """Prepare a database of this name, with one tenant, and open the app over it."""
    owner_url = database(found, name)
    own = settings.load({}, data_dir=found.data_dir, automations_dir=AUTOMATIONS, **overrides)
    urls = await prepare(own, owner_url)
    own = own.model_copy(update={"database_app_url": urls.app, "database_relay_url": urls.relay})
    pool = database_type(urls.app, size=own.database_pool_size, wait_s=30)
    await pool.open()
    try:
        async with opened(own, database=pool) as app:
            async with app.database.tenant(TENANT) as conn:
                await conn.execute("insert into tenants (tenant, name) values (%s, %s)", (TENANT, TENANT))
            yield Installation(app, owner_url)
    finally:
        await pool.close()


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    """Run a worker for the time of the block."""
    await worker.steps.warm()
    ready = asyncio.Event()

    async def is_ready() -> None:
        ready.set()

    running = asyncio.create_task(worker.engine.run(is_ready))
    try:
        await asyncio.wait_for(ready.wait(), 30)
        yield worker
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await worker.close()
