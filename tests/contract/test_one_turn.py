"""A transaction in one turn: all of it or nothing, prepared once, and a connection that is fit for whoever has it next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import AsyncConnection, pq
from psycopg.rows import TupleRow

from interlock.domain.errors import Unavailable
from interlock.infra.database import Database
from interlock.infra.one_turn import Text, one_turn

COUNT = b"select count(*) from kept"


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[AsyncConnection[TupleRow]]:
    async with await AsyncConnection.connect(database_url, autocommit=True) as opened:
        await opened.execute("create temp table kept (n int primary key, t text)")
        yield opened


async def test_rows_come_back_of_each_statement_and_parameters_of_any_type(conn: AsyncConnection[TupleRow]) -> None:
    answers = await one_turn(
        conn,
        [
            (b"insert into kept values ($1, $2) returning n, t", (1, "a\\'b")),
            (b"select * from json_to_recordset($1::json) as r(n int, t text)", (Text(b'[{"n": 7, "t": "x"}]'),)),
            (b"select n from kept where n = any($1)", ([1, 2],)),
            (b"select 1 where false", ()),
        ],
    )
    assert answers == [[(1, "a\\'b")], [(7, "x")], [(1,)], []]


async def test_a_failure_in_the_middle_writes_nothing_and_leaves_the_connection_usable(
    conn: AsyncConnection[TupleRow],
) -> None:
    insert = b"insert into kept values ($1, 'x')"
    with pytest.raises(psycopg.errors.UniqueViolation):
        await one_turn(conn, [(insert, (1,)), (insert, (2,)), (insert, (1,)), (insert, (3,))])
    assert conn.info.transaction_status == pq.TransactionStatus.IDLE
    assert await one_turn(conn, [(insert, (1,)), (COUNT, ())]) == [[], [(1,)]]


async def test_a_text_that_does_not_parse_is_named_and_prepared_no_second_time(conn: AsyncConnection[TupleRow]) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.SyntaxError):
            await one_turn(conn, [(COUNT, ()), (b"selekt 1", ()), (b"select 2", ())])
    assert await one_turn(conn, [(b"select 2", ())]) == [[(2,)]]


async def test_it_prepares_again_what_somebody_deallocated(conn: AsyncConnection[TupleRow]) -> None:
    assert await one_turn(conn, [(COUNT, ())]) == [[(0,)]]
    await conn.execute("deallocate all")
    assert await one_turn(conn, [(b"insert into kept values (5, 'x')", ()), (COUNT, ())]) == [[], [(1,)]]


async def test_a_local_setting_ends_with_the_turn(conn: AsyncConnection[TupleRow]) -> None:
    ours = b"select set_config('interlock.tenant', $1, true)"
    seen = b"select current_setting('interlock.tenant', true)"
    assert (await one_turn(conn, [(ours, ("acme",)), (seen, ())]))[1] == [("acme",)]
    assert await one_turn(conn, [(seen, ())]) == [[("",)]]


async def test_an_answer_is_counted_and_read_when_the_connection_is_gone(conn: AsyncConnection[TupleRow]) -> None:
    (answer,) = await one_turn(conn, [(b"select n, n::text from generate_series(1, 3) n", ())])
    await conn.close()
    assert (len(answer), answer.width) == (3, 2)
    assert list(answer) == [(1, "1"), (2, "2"), (3, "3")]
    assert answer[1:] == [(2, "2"), (3, "3")]


async def test_a_text_with_a_nul_is_refused_and_not_cut(conn: AsyncConnection[TupleRow]) -> None:
    with pytest.raises(psycopg.DataError, match="NUL"):
        await one_turn(conn, [(b"select $1::text", (Text(b"acme\0other"),))])
    assert await one_turn(conn, [(b"select 1", ())]) == [[(1,)]]


async def test_a_large_parameter_goes_through(conn: AsyncConnection[TupleRow]) -> None:
    text = "ä" * 3_000_000
    assert await one_turn(conn, [(b"select length($1::text)", (text,))]) == [[(len(text),)]]


async def test_cancelled_it_closes_the_connection(conn: AsyncConnection[TupleRow]) -> None:
    waiting = asyncio.create_task(one_turn(conn, [(b"select pg_sleep(60)", ())]))
    while conn.pgconn.pipeline_status == pq.PipelineStatus.OFF:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert conn.closed


async def test_a_connection_that_breaks_says_so(conn: AsyncConnection[TupleRow], database_url: str) -> None:
    waiting = asyncio.create_task(one_turn(conn, [(b"select pg_sleep(60)", ())]))
    while conn.pgconn.pipeline_status == pq.PipelineStatus.OFF:
        await asyncio.sleep(0)
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("select pg_terminate_backend(%s)", (conn.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        await waiting
    assert conn.closed


async def test_a_statement_that_takes_too_long_is_sent_once_and_a_dead_connection_is_replaced(
    database_url: str, conn: AsyncConnection[TupleRow]
) -> None:
    await conn.execute("create sequence if not exists public.tries")
    (before,) = (await one_turn(conn, [(b"select nextval('public.tries')", ())]))[0][0]
    database = Database(database_url, size=2, wait_s=10, statement_timeout_s=1)
    await database.open()
    try:
        with pytest.raises(Unavailable):
            await database.fetch(None, b"select nextval('public.tries'), pg_sleep(20)", ())
        (after,) = (await one_turn(conn, [(b"select nextval('public.tries')", ())]))[0][0]
        assert after == before + 2

        (own,) = (await database.fetch(None, b"select pg_backend_pid()", ()))[0]
        await conn.execute("select pg_terminate_backend(%s, 5000)", (own,))
        (other,) = (await database.fetch(None, b"select pg_backend_pid()", ()))[0]
        assert other != own
    finally:
        await database.close()
        await conn.execute("drop sequence public.tries")
