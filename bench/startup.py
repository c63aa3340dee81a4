"""`interlock up` until it is ready, the first time and the second, and the memory of each process idle and under load.

    python -m bench.startup [--rounds 3] [--json]

Each first start makes the database on an empty folder; each second one goes on with it. RSS counts pages that processes share in
each of them, PSS shares them out, so only PSS adds up. The load is 2,000 tasks of five steps over HTTP. A predictor loads its
models when it is first asked: here none is, so these are figures before OCR.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import uvloop
from bench.machine import line, memory_mb
from bench.product import Product, client, data_folder, down, submit, up

AIMS_S = {"first": 10.0, "second": 5.0}
AIM_IDLE_MB = 600
LOAD_TASKS = 2_000
CALLERS = 16
SETTLE_S = 3.0


def memory(product: Product) -> dict[str, dict[str, float]]:
    """Give RSS and PSS of each part, its children among them."""
    rows = {}
    for name, processes in product.processes().items():
        rss, pss = memory_mb(processes)
        rows[name] = {"processes": len(processes), "rss_mb": rss, "pss_mb": pss}
    return rows


async def load(product: Product) -> dict[str, Any]:
    """Submit tasks from several clients and wait for the last; gives the rate and the memory just after half of them."""
    numbers = iter(range(LOAD_TASKS))
    seen: dict[str, Any] = {}
    async with client(product) as http:

        async def caller() -> None:
            for number in numbers:
                await submit(http, "five-steps", {"first": number})
                if number == LOAD_TASKS // 2:
                    seen["memory"] = await asyncio.to_thread(memory, product)

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        accepted_s = time.perf_counter() - began
        async with asyncio.timeout(300):
            for state in ("accepted", "running"):
                while (await http.get("/v1/tasks", params={"state": state, "limit": 1})).json()["items"]:
                    await asyncio.sleep(0.05)
        seconds = time.perf_counter() - began
    return {"tasks_s": LOAD_TASKS / seconds, "accepted_s": LOAD_TASKS / accepted_s, "memory": seen["memory"]}


def measure(rounds: int) -> dict[str, Any]:
    starts: dict[str, list[float]] = {"first": [], "second": []}
    report: dict[str, Any] = {"machine": line(), "rounds": rounds}
    for number in range(rounds):
        with data_folder() as folder:
            try:
                starts["first"].append(up(folder).started_s)
                down(folder)
                product = up(folder)
                starts["second"].append(product.started_s)
                if number == rounds - 1:
                    time.sleep(SETTLE_S)
                    report["idle"] = memory(product)
                    report["load"] = uvloop.run(load(product))
            finally:
                down(folder)
    report["starts_s"] = {name: {"median": statistics.median(v), "best": min(v)} for name, v in starts.items()}
    return report


def show(report: dict[str, Any]) -> None:
    print(f"{report['machine']}\n")
    for name, aim in AIMS_S.items():
        found = report["starts_s"][name]
        print(f"{name} `interlock up` to ready: {found['median']:.1f} s, best {found['best']:.1f} s (aim ≤ {aim:g} s)")
    print(f"\n{'memory, MB':<14}{'processes':>10}{'idle RSS':>10}{'PSS':>8}{'load RSS':>10}{'PSS':>8}")
    under = report["load"]["memory"]
    for name, idle in report["idle"].items():
        busy = under[name]
        print(
            f"{name:<14}{idle['processes']:>10}{idle['rss_mb']:>10.0f}{idle['pss_mb']:>8.0f}{busy['rss_mb']:>10.0f}{busy['pss_mb']:>8.0f}"
        )
    sums = [sum(row["pss_mb"] for row in rows.values()) for rows in (report["idle"], under)]
    print(f"sum of PSS: idle {sums[0]:.0f} MB (aim ≤ {AIM_IDLE_MB}), under load {sums[1]:.0f} MB")
    print(
        f"load: {report['load']['accepted_s']:.0f} accepted a second, {report['load']['tasks_s']:.0f} tasks of five steps done a second,"
        " all processes together"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    report = measure(options.rounds)
    print(json.dumps(report)) if options.json else show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
