"""`make demo`: the whole product on real input, through its public API and command line, in about a minute.

Starts Interlock, hands in a batch of receipts (generated ones, and the SROIE ones where they are there), shows what becomes of
each, kills the worker in the middle, answers one review as a manager, and says what it cost and whether the record holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

from generate_receipts import generate

ROOT = Path(__file__).resolve().parent.parent
OPEN = ("accepted", "running", "waiting")
DEADLINE_S = 170.0
WIDTHS = {"receipt": 15, "handed in as": 25, "state": 13, "decision": 24, "merchant": 24, "amount": 12, "why": 70}
console = Console(width=None if sys.stdout.isatty() else 190)


@dataclass
class Handed:
    """One receipt that was handed in, and what is known of its task."""

    file: Path
    kind: str
    claim: dict[str, Any] | None
    task: dict[str, Any] = field(default_factory=dict)

    @property
    def asks_person(self) -> bool:
        return any(e["kind"] == "review" and e["status"] == "pending" for e in self.task.get("effects", []))

    @property
    def settled(self) -> bool:
        return bool(self.task) and (self.task["state"] not in OPEN or self.asks_person)


class Failed(Exception):
    """The demo did not show what it should."""


def interlock(data: Path, *words: str) -> dict[str, Any]:
    """Run the command line and give what it printed as JSON."""
    command = [sys.executable, "-m", "interlock.cli", *words, "--data", str(data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(
            f"interlock {' '.join(words)} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def batch(data: Path, count: int, sroie: Path | None, seed: int) -> list[Handed]:
    """Make the generated receipts and pick real ones, each with a claim or without."""
    folder = data / "demo" / f"receipts-{seed}-{count}"
    generate(count, seed, folder)
    handed = [
        Handed(folder / c["file"], f"generated, {c['kind']} claim", c["claim"])
        for c in json.loads((folder / "claims.json").read_text())
    ]
    if sroie is None:
        return handed
    pick = random.Random(seed)
    for image in pick.sample(sorted((sroie / "img").glob("*.jpg")), count):
        truth = json.loads((sroie / "key" / f"{image.stem}.json").read_text())
        day, claim = _day(truth.get("date", "")), None
        if day and pick.random() < 0.8:
            claim = {
                "employee": "user:siti",
                "amount": truth["total"].strip("RM $").replace(",", ""),
                "currency": "MYR",
            }
            claim |= {"date": day, "submitted_on": day, "category": "other", "purpose": "As on the receipt"}
        handed.append(Handed(image, "scanned, honest claim" if claim else "scanned, no claim", claim))
    return handed


def _day(text: str) -> str | None:
    for form in ("%d/%m/%Y", "%d-%m-%Y", "%Y-%m-%d", "%d/%m/%y", "%d-%m-%y", "%d.%m.%Y", "%d %b %Y"):
        try:
            return datetime.strptime(text.strip(), form).date().isoformat()
        except ValueError:
            continue
    return None


def submit(api: httpx.Client, one: Handed, seed: int) -> None:
    """Upload a receipt and submit its task; repeated while the API is away."""
    files = {"file": (one.file.name, one.file.read_bytes())}
    document = api.post("/v1/documents", files=files).raise_for_status().json()
    body = {
        "automation": "expenses",
        "input": {"documents": [{"id": document["id"]}], **({"claim": one.claim} if one.claim else {})},
        "labels": {"demo": str(seed), "file": one.file.name},
        "slo": {"complete_within": 3600},
    }
    accepted = api.post("/v1/tasks", json=body).raise_for_status().json()
    one.task = api.get(f"/v1/tasks/{accepted['id']}").raise_for_status().json()


def table(handed: list[Handed]) -> Table:
    view = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in WIDTHS.items():
        view.add_column(column, overflow="ellipsis", no_wrap=True, max_width=width)
    for one in handed:
        task, output = one.task, one.task.get("output") or {}
        state = "asks a person" if one.asks_person else task.get("state", "")
        colour = {"succeeded": "green", "asks a person": "yellow", "failed": "red"}.get(state, "dim")
        why = "; ".join(output.get("reasons", [])) or _why(task)
        amount = f"{output.get('amount') or ''} {output.get('currency') or ''}".strip()
        decision = f"{output['decision']} by {output['by']}" if output else ""
        view.add_row(
            one.file.name, one.kind, f"[{colour}]{state}[/]", decision, output.get("merchant") or "", amount, why
        )
    return view


def _why(task: dict[str, Any]) -> str:
    decided = [e for e in task.get("effects", []) if e["kind"] == "decide"]
    return "; ".join(r["text"] for r in (decided[-1]["decision"] or {}).get("reasons", [])) if decided else ""


def follow(api: httpx.Client, handed: list[Handed], data: Path, began: float) -> None:
    """Watch until every task has ended or asks a person; kill the worker once on the way."""
    killed = False
    with Live(table(handed), console=console, refresh_per_second=4, transient=not console.is_terminal) as live:
        while not all(one.settled for one in handed):
            if time.monotonic() - began > DEADLINE_S:
                raise Failed("not every task settled in time: see `interlock status` and the logs")
            for one in handed:
                if one.task and not one.settled:
                    one.task = api.get(f"/v1/tasks/{one.task['id']}").raise_for_status().json()
            live.update(table(handed))
            if not killed and sum(one.settled for one in handed) >= max(2, len(handed) // 4):
                pid = next(p["pid"] for p in interlock(data, "status")["processes"] if p["name"] == "worker")
                os.kill(pid, signal.SIGKILL)
                killed = True
                live.console.print(
                    f"[bold]The worker (pid {pid}) was just killed with kill -9.[/] Another one takes over:"
                )
            time.sleep(0.2)
    if not killed:
        raise Failed("the worker was never killed: all tasks settled before")


def answer_one(admin: httpx.Client, url: str, handed: list[Handed]) -> dict[str, Any] | None:
    """Answer one review as the manager Mei would, with a key of her own."""
    key = admin.post("/v1/keys", json={"name": "demo manager", "user": "user:priya", "roles": ["manager", "reviewer"]})
    headers = {"authorization": f"Bearer {key.raise_for_status().json()['key']}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as manager:
        reviews = manager.get("/v1/reviews").raise_for_status().json()["items"]
        for review in sorted(reviews, key=lambda r: any("does not say" in why for why in r["request"]["reasons"])):
            one = next((h for h in handed if h.task["id"] == review["task_id"]), None)
            values = review["request"]["values"]
            if one is None or not values.get("total") or not values.get("currency"):
                continue
            answered = manager.post(
                f"/v1/reviews/{review['id']}:approve", json={"reason": "I was there; the receipt is right."}
            )
            if answered.status_code == 200:
                until = time.monotonic() + 20
                while one.task["state"] != "succeeded" and time.monotonic() < until:
                    one.task = admin.get(f"/v1/tasks/{one.task['id']}").raise_for_status().json()
                    time.sleep(0.05)
                return one.task
    return None


def summary(handed: list[Handed], answered: dict[str, Any] | None, wall_s: float) -> None:
    """Say what came of it."""
    done = [h for h in handed if h.task["state"] == "succeeded"]
    through = [h for h in done if h.task["output"]["by"] == "policy"]
    took = sorted(_took_s(h.task) for h in through) or [0.0]
    costs = [sum(float(e.get("cost_usd") or 0) for e in h.task["effects"]) for h in handed]
    p95 = took[min(len(took) - 1, round(0.95 * (len(took) - 1)))]
    console.print()
    console.print(f"[bold]{len(handed)} receipts in {wall_s:.0f} s[/], the worker killed once, nothing lost")
    console.print(f"  straight through    {len(through)} of {len(handed)} ({len(through) / len(handed):.0%})")
    console.print(f"  reviews             {sum(h.asks_person for h in handed)} open, {1 if answered else 0} answered")
    console.print(
        f"  accepted → done     p50 {statistics.median(took):.1f} s, p95 {p95:.1f} s (all handed in at once, {os.cpu_count()} cores)"
    )
    console.print(
        f"  cost                ${statistics.fmean(costs):.8f} a task (measured CPU time × INTERLOCK_CPU_PRICE_USD_PER_HOUR)"
    )


def _took_s(task: dict[str, Any]) -> float:
    ends = [datetime.fromisoformat(task[k]) for k in ("accepted_at", "ended_at")]
    return (ends[1] - ends[0]).total_seconds()


def timeline(task: dict[str, Any]) -> None:
    view = Table(
        box=None, pad_edge=False, header_style="bold", title=f"one task's timeline: {task['id']}", title_justify="left"
    )
    for column in ("effect", "kind", "status", "decision", "confidence", "took", "by"):
        view.add_column(column)
    for e in task["effects"]:
        sure = "" if e.get("confidence") is None else f"{e['confidence']:.3f}"
        took = "" if e.get("duration_ms") is None else f"{e['duration_ms']:,.1f} ms"
        by = e.get("by") or e.get("model_version") or ""
        view.add_row(e["name"], e["kind"], e["status"], (e.get("decision") or {}).get("answer", ""), sure, took, by)
    console.print()
    console.print(view)


def run(data: Path, count: int, sroie: Path | None, seed: int) -> None:
    began = time.monotonic()
    console.print(f"seed {seed}; data in {data}")
    os.environ.setdefault("INTERLOCK_PREDICTOR_PROCESSES", str(min(2, os.cpu_count() or 1)))
    up = interlock(data, "up", "--detach")
    console.print(f"Interlock is up at {up['url']} after {time.monotonic() - began:.1f} s")
    key = Path(up["key_file"]).read_text().strip()
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=up["url"], headers=headers, timeout=60, trust_env=False) as api:
        handed = batch(data, count, sroie, seed)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: submit(api, one, seed), handed))
        console.print(f"{len(handed)} receipts accepted after {time.monotonic() - began:.1f} s")
        follow(api, handed, data, began)
        answered = answer_one(api, up["url"], handed)
        wall_s = time.monotonic() - began
        console.print(table(handed))
        summary(handed, answered, wall_s)
        shown = answered or next((h.task for h in handed if h.task["state"] == "succeeded"), handed[0].task)
        timeline(shown)
    report = interlock(data, "audit", "verify")
    console.print()
    console.print(f"[bold]audit verified[/]: {report['records']} records, root {report['root'][:16]}…, nothing changed")
    failed = [h for h in handed if h.task["state"] in ("failed", "blocked", "cancelled")]
    if failed:
        raise Failed(f"{len(failed)} tasks failed, first: {failed[0].file.name}: {failed[0].task.get('error')}")
    if not any(h.task["state"] == "succeeded" for h in handed):
        raise Failed("no receipt went through")


def main() -> int:
    parser = argparse.ArgumentParser(description="Show Interlock on real input.")
    parser.add_argument("--data", type=Path, default=ROOT / ".data", help="data folder (default: .data)")
    parser.add_argument("--count", type=int, default=10, help="receipts of each kind")
    parser.add_argument("--sroie", type=Path, default=ROOT.parent / "shared" / "data" / "sroie" / "dev")
    parser.add_argument("--seed", type=int, help="of receipts and choice (default: 7, and another one each time)")
    parser.add_argument("--keep", action="store_true", help="leave it running")
    arguments = parser.parse_args()
    sroie = arguments.sroie if (arguments.sroie / "img").is_dir() else None
    if sroie is None:
        console.print("The SROIE receipts are not there: generated ones only.")
    code, before = 0, len(list((arguments.data / "demo").glob("*")))
    seed = arguments.seed if arguments.seed is not None else 7 + before
    try:
        run(arguments.data, arguments.count, sroie, seed)
    except (Failed, httpx.HTTPError) as error:
        console.print(f"[red]The demo failed:[/] {error}")
        code = 1
    if not arguments.keep:
        interlock(arguments.data, "down")
        console.print(
            "\nStopped. Go on: `make up`, then `.venv/bin/interlock task list` and `.venv/bin/interlock review list`;"
        )
        console.print(
            "docs/tutorial.md leads through it, docs/how-to/write-an-automation.md to an automation of your own."
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
