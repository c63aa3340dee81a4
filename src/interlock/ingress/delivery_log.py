"""What became of callbacks: listed with their attempts, and a dead letter sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interlock.domain.errors import Conflict, NotFound
from interlock.governance import audit
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.store import log as write_leaf

PAGE_MAX: Final = 200

_SELECT = "select id, task_id, url, state, attempts, due_at, created_at, ended_at from deliveries"
_ONE = f"{_SELECT} where tenant = current_tenant() and id = %s"
_PAGE = f"""{_SELECT}
where tenant = current_tenant() and (%(state)s::text is null or state = %(state)s) and (%(task)s::text is null or task_id = %(task)s)
    and (%(after)s::text is null or id < %(after)s) and (not %(webhook)s or task_id is null)
order by id desc limit %(limit)s"""
_ATTEMPTS = """
select delivery_id, attempt, status, error, duration_ms, at from delivery_attempts
where tenant = current_tenant() and delivery_id = any(%s) order by delivery_id, attempt"""
_LOCK = "select state, task_id from deliveries where tenant = current_tenant() and id = %s for update"
_AGAIN = """
update deliveries set state = 'pending', attempts = 0, due_at = time_now(), ended_at = null, epoch = epoch + 1
where tenant = current_tenant() and id = %s"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryAttempt:
    """One attempt. `status` is the receiver's, None where there was no answer; `number` counts on through redeliveries."""

    number: int
    status: int | None
    error: str | None
    duration_ms: float
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A callback as it stands, of a task or, where `task_id` is None, of the tenant's webhook.

    `due_at` is None while it is under way and when it ended; `attempts` begin with the first.
    """

    id: str
    task_id: str | None
    url: str
    state: str
    due_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    attempts: Sequence[DeliveryAttempt]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryPage:
    """Deliveries, newest first; `next_cursor` gives the following ones, None at the end."""

    items: Sequence[Delivery]
    next_cursor: str | None


class DeliveryLog:
    """What people see and do of callbacks, through the API."""

    def __init__(self, app: Database, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def page(
        self,
        tenant: str,
        *,
        state: str | None = None,
        task_id: str | None = None,
        of_webhook: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DeliveryPage:
        """List deliveries with their attempts, newest first.

        Args:
            state: `pending`, `delivered` or `dead`. of_webhook: only calls of the tenant's webhook.
            cursor: a former page's `next_cursor`. limit: 1 to 200.
        """
        limit = max(1, min(limit, PAGE_MAX))
        values = {"state": state, "task": task_id, "webhook": of_webhook, "after": cursor, "limit": limit + 1}
        async with self._app.tenant(tenant) as conn:
            rows = await (await conn.execute(_PAGE.encode(), values)).fetchall()
            attempts = await _attempts(conn, [row[0] for row in rows])
        items = [_of(row, attempts) for row in rows[:limit]]
        return DeliveryPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)

    async def get(self, tenant: str, delivery_id: str) -> Delivery:
        """Give one with its attempts; raises NotFound."""
        async with self._app.tenant(tenant) as conn:
            row = await (await conn.execute(_ONE.encode(), (delivery_id,))).fetchone()
            if row is None:
                raise NotFound(f"There is no delivery {delivery_id}.")
            attempts = await _attempts(conn, [delivery_id])
        return _of(row, attempts)

    async def redeliver(self, tenant: str, delivery_id: str) -> None:
        """Send a dead letter again, under the same ID, with all its attempts anew; due at once when this returns.

        Raises:
            NotFound: there is no such delivery. Conflict: it is no dead letter.
        """
        async with self._app.tenant(tenant) as conn:
            row = await (await conn.execute(_LOCK, (delivery_id,))).fetchone()
            if row is None:
                raise NotFound(f"There is no delivery {delivery_id}.")
            if row[0] != "dead":
                raise Conflict(
                    f"The delivery is {row[0]}, and only a dead letter can be sent again.", extra={"state": row[0]}
                )
            await conn.execute(_AGAIN, (delivery_id,))
            facts: dict[str, Any] = {"delivery": delivery_id} | ({} if row[1] is None else {"task": row[1]})
            leaf = audit.leaf("delivery.redelivered", tenant=tenant, at=self._clock.now(), facts=facts)
            await write_leaf(conn, tenant=tenant, task_id=row[1], leaf=leaf)


def _of(row: tuple[Any, ...], attempts: Mapping[str, Sequence[DeliveryAttempt]]) -> Delivery:
    return Delivery(
        id=row[0],
        task_id=row[1],
        url=row[2],
        state=row[3],
        due_at=row[5],
        created_at=row[6],
        ended_at=row[7],
        attempts=attempts.get(row[0], ()),
    )


async def _attempts(conn: Connection, ids: list[str]) -> dict[str, list[DeliveryAttempt]]:
    found: dict[str, list[DeliveryAttempt]] = {}
    for delivery_id, number, status, error, duration_ms, at in await (await conn.execute(_ATTEMPTS, (ids,))).fetchall():
        found.setdefault(delivery_id, []).append(
            DeliveryAttempt(number=number, status=status, error=error, duration_ms=duration_ms, at=at)
        )
    return found
