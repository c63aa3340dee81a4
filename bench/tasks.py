"""Task throughput with five effects each, everything on, against bare PostgreSQL; and the cost of a task beside stored ones.

    python -m bench.tasks [--rounds 7] [--tasks 1000] [--stored] [--json]

"Everything on": row-level security, a decision by the compiled policies for each effect, journal row, audit leaf and outbox row
behind the fence, step processes, uvloop: the worker of `interlock up` itself, in this process. Accepting the tasks is not
timed (see latency.py), and the relay, which is another process, does not run. What the baselines do is said in `bare.py`. All
variants take turns, round by round, each in a database that begins empty; ratios are medians of the rounds' own ratios, so that a
machine that is busy elsewhere disturbs both sides.

`--stored` measures cost beside 10² to 10⁵ stored tasks, each with its effects, audit records and events.
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

import psutil
import uvloop
from bench import bare
from bench.installation import TENANT, Installation, installation, server, server_processes, working
from bench.machine import cpu_s, line
from psycopg import AsyncConnection

from interlock.app import Worker
from interlock.infra import garbage
from interlock.infra.embedded_postgres import EmbeddedPostgres

EFFECTS = 5
GATES = {"steps": 0.4, "no-op executor": 0.6}
STORED = (100, 1_000, 10_000, 100_000)
FLAT = 0.2


async def run_tasks(place: Installation, worker: Worker, count: int) -> float:
    """Accept tasks and wait until all of them succeeded; gives seconds from when they can be claimed."""
    states = worker.engine.counts.states
    before = states.get("succeeded", 0)
    async with asyncio.timeout(600):
        await place.accept(count)
        began = time.perf_counter()
        while states.get("succeeded", 0) < before + count:
            await asyncio.sleep(0.002)
    return time.perf_counter() - began


async def check(place: Installation, count: int) -> None:
    """Refuse figures of work that was not done: each variant leaves the same rows."""
    found = []
    async with await AsyncConnection.connect(place.owner_url, autocommit=True) as conn:
        for query in (
            "select count(*) from interlock.tasks where state = 'succeeded'",
            "select count(*) from interlock.effects",
            "select count(*) from interlock.outbox",
            "select count(*) from interlock.audit_records",
            "select count(*) from interlock.audit_pending",
        ):
            row = await (await conn.execute(query.encode())).fetchone()
            found.append(row[0] if row else 0)
    each = count * EFFECTS
    if found != [count, each, each + count, each + count, each + count]:
        raise AssertionError(f"the rows that were left are {found}, of {count} tasks")


class Ours:
    """The product in one database, its bare counterpart in another, and a note of what the product did there."""

    def __init__(self, name: str, place: Installation, other: Installation, worker: Worker, found: EmbeddedPostgres):
        self.name = name
        self.place = place
        self.other = other
        self.worker = worker
        self.found = found
        self.transactions: list[bare.Transaction] = []
        self.ids: list[str] = []
        self.conns: list[Any] = []
        self.lanes = 0

    async def note(self, count: int) -> None:
        """Run once, untimed, with notes; this also warms everything up."""
        database = self.place.app.database
        assert isinstance(database, bare.Recording)
        await run_tasks(self.place, self.worker, count // 4)
        await self.place.empty()
        database.noting, database.busy_max = True, 0
        await run_tasks(self.place, self.worker, count)
        database.noting = False
        self.transactions = database.take()
        self.lanes = database.busy_max
        self.ids = self._claimed()
        limits = self.place.app.settings
        self.one_each = bare.OneEach(
            self.transactions, concurrency=limits.worker_concurrency, claim_batch_max=limits.claim_batch_max
        )
        self.conns = await bare.connections(self.other.app.database.url, self.other.app.database.size)
        garbage.settle()  # as the worker role does

    def _claimed(self) -> list[str]:
        """Give the tasks in the order in which they were claimed."""
        return list(dict.fromkeys(task for transaction in self.transactions for task in sorted(transaction.tasks)))

    async def ours(self, count: int) -> dict[str, float]:
        await self.place.empty()
        seconds, cpu = await self._timed(run_tasks(self.place, self.worker, count))
        await check(self.place, count)
        return {"tasks_s": count / seconds, **{f"{k}_ms": v / count * 1000 for k, v in cpu.items()}}

    async def grouped(self) -> dict[str, float]:
        return await self._bare(bare.grouped(self.conns[: self.lanes], self.transactions))

    async def each(self) -> dict[str, float]:
        return await self._bare(self.one_each.run(self.conns))

    async def _bare(self, work: Any) -> dict[str, float]:
        await self.other.empty()
        await self._accept_same()
        seconds, cpu = await self._timed(work)
        count = len(self.ids)
        await check(self.other, count)
        return {"tasks_s": count / seconds, **{f"{k}_ms": v / count * 1000 for k, v in cpu.items()}}

    async def _accept_same(self) -> None:
        """Accept tasks with the IDs of the note in the order in which they were claimed there."""
        await self.other.accept(0)
        async with self.other.app.database.tenant(TENANT) as conn:
            await conn.execute(
                "insert into tasks (tenant, id, automation, automation_version, correlation_id, subject, input, submitted_by, due_at)"
                " select current_tenant(), i.id, 'five-steps', '1.0.0', md5(i.n::text), 'user:bench', '{\"first\":1}'::json, 'user:bench',"
                " time_now() - interval '1 hour' + i.n * interval '1 ms' from unnest(%s::text[]) with ordinality i(id, n)",
                (self.ids,),
            )

    async def _timed(self, work: Any) -> tuple[float, dict[str, float]]:
        me, servers = psutil.Process(), server_processes(self.found)
        steps = [psutil.Process(pid) for pid in self.worker.steps.pids]
        before = _own_cpu(me), cpu_s(steps), cpu_s(servers)
        seconds = await work
        after = _own_cpu(me), cpu_s(steps), cpu_s(servers)
        names = ("worker_cpu", "steps_cpu", "postgres_cpu")
        return seconds, {name: b - a for name, a, b in zip(names, before, after, strict=True)}


def _own_cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def throughput(found: EmbeddedPostgres, *, rounds: int, tasks: int) -> dict[str, Any]:
    """Measure both variants of the worker and both baselines, in turns."""
    figures: dict[str, dict[str, list[dict[str, float]]]] = {}
    lanes: dict[str, int] = {}
    sizes: dict[str, float] = {}
    async with (
        installation(found, "ours", database_type=bare.Recording) as place,
        installation(found, "bare") as other,
    ):
        variants = []
        for name in GATES:
            worker = place.worker(noop=name != "steps")
            one = Ours(name, place, other, worker, found)
            async with working(worker):
                await one.note(tasks)
            variants.append(one)
            lanes[name] = one.lanes
            sizes[name] = tasks * (EFFECTS + 1) / len(one.transactions)
        for _ in range(rounds):
            for one in variants:
                turn = figures.setdefault(one.name, {"ours": [], "bare, grouped": [], "bare, one each": []})
                one.worker = place.worker(noop=one.name != "steps")
                async with working(one.worker):
                    await run_tasks(place, one.worker, tasks // 4)
                    turn["ours"].append(await one.ours(tasks))
                turn["bare, grouped"].append(await one.grouped())
                turn["bare, one each"].append(await one.each())
        for one in variants:
            for conn in one.conns:
                await conn.close()
    return {
        "tasks": tasks,
        "rounds": rounds,
        "lanes": lanes,
        "rows_a_transaction": sizes,
        "variants": _medians(figures),
    }


def _medians(figures: dict[str, dict[str, list[dict[str, float]]]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, turn in figures.items():
        result[name] = {
            who: {key: statistics.median(r[key] for r in rounds) for key in rounds[0]} for who, rounds in turn.items()
        }
        for who in ("bare, grouped", "bare, one each"):
            ratios = [a["tasks_s"] / b["tasks_s"] for a, b in zip(turn["ours"], turn[who], strict=True)]
            result[name][f"ratio to {who}"] = {
                "median": statistics.median(ratios),
                "lowest": min(ratios),
                "highest": max(ratios),
            }
    return result


STORE = """
with new as (
    insert into tasks (tenant, id, automation, automation_version, state, correlation_id, subject, input, submitted_by, epoch, output, ended_at,
        started_at, accepted_at)
    select 'default', 'task_' || replace(gen_random_uuid()::text, '-', ''), automation, automation_version, state, md5(random()::text), subject,
        input, submitted_by, epoch, output, ended_at, started_at, accepted_at - n * interval '1 second'
    from (select * from tasks where state = 'succeeded' limit 1) t, generate_series(1, {count}) n
    returning id
), journal as (
    insert into effects (tenant, task_id, generation, effect_id, seq, kind, name, target, input_digest, input, status, value, decision, meta,
        salt, epoch, started_at)
    select 'default', new.id, e.generation, e.effect_id, e.seq, e.kind, e.name, e.target, e.input_digest, e.input, e.status, e.value, e.decision,
        e.meta, e.salt, e.epoch, e.started_at
    from new, (select * from effects where task_id = (select task_id from effects limit 1)) e
), told as (
    insert into outbox (tenant, type, task_id, correlation_id, data, position)
    select 'default', 'task.effect', new.id, md5(new.id), '{{"seq":1,"name":"nothing","kind":"step","status":"ok"}}',
        (select coalesce(max(position), 0) from outbox) + row_number() over ()
    from new, generate_series(1, 6)
)
insert into audit_records (tenant, task_id, leaf)
select 'default', new.id, (select leaf from audit_records limit 1) from new, generate_series(1, 6)"""


async def _store(place: Installation, count: int) -> None:
    """Store ended tasks in bulk, each with five effects, six events and six audit records, as those that ran."""
    for begin in range(0, count, 20_000):
        await place.owner(STORE.format(count=min(20_000, count - begin)))
    await place.owner("vacuum analyze", "checkpoint")


async def stored(found: EmbeddedPostgres, *, rounds: int, tasks: int) -> dict[str, Any]:
    """Measure one database that stays small in turns with one that grows; the cost is that of the small one times the ratio."""
    rows: list[dict[str, float]] = []
    async with installation(found, "small") as small, installation(found, "grown") as grown:
        workers = [place.worker(noop=True) for place in (small, grown)]
        async with working(workers[0]), working(workers[1]):
            for place, worker in zip((small, grown), workers, strict=True):
                await run_tasks(place, worker, 300)
            held = 300
            for size in STORED:
                await _store(grown, max(0, size - held))
                held = max(held, size)
                ratios, cpu_ratios, rates = [], [], []
                for _ in range(rounds):
                    measured = []
                    for place, worker in ((small, workers[0]), (grown, workers[1])):
                        before = _work_cpu(found)
                        seconds = await run_tasks(place, worker, tasks)
                        measured.append((seconds, _work_cpu(found) - before))
                        # What ran goes away again, so that both keep their size.
                        await place.owner(*_forget(tasks))
                    ratios.append(measured[1][0] / measured[0][0])
                    cpu_ratios.append(measured[1][1] / measured[0][1])
                    rates.append(tasks / measured[1][0])
                rows.append(
                    {
                        "stored": size,
                        "tasks_s": statistics.median(rates),
                        "time_to_small": statistics.median(ratios),
                        "cpu_to_small": statistics.median(cpu_ratios),
                    }
                )
    first = rows[0]
    spread = [row["cpu_to_small"] / first["cpu_to_small"] for row in rows]
    return {"rows": rows, "cpu_spread": [min(spread), max(spread)], "flat": max(abs(s - 1) for s in spread) <= FLAT}


def _work_cpu(found: EmbeddedPostgres) -> float:
    return _own_cpu(psutil.Process()) + cpu_s(server_processes(found))


def _forget(count: int) -> tuple[str, ...]:
    newest = f"select id from tasks order by accepted_at desc limit {count}"
    return (
        f"create temp table gone as {newest}",
        *(f"delete from {t} where task_id in (select id from gone)" for t in ("effects", "outbox", "audit_records")),
        "truncate audit_pending",
        "delete from tasks where id in (select id from gone)",
        "vacuum analyze tasks, effects, outbox, audit_records",
    )


def show(report: dict[str, Any]) -> None:
    print(report["machine"])
    if "throughput" in report:
        show_throughput(report["throughput"])
    if "stored" in report:
        print(f"\n{'stored tasks':>13}{'tasks/s':>10}{'time, to small':>16}{'CPU, to small':>15}")
        for row in report["stored"]["rows"]:
            print(
                f"{row['stored']:>13,}{row['tasks_s']:>10.0f}{row['time_to_small']:>15.2f}×{row['cpu_to_small']:>14.2f}×"
            )
        low, high = report["stored"]["cpu_spread"]
        verdict = "held" if report["stored"]["flat"] else "MISSED"
        print(f"CPU a task, to that at 100 stored: {low:.2f} to {high:.2f}  (gate: within ±20 %: {verdict})")


def show_throughput(found: dict[str, Any]) -> None:
    print(f"\n{found['tasks']} tasks of {EFFECTS} effects, {found['rounds']} rounds in turns; medians")
    print(f"{'':<34}{'tasks/s':>9}{'CPU of the client, steps, PostgreSQL, ms/task':>50}")
    for name, turn in found["variants"].items():
        for who in ("ours", "bare, grouped", "bare, one each"):
            row = turn[who]
            cpu = f"{row['worker_cpu_ms']:.2f}  {row['steps_cpu_ms']:.2f}  {row['postgres_cpu_ms']:.2f}"
            print(f"{name + ': ' + who:<34}{row['tasks_s']:>9.0f}{cpu:>50}")
    for name, gate in GATES.items():
        turn = found["variants"][name]
        strict, simple = turn["ratio to bare, grouped"], turn["ratio to bare, one each"]
        verdict = "held" if strict["median"] >= gate else "MISSED"
        print(
            f"{name}: {strict['median']:.2f}× bare, grouped ({strict['lowest']:.2f} to {strict['highest']:.2f}; gate ≥ {gate}: {verdict}),"
            f" {simple['median']:.2f}× bare, one each"
        )


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    report: dict[str, Any] = {"machine": line()}
    with server() as found:
        if options.stored:
            report["stored"] = await stored(found, rounds=options.rounds, tasks=options.tasks)
        else:
            report["throughput"] = await throughput(found, rounds=options.rounds, tasks=options.tasks)
    return report


def held(report: dict[str, Any]) -> bool:
    """Tell whether the gates of what was measured hold."""
    if "stored" in report:
        return bool(report["stored"]["flat"])
    variants = report["throughput"]["variants"]
    return all(variants[name]["ratio to bare, grouped"]["median"] >= gate for name, gate in GATES.items())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--stored", action="store_true", help="cost beside stored tasks, instead of throughput")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    report = uvloop.run(measure(options))
    print(json.dumps(report)) if options.json else show(report)
    return 0 if held(report) else 1


if __name__ == "__main__":
    sys.exit(main())
