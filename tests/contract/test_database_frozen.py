"""A database that is frozen, not dead: whoever waits is told so in time, and all goes on by itself when it answers again."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest
from psycopg import AsyncConnection
from tests.eventually import eventually

from interlock.domain.errors import Unavailable
from interlock.infra.database import Database

ANSWER_S = 1.0
# Twice: for the statement, and for the new connection. The rest is for a machine that is busy; nobody told would wait for ever.
TOLD_WITHIN_S = 2 * ANSWER_S + 15


class Wall:
    """Stands before a server and passes everything on, until it is shut: then it takes everything in, and nothing comes back."""

    def __init__(self, owner_url: str) -> None:
        self._to = urlsplit(owner_url)
        self.open = asyncio.Event()
        self.open.set()
        self.connections = 0

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[str]:
        """Give the URL through the wall."""
        server = await asyncio.start_server(self._between, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        login = self._to.netloc.rpartition("@")[0]
        try:
            yield urlunsplit(self._to._replace(netloc=f"{login}@127.0.0.1:{port}"))
        finally:
            self.open.set()
            server.close()
            await eventually(lambda: not self.connections, message="connections that somebody still has")

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, far_writer))
                both.create_task(self._pass_on(far_reader, writer))
        finally:
            self.connections -= 1

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self.open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def wall(database_url: str) -> Wall:
    return Wall(database_url)


@pytest.fixture
async def pool(wall: Wall) -> AsyncIterator[Database]:
    async with wall.standing() as url:
        database = Database(url, size=3, wait_s=1, answer_s=ANSWER_S)
        await database.open()
        yield database
        await database.close()


async def in_a_transaction(pool: Database) -> None:
    async with pool.across() as conn:
        await conn.execute("select 1")


async def in_a_pipeline(pool: Database) -> None:
    async with pool.across() as conn, conn.pipeline():
        await conn.execute("select 1")


async def in_one_turn(pool: Database) -> None:
    await pool.fetch(None, b"select 1", ())


WAYS = (in_a_transaction, in_a_pipeline, in_one_turn)


async def test_all_who_wait_for_a_frozen_database_are_told_so_in_time(pool: Database, wall: Wall) -> None:
    await asyncio.gather(*(way(pool) for way in WAYS))
    wall.open.clear()
    began = time.monotonic()
    told = await asyncio.gather(*(way(pool) for way in WAYS), return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable] * len(WAYS)
    assert time.monotonic() - began < TOLD_WITHIN_S


async def test_while_it_is_frozen_nobody_waits_and_when_it_thaws_all_goes_on(pool: Database, wall: Wall) -> None:
    await asyncio.gather(*(way(pool) for way in WAYS))
    wall.open.clear()
    took = []
    for _ in range(6):
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            await in_a_transaction(pool)
        assert caught.value.retry_after_s
        took.append(time.monotonic() - began)
    assert took[0] < TOLD_WITHIN_S
    assert min(took[1:]) < ANSWER_S / 4  # of several: the machine may do something else for a moment
    wall.open.set()

    async def answers() -> bool:
        with contextlib.suppress(Unavailable):
            await asyncio.gather(*(way(pool) for way in WAYS))
            return True
        return False

    await eventually(answers, message="the database is of use again")
    await eventually(lambda: wall.connections <= pool.size, message="connections beyond those of the pool")


async def test_a_statement_that_is_slow_by_right_is_waited_for(pool: Database) -> None:
    async with pool.across() as conn:
        row = await (await conn.execute("select pg_sleep(%s), 7", (ANSWER_S * 3,))).fetchone()
    assert row is not None
    assert row[1] == 7


async def test_a_server_that_lets_nobody_else_in_still_answers(database_url: str, pool: Database) -> None:
    elsewhere, name = urlunsplit(urlsplit(database_url)._replace(path="/postgres")), urlsplit(database_url).path[1:]
    async with pool.across() as conn, await AsyncConnection.connect(elsewhere, autocommit=True) as owner:
        await owner.execute(f'alter database "{name}" allow_connections false'.encode())
        row = await (await conn.execute("select pg_sleep(%s), 7", (ANSWER_S * 3,))).fetchone()
    assert row is not None
    assert row[1] == 7


async def test_a_connection_that_is_not_made_in_time_leaves_no_socket(wall: Wall) -> None:
    gc.disable()  # it would close the socket too, at some time
    try:
        async with wall.standing() as url:
            wall.open.clear()
            database = Database(url, size=2, wait_s=0.2)
            await database.open()
            with pytest.raises(Unavailable):
                await in_a_transaction(database)
            await database.close()
    finally:
        gc.enable()
