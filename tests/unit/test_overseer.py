"""An automation that computes without end is stopped, and nothing else is."""

from __future__ import annotations

import asyncio
import signal
import threading
import time

import pytest
from pydantic import BaseModel

from interlock import Task, automation
from interlock.domain.tasks import State
from interlock.orchestration.overseer import overseen
from interlock.testing import Harness

LIMIT_S = 0.2


class Order(BaseModel):
    amount: int = 1


@automation
async def endless(task: Task, order: Order) -> int:
    found = 0
    await task.now()
    while order.amount:
        found += 1
    return found


@automation
async def brief(task: Task, order: Order) -> int:
    for _ in range(3):
        end = time.process_time() + LIMIT_S / 2
        while time.process_time() < end:
            pass
        await task.now()
    return 1


@pytest.fixture
def left_as_it_was() -> object:
    return signal.getsignal(signal.SIGALRM)


async def test_an_automation_that_computes_without_end_is_parked(left_as_it_was: object) -> None:
    harness = Harness(automation=endless)
    with overseen(LIMIT_S):
        result = await harness.run(Order())
    assert result.state is State.BLOCKED
    assert result.error is not None
    assert result.error["kind"] == "ComputesTooLong"
    assert "without asking for an effect" in result.error["message"]
    assert result.names == ["now"]
    assert signal.getsignal(signal.SIGALRM) is left_as_it_was


async def test_what_asks_for_effects_in_between_may_compute_longer_in_all() -> None:
    with overseen(LIMIT_S):
        assert (await Harness(automation=brief).run(Order())).output == 1


async def test_what_is_no_automation_is_left_alone() -> None:
    with overseen(LIMIT_S):
        end = time.process_time() + LIMIT_S * 2
        while time.process_time() < end:
            pass
        await asyncio.sleep(0)


def test_another_thread_is_not_watched() -> None:
    seen: list[object] = []

    def run() -> None:
        with overseen(LIMIT_S):
            seen.append(threading.current_thread())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(seen) == 1
