"""An engine in this process: real database, real journal and worker; automations and steps are plain functions of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interlock.boundary.executors import NowExecutor, Plain, SleepExecutor
from interlock.boundary.journal import PostgresJournal
from interlock.boundary.perform import Boundary, FaultPoint, no_fault
from interlock.boundary.recorder import Recorder
from interlock.data.objects import MemoryObjects
from interlock.domain.decisions import Answer, Decision, Reason
from interlock.domain.effects import Effect, Kind, Pending
from interlock.domain.ids import new_id
from interlock.domain.ports import Call, Executed, Executor
from interlock.domain.tasks import Claimed
from interlock.governance.audit import SubjectKeys
from interlock.infra import settings
from interlock.infra.clock import Clock
from interlock.infra.database import Database, prepare
from interlock.orchestration.advance import Advance
from interlock.orchestration.engines.postgres import Limits, PostgresEngine
from interlock.orchestration.review_effect import ReviewExecutor
from interlock.orchestration.store import PostgresTasks
from interlock.orchestration.submit import subject_key
from interlock.sdk.task import Task

TENANT = "default"
ALLOW = Decision(answer=Answer.ALLOW, reasons=(Reason(policy="test", text="a test"),), policy_version="0" * 64)
Body = Callable[[Task, Any], Awaitable[Any]]


class Steps(Plain):
    """Runs steps in this process, by the name of the effect (else gives back their first argument); counts what ran under which idempotency key."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[Any, Call], Awaitable[Any]]] = {}
        self.ran: list[tuple[str, str]] = []

    def opens(self, effect: Effect) -> bool:
        return bool(effect.options.get("at_most_once"))

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        self.ran.append((effect.name, call.idempotency_key))
        function = self.functions.get(effect.name)
        return Executed(
            value=await function(effect.input, call) if function else next(iter(effect.input.values()), None),
            cpu_ms=0.1,
        )


@dataclass
class SmallEngine:
    """See the module's docstring. `engine()` gives as many workers over the same database as a test wants."""

    database: Database
    owner_url: str
    clock: Clock
    keys: SubjectKeys
    objects: MemoryObjects
    tasks: PostgresTasks
    journal: PostgresJournal
    steps: Steps = field(default_factory=Steps)
    automations: dict[str, Body] = field(default_factory=dict)

    def boundary(self, fault: FaultPoint = no_fault) -> Boundary:
        async def allow(effect: Effect, task: Claimed) -> Decision:
            return ALLOW

        executors: Mapping[Kind, Executor] = {
            Kind.STEP: self.steps,
            Kind.NOW: NowExecutor(self.clock),
            Kind.SLEEP: SleepExecutor(self.clock),
            Kind.REVIEW: ReviewExecutor(self.database, self.clock),
        }
        return Boundary(
            store=self.journal, decide=allow, executors=executors, cost_usd=lambda _: "0.000000001", fault=fault
        )

    def engine(
        self, limits: Limits | None = None, fault: FaultPoint = no_fault, tasks: PostgresTasks | None = None
    ) -> PostgresEngine:
        boundary = self.boundary(fault)
        rows = tasks or self.tasks

        def attempt(task: Claimed) -> Advance:
            async def start(claimed: Claimed, handle: Task) -> Any:
                return await self.automations[claimed.info.automation](handle, claimed.input)

            return Advance(
                task=task,
                start=start,
                journal=self.journal,
                tasks=rows,
                boundary=boundary,
                effects_max=2000,
                fault=fault,
            )

        return PostgresEngine(
            database=self.database,
            tasks=rows,
            attempt=attempt,
            clock=self.clock,
            limits=limits or Limits(poll_s=0.2),
            fault=fault,
        )

    @asynccontextmanager
    async def working(self, limits: Limits | None = None, fault: FaultPoint = no_fault):  # type: ignore[no-untyped-def]
        """Run one worker for the time of the block."""
        engine = self.engine(limits, fault)
        running = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def submit(self, automation: str, value: Any = None, *, tenant: str = TENANT, count: int = 1) -> list[str]:
        """Accept tasks by hand, without the API."""
        ids = [new_id("task") for _ in range(count)]
        async with self.database.tenant(tenant) as conn:
            await subject_key(conn, self.keys, tenant, "user:test")
            for task_id in ids:
                await conn.execute(
                    "insert into tasks (tenant, id, automation, automation_version, correlation_id, subject, input, submitted_by, due_at)"
                    " values (%s, %s, %s, '1.0.0', %s, 'user:test', %s::json, 'user:test', time_now())",
                    (tenant, task_id, automation, "c" * 32, "null" if value is None else value),
                )
        return ids

    async def rows(self, query: str, *values: Any, tenant: str = TENANT) -> list[tuple[Any, ...]]:
        async with self.database.tenant(tenant) as conn:
            return await (await conn.execute(query.encode(), values)).fetchall()

    async def states(self, tenant: str = TENANT) -> dict[str, int]:
        rows = await self.rows(
            "select state, count(*) from tasks where tenant = current_tenant() group by state", tenant=tenant
        )
        return dict(rows)

    async def run_sql(self, statement: str, *values: Any) -> None:
        """Run a statement inside the tenant."""
        async with self.database.tenant(TENANT) as conn:
            await conn.execute(statement.encode(), values)


@asynccontextmanager
async def small_engine(owner_url: str, data_dir: Path, *, tenants: tuple[str, ...] = (TENANT,)):  # type: ignore[no-untyped-def]
    """Prepare a fresh database and build the parts over it."""
    urls = await prepare(settings.load({}, data_dir=data_dir), owner_url)
    database = Database(urls.app, size=12, wait_s=10)
    await database.open()
    try:
        for tenant in tenants:
            async with database.tenant(tenant) as conn:
                await conn.execute("insert into tenants (tenant, name) values (%s, %s)", (tenant, tenant))
        clock, keys, objects, recorder = Clock(), SubjectKeys(b"k" * 32), MemoryObjects(), Recorder(database)
        yield SmallEngine(
            database=database,
            owner_url=owner_url,
            clock=clock,
            keys=keys,
            objects=objects,
            tasks=PostgresTasks(database, recorder, objects, keys, clock, inline_bytes_max=65_536),
            journal=PostgresJournal(
                database, recorder, objects, clock, inline_bytes_max=65_536, outcome_bytes_max=10_000_000
            ),
        )
    finally:
        await database.close()
