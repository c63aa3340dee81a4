"""The text of pages for people who look at them: read in a process of its own, and kept for a while, so that each is read once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from interlock.domain.errors import ExecutorFailed, Unavailable, UnsafeDocument
from interlock.infra.child_pool import Result

READING_TIMEOUT_S: Final = 30.0
KEPT_MAX: Final = 64
KEPT_S: Final = 600.0  # what is erased meanwhile is found by nobody, and gone from memory then
WAITING_MAX: Final = 16


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """A text and its box, x0, y0, x1, y1 as fractions of the page."""

    text: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class PageLines:
    """The lines of a page from top to bottom, each as its parts from left to right.

    Attributes:
        layer: it is the file's own text; else it was read from the picture, and may be wrong.
    """

    layer: bool
    lines: tuple[tuple[TextPart, ...], ...]


class Readers(Protocol):
    """The processes that read: a `ChildPool` of `page_child:read`."""

    async def call(
        self, body: Mapping[str, Any], files: Mapping[str, bytes] | None = None, *, timeout_s: float
    ) -> Result: ...

    async def close(self) -> None: ...


class PageTexts:
    """Reads one page at a time: reading costs seconds of a processor, and drawing must not wait for it."""

    def __init__(self, pool: Readers) -> None:
        self._pool = pool
        self._kept: OrderedDict[tuple[str, str, int], tuple[float, PageLines]] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def read(self, tenant: str, sha256: str, number: int, data: Callable[[], Awaitable[bytes]]) -> PageLines:
        """Give a page's text. `data` gives the file where the page was not read within the last `KEPT_S` seconds.

        Raises:
            UnsafeDocument: it cannot be read, or not in time. Unavailable: too many pages wait. What `data` raises.
        """
        key = (tenant, sha256, number)
        if (known := self._known(key)) is not None:
            return known
        if self._waiting >= WAITING_MAX:
            raise Unavailable("Too many pages wait to be read.", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._turn:
                if (known := self._known(key)) is not None:
                    return known
                found = await self._read(number, await data())
                self._kept[key] = time.monotonic(), found
                while len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
                return found
        finally:
            self._waiting -= 1

    async def _read(self, number: int, data: bytes) -> PageLines:
        try:
            read = await self._pool.call({"number": number}, {"document": data}, timeout_s=READING_TIMEOUT_S)
        except ExecutorFailed as error:
            raise UnsafeDocument(
                f"Page {number} cannot be read: {error.detail}", fix="Look at its picture, or download the file."
            ) from error
        return PageLines(
            layer=read.value["layer"], lines=tuple(tuple(map(_part, line)) for line in read.value["lines"])
        )

    def _known(self, key: tuple[str, str, int]) -> PageLines | None:
        for old in [k for k, (at, _) in self._kept.items() if time.monotonic() - at > KEPT_S]:
            del self._kept[old]
        return self._kept[key][1] if key in self._kept else None

    async def close(self) -> None:
        """End the process that reads, where there is one."""
        await self._pool.close()


def _part(read: list[Any]) -> TextPart:
    text, (x0, y0, x1, y1) = read
    return TextPart(text=text, box=(x0, y0, x1, y1))
