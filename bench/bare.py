"""Bare PostgreSQL: the least Python that has the database do what the product has it do.

`Recording` is the product's own database pool that notes each transaction while the product works: its statements, their
parameters byte for byte, and where it begins and ends. Two baselines are made of such a note, in an equal database (same
migrations, roles, row-level security and tenant) with equal tasks. Both use the same driver and connections that were opened
before; all values, the JSON of each statement's rows too, are built before the time is taken; each transaction goes out as one
pipeline of psycopg. Polls that found nothing and renewals of leases are left out, so that the baseline has less to do.
Nothing else is done: no replay of automations, no decisions, no digests, no audit leaves or identifiers made, nothing looked at in what comes back.

`Grouped` plays the very same transactions, with the product's grouping of rows, in the product's order, over as many
connections as the product had busy at once. A transaction waits only for those that touch the same tasks, so it may overlap with
more than it did in the product.

`OneEach` groups nothing, as anybody would write it first: claims in batches, then a coroutine a task, as many as the product
advances at once, each with one transaction an effect and one for the end, over a pool as large as the product's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import TupleRow

from interlock.infra.database import Database
from interlock.infra.one_turn import SET_TENANT, Answer, Statement, Text

LEFT_OUT = (
    b"next_due()",
    b"renew_leases",
    b"insert into tasks",
)  # polls, leases, and the accepting of the tasks themselves


@dataclass(slots=True)
class Transaction:
    """One transaction as the product sent it. `tasks` are those it touches, `after` the claims that were done before it."""

    tenant: str = ""
    statements: list[tuple[bytes, Any]] = field(default_factory=list)
    tasks: frozenset[str] = frozenset()
    claims: bool = False
    after: int = 0
    needs: tuple[int, ...] = ()


class Recording(Database):
    """The pool, taking notes while `noting`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.noting = False
        self.noted: list[Transaction] = []
        self.busy_max = 0
        self._busy = 0
        self._claimed = 0

    async def together(self, tenant: str | None, statements: Sequence[Statement]) -> list[Answer]:
        if not self.noting:
            return await super().together(tenant, statements)
        transaction = Transaction(tenant=tenant or "", statements=[_plain(s) for s in statements], after=self._claimed)
        transaction.claims = any(b"claim_tasks(" in text for text, _ in statements)
        self._claimed += transaction.claims
        self.noted.append(transaction)
        self._busy += 1
        self.busy_max = max(self.busy_max, self._busy)
        try:
            return await super().together(tenant, statements)
        finally:
            self._busy -= 1

    def take(self) -> list[Transaction]:
        """Give what was noted and is worth doing again, each with the ones that it has to wait for."""
        noted, self.noted, self._claimed = self.noted, [], 0
        return list(_linked(noted))


def _plain(statement: Statement) -> Statement:
    """Give a statement with its parameters as psycopg takes them."""
    text, values = statement
    return text, tuple(value.decode() if isinstance(value, Text) else value for value in values)


def _touched(transaction: Transaction) -> Iterator[str]:
    for _, params in transaction.statements:
        if params and isinstance(params[0], list):
            yield from params[0]  # the tasks that are loaded after a claim
        elif params and isinstance(params[0], str):
            yield from (row["task_id"] for row in orjson.loads(params[0]))


def _linked(noted: Sequence[Transaction]) -> Iterator[Transaction]:
    """Leave polls and renewals out, and link each transaction to the last before it that touches one of its tasks."""
    last: dict[str, int] = {}
    claims: list[int] = []
    loaded = {id(t) for t in noted if not t.claims and any(b"from tasks t left join" in s for s, _ in t.statements)}
    kept = 0
    for position, transaction in enumerate(noted):
        text = b" ".join(statement for statement, _ in transaction.statements)
        if not text or any(part in text for part in LEFT_OUT):
            continue
        if transaction.claims:
            if not any(id(later) in loaded and later.after == len(claims) + 1 for later in noted[position + 1 :]):
                noted[position].claims = False  # it found nothing
                claims.append(-1)
                continue
            transaction.needs = tuple(n for n in claims[-1:] if n >= 0)
            claims.append(kept)
        else:
            transaction.tasks = frozenset(_touched(transaction))
            needs = {last[task] for task in transaction.tasks if task in last}
            if id(transaction) in loaded:
                needs.add(claims[transaction.after - 1])
            last.update(dict.fromkeys(transaction.tasks, kept))
            transaction.needs = tuple(sorted(n for n in needs if n >= 0))
        kept += 1
        yield transaction


