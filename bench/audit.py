"""Measure the audit log: `python -m bench.audit [--records 200000] [--written 40000] [--json]`.

- *written*: durable records a second through the recorder's group commit, each with its commitment and canonical leaf, 1,024 at a time, while
  an integrator in the same process gives positions and signs; once until the last is durable, once until the last is signed. The journal row
  and event that an effect writes beside its leaf are left out: `tasks` measures those.
- *signed*: from a durable record to a checkpoint that covers it, with the intervals of the settings, one record at a time.
- *proofs*: inclusion and consistency in a log of `--records`, each checked against the signed root.
- *offline*: an evidence pack of all records, verified by the pack's own verifier in a fresh process, its start included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.installation import database, server
from bench.machine import line, machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.boundary.recorder import Recorder, Write
from interlock.governance import audit, checkpoints, pack_verifier
from interlock.governance.audit_log import AuditLog
from interlock.governance.audit_records import EVERYTHING
from interlock.governance.evidence import Evidence, Materials
from interlock.governance.proofs import Proofs
from interlock.infra.clock import Clock
from interlock.infra.database import Database, prepare
from interlock.infra.settings import Settings

TENANT, KEY_NAME = "default", "bench"
IN_FLIGHT = 1_024
SIGNED_COUNT, PROOFS_COUNT = 40, 400
AIMS = {
    "durable_per_s": (10_000, "≥ 10,000"),
    "signed_p99_s": (1.0, "≤ 1 s"),
    "offline_per_s": (100_000, "≥ 100,000"),
}
LEAF = Write(
    name="bench-leaf",
    key=("n",),
    sql="""
with given as (select * from json_to_recordset($1::json) as r(n bigint, leaf text)),
written as (insert into audit_records (tenant, task_id, leaf) select current_tenant(), null, leaf from given returning id, tenant),
pending as (insert into audit_pending (record_id, tenant) select id, tenant from written)
select n from given""",
)
FILL = """
with written as (insert into audit_records (tenant, leaf) select current_tenant(), '{"at":"2026-03-01T00:00:00.000000Z","commit":"'
    || encode(sha256(n::text::bytea), 'hex') || '","effect":"/read-receipt#1","effect_kind":"infer","generation":1,"kind":"effect",'
    || '"policy_version":null,"seq":1,"status":"ok","task":"task_' || n || '","tenant":"default","v":1}'
    from generate_series(1, %s::int) n returning id, tenant)
