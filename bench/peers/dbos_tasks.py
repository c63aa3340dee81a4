"""Five durable steps that do nothing, on DBOS. Runs in the peers' own environment; prints its figures as JSON.

    DATABASE_URL=… python bench/peers/dbos_tasks.py TASKS CONCURRENCY

Workflows are awaited in the process that runs them, which spares DBOS its queue: the fastest way that it offers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from importlib.metadata import version

import psutil
from dbos import DBOS, DBOSConfig

EFFECTS = 5
WARM_UP = 50


@DBOS.step()
async def nothing(number: int) -> int:
    return number


@DBOS.workflow()
async def five_steps(first: int) -> int:
    total = 0
    for number in range(first, first + EFFECTS):
        total += await nothing(number)
    return total


async def run(count: int, concurrency: int) -> float:
    places = asyncio.Semaphore(concurrency)

    async def one() -> None:
        async with places:
            if await five_steps(1) != 15:
                raise AssertionError("a workflow gave something else")

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return time.perf_counter() - began


async def main(count: int, concurrency: int) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": os.environ["DATABASE_URL"],
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        await run(WARM_UP, concurrency)
        process = psutil.Process()
        before = sum(process.cpu_times()[:2])
        seconds = await run(count, concurrency)
        cpu_ms = (sum(process.cpu_times()[:2]) - before) / count * 1000
        began = time.perf_counter()
        for _ in range(20):
            await five_steps(1)
        idle_ms = (time.perf_counter() - began) / 20 * 1000
    finally:
        DBOS.destroy()
    print(
        json.dumps(
            {"name": f"DBOS {version('dbos')}", "tasks_s": count / seconds, "cpu_ms": cpu_ms, "one_alone_ms": idle_ms}
        )
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
