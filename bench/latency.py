"""Latency of the whole product over HTTP, as `interlock up` runs it, on a system that does nothing else.

    python -m bench.latency [--tasks 200] [--json]

accept: `POST /v1/tasks` until the answer has arrived: the task, its audit record and its event are durable. One request at a time,
then 16 at a time. submit → first effect: from before that request is sent until the first step has run, in its step process, and
the statement that records it begins (the database's time; the commit adds its own few ms). answer → next effect: from before
`POST /v1/reviews/ID:approve` is sent until the record of the step that comes next, the task being claimed, rebuilt and replayed
between. Client, product and database share one machine and one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
import uvloop
from bench.machine import line, percentile
from bench.product import Product, client, running, submit, until

WARM_UP = 10
AT_ONCE = 16
PAUSE_S = 0.03
AIM_WOKEN_P95_MS = 100


async def one(http: httpx.AsyncClient, number: int, found: dict[str, list[float]]) -> None:
    """Take one task from its submission over a person's answer to its end; notes the three latencies in ms."""
    sent = time.time()
    began = time.perf_counter()
    task_id = await submit(http, "ask-once", {"number": number})
    found["accept, one at a time"].append((time.perf_counter() - began) * 1000)
    task = await until(http, task_id, "waiting")
    found["submit → first effect"].append((_recorded(task, "before") - sent) * 1000)
    review = next(effect["review_id"] for effect in task["effects"] if effect["kind"] == "review")
    await asyncio.sleep(PAUSE_S)
    answered = time.time()
    response = await http.post(f"/v1/reviews/{review}:approve", json={"reason": "a measurement"})
    if response.status_code != 200:
        raise RuntimeError(f"the answer was refused: {response.text}")
    task = await until(http, task_id, "succeeded")
    found["answer → next effect"].append((_recorded(task, "after") - answered) * 1000)
    await asyncio.sleep(PAUSE_S)


def _recorded(task: dict[str, Any], name: str) -> float:
    at = next(effect["recorded_at"] for effect in task["effects"] if effect["name"] == name)
    return datetime.fromisoformat(at).timestamp()


async def accept_many(http: httpx.AsyncClient, count: int, found: list[float]) -> float:
    """Submit with several clients at once; gives requests a second."""
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            began = time.perf_counter()
            await submit(http, "five-steps", {"first": number})
            found.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - began)


async def measure(product: Product, tasks: int) -> dict[str, Any]:
    names = ("accept, one at a time", "submit → first effect", "answer → next effect")
    found: dict[str, list[float]] = {name: [] for name in names}
    many = f"accept, {AT_ONCE} at a time"
    async with client(product) as http:
        for number in range(WARM_UP):
            await one(http, number, {name: [] for name in names})
        for number in range(tasks):
            await one(http, number, found)
        found[many] = []
        rate = await accept_many(http, tasks * 2, found[many])
    rows = {
        name: {f"p{int(share * 100)}_ms": percentile(values, share) for share in (0.5, 0.95, 0.99)}
        for name, values in found.items()
    }
    return {"machine": line(), "tasks": tasks, "rows": rows, "accepted_s": rate}


def show(report: dict[str, Any]) -> None:
    print(f"{report['machine']}\n\n{report['tasks']} tasks over HTTP, one after the other; ms")
    print(f"{'':<28}{'p50':>9}{'p95':>9}{'p99':>9}")
    for name, row in report["rows"].items():
        print(f"{name:<28}{row['p50_ms']:>9.1f}{row['p95_ms']:>9.1f}{row['p99_ms']:>9.1f}")
    print(f"{AT_ONCE} clients at once, the worker busy with their tasks: {report['accepted_s']:.0f} accepted a second")
    woken = report["rows"]["answer → next effect"]["p95_ms"]
    print(f"aim: an answer wakes its task within {AIM_WOKEN_P95_MS} ms (p95): {woken:.0f} ms")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    with running() as product:
        report = uvloop.run(measure(product, options.tasks))
    print(json.dumps(report)) if options.json else show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
