"""What steps wrote, kept beside their effects: sealed under the key of the task's subject, so that erasing the person erases it.

    told by the child, line by line → an attempt's lines, bounded again → every `FLUSH_S` and at its end: queued → written behind the effects

It is an aid, not a record: no leaf commits to it, nothing waits for it, and where the database does not take it, it is lost and that is
logged, as a count. Nothing happens here for an attempt that wrote nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from cryptography.exceptions import InvalidTag

from interlock.boundary.step_output import NAME_CHARS_MAX, STREAMS, TRACE_LINES_MAX, Limits
from interlock.domain import canonical
from interlock.domain.errors import Conflict, Unavailable
from interlock.domain.ports import Call
from interlock.governance.audit import SubjectKeys
from interlock.infra.database import Connection, Database
from interlock.infra.sealing import Sealing
from interlock.infra.settings import Settings

log = structlog.get_logger("interlock.step_logs")
FLUSH_S: Final = 2.0
WAITING_MAX: Final = 4_096
BATCH_MAX: Final = 32
TRIES_MAX: Final = 10
RETRY_S: Final = 1.0
CLOSE_S: Final = 5.0
_ROWS_AT_ONCE: Final = 16
_RAW_BYTES_MAX: Final = 64 * 1024 * 1024

# Behind the task's row, which is locked as a record locks it: what is erased meanwhile takes nothing any more.
_KEEP: Final = b"""
insert into step_logs (tenant, task_id, generation, effect_id, attempt, lines, size_bytes, sealed)
select t.tenant, t.id, $2::int, $3, $4::int, $5::int, $6::int, case when $6::int + (select coalesce(sum(l.size_bytes), 0) from step_logs l
    where l.tenant = t.tenant and l.task_id = t.id and l.sealed is not null) <= $7::bigint then $8::bytea end
from tasks t where t.tenant = current_tenant() and t.id = $1 and t.erased_at is null for share of t"""
_READ: Final = b"""
select id, generation, effect_id, attempt, lines, sealed, recorded_at from step_logs
where tenant = current_tenant() and task_id = %(task)s and id >= %(id)s and (%(effect)s::text is null or effect_id = %(effect)s)
    and (%(attempt)s::int is null or attempt = %(attempt)s) and (%(generation)s::int is null or generation = %(generation)s)
order by id limit %(rows)s"""
_KEY: Final = b"""
select t.subject, k.wrapped_key from tasks t left join subject_keys k on k.tenant = t.tenant and k.subject = t.subject
where t.tenant = current_tenant() and t.id = %s"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line that an attempt of a step wrote.

    Attributes:
        stream: stdout, stderr, log (the module `logging`), or cut: what Interlock says of lines that are not here.
        cut_chars: how many characters of the line are not here.
        place: where it stands in the task's logs; what `after` of `read` takes.
    """

    at: datetime
    generation: int
    effect_id: str
    attempt: int
    stream: str
    level: str | None
    logger: str | None
    text: str
    cut_chars: int
    place: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which lines of a task's logs; None does not narrow."""

    effect_id: str | None = None
    attempt: int | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class _Chunk:
    call: Call
    effect_id: str
    lines: Sequence[Any]


class AttemptLog:
    """What one attempt writes. `told` takes what the child tells; `end` must be called once."""

    __slots__ = ("_bytes", "_call", "_count", "_effect_id", "_lines", "_logs", "_timer")

    def __init__(self, logs: StepLogs, call: Call, effect_id: str) -> None:
        self._logs = logs
        self._call = call
        self._effect_id = effect_id
        self._lines: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None
        self._bytes = self._count = 0

    def told(self, said: Any) -> None:
        """Take a line. One that the child should not have told, in its form or beyond the limits, is not kept."""
        limits = self._logs.limits
        if not _is_line(said, limits.line_chars_max):
            return
        self._count += 1
        self._bytes += len(said[4])
        # The last lines of a failure have room of their own; what is over that is a child that keeps to nothing.
        spare = TRACE_LINES_MAX + 1
        if self._count > limits.lines_max + spare or self._bytes > limits.bytes_max + spare * limits.line_chars_max:
            return
        self._lines.append(said)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._flush()

    def _flush(self) -> None:
        self._timer = None
        if self._lines:
            self._logs.put(_Chunk(self._call, self._effect_id, self._lines))
            self._lines = []


