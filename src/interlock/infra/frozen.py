"""A database that is frozen, or behind a wall that swallows packets: it breaks no connection off, and whoever waits would wait on.

A statement may be slow, so its silence says nothing. What says something is a new connection that is not made in time: then
everything that waits is broken off, as if the database had died, until one is made again. A statement that is cut off by a clock of
its own was rejected: psycopg first asks a server to cancel, which takes another 10 s where it is frozen, and exports are slow by right.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

AGAIN_S: Final = 1.0


def kernel_limits(answer_s: float) -> dict[str, Any]:
    """Give the options of a connection by which the kernel ends it where nothing comes back, not even that a packet arrived."""
    return {
        "tcp_user_timeout": int(answer_s * 2000),
        "keepalives_idle": max(1, round(answer_s)),
        "keepalives_interval": max(1, round(answer_s)),
    }


class Watch:
    """Knows which connections are lent; costs a timer while some are, and a new connection where one is lent for over `answer_s`."""

    def __init__(self, url: str, *, answer_s: float) -> None:
        self.frozen = False
        self._url = url
        self._answer_s = answer_s
        self._lent: dict[AsyncConnection[TupleRow], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    def lend(self, conn: AsyncConnection[TupleRow]) -> None:
        """Look after a connection until it is taken back."""
        loop = asyncio.get_running_loop()
        self._lent[conn] = loop.time()
        if self._timer is None and self._asking is None:
            self._timer = loop.call_later(self._answer_s, self._look)

    def take_back(self, conn: AsyncConnection[TupleRow]) -> None:
        """Look after a connection no more."""
        self._lent.pop(conn, None)

    async def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _look(self) -> None:
        self._timer = None
        if not self._lent:
            return
        loop = asyncio.get_running_loop()
        due = min(self._lent.values()) + self._answer_s
        if due > loop.time():
            self._timer = loop.call_at(due, self._look)
        else:
            self._asking = loop.create_task(self._ask(), name="database-watch")

    async def _ask(self) -> None:
        try:
            while not await self._lets_in():
                self.frozen = True
                for conn in tuple(self._lent):
                    _break_off(conn)
                await asyncio.sleep(AGAIN_S)
        finally:
            self.frozen = False
            self._asking = None
        if self._lent:
            self._timer = asyncio.get_running_loop().call_later(self._answer_s, self._look)

    async def _lets_in(self) -> bool:
        """Tell whether a new connection is made, or refused, in time."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._answer_s):
                await (await AsyncConnection.connect(self._url)).close()
        except TimeoutError:
            return loop.time() - began > 2 * self._answer_s  # this process itself was held up: nothing is known
        except (psycopg.Error, OSError):
            return True  # also one that is dead answers: by its machine
        return True


def _break_off(conn: AsyncConnection[TupleRow]) -> None:
    """End a connection as if the server had: whoever waits for it wakes at once, and nothing of the driver is in the middle of anything."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(conn.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
