"""Callbacks: each is posted, signed, until it is acknowledged or becomes a dead letter.

claim (lease, epoch) → post → record the attempt: delivered, due again later, or dead. A delivery is at-least-once under one
`webhook-id`; whoever lost the lease meanwhile writes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import psycopg
import structlog

from interlock.domain.errors import ConfigurationError, InterlockError, OutgoingRefused
from interlock.governance import audit
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.infra.http import GuardedClient, Response, ResponseTooLarge
from interlock.ingress import signatures
from interlock.orchestration.store import log as write_leaf

log = structlog.get_logger("interlock.deliveries")
Secrets = Callable[[str], Sequence[str]]
"""Gives a tenant's signing secrets, the current one first."""

ERROR_CHARS_MAX: Final = 300
LEASE_MARGIN_S: Final = 5.0
# A pause grows fourfold, so that twelve attempts span hours: doubling would give up on a host that is away for an hour.
BACKOFF_FACTOR: Final = 4.0
GONE: Final = 410

_CLAIM = "select tenant, id, epoch from claim_deliveries(%s, %s)"
_LOAD = """
select id, task_id, url, body, attempts, epoch, time_now() from deliveries
where tenant = current_tenant() and id = %s and epoch = %s and state = 'pending'"""
# The number of an attempt counts on through redeliveries; `attempts` begins again with each.
_SETTLE = """
with fence as (
    select id from deliveries where tenant = current_tenant() and id = %(id)s and epoch = %(epoch)s and state = 'pending' for update
), tried as (
    insert into delivery_attempts (tenant, delivery_id, attempt, status, error, duration_ms)
    select current_tenant(), id, coalesce((select max(attempt) from delivery_attempts
        where tenant = current_tenant() and delivery_id = %(id)s), 0) + 1, %(status)s, %(error)s, %(duration_ms)s
    from fence
)
update deliveries d set state = %(state)s, attempts = d.attempts + 1, lease_until = null,
    due_at = case when %(state)s = 'pending' then time_now() + make_interval(secs => %(wait_s)s) end,
    ended_at = case when %(state)s <> 'pending' then time_now() end
from fence f where d.tenant = current_tenant() and d.id = f.id
returning d.id"""
_GIVE_BACK = """
update deliveries set lease_until = null, due_at = time_now()
where tenant = current_tenant() and id = %s and epoch = %s and state = 'pending'"""


@dataclass(frozen=True, kw_only=True)
class DeliveryLimits:
    """How hard a delivery is tried.

    Attributes:
        attempts_max: then it is a dead letter. timeout_s: for one attempt. in_flight_max: attempts at the same time.
        backoff_initial_s, backoff_max_s: the longest pause after the first attempt, and after any; a server may ask for longer with
            Retry-After, up to `backoff_max_s`. lease_s: after this a claimed delivery is another's; must outlast an attempt.
    """

    attempts_max: int = 12
    timeout_s: float = 10.0
    backoff_initial_s: float = 1.0
    backoff_max_s: float = 3600.0
    in_flight_max: int = 64
    lease_s: float = 60.0
    poll_s: float = 0.5

    def __post_init__(self) -> None:
        if self.lease_s < self.timeout_s + LEASE_MARGIN_S:
            raise ConfigurationError(
                f"A delivery's lease of {self.lease_s:g} s does not outlast an attempt of {self.timeout_s:g} s.",
                fix=f"Let it be {LEASE_MARGIN_S:g} s longer.",
            )

    def wait_s(self, attempt: int, uniform: float, retry_after_s: float | None) -> float:
        """Give the pause after failed attempt number `attempt` (from 1): full jitter; `uniform` is in [0, 1)."""
        power = min(attempt - 1, 50)
        pause = min(self.backoff_max_s, self.backoff_initial_s * BACKOFF_FACTOR**power) * uniform
        return max(pause, min(retry_after_s or 0.0, self.backoff_max_s))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claimed:
    tenant: str
    id: str
    task_id: str | None  # None: of the tenant's webhook
    url: str
    body: str
    attempts: int
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    """What an attempt came to; `final` failures are not tried again."""

    delivered: bool
    status: int | None = None
    error: str | None = None
    final: bool = False
    retry_after_s: float | None = None
    duration_ms: float = 0.0