class StepLogs:
    """The store. Writing never raises and never waits; it belongs to the event loop of its first write."""

    def __init__(
        self,
        database: Database,
        keys: SubjectKeys,
        limits: Limits,
        *,
        task_bytes_max: int,
        tries_max: int = TRIES_MAX,
        retry_s: float = RETRY_S,
    ) -> None:
        self.limits = limits
        self._database = database
        self._keys = keys
        self._task_bytes_max = task_bytes_max
        self._tries_max = tries_max
        self._retry_s = retry_s
        self._queue: deque[_Chunk] = deque()
        self._lane: asyncio.Task[None] | None = None

    def attempt(self, call: Call, effect_id: str) -> AttemptLog:
        """Give what takes the lines of one attempt."""
        return AttemptLog(self, call, effect_id)

    def put(self, chunk: _Chunk) -> None:
        """Queue lines to be written soon."""
        if len(self._queue) >= WAITING_MAX:
            _lost([chunk], "TooManyWait")
            return
        self._queue.append(chunk)
        if self._lane is None or self._lane.done():
            self._lane = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Write what waits; what is not written within `CLOSE_S` is lost, and counted."""
        if self._lane is not None:
            await asyncio.wait([self._lane], timeout=CLOSE_S)
            if not self._lane.done():
                self._lane.cancel()
                _lost(self._queue, "Closed")

    async def read(
        self, tenant: str, task_id: str, wanted: Wanted, *, after: tuple[int, int] | None, limit: int
    ) -> list[LogLine]:
        """Give lines of a task in the order in which they were kept, after a place; at most `limit`, and only the last page has fewer.

        Raises:
            Conflict: they cannot be opened, since the key of the task's subject is another one.
        """
        found: list[LogLine] = []
        row_id, last = after or (0, -1)
        async with self._database.tenant(tenant) as conn:
            if (sealing := await self._opening(conn, tenant, task_id)) is None:
                return []
            while True:
                rows = await (
                    await conn.execute(
                        _READ,
                        {
                            "task": task_id,
                            "id": row_id,
                            "effect": wanted.effect_id,
                            "attempt": wanted.attempt,
                            "generation": wanted.generation,
                            "rows": _ROWS_AT_ONCE,
                        },
                    )
                ).fetchall()
                for row in rows:
                    lines = _lines(sealing, tenant, task_id, row)
                    found += lines if row[0] != row_id else [line for line in lines if line.place[1] > last]
                    if len(found) >= limit:
                        return found[:limit]
                if len(rows) < _ROWS_AT_ONCE:
                    return found
                row_id, last = rows[-1][0] + 1, -1

    async def _opening(self, conn: Connection, tenant: str, task_id: str) -> Sealing | None:
        row = await (await conn.execute(_KEY, (task_id,))).fetchone()
        if row is None or row[1] is None:
            return None  # erased
        try:
            return _sealing(self._keys.unwrap(tenant, row[0], bytes(row[1])))
        except InvalidTag as error:
            raise Conflict("The task's logs cannot be read: the key of its subject is another one.") from error

    async def _write(self) -> None:
        while self._queue:
            tenant = self._queue[0].call.task.info.tenant
            batch: list[_Chunk] = []
            while self._queue and len(batch) < BATCH_MAX and self._queue[0].call.task.info.tenant == tenant:
                batch.append(self._queue.popleft())
            try:
                await self._commit(tenant, batch)
            except Exception as error:  # whatever it is, it must not reach the effects
                _lost(batch, type(error).__name__)

    async def _commit(self, tenant: str, batch: Sequence[_Chunk]) -> None:
        rows = await asyncio.to_thread(lambda: [_row(one, self._task_bytes_max) for one in batch])
        for left in range(self._tries_max - 1, -1, -1):
            try:
                await self._database.together(tenant, [(_KEEP, row) for row in rows])
            except Unavailable:
                if not left:
                    raise
                await asyncio.sleep(self._retry_s)
            else:
                return


def _row(chunk: _Chunk, task_bytes_max: int) -> tuple[Any, ...]:
    task, lines = chunk.call.task, canonical.dumps(chunk.lines)
    place = (task.info.id, task.generation, chunk.effect_id, chunk.call.attempt)
    sealed = _sealing(task.subject_key).seal(zlib.compress(lines, 1), task.info.tenant, *place)
    return (*place, len(chunk.lines), len(lines), task_bytes_max, sealed)


def _lines(sealing: Sealing, tenant: str, task_id: str, row: tuple[Any, ...]) -> list[LogLine]:
    row_id, generation, effect_id, attempt, count, sealed, at = row
    if sealed is None:
        said: list[Any] = [[at.isoformat(), "cut", None, None, f"{count} lines were not kept: {_TASK_FULL}", 0]]
    else:
        try:
            packed = sealing.open(bytes(sealed), tenant, task_id, generation, effect_id, attempt)
        except InvalidTag as error:
            raise Conflict("The task's logs cannot be read: the key of its subject is another one.") from error
        said = canonical.loads(zlib.decompressobj().decompress(packed, _RAW_BYTES_MAX))
    return [
        LogLine(
            at=datetime.fromisoformat(line[0]),
            generation=generation,
            effect_id=effect_id,
            attempt=attempt,
            stream=line[1],
            level=line[2],
            logger=line[3],
            text=line[4],
            cut_chars=line[5],
            place=(row_id, number),
        )
        for number, line in enumerate(said)
    ]


_TASK_FULL: Final = "the task's logs hold as much as INTERLOCK_STEP_LOG_TASK_BYTES_MAX lets them."


def _sealing(subject_key: bytes) -> Sealing:
    return Sealing(hmac.digest(subject_key, b"interlock/step-logs", "sha256"))


def _is_line(said: Any, chars_max: int) -> bool:
    if not isinstance(said, list) or len(said) != 6:
        return False
    at, stream, level, logger, text, cut = said
    short = all(one is None or (isinstance(one, str) and len(one) <= NAME_CHARS_MAX) for one in (level, logger))
    try:
        dated = isinstance(at, str) and datetime.fromisoformat(at).tzinfo is not None
    except ValueError:
        return False
    return dated and short and stream in STREAMS and isinstance(text, str) and len(text) <= chars_max and _counts(cut)


def _counts(cut: Any) -> bool:
    return isinstance(cut, int) and not isinstance(cut, bool) and 0 <= cut < 2**53


def _lost(chunks: Sequence[_Chunk] | deque[_Chunk], why: str) -> None:
    if chunks:
        log.warning("step_logs_lost", lines=sum(len(one.lines) for one in chunks), why=why)


def build(settings: Settings, database: Database, keys: SubjectKeys) -> StepLogs:
    """Build the store with the limits of the settings."""
    limits = Limits(
        bytes_max=settings.step_log_bytes_max,
        lines_max=settings.step_log_lines_max,
        line_chars_max=settings.step_log_line_chars_max,
        level=settings.step_log_level,
    )
    return StepLogs(database, keys, limits, task_bytes_max=settings.step_log_task_bytes_max)
