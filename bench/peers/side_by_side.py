"""The same five steps that do nothing, durably, side by side: Interlock, DBOS on the same PostgreSQL, Temporal's dev server.

    python -m bench.peers.side_by_side [--rounds 3] [--json]

Interlock runs with everything on: row-level security, decisions, audit leaves, step processes. The peers run their steps in their
own process, as they do. The concurrency is the same (64 at once). DBOS gets databases of the same embedded server; Temporal's dev
server keeps its state in memory, as it comes, which survives no crash. They take turns, round by round. Their packages are
installed into `.venv-peers` from `requirements.txt`, by their hashes, when that is not there yet.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from bench.installation import database, installation, server, working
from bench.machine import line
from bench.tasks import run_tasks

from interlock.infra.embedded_postgres import EmbeddedPostgres

HERE = Path(__file__).resolve().parent
VENV = HERE.parent.parent / ".venv-peers"
CONCURRENCY = 64
COUNTS = {"interlock": 1_000, "dbos": 300, "temporal": 60}
LIMIT_S = 300


def prepared() -> Path:
    """Give the peers' Python; installs it at the first call, and when the requirements changed."""
    python = VENV / "bin" / "python"
    requirements = HERE / "requirements.txt"
    marker = VENV / "installed.txt"
    if marker.exists() and marker.read_bytes() == requirements.read_bytes():
        return python
    venv.create(VENV, with_pip=True, clear=True)
    arguments = ["--quiet", "--require-hashes", "--requirement", str(requirements)]
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the peers could not be installed: {done.stderr[-2000:]}")
    marker.write_bytes(requirements.read_bytes())
    return python


def peer(python: Path, name: str, environ: dict[str, str]) -> dict[str, Any]:
    """Run one peer for one round."""
    command = [str(python), str(HERE / f"{name}_tasks.py"), str(COUNTS[name]), str(CONCURRENCY)]
    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


async def interlock(found: EmbeddedPostgres, name: str) -> dict[str, Any]:
    """Run the product for one round, in a database of its own."""
    async with (
        installation(found, name, worker_concurrency=CONCURRENCY) as place,
        working(place.worker(noop=False)) as worker,
    ):
        await run_tasks(place, worker, 100)
        count = COUNTS["interlock"]
        seconds = await run_tasks(place, worker, count)
        alone = 0.0
        for _ in range(20):
            alone += await run_tasks(place, worker, 1)
    return {"name": "Interlock", "tasks_s": count / seconds, "one_alone_ms": alone / 20 * 1000}


def measure(rounds: int) -> dict[str, Any]:
    python = prepared()
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in COUNTS}
    with server() as found:
        for number in range(rounds):
            turns["interlock"].append(uvloop.run(interlock(found, f"ours_{number}")))
            turns["dbos"].append(peer(python, "dbos", {"DATABASE_URL": database(found, f"dbos_{number}")}))
            turns["temporal"].append(peer(python, "temporal", {}))
    rows = {}
    for name, rounds_of in turns.items():
        ratios = [ours["tasks_s"] / one["tasks_s"] for ours, one in zip(turns["interlock"], rounds_of, strict=True)]
        rows[name] = {
            "name": rounds_of[0]["name"],
            "tasks_s": statistics.median(r["tasks_s"] for r in rounds_of),
            "one_alone_ms": statistics.median(r["one_alone_ms"] for r in rounds_of),
            "ours_to_it": statistics.median(ratios),
            "lowest": min(ratios),
        }
    return {"machine": line(), "rounds": rounds, "concurrency": CONCURRENCY, "rows": rows}


def held(report: dict[str, Any]) -> bool:
    """Tell whether we are ahead of each."""
    return all(row["ours_to_it"] > 1 for name, row in report["rows"].items() if name != "interlock")


def show(report: dict[str, Any]) -> None:
    print(f"{report['machine']}\n\n{report['concurrency']} at once, {report['rounds']} rounds in turns; medians")
    print(f"{'':<30}{'tasks/s':>10}{'one alone, ms':>15}{'Interlock to it':>17}{'lowest':>9}")
    for row in report["rows"].values():
        print(
            f"{row['name']:<30}{row['tasks_s']:>10.1f}{row['one_alone_ms']:>15.1f}{row['ours_to_it']:>16.1f}×{row['lowest']:>8.1f}×"
        )
    print(f"gate: ahead of each: {'held' if held(report) else 'MISSED'}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    report = measure(options.rounds)
    print(json.dumps(report)) if options.json else show(report)
    return 0 if held(report) else 1


if __name__ == "__main__":
    sys.exit(main())
