"""Group commit without a timer: commit at once when nothing is in flight, else take along whatever arrived meanwhile.

A batch is one transaction of one tenant. Each kind of write is one statement over arrays that stands behind the fence itself, so
that a row whose owner was fenced writes nothing, and its neighbours in the batch are not touched by that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
import psycopg

from interlock.domain.errors import Unavailable
from interlock.infra.database import Database
from interlock.infra.one_turn import Text

# A transaction takes this many rows at most, and no more wait while one is on its way before another lane takes them: so while some
# tasks wait for the database others compute, instead of all of them waiting and then all of them computing.
BATCH_MAX = 32
WAITING_MAX = 100_000
# How many rows must wait before another lane takes them, for each lane there is: a second transaction at once costs more than
# waiting for the first, unless it is a full one.
LANE_ROWS = (1, BATCH_MAX)


@dataclass(frozen=True, kw_only=True)
class Write:
    """A statement over `$1`, a JSON list of objects; gives back, for each row written, `key` columns and then results.

    One JSON parameter, since the driver quotes arrays in Python at five times the cost. Bytes travel as PostgreSQL's hex form.
    """

    name: str
    sql: str
    key: tuple[str, ...]


@dataclass(slots=True)
class _Item:
    tenant: str
    write: Write
    row: Mapping[str, Any]
    done: asyncio.Future[tuple[Any, ...] | None]

    def settle(self, result: tuple[Any, ...] | None) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Recorder:
    """Writes rows in as few transactions as the load allows. Belongs to the event loop of its first write."""

    def __init__(self, database: Database) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._database = database
        self._queue: deque[_Item] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def write(self, tenant: str, write: Write, row: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Write a row; durable when this returns. Gives its results, or None where the fence let nothing through.

        Raises:
            Unavailable: the database does not answer, or too much waits; whether it was written is unknown.
        """
        if len(self._queue) >= WAITING_MAX:
            raise Unavailable("Too many records wait for the database.", retry_after_s=1)
        # The loop is remembered: before Python 3.12, asking for it is a system call.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        item = _Item(tenant, write, row, loop.create_future())
        self._queue.append(item)
        if len(self._lanes) < len(LANE_ROWS) and len(self._queue) >= LANE_ROWS[len(self._lanes)]:
            lane = loop.create_task(self._flush())
            self._lanes.add(lane)
        return await item.done

    async def _flush(self) -> None:
        try:
            while self._queue:
                batch = self._take()
                try:
                    await self._commit(batch)
                except psycopg.Error as error:
                    await self._one_by_one(batch, error)
                except BaseException as error:
                    for item in batch:
                        item.fail(error)
                    if not isinstance(error, Exception):
                        raise
        finally:
            # Not in a done-callback: a row that is written before it would run counts on this lane, and would wait for ever.
            self._lanes.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _take(self) -> list[_Item]:
        """Take what waits of the tenant at the head of the queue."""
        tenant = self._queue[0].tenant
        batch: list[_Item] = []
        rest: deque[_Item] = deque()
        while self._queue and len(batch) < BATCH_MAX:
            item = self._queue.popleft()
            (batch if item.tenant == tenant else rest).append(item)
        self._queue.extendleft(reversed(rest))
        return [item for item in batch if not item.done.done()]

    async def _one_by_one(self, batch: Sequence[_Item], error: psycopg.Error) -> None:
        """One row that the database refuses must not fail its neighbours."""
        if len(batch) == 1:
            batch[0].fail(error)
            return
        for item in batch:
            try:
                await self._commit([item])
            except Exception as own:
                item.fail(own)

    async def _commit(self, batch: Sequence[_Item]) -> None:
        if not batch:
            return
        groups: dict[str, list[_Item]] = {}
        for item in batch:
            groups.setdefault(item.write.name, []).append(item)
        statements = [(items[0].write.sql.encode(), (_rows(items),)) for items in groups.values()]
        answers = await self._database.together(batch[0].tenant, statements)
        written = zip(groups.values(), answers, strict=True)
        for items, rows in written:
            names = items[0].write.key
            width = len(names)
            if rows.width == width and len(rows) == len(items):  # no results, and as many as were to be written
                for item in items:
                    item.settle(())
                continue
            found = {tuple(row[:width]): tuple(row[width:]) for row in rows}
            for item in items:
                item.settle(found.get(tuple([item.row[name] for name in names])))


def _rows(items: Sequence[_Item]) -> Text:
    return Text(orjson.dumps([item.row for item in items], default=_hex))


def as_bytea(value: bytes) -> str:
    """Give bytes as PostgreSQL reads them; rows may hold bytes as well, which costs a call back from the encoder."""
    return "\\x" + value.hex()


def _hex(value: object) -> str:
    if isinstance(value, bytes):
        return as_bytea(value)
    raise TypeError(f"{type(value).__name__} is no column value")