insert into audit_pending (record_id, tenant) select id, tenant from written"""


class Store:
    """A prepared database with its roles open, and the log over it."""

    def __init__(self, app: Database, relay: Database) -> None:
        self.app, self.relay = app, relay
        self.key = Ed25519PrivateKey.generate()
        self.log = AuditLog(relay, origin="bench/log", key_name=KEY_NAME, private_key=self.key)
        self.recorder = Recorder(app)
        self.subject_key = bytes(32)

    async def write(self, number: int) -> None:
        salt = audit.new_salt()
        parts = (
            "read-receipt",
            "models.reader",
            "00" * 32,
            '{"document":"doc_1"}',
            None,
            '{"total":"12.30"}',
            None,
            None,
            None,
        )
        facts = {
            "task": f"task_{number}", "generation": 1, "effect": "/read-receipt#1", "seq": 1, "effect_kind": "infer", "status": "ok",
            "policy_version": "0" * 64, "commit": audit.commit(self.subject_key, salt, parts),
        }  # fmt: skip
        leaf = audit.leaf("effect", tenant=TENANT, at=Clock().now(), facts=facts)
        await self.recorder.write(TENANT, LEAF, {"n": number, "leaf": leaf})

    async def covered(self) -> int:
        async with self.relay.across() as conn:
            row = await (await conn.execute("select coalesce(max(size), 0) from audit_checkpoints")).fetchone()
        assert row is not None
        return int(row[0])

    async def bring_up(self) -> None:
        while await self.log.sequence() == 5_000:
            pass
        await self.log.checkpoint()


async def integrate(store: Store, sequence_s: float, checkpoint_s: float) -> None:
    """Do what the relay does, with its pauses."""

    async def sequence() -> None:
        while True:
            if await store.log.sequence() < 5_000:
                await asyncio.sleep(sequence_s)

    async def checkpoint() -> None:
        while True:
            await store.log.checkpoint()
            await asyncio.sleep(checkpoint_s)

    await asyncio.gather(sequence(), checkpoint())


async def measure_written(store: Store, count: int) -> dict[str, float]:
    start_size = await store.covered()
    helper = asyncio.create_task(integrate(store, 0.2, 0.7))
    numbers = iter(range(count))

    async def writer() -> None:
        for number in numbers:
            await store.write(number)

    started = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(IN_FLIGHT)))
    durable_s = time.perf_counter() - started
    while await store.covered() < start_size + count:
        await asyncio.sleep(0.02)
    signed_s = time.perf_counter() - started
    helper.cancel()
    await asyncio.gather(helper, return_exceptions=True)
    return {"durable_per_s": count / durable_s, "signed_per_s": count / signed_s}


async def measure_signed(store: Store, settings: Settings) -> dict[str, float]:
    helper = asyncio.create_task(integrate(store, settings.sequence_interval_s, settings.checkpoint_interval_s))
    chance, took = random.Random(1), []
    for number in range(SIGNED_COUNT):
        await asyncio.sleep(chance.random())
        size = await store.covered()
        started = time.perf_counter()
        await store.write(10_000_000 + number)
        while await store.covered() <= size:
            await asyncio.sleep(0.005)
        took.append(time.perf_counter() - started)
    helper.cancel()
    await asyncio.gather(helper, return_exceptions=True)
    return {"signed_p50_s": statistics.median(took), "signed_p99_s": percentile(took, 0.99), "signed_max_s": max(took)}


async def measure_proofs(store: Store, sizes: Sequence[int]) -> dict[str, float]:
    proofs, chance = Proofs(store.app), random.Random(2)
    inclusion, consistency = [], []
    for _ in range(PROOFS_COUNT):
        position = chance.randrange(sizes[-1])
        started = time.perf_counter()
        await proofs.inclusion(TENANT, position)
        inclusion.append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        await proofs.consistency(TENANT, chance.choice(sizes))
        consistency.append((time.perf_counter() - started) * 1000)
    return {
        f"{name}_{part}_ms": value
        for name, took in (("inclusion", inclusion), ("consistency", consistency))
        for part, value in (("p50", statistics.median(took)), ("p99", percentile(took, 0.99)))
    }


async def measure_offline(store: Store, folder: Path, records_max: int) -> dict[str, float]:
    path = folder / "pack.zip"
    evidence = Evidence(store.app, store.log.ring(), store.log.private_keys, records_max=records_max)
    started = time.perf_counter()
    with path.open("w+b") as out:
        manifest = await evidence.write(TENANT, EVERYTHING, Materials(), at=Clock().now(), out=out)
    export_s = time.perf_counter() - started
    key = checkpoints.verifier_key(KEY_NAME, store.key.public_key())
    took, before = [], resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(3):
        started = time.perf_counter()
        command = [sys.executable, "-I", pack_verifier.__file__, str(path), "--key", key]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 3
    count = manifest["records"]
    return {
        "pack_records": count,
        "pack_mb": path.stat().st_size / 1e6,
        "export_per_s": count / export_s,
        "offline_per_s": count / statistics.median(took),
        "offline_per_cpu_s": count / cpu_s,
    }


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def measure(records: int, written: int) -> dict[str, Any]:
    with server() as found, tempfile.TemporaryDirectory() as folder:
        urls = await prepare(Settings(data_dir=Path(folder)), database(found, "audit"))
        app = Database(urls.app, size=8, wait_s=30, statement_timeout_s=600)
        relay = Database(urls.relay, size=4, wait_s=30, statement_timeout_s=600)
        await app.open()
        await relay.open()
        try:
            store = Store(app, relay)
            for number in range(2_000):
                await store.write(20_000_000 + number)
            await store.bring_up()
            figures = await measure_written(store, written)
            figures |= await measure_signed(store, Settings(data_dir=Path(folder)))
            sizes = []
            for part in range(10):
                async with app.tenant(TENANT) as conn:
                    await conn.execute(FILL.encode(), (max(1, (records - written) // 10 + part),))
                await store.bring_up()
                sizes.append(await store.covered())
            async with relay.across() as conn:
                await conn.execute("select 1")
            figures |= {"log_records": sizes[-1]} | await measure_proofs(store, sizes)
            figures |= await measure_offline(store, Path(folder), sizes[-1])
            return {"machine": machine(), "figures": figures}
        finally:
            await relay.close()
            await app.close()


def show(result: dict[str, Any]) -> None:
    f = result["figures"]
    rows = [
        ("durable records a second, sequenced beside", f"{f['durable_per_s']:,.0f}", AIMS["durable_per_s"][1]),
        ("the same until the last is in a signed checkpoint", f"{f['signed_per_s']:,.0f}", ""),
        ("record → signed checkpoint, p50 / p99", f"{f['signed_p50_s']:.2f} / {f['signed_p99_s']:.2f} s", AIMS["signed_p99_s"][1]),
        (f"inclusion proof in {f['log_records']:,} records, p50 / p99", f"{f['inclusion_p50_ms']:.1f} / {f['inclusion_p99_ms']:.1f} ms", ""),
        ("consistency proof, p50 / p99", f"{f['consistency_p50_ms']:.1f} / {f['consistency_p99_ms']:.1f} ms", ""),
        (f"evidence pack of {f['pack_records']:,.0f} records ({f['pack_mb']:.0f} MB), exported a second", f"{f['export_per_s']:,.0f}", ""),
        ("verified offline a second, process start included", f"{f['offline_per_s']:,.0f}", AIMS["offline_per_s"][1]),
        ("the same a second of processor time", f"{f['offline_per_cpu_s']:,.0f}", ""),
    ]  # fmt: skip
    for what, figure, aim in rows:
        print(f"  {what:<75} {figure:>22}  {aim}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--written", type=int, default=40_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = asyncio.run(measure(given.records, given.written))
    if given.json:
        print(json.dumps(result))
    else:
        print(line())
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
