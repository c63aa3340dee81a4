"""Pages that people look at as text: each read once, one at a time, so many waiting and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from interlock.data.page_texts import KEPT_MAX, WAITING_MAX, PageTexts
from interlock.domain.errors import ExecutorFailed, Unavailable, UnsafeDocument
from interlock.infra.child_pool import Result


class Reader:
    """A reader that reads the number of the page, when it is let."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.go = asyncio.Event()
        self.go.set()
        self.failure: ExecutorFailed | None = None

    async def call(
        self, body: Mapping[str, Any], files: Mapping[str, bytes] | None = None, *, timeout_s: float
    ) -> Result:
        await self.go.wait()
        assert files == {"document": b"file"}
        self.read.append(body["number"])
        if self.failure is not None:
            raise self.failure
        line = [[f"page {body['number']}", [0.1, 0.2, 0.3, 0.4]]]
        return Result(value={"layer": True, "lines": [line]}, cpu_ms=1.0, duration_ms=1.0)

    async def close(self) -> None:
        self.read.append(-1)


async def data() -> bytes:
    return b"file"


async def test_a_page_that_several_ask_for_is_read_once() -> None:
    reader = Reader()
    texts = PageTexts(reader)
    found = await asyncio.gather(*(texts.read("t", "sha", 1, data) for _ in range(3)))
    assert reader.read == [1]
    assert {page.lines[0][0].text for page in found} == {"page 1"}
    assert found[0].lines[0][0].box == (0.1, 0.2, 0.3, 0.4)
    await texts.read("t", "sha", 2, data)
    await texts.read("another tenant", "sha", 1, data)
    assert reader.read == [1, 2, 1]


async def test_so_many_pages_are_kept() -> None:
    reader = Reader()
    texts = PageTexts(reader)
    for number in range(KEPT_MAX + 1):
        await texts.read("t", "sha", number, data)
    await texts.read("t", "sha", KEPT_MAX, data)
    assert len(reader.read) == KEPT_MAX + 1
    await texts.read("t", "sha", 0, data)  # it made room for the last
    assert len(reader.read) == KEPT_MAX + 2


async def test_who_comes_when_enough_wait_is_told_to_come_again() -> None:
    reader = Reader()
    reader.go.clear()
    texts = PageTexts(reader)
    waiting = [asyncio.ensure_future(texts.read("t", "sha", number, data)) for number in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await texts.read("t", "sha", 99, data)
    assert refused.value.retry_after_s == 2
    reader.go.set()
    assert len(await asyncio.gather(*waiting)) == WAITING_MAX
    await texts.read("t", "sha", 99, data)


async def test_what_cannot_be_read_is_said_so_and_not_kept() -> None:
    reader = Reader()
    reader.failure = ExecutorFailed("It took over 30 s and was stopped.", kind="TimedOut")
    texts = PageTexts(reader)
    with pytest.raises(UnsafeDocument, match="Page 1 cannot be read: It took over 30 s"):
        await texts.read("t", "sha", 1, data)
    reader.failure = None
    assert (await texts.read("t", "sha", 1, data)).layer
    await texts.close()
    assert reader.read == [1, 1, -1]