class Deliveries:
    """Claims callbacks that are due and delivers them. Any number may run at the same time.

    Args:
        app: the database as the application's role.
        client: what calls; refuses addresses that are not public.
        clock: follows the database's, for the time that is signed.
        secrets: the signing secrets of a tenant.
        uniform: gives the jitter, in [0, 1).
    """

    def __init__(
        self,
        *,
        app: Database,
        client: GuardedClient,
        clock: Clock,
        secrets: Secrets,
        limits: DeliveryLimits,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._app = app
        self._client = client
        self._clock = clock
        self._secrets = secrets
        self._limits = limits
        self._uniform = uniform

    async def once(self) -> int:
        """Deliver what is due now, at most `in_flight_max`, and wait for it; gives how many were tried."""
        claimed = await self._claim(self._limits.in_flight_max)
        await asyncio.gather(*(self._deliver(*one) for one in claimed))
        return len(claimed)

    async def run(self) -> None:
        """Deliver until cancelled; a host that is slow holds up no other. Raises what the database raises when claiming."""
        flying: set[asyncio.Task[None]] = set()
        try:
            while True:
                free = self._limits.in_flight_max - len(flying)
                claimed = await self._claim(free) if free else []
                flying |= {asyncio.create_task(self._deliver(*one)) for one in claimed}
                if flying and not self._limits.in_flight_max - len(flying):
                    await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                elif not claimed:
                    await asyncio.sleep(self._limits.poll_s)
                finished = {task for task in flying if task.done()}
                flying -= finished
                for task in finished:
                    task.result()
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)

    async def _claim(self, batch: int) -> list[tuple[str, str, int]]:
        async with self._app.across() as conn:
            cursor = await conn.execute(_CLAIM, (batch, timedelta(seconds=self._limits.lease_s)))
            return [(tenant, delivery_id, epoch) for tenant, delivery_id, epoch in await cursor.fetchall()]

    async def _deliver(self, tenant: str, delivery_id: str, epoch: int) -> None:
        try:
            delivery = await self._load(tenant, delivery_id, epoch)
            if delivery is not None:
                await self._settle(delivery, await self._attempt(delivery))
        except asyncio.CancelledError:
            with contextlib.suppress(InterlockError, psycopg.Error):
                async with self._app.tenant(tenant) as conn:
                    await conn.execute(_GIVE_BACK, (delivery_id, epoch))
            raise
        except (InterlockError, psycopg.Error) as error:
            # Not the receiver's doing: nothing is counted, and the lease runs out.
            log.warning("delivery_postponed", delivery=delivery_id, error=type(error).__name__)

    async def _load(self, tenant: str, delivery_id: str, epoch: int) -> _Claimed | None:
        async with self._app.tenant(tenant) as conn:
            row = await (await conn.execute(_LOAD, (delivery_id, epoch))).fetchone()
        if row is None:
            return None
        self._clock.follow(row[6])
        names = ("id", "task_id", "url", "body", "attempts", "epoch")
        return _Claimed(tenant=tenant, **dict(zip(names, row[:6], strict=True)))

    async def _attempt(self, delivery: _Claimed) -> _Result:
        body = delivery.body.encode()
        headers = signatures.sign(
            self._secrets(delivery.tenant), message_id=delivery.id, at=self._clock.now(), body=body
        )
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                response = await self._client.post(
                    delivery.url, body, {**headers, "content-type": "application/json", "user-agent": "interlock"}
                )
            result = self._judged(response)
        except OutgoingRefused as error:
            result = _Result(delivered=False, error=error.detail, final=True)
        except ResponseTooLarge as error:
            result = self._judged(Response(status=int(error.extra["status"]), headers={}, body=b""))
        except InterlockError as error:
            result = _Result(delivered=False, error=error.detail)
        except TimeoutError:
            result = _Result(delivered=False, error=f"No answer within {self._limits.timeout_s:g} s.")
        return replace(result, duration_ms=(time.monotonic() - started) * 1000)

    def _judged(self, response: Response) -> _Result:
        """Only 2xx acknowledges. 410 says that nobody wants it any more; a redirect is not followed and counts as a failure."""
        if 200 <= response.status < 300:
            return _Result(delivered=True, status=response.status)
        return _Result(
            delivered=False,
            status=response.status,
            error=f"The receiver answered {response.status}.",
            final=response.status == GONE,
            retry_after_s=self._retry_after_s(response.headers.get("retry-after", "")),
        )

    def _retry_after_s(self, text: str) -> float | None:
        """Read Retry-After: seconds, or a date; None for what is neither."""
        if text.isascii() and text.isdigit():
            return float(text[:9])
        with contextlib.suppress(ValueError, TypeError):
            return (parsedate_to_datetime(text) - self._clock.now()).total_seconds()
        return None

    async def _settle(self, delivery: _Claimed, result: _Result) -> None:
        """Record an attempt, and with it what becomes of the delivery; nothing where another has it meanwhile."""
        number = delivery.attempts + 1
        if result.delivered:
            state, wait_s = "delivered", 0.0
        elif result.final or number >= self._limits.attempts_max:
            state, wait_s = "dead", 0.0
        else:
            state, wait_s = "pending", self._limits.wait_s(number, self._uniform(), result.retry_after_s)
        values = {
            "id": delivery.id,
            "epoch": delivery.epoch,
            "status": result.status,
            "error": result.error and result.error[:ERROR_CHARS_MAX],
            "duration_ms": result.duration_ms,
            "state": state,
            "wait_s": wait_s,
        }
        async with self._app.tenant(delivery.tenant) as conn:
            if await (await conn.execute(_SETTLE, values)).fetchone() is None:
                log.info("delivery_fenced", delivery=delivery.id)
                return
            if state != "pending":
                await self._leaf(conn, delivery, state, number)
        log.info("delivery_tried", delivery=delivery.id, state=state, status=result.status, attempt=number)

    async def _leaf(self, conn: Connection, delivery: _Claimed, state: str, attempts: int) -> None:
        facts: dict[str, Any] = {"delivery": delivery.id, "attempts": attempts}
        if delivery.task_id is not None:
            facts["task"] = delivery.task_id
        leaf = audit.leaf(f"delivery.{state}", tenant=delivery.tenant, at=self._clock.now(), facts=facts)
        await write_leaf(conn, tenant=delivery.tenant, task_id=delivery.task_id, leaf=leaf)
