"""A whole transaction in one turn to the server: all of it is queued, sent at once, and answered at once.

psycopg's own pipeline asks the kernel at each statement whether it may send, and sends it alone, which wakes the server for each.
Here libpq's buffer takes every message first. There is no BEGIN: what stands before one Sync is one transaction, which commits
there or not at all. https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final, overload
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.rows import TupleRow

Statement = tuple[bytes, Sequence[Any]]
SET_TENANT: Final = b"select set_config('interlock.tenant', $1, true)"

_names: dict[bytes, bytes] = {}  # one for each statement of the code, and the code has few
_prepared: WeakKeyDictionary[AsyncConnection[Any], set[bytes]] = WeakKeyDictionary()


class Text(bytes):
    """A parameter that is PostgreSQL's text form already, such as JSON: nothing is made of it any more."""


class Answer(Sequence[TupleRow]):
    """The rows that a statement gave, read when they are looked at: whoever wants only their number pays for no more."""

    __slots__ = ("_read", "_result", "_transformer")

    def __init__(self, conn: AsyncConnection[TupleRow], result: pq.abc.PGresult) -> None:
        self._result = result
        self._read: list[TupleRow] | None = None
        # Made now: the connection may be another's, or closed, by the time that somebody looks.
        self._transformer = Transformer(conn)
        self._transformer.set_pgresult(result)

    @property
    def width(self) -> int:
        """How many columns each row has."""
        return self._result.nfields

    def __len__(self) -> int:
        return self._result.ntuples

    @overload
    def __getitem__(self, index: int) -> TupleRow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TupleRow]: ...
    def __getitem__(self, index: int | slice) -> TupleRow | Sequence[TupleRow]:
        return self._rows()[index]

    def __iter__(self) -> Iterator[TupleRow]:
        return iter(self._rows())

    def __eq__(self, other: object) -> bool:
        return self._rows() == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _rows(self) -> list[TupleRow]:
        if self._read is None:
            self._read = self._transformer.load_rows(0, self._result.ntuples, tuple)
        return self._read


async def one_turn(conn: AsyncConnection[TupleRow], statements: Sequence[Statement]) -> list[Answer]:
    """Run statements, with parameters `$1`, `$2`, … as one transaction; gives the rows of each. Durable when it returns.

    Statements are prepared on each connection once. The connection must be outside of a transaction, and nobody else's.

    Raises:
        psycopg.Error: of the first statement that failed; nothing was written. OperationalError: the connection broke, and whether it was
            written is unknown. Cancelled while it waits, it closes the connection.
    """
    known = _prepared.setdefault(conn, set())
    try:
        return await _turn(conn, statements, known)
    except InvalidSqlStatementName:
        return await _turn(conn, statements, known)


async def _turn(conn: AsyncConnection[TupleRow], statements: Sequence[Statement], known: set[bytes]) -> list[Answer]:
    pg = conn.pgconn
    queries = [(text, _texts(conn, values)) for text, values in statements]
    pg.enter_pipeline_mode()
    try:
        names = _send(pg, queries, known)
        results = await _results(pg)
    except BaseException:
        await conn.close()  # what it still answers must not reach whoever has it next
        raise
    pg.exit_pipeline_mode()
    answers: list[Answer] = []
    made: set[bytes] = set()
    for name, result in zip(names, results, strict=False):  # after a failure the rest has no answer
        if result.status == pq.ExecStatus.FATAL_ERROR:
            error = error_from_result(result, conn.info.encoding)
            if isinstance(error, InvalidSqlStatementName):  # psycopg deallocates everything after a rollback, ours too
                known.intersection_update(made)
            raise error
        if name is None:
            answers.append(Answer(conn, result))
        else:
            known.add(name)
            made.add(name)
    return answers


def _send(pg: pq.abc.PGconn, queries: Sequence[Statement], known: set[bytes]) -> list[bytes | None]:
    """Queue everything; gives what each answer will be of: the name of a preparation, or None for a statement."""
    queued: list[bytes | None] = []
    for text, values in queries:
        name = _names.get(text) or _names.setdefault(text, b"interlock_%d" % len(_names))
        if name not in known and name not in queued:
            pg.send_prepare(name, text)
            queued.append(name)
        pg.send_query_prepared(name, values)
        queued.append(None)
    pg.pipeline_sync()
    return queued


async def _results(pg: pq.abc.PGconn) -> list[pq.abc.PGresult]:
    """Send, and take every answer up to the one to the Sync."""
    loop = asyncio.get_running_loop()
    while pg.flush():
        await _ready(loop, pg.socket, writing=True)
        pg.consume_input()
    results: list[pq.abc.PGresult] = []
    while True:
        while pg.is_busy():
            await _ready(loop, pg.socket)
            pg.consume_input()
        result = pg.get_result()
        if result is None:  # between two statements
            if pg.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError("the connection was lost")
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)


async def _ready(loop: asyncio.AbstractEventLoop, socket: int, *, writing: bool = False) -> None:
    woken = loop.create_future()
    loop.add_reader(socket, _wake, woken)
    if writing:
        loop.add_writer(socket, _wake, woken)
    try:
        await woken
    finally:
        loop.remove_reader(socket)
        if writing:
            loop.remove_writer(socket)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def _texts(conn: AsyncConnection[TupleRow], values: Sequence[Any]) -> Sequence[Any]:
    """Give parameters in PostgreSQL's text form, which `Text` is already."""
    if all(type(value) is Text for value in values):
        if any(b"\0" in value for value in values):  # for libpq the text would end there
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return values
    return Transformer(conn).dump_sequence(values, [PyFormat.TEXT] * len(values))
