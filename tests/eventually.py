"""Wait for something to become true, with a deadline: what tests use instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

POLL_S = 0.02
# Only what fails takes so long; a machine that does many things at once may take it for what is right.
TIMEOUT_S = 30.0


async def eventually(
    predicate: Callable[[], Any | Awaitable[Any]], timeout_s: float = TIMEOUT_S, *, message: str = ""
) -> Any:
    """Await until `predicate` (plain or async) gives something true, and return that.

    Raises:
        AssertionError: it did not within `timeout_s`; says what it gave last.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(_late(timeout_s, message, value))
        await asyncio.sleep(POLL_S)


def eventually_sync(predicate: Callable[[], Any], timeout_s: float = TIMEOUT_S, *, message: str = "") -> Any:
    """`eventually` for tests without an event loop."""
    deadline = time.monotonic() + timeout_s
    while True:
        if value := predicate():
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(_late(timeout_s, message, value))
        time.sleep(POLL_S)


def _late(timeout_s: float, message: str, value: Any) -> str:
    return f"not true within {timeout_s} s: {message or 'the predicate'} gave {value!r}"
