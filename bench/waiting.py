"""10,000 tasks that wait for a person, one worker: its memory, and how fast an answer wakes one of them.

    python -m bench.waiting [--tasks 10000] [--answers 200] [--json]

The worker is in this process, with everything on but the HTTP server. Its memory (RSS) is read when 500 tasks wait, so that caches
are warm, and when all do; connections are those that it holds to the database. Then answers are given one after the other, each to
a task chosen by chance (seeded), through the same call that the API makes. Woken: from before the answer is given until the record
of the step that comes next, so the answer's own transaction, the notification, the claim, the replay and a step process are in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

import psutil
import psycopg
import uvloop
from bench.installation import TENANT, Installation, installation, server, working
from bench.machine import line, percentile

from interlock.app import Worker
from interlock.domain.reviews import Verdict
from interlock.governance.identity import Principal

WARM = 500
SEED = 7
AIM_WOKEN_P95_MS = 100
REVIEWER = Principal(tenant=TENANT, id="user:mei", roles=("owner",), key_id="bench")


async def wait_for(worker: Worker, state: str, count: int) -> None:
    """Wait until the worker brought so many tasks into a state, over its life."""
    async with asyncio.timeout(900):
        while worker.engine.counts.states.get(state, 0) < count or worker.engine.owned:
            await asyncio.sleep(0.005)


def own_memory_mb() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


async def connections_held(place: Installation) -> int:
    query = "select count(*) from pg_stat_activity where datname = current_database() and usename = 'interlock_app'"
    async with await psycopg.AsyncConnection.connect(place.owner_url, autocommit=True) as conn:
        row = await (await conn.execute(query)).fetchone()
    return int(row[0]) if row else 0


async def answers(place: Installation, worker: Worker, count: int) -> list[float]:
    """Answer some, one after the other; gives ms from the answer to the next effect's record, by the database's clock."""
    dice = random.Random(SEED)
    async with place.app.database.tenant(TENANT) as conn:
        rows = await (await conn.execute("select id, task_id from reviews where state = 'open' order by id")).fetchall()
    found = []
    done = worker.engine.counts.states.get("succeeded", 0)
    for number, (review_id, task_id) in enumerate(dice.sample(rows, count), start=1):
        answered = time.time()
        await place.app.reviews.answer(REVIEWER, review_id, Verdict.APPROVE)
        await wait_for(worker, "succeeded", done + number)
        async with place.app.database.tenant(TENANT) as conn:
            query = "select extract(epoch from recorded_at)::float8 from effects where task_id = %s and name = 'after'"
            row = await (await conn.execute(query, (task_id,))).fetchone()
        assert row is not None
        found.append((row[0] - answered) * 1000)
    return found


async def measure(tasks: int, count: int) -> dict[str, Any]:
    with server() as found:
        async with installation(found, "waiting") as place, working(place.worker(noop=False)) as worker:
            await place.accept(WARM, automation="ask-once", value='{"number":1}')
            await wait_for(worker, "waiting", WARM)
            before_mb = own_memory_mb()
            began = time.perf_counter()
            await place.accept(tasks - WARM, automation="ask-once", value='{"number":1}')
            await wait_for(worker, "waiting", tasks)
            seconds = time.perf_counter() - began
            after_mb = own_memory_mb()
            held = await connections_held(place)
            woken = await answers(place, worker, count)
    return {
        "machine": line(),
        "tasks": tasks,
        "to_waiting_s": (tasks - WARM) / seconds,
        "before_mb": before_mb,
        "after_mb": after_mb,
        "connections": held,
        "answers": count,
        "woken_p50_ms": percentile(woken, 0.5),
        "woken_p95_ms": percentile(woken, 0.95),
        "woken_p99_ms": percentile(woken, 0.99),
    }


def show(report: dict[str, Any]) -> None:
    grown = report["after_mb"] - report["before_mb"]
    print(f"{report['machine']}\n\n{report['tasks']:,} tasks wait, one worker")
    print(
        f"memory of the worker: {report['before_mb']:.0f} MB with {WARM}, {report['after_mb']:.0f} MB with all ({grown:+.1f} MB);"
        f" it holds {report['connections']} connections"
    )
    print(f"brought to waiting: {report['to_waiting_s']:.0f} tasks a second")
    print(
        f"answer → woken while they wait: p50 {report['woken_p50_ms']:.1f} ms, p95 {report['woken_p95_ms']:.1f} ms,"
        f" p99 {report['woken_p99_ms']:.1f} ms of {report['answers']} (aim: p95 ≤ {AIM_WOKEN_P95_MS} ms)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    report = uvloop.run(measure(options.tasks, options.answers))
    print(json.dumps(report)) if options.json else show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