async def connections(url: str, count: int) -> list[AsyncConnection[TupleRow]]:
    """Open connections as the product sets them up."""
    opened = [await AsyncConnection.connect(url, autocommit=True) for _ in range(count)]
    for conn in opened:
        conn.cursor_factory = AsyncRawCursor  # parameters as the product writes them, `$1`
    for conn in opened:
        await conn.execute("set search_path = interlock, pg_temp")
    return opened


async def _send(conn: AsyncConnection[TupleRow], tenant: str, statements: Sequence[tuple[bytes, Any]]) -> None:
    async with conn.pipeline():
        await conn.execute(SET_TENANT, (tenant,))
        for statement, params in statements:
            await conn.execute(statement, params)


async def grouped(conns: Sequence[AsyncConnection[TupleRow]], transactions: Sequence[Transaction]) -> float:
    """Play the same transactions again; gives seconds."""
    done = [asyncio.Event() for _ in transactions]
    order = iter(range(len(transactions)))

    async def lane(conn: AsyncConnection[TupleRow]) -> None:
        for number in order:
            transaction = transactions[number]
            for needed in transaction.needs:
                await done[needed].wait()
            await _send(conn, transaction.tenant, transaction.statements)
            done[number].set()

    began = time.perf_counter()
    await asyncio.gather(*(lane(conn) for conn in conns))
    return time.perf_counter() - began


class OneEach:
    """The same rows with one transaction an effect. `rows` are those of a note, split and built beforehand."""

    def __init__(self, transactions: Sequence[Transaction], *, concurrency: int, claim_batch_max: int) -> None:
        self._concurrency = concurrency
        self._batch = claim_batch_max
        self._tenant = transactions[0].tenant or "default"
        self._claim = next(t.statements[0] for t in transactions if t.claims)
        self._load = next(s for t in transactions for s, p in t.statements if p and isinstance(p[0], list))
        self._writes: dict[str, list[Statement]] = {}
        for transaction in transactions:
            for statement, params in transaction.statements:
                if params and isinstance(params[0], str):
                    for row in orjson.loads(params[0]):
                        one = (orjson.dumps([row]).decode(),)
                        self._writes.setdefault(row["task_id"], []).append((statement, one))
        self.tasks = len(self._writes)
        self._tenant = next(t.tenant for t in transactions if t.tenant)

    async def run(self, conns: Sequence[AsyncConnection[TupleRow]]) -> float:
        """Do all tasks; gives seconds."""
        free: asyncio.LifoQueue[AsyncConnection[TupleRow]] = asyncio.LifoQueue()
        for conn in conns:
            free.put_nowait(conn)
        places = asyncio.Semaphore(self._concurrency)

        async def one(task_id: str) -> None:
            for write in self._writes[task_id]:
                conn = await free.get()
                try:
                    await _send(conn, self._tenant, (write,))
                finally:
                    free.put_nowait(conn)
            places.release()

        began = time.perf_counter()
        running: deque[asyncio.Task[None]] = deque()
        claimed = 0
        while claimed < self.tasks:
            await places.acquire()
            batch = 1
            while batch < self._batch and not places.locked():
                await places.acquire()
                batch += 1
            ids = await self._take(free, batch)
            for _ in range(batch - len(ids)):
                places.release()
            running.extend(asyncio.create_task(one(task_id)) for task_id in ids)
            claimed += len(ids)
        await asyncio.gather(*running)
        return time.perf_counter() - began

    async def _take(self, free: asyncio.LifoQueue[AsyncConnection[TupleRow]], batch: int) -> list[str]:
        conn = await free.get()
        statement, params = self._claim
        try:
            async with conn.pipeline():
                await conn.execute(SET_TENANT, ("",))
                cursor = await conn.execute(statement, (batch, *params[1:]))
            ids = [row[1] for row in await cursor.fetchall()]
            await _send(conn, self._tenant, ((self._load, (ids,)),))
        finally:
            free.put_nowait(conn)
        return ids
