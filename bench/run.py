"""Runs the measurements, one after the other, each in a process of its own; prints their tables and then one of all gates and aims.

    python -m bench [NAME …] [--quick] [--also policy expenses pii]

Names: tasks, stored, peers, latency, startup, waiting; without any, all of these. `policy`, `expenses` and `pii` measure single parts and
are run only when asked for. Figures go to `bench/results/NAME.json`. Exit code 0 when every gate that was measured held, else 1:
gates are ratios against something that ran in turns with us, aims are figures of this machine and fail nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import latency, startup, tasks, waiting
from bench.machine import line
from bench.peers import side_by_side

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
LIMIT_S = 1_800
PARTS = {"policy": ["bench/policy.py"], "expenses": ["bench/expenses.py"], "pii": ["-m", "bench.pii"]}


@dataclass(frozen=True)
class Bench:
    """One measurement: the module that does it, how to show it, and a shorter form."""

    module: str
    arguments: tuple[str, ...]
    quick: tuple[str, ...]
    show: Callable[[dict[str, Any]], None]


BENCHES = {
    "tasks": Bench("bench.tasks", (), ("--rounds", "3", "--tasks", "500"), tasks.show),
    "stored": Bench("bench.tasks", ("--stored",), ("--rounds", "3", "--tasks", "300"), tasks.show),
    "peers": Bench("bench.peers.side_by_side", (), ("--rounds", "1"), side_by_side.show),
    "latency": Bench("bench.latency", (), ("--tasks", "60"), latency.show),
    "startup": Bench("bench.startup", (), ("--rounds", "1"), startup.show),
    "waiting": Bench("bench.waiting", (), ("--tasks", "2000", "--answers", "60"), waiting.show),
}


def run(name: str, *, quick: bool) -> dict[str, Any] | None:
    """Run one and keep its figures; gives None where it could not be run."""
    bench = BENCHES[name]
    command = [sys.executable, "-m", bench.module, *bench.arguments, *(bench.quick if quick else ()), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    lines = [text for text in done.stdout.splitlines() if text.startswith("{")]
    if not lines:
        print(f"{name} could not be run:\n{done.stderr[-3000:]}")
        return None
    report: dict[str, Any] = json.loads(lines[-1])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def verdicts(reports: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str, bool | None]]:
    """Give each gate and aim: what, figure, bound, and whether it held (None for an aim, which fails nothing)."""
    if found := reports.get("tasks"):
        for name, gate in tasks.GATES.items():
            ratio = found["throughput"]["variants"][name]["ratio to bare, grouped"]["median"]
            yield f"throughput to bare PostgreSQL, {name}", f"{ratio:.2f}×", f"≥ {gate}×", ratio >= gate
    if found := reports.get("stored"):
        low, high = found["stored"]["cpu_spread"]
        yield "cost a task, 10² to 10⁵ stored", f"{low:.2f}–{high:.2f}×", "± 20 %", found["stored"]["flat"]
    if found := reports.get("peers"):
        for name, row in found["rows"].items():
            if name != "interlock":
                ratio = row["ours_to_it"]
                yield f"throughput to {row['name']}", f"{ratio:.1f}×", "> 1×", ratio > 1
    yield from _aims(reports)


def _aims(reports: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str, None]]:
    if found := reports.get("latency"):
        for name, row in found["rows"].items():
            tail = "p95" if name.startswith("answer") else "p99"
            bound = f"p95 ≤ {latency.AIM_WOKEN_P95_MS} ms" if tail == "p95" else ""
            yield f"{name}, p50 / {tail}", f"{row['p50_ms']:.1f} / {row[tail + '_ms']:.1f} ms", bound, None
    if found := reports.get("startup"):
        for name, aim in startup.AIMS_S.items():
            yield (
                f"`interlock up` to ready, {name} time",
                f"{found['starts_s'][name]['median']:.1f} s",
                f"≤ {aim:g} s",
                None,
            )
        idle = sum(row["pss_mb"] for row in found["idle"].values())
        yield "memory of all processes, idle", f"{idle:.0f} MB", f"≤ {startup.AIM_IDLE_MB} MB", None
    if found := reports.get("waiting"):
        grown = found["after_mb"] - found["before_mb"]
        yield f"memory for {found['tasks']:,} waiting tasks", f"{grown:+.1f} MB", "flat", None
        yield (
            f"answer → woken while {found['tasks']:,} wait, p50 / p95",
            f"{found['woken_p50_ms']:.1f} / {found['woken_p95_ms']:.1f} ms",
            f"p95 ≤ {waiting.AIM_WOKEN_P95_MS} ms",
            None,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="which; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: minutes instead of a quarter of an hour")
    parser.add_argument("--also", nargs="+", choices=list(PARTS), default=[], help="parts that are measured alone")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    reports: dict[str, dict[str, Any]] = {}
    wanted = options.names or list(BENCHES)
    for name in wanted:
        print(f"\n── {name} ──", flush=True)
        if (report := run(name, quick=options.quick)) is not None:
            reports[name] = report
            BENCHES[name].show(report)
    for name in options.also:
        print(f"\n── {name} ──", flush=True)
        subprocess.run([sys.executable, *PARTS[name]], cwd=ROOT, timeout=LIMIT_S, check=False)
    print(f"\n── all, on {line()}, {time.perf_counter() - began:.0f} s ──")
    held = len(reports) == len(wanted)
    for what, figure, bound, ok in verdicts(reports):
        mark = "aim" if ok is None else "held" if ok else "MISSED"
        held = held and ok is not False
        print(f"{what:<52}{figure:>20}  {bound:<14} {mark if bound else ''}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
