"""A client that goes away, in the middle of anything, leaves no connection behind that another would stumble over."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import anyio
import psycopg
import pytest
from psycopg_pool import PoolTimeout

from interlock.infra.database import Database

CALLERS, TURNS, SEED = 6, 120, 11
STATEMENT = b"select $1::int + 1"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, size=2, wait_s=20)
    await database.open()
    yield database
    await database.close()


async def work(pool: Database, number: int) -> None:
    """Do what routes do: a transaction with a pipeline in it, and one in a turn; each answer must be the question's own."""
    async with pool.tenant("default") as conn, conn.pipeline():
        first = await conn.execute("select %s::int", (number,))
        second = await conn.execute("select %s::text, pg_sleep(0.0005)", (str(number),))
        assert await first.fetchone() == (number,)
        row = await second.fetchone()
        assert row is not None
        assert row[0] == str(number)
    assert await pool.together("default", [(STATEMENT, (number,))]) == [[(number + 1,)]]


async def test_requests_cancelled_anywhere_poison_no_connection(pool: Database) -> None:
    chance = random.Random(SEED)
    ended = cancelled = 0

    async def gone(number: int) -> None:
        """As a web server does for a client that went away: cancelled again at every wait, those of the clean-up too."""
        nonlocal cancelled
        with anyio.move_on_after(chance.uniform(0, 0.01)) as scope:
            await work(pool, number)
        cancelled += scope.cancelled_caught

    async def stays(number: int) -> None:
        nonlocal ended
        await work(pool, number)
        ended += 1

    async def caller(who: int) -> None:
        for turn in range(TURNS):
            await (stays if turn % 3 == 0 else gone)(who * 1_000 + turn)

    async with anyio.create_task_group() as callers:
        for who in range(CALLERS):
            callers.start_soon(caller, who)
    assert ended == CALLERS * TURNS // 3
    assert cancelled > CALLERS  # or nothing was tried


@pytest.mark.parametrize("made_of_it", [None, psycopg.OperationalError("canceling statement"), PoolTimeout()])
async def test_whoever_is_cancelled_ends_though_the_driver_makes_nothing_or_an_error_of_it(
    pool: Database, made_of_it: Exception | None
) -> None:
    """As the driver did once in 2,000 times: a loop went on, and its process did not stop."""
    turns = 0

    async def again_and_again() -> None:
        nonlocal turns
        while turns < 3:
            turns += 1
            async with pool.connection():
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
                if made_of_it is not None:
                    raise made_of_it

    await asyncio.wait([running := asyncio.create_task(again_and_again())])
    assert running.cancelled()
    assert turns == 1


async def test_a_time_limit_that_was_met_inside_is_no_cancellation(pool: Database) -> None:
    async with pool.connection():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(10)
    with anyio.move_on_after(10):
        async with pool.connection():
            with anyio.move_on_after(0):
                await anyio.sleep(10)
    assert await pool.together("default", [(STATEMENT, (1,))]) == [[(2,)]]
