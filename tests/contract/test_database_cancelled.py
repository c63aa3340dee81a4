"""A client that goes away, in the middle of anything, leaves no connection behind that another would stumble over."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import anyio
import pytest

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
