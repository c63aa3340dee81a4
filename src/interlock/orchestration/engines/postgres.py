"""The `postgres` engine: workers that claim task rows, with a lease and an epoch, and are woken by NOTIFY.

A task's row is its own queue entry. A lost notification costs one poll; a vanished worker costs one lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import psycopg
import structlog
from psycopg import AsyncConnection

from interlock.boundary.perform import FaultPoint, no_fault
from interlock.domain.errors import Fenced, InterlockError
from interlock.domain.tasks import Claimed, State
from interlock.infra.clock import Clock
from interlock.infra.database import Database
from interlock.orchestration.store import PostgresTasks, notify

log = structlog.get_logger("interlock.worker")
NAME = "postgres"
BACKOFF_MAX_S = 30.0
# How long a full worker waits for more free places after the first, so that a claim takes several tasks.
GATHER_S = 0.001
# Rows that are locked are left out of a renewal, since waiting for them could deadlock, and are tried again.
RENEW_PASSES_MAX = 10
RENEW_AGAIN_S = 0.02


class Attempt(Protocol):
    """One attempt at a task: `go` until it ends, waits or is blocked."""

    def request_cancel(self) -> None: ...

    async def go(self) -> State: ...


@dataclass(slots=True)
class _Owned:
    task: Claimed
    attempt: Attempt
    running: asyncio.Task[None] | None = None


@dataclass(kw_only=True)
class Limits:
    concurrency: int = 64
    claim_batch_max: int = 32
    lease_s: float = 10.0
    lease_renew_s: float = 3.0
    poll_s: float = 1.0
    shutdown_s: float = 10.0


@dataclass
class Counts:
    """What a worker did since it started, for its log and its tests."""

    claimed: int = 0
    states: dict[str, int] = field(default_factory=dict)
    fenced: int = 0
    failed: int = 0


class PostgresEngine:
    """Claims due tasks and advances them, up to a number at a time. See the port `Engine`."""

    def __init__(
        self,
        *,
        database: Database,
        tasks: PostgresTasks,
        attempt: Callable[[Claimed], Attempt],
        clock: Clock,
        limits: Limits,
        fault: FaultPoint = no_fault,
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._attempt = attempt
        self._clock = clock
        self._limits = limits
        self._fault = fault
        self._owned: dict[tuple[str, str], _Owned] = {}
        self._errors: dict[tuple[str, str], int] = {}
        self._wake = asyncio.Event()
        self._full = False
        self._stopping = False
        self.counts = Counts()

    # The verbs, each in a transaction of the tenant.

    async def start(self, tenant: str, task_id: str) -> None:
        await self._due(tenant, task_id, "state = 'accepted' and epoch = 0")

    async def wake(self, tenant: str, task_id: str) -> None:
        await self._due(tenant, task_id, "state not in ('succeeded', 'failed', 'cancelled')")

    async def cancel(self, tenant: str, task_id: str) -> None:
        await self._due(
            tenant, task_id, "state not in ('succeeded', 'failed', 'cancelled')", "cancel_requested = true, "
        )

    async def wake_at(self, tenant: str, task_id: str, at: datetime) -> None:
        async with self._database.tenant(tenant) as conn:
            await conn.execute(
                "update tasks set due_at = least(due_at, %s) where tenant = current_tenant() and id = %s"
                " and state not in ('succeeded', 'failed', 'cancelled')",
                (at, task_id),
            )

    async def _due(self, tenant: str, task_id: str, where: str, also: str = "") -> None:
        async with self._database.tenant(tenant) as conn:
            await conn.execute(
                f"update tasks set {also}due_at = least(due_at, queue_time(priority))"
                f" where tenant = current_tenant() and id = %s and {where}".encode(),
                (task_id,),
            )
            await notify(conn)

    # The worker.

    @property
    def owned(self) -> int:
        """How many tasks this worker advances right now."""
        return len(self._owned)

    async def run(self, ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Claim and advance until cancelled; then give the leases back. `ready` is called once the database answers."""
        helpers = [asyncio.create_task(self._listen()), asyncio.create_task(self._renew())]
        try:
            await self._claim_loop(ready)
        finally:
            self._stopping = True
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self._let_go()

    async def _claim_loop(self, ready: Callable[[], Awaitable[None]] | None) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                claimed, full = await self._claim()
                if ready is not None:
                    await ready()
                    ready = None
                failures = 0
            except InterlockError as error:
                failures += 1
                delay_s = min(5.0, 0.1 * 2**failures) * (0.5 + random.random() / 2)  # noqa: S311
                log.warning("claim_failed", error=error.detail, retry_in_s=round(delay_s, 2))
                await asyncio.sleep(delay_s)
                continue
            if claimed and not full:
                continue
            await self._rest()

    async def _rest(self) -> None:
        """Wait for a notification, a free place or the next due time, at most one poll."""
        if self._full:  # whatever is due, there is no place for it
            await self._woken(self._limits.poll_s)
            await asyncio.sleep(GATHER_S)
            return
        wait_s = self._limits.poll_s
        with contextlib.suppress(InterlockError):
            due = await self._next_due()
            if due is not None:
                wait_s = min(wait_s, max(0.0, (due - self._clock.now()).total_seconds()) + 0.001)
        await self._woken(wait_s)

    async def _woken(self, wait_s: float) -> None:
        # Not wait_for: in Python 3.11 it swallows a cancellation that comes in the turn in which it is woken.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    async def _next_due(self) -> datetime | None:
        rows = await self._database.fetch(None, b"select next_due()", ())
        due: datetime | None = rows[0][0]
        return due

    async def _claim(self) -> tuple[int, bool]:
        """Claim what fits; gives how many, and whether this worker is full."""
        free = self._limits.concurrency - len(self._owned)
        self._full = free <= 0
        if self._full:
            return 0, True
        batch = min(free, self._limits.claim_batch_max)
        rows = await self._database.fetch(
            None,
            b"select tenant, id, epoch, claimed_at from claim_tasks($1, $2, $3)",
            (batch, timedelta(seconds=self._limits.lease_s), NAME),
        )
        if not rows:
            return 0, False
        await self._fault("claimed")
        self._clock.follow(rows[0][3])
        by_tenant: dict[str, dict[str, int]] = {}
        for tenant, task_id, epoch, _ in rows:
            by_tenant.setdefault(tenant, {})[task_id] = epoch
        for tenant, epochs in by_tenant.items():
            for task in await self._tasks.load(tenant, epochs):
                try:
                    self._begin(task)
                except InterlockError as error:  # an automation that this worker does not have: its neighbours go on
                    await self._later((tenant, task.info.id), task, error)
        self.counts.claimed += len(rows)
        self._full = len(self._owned) >= self._limits.concurrency
        return len(rows), self._full

    def _begin(self, task: Claimed) -> None:
        key = task.info.tenant, task.info.id
        before = self._owned.get(key)
        if before is not None and before.running is not None:
            before.running.cancel()  # our own older lease ran out: its epoch is gone, so it can write nothing
        owned = _Owned(task, self._attempt(task))
        self._owned[key] = owned
        owned.running = asyncio.create_task(self._advance(key, owned), name=task.info.id)

    async def _advance(self, key: tuple[str, str], owned: _Owned) -> None:
        structlog.contextvars.bind_contextvars(
            task_id=owned.task.info.id, correlation_id=owned.task.info.correlation_id
        )
        due_again = True
        try:
            state = await owned.attempt.go()
            due_again = state is State.WAITING  # an answer may have come while it suspended
            self.counts.states[state.value] = self.counts.states.get(state.value, 0) + 1
            self._errors.pop(key, None)
        except Fenced:
            self.counts.fenced += 1
            log.info("fenced")
        except Exception as error:
            await self._later(key, owned.task, error)
        finally:
            if self._owned.get(key) is owned:
                del self._owned[key]
            if due_again or self._full:
                self._wake.set()

    async def _later(self, key: tuple[str, str], task: Claimed, error: Exception) -> None:
        """Something failed that is not the automation's doing: nothing was released; try the task again after a pause."""
        self.counts.failed += 1
        count = self._errors[key] = self._errors.get(key, 0) + 1
        delay_s = min(BACKOFF_MAX_S, 0.2 * 2 ** min(count, 10)) * (0.5 + random.random() / 2)  # noqa: S311
        known = isinstance(error, InterlockError | psycopg.Error)
        why = error.diag.message_primary if isinstance(error, psycopg.Error) else getattr(error, "code", None)
        log.warning(
            "advance_failed", error=type(error).__name__, why=why, retry_in_s=round(delay_s, 2), exc_info=not known
        )
        with contextlib.suppress(Fenced, InterlockError, psycopg.Error):
            await self._tasks.suspend(task, wake_at=self._clock.now() + timedelta(seconds=delay_s))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._limits.lease_renew_s)
            try:
                held = dict(self._owned)
                for turn in range(RENEW_PASSES_MAX):
                    if turn:
                        await asyncio.sleep(RENEW_AGAIN_S)
                    if not held:
                        break
                    held = await self._renewed(held)
            except (InterlockError, psycopg.Error) as error:  # it has to go on: without it every lease runs out
                log.warning("renewal_failed", error=type(error).__name__)

    async def _renewed(self, held: Mapping[tuple[str, str], _Owned]) -> dict[tuple[str, str], _Owned]:
        """Renew leases; gives those still owned whose row was locked just now, by the recording of an effect as a rule."""
        arguments = (
            [tenant for tenant, _ in held],
            [task_id for _, task_id in held],
            [owned.task.epoch for owned in held.values()],
            timedelta(seconds=self._limits.lease_s),
        )
        async with self._database.across() as conn:
            cursor = await conn.execute("select id, cancelled from renew_leases(%s, %s, %s, %s)", arguments)
            renewed: dict[str, bool] = dict(await cursor.fetchall())
        for (_, task_id), owned in held.items():
            if renewed.get(task_id):
                owned.attempt.request_cancel()
        return {key: owned for key, owned in held.items() if key[1] not in renewed and self._owned.get(key) is owned}

    async def _listen(self) -> None:
        """Be woken by NOTIFY. A broken connection is made again; meanwhile polling finds what is due."""
        while not self._stopping:  # the driver may make an error of its own of a cancellation
            try:
                limits = self._database.kernel_limits
                async with await AsyncConnection.connect(self._database.url, autocommit=True, **limits) as conn:
                    await conn.execute("listen interlock_wake")
                    self._wake.set()
                    async for _ in conn.notifies():
                        self._wake.set()
            except psycopg.Error:
                await asyncio.sleep(0.5 + random.random())  # noqa: S311

    async def _let_go(self) -> None:
        """Stop what runs, and make it due at once for the next worker."""
        held = list(self._owned.values())
        for owned in held:
            if owned.running is not None:
                owned.running.cancel()
        running = [o.running for o in held if o.running is not None]
        if running:
            await asyncio.wait(running, timeout=self._limits.shutdown_s)
        for owned in held:
            with contextlib.suppress(Fenced, InterlockError, psycopg.Error):
                await self._tasks.suspend(owned.task, wake_at=datetime.now(UTC) - timedelta(days=1))
