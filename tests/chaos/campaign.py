"""The chaos campaign: the whole product, as `interlock up` starts it, under load and under kill -9, then the books are compared.

    python -m tests.chaos.campaign --kills 200 --seed 7

The seed decides the claims, the answers, who is killed in which order, after how much progress and at which named fault point.
(What the operating system does meanwhile it cannot decide.) Expenses is the real automation but for its reader, which is quick.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import psutil
import psycopg
from tests.acceptance.product import Product
from tests.chaos.callbacks import Receiver, receiver
from tests.chaos.load import Load
from tests.chaos.reconcile import OPEN, UNDELIVERED, Books, violations
from tests.eventually import eventually
from tests.folders import make_reachable_folder

from interlock.infra.database import urls
from interlock.infra.faults import POINTS, armed_file, hits_file

# What the tasks that are left are held by: their lease, and sessions in the middle of a transaction.
HELD: Final = """
select id, state, epoch::text, (lease_until - time_now())::text, (due_at - time_now())::text from tasks
where state not in ('succeeded', 'failed', 'cancelled')
union all select application_name, state, wait_event, (now() - xact_start)::text, left(query, 200) from pg_stat_activity
where xact_start is not null and pid <> pg_backend_pid()"""
Mutant = Literal["no-fence", "leases-not-claimable"]
ROOT: Final = Path(__file__).resolve().parents[2]
LEASE_S: Final = 1.5
HITS_A_ROUND: Final = 2
KILLED_AT_RANDOM: Final = ("worker", "api", "relay", "postgres")
PAUSES: Final = ("ending", "suspending")
PROGRESS_TIMEOUT_S: Final = 40.0
ROUNDS_TOLD: Final = 10
DRAIN_TIMEOUT_S: Final = 60.0
MUTANT_TIMEOUT_S: Final = 12.0


@dataclass(frozen=True, kw_only=True)
class Strike:
    """A kill, after `progress` more accepted claims and `moment_s` more seconds: from outside, or by the worker at a fault point."""

    target: str
    point: str | None = None
    progress: int
    moment_s: float


@dataclass(frozen=True, kw_only=True)
class Round:
    """What happens between two `interlock up`: kills in some order, the supervisor last."""

    strikes: tuple[Strike, ...]
    callbacks_down: bool


def plan(seed: int, kills: int) -> list[Round]:
    """Give the rounds of a seed: enough for so many kills in all."""
    rng = random.Random(f"{seed}/plan")
    points = _points(rng)
    rounds: list[Round] = []
    planned = 0
    while planned < kills:
        targets: list[tuple[str, str | None]] = [(target, None) for target in KILLED_AT_RANDOM]
        targets += [("fault", next(points)) for _ in range(HITS_A_ROUND)]
        rng.shuffle(targets)
        targets.append(("supervisor", None))
        strikes = [
            Strike(target=target, point=point, progress=rng.randrange(1, 6), moment_s=rng.uniform(0, 0.4))
            for target, point in targets
        ]
        rounds.append(Round(strikes=tuple(strikes), callbacks_down=len(rounds) % 2 == 0))
        planned += len(targets)
    return rounds


def _points(rng: random.Random) -> Iterator[str]:
    """Give fault points for ever, all of them before any comes again."""
    while True:
        yield from rng.sample(POINTS, len(POINTS))


@dataclass
class Report:
    """What was done and what came of it."""

    seed: int
    mutant: Mutant | None = None
    killed: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    ups: int = 0
    accepted: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    cancelled: int = 0
    repeated: int = 0
    effects: int = 0
    callbacks: int = 0
    callbacks_refused: int = 0
    violations: list[str] = field(default_factory=list)
    duration_s: float = 0.0

    @property
    def kills(self) -> int:
        """All kills: from outside, and at named points by the worker itself."""
        return self.killed.total() + self.hits.total()

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "kills": self.kills, "duration_s": round(self.duration_s, 1)}


class Campaign:
    """One run over one data folder."""

    def __init__(self, product: Product, receiver: Receiver, seed: int, mutant: Mutant | None) -> None:
        self._product = product
        self._receiver = receiver
        self._seed = seed
        self._mutant = mutant
        self._report = Report(seed=seed, mutant=mutant)

    async def run(self, rounds: list[Round], *, pauses: tuple[str, ...]) -> Report:
        began = time.monotonic()
        product = self._product
        await self._up()
        with product.client() as admin:
            release_reader(admin)
            made = admin.post("/v1/keys", json={"name": "priya", "user": "user:priya", "roles": ["manager"]})
            manager_key = made.raise_for_status().json()["key"]
        if self._mutant == "leases-not-claimable":
            forget_expired_leases(product.owner_url)
        async with Load(self._seed, product.url, product.admin_key, manager_key, self._receiver.url) as load:
            for number, one in enumerate(rounds):
                self._receiver.down = one.callbacks_down
                await self._round(load, one)
                if sys.stderr.isatty() or (number + 1) % ROUNDS_TOLD == 0:
                    print(f"round {number + 1} of {len(rounds)}", file=sys.stderr, flush=True)
            self._receiver.down = False
            await self._pauses(load, pauses)
            await load.stop_handing_in()
            await self._drain(load)
            self._report.accepted = len(load.accepted)
            self._report.kinds = Counter(one.kind for one in load.accepted.values())
            self._report.answered, self._report.cancelled = load.answered, load.cancelled
            self._report.repeated = load.repeated
        self._report.effects = Books(product).count("select count(*) from effects")
        self._report.callbacks = len(self._receiver.acknowledged)
        self._report.callbacks_refused = self._receiver.refused
        self._report.violations += list(violations(product, load.accepted, self._receiver))
        product.down()
        if left := product.left_behind():
            self._report.violations.append(f"still running after `interlock down`: {left}")
        self._report.duration_s = time.monotonic() - began
        return self._report

    async def _up(self) -> None:
        self._report.ups += 1
        await asyncio.to_thread(self._product.up)

    async def _round(self, load: Load, one: Round) -> None:
        refused = self._receiver.refused
        for strike in one.strikes:
            await self._progress(load, strike.progress)
            if strike.target == "supervisor" and one.callbacks_down and not self._mutant:
                await self._until(load, lambda: self._receiver.refused > refused, "a callback to be refused")
            await asyncio.sleep(strike.moment_s)  # a random moment is the point here; nothing waits for anything
            if strike.point is not None:
                await self._hit(load, strike.point)
                continue
            await self._until(load, lambda name=strike.target: self._product.kill(name), f"{strike.target} to be there")
            self._report.killed[strike.target] += 1
        await self._up()

    async def _hit(self, load: Load, point: str) -> None:
        """Arm a fault point, and wait until a worker has killed itself there."""
        run = self._product.folder.run
        before = self._hits().total()
        _put(armed_file(run), point)
        await self._until(load, lambda: self._hits().total() > before, f"the fault point {point} to be hit")
        self._report.hits[point] += 1

    async def _pauses(self, load: Load, points: tuple[str, ...]) -> None:
        """Stop a second worker at each point past its lease, until what it owned has ended by others; then let it go on."""
        if not points:
            return
        with self._paused_worker() as (worker, asked):
            for point in points:
                await self._progress(load, 3)
                _put(asked, point)
                await self._until(load, lambda: worker.status() == psutil.STATUS_STOPPED, f"a pause at {point}")
                taken_over = await self._taken_over(load)
                worker.resume()
                self._report.pauses[point] += 1
                await self._progress(load, 6)
                if not taken_over:
                    break
        self._report.killed["paused worker"] += 1

    async def _taken_over(self, load: Load) -> bool:
        """Wait until what was accepted before now has ended, by others than the paused worker; else that is a violation."""
        open_ids = [row[0] for row in Books(self._product).rows(OPEN.replace("count(*)", "id"))]
        known = ", ".join(f"'{task_id}'" for task_id in open_ids) or "''"
        timeout_s = MUTANT_TIMEOUT_S if self._mutant else PROGRESS_TIMEOUT_S
        try:
            await self._until(load, lambda: self._books(f"{OPEN} and id in ({known})") == 0, "a takeover", timeout_s)
        except AssertionError:
            held = Books(self._product).rows(HELD)
            self._report.violations.append(
                f"what a paused worker held has not ended within {timeout_s:g} s: {held[-8:]}"
            )
            return False
        return True

    @contextmanager
    def _paused_worker(self) -> Iterator[tuple[psutil.Process, Path]]:
        product = self._product
        asked = product.data / "run" / "pause"
        app = urls(product.settings(), product.owner_url).app
        environ = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        environ |= {**product.environ, "INTERLOCK_DATA_DIR": str(product.data), "INTERLOCK_DATABASE_APP_URL": app}
        command = [sys.executable, "-m", "tests.chaos.paused_worker", str(asked)]
        if self._mutant == "no-fence":
            command.append("--unfenced")
        with (product.data / "log" / "paused-worker.log").open("wb") as log:
            process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        worker = psutil.Process(process.pid)
        try:
            yield worker, asked
        finally:
            family = [worker, *worker.children(recursive=True)]
            for one in family:
                with suppress(psutil.Error):
                    one.send_signal(signal.SIGKILL)
            process.wait()
            psutil.wait_procs(family, timeout=10)

    async def _drain(self, load: Load) -> None:
        """Wait until every task has ended and every callback is delivered; what has not by then is a violation."""
        deadline = time.monotonic() + (MUTANT_TIMEOUT_S if self._mutant else DRAIN_TIMEOUT_S)
        while self._books(OPEN) != 0 or self._books(UNDELIVERED) != 0:
            load.check()
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.2)

    async def _progress(self, load: Load, more: int) -> None:
        goal = len(load.accepted) + more
        await self._until(load, lambda: len(load.accepted) >= goal, f"{more} more claims to be accepted")

    async def _until(self, load: Load, predicate: Any, message: str, timeout_s: float = PROGRESS_TIMEOUT_S) -> None:
        def reached() -> Any:
            load.check()
            return predicate()

        await eventually(reached, timeout_s, message=message)

    def _books(self, sql: str) -> int:
        """Count in the database; -1 while it is away."""
        try:
            return Books(self._product).count(sql)
        except (psycopg.Error, AssertionError):
            return -1

    def _hits(self) -> Counter[str]:
        try:
            return Counter(hits_file(self._product.folder.run).read_text().split())
        except FileNotFoundError:
            return Counter()


def _put(file: Path, text: str) -> None:
    """Write a file that others look at: they see all of it or nothing."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def forget_expired_leases(owner_url: str) -> None:
    """Make the mutant: a claim takes only what is due, so a task whose worker vanished is nobody's for ever."""
    with psycopg.connect(owner_url, autocommit=True) as conn:
        row = conn.execute("select pg_get_functiondef('interlock.claim_tasks'::regproc)").fetchone()
        assert row is not None
        mutant = row[0].replace("t.lease_until < time_now()", "false")
        assert mutant != row[0]
        conn.execute(mutant.encode())


def release_reader(admin: httpx.Client) -> None:
    """Let the quick reader serve: it did not come with the product. Before there is a second key, one person may."""
    given = {"automation": "expenses", "model": "receipt-reader"}
    number = admin.post("/v1/models/versions", json=given).raise_for_status().json()["number"]
    for verb, body in (("evaluate", {"metrics": {"right": 1}}), ("approve", {}), ("release", {})):
        admin.post(f"/v1/models/versions/{number}:{verb}", json=body).raise_for_status()


def make_automations(folder: Path) -> Path:
    """Copy the expenses automation, with the quick reader in place of OCR."""
    made = folder / "automations" / "expenses"
    skip = shutil.ignore_patterns("models", "journals", "tests", "__pycache__", ".*")
    shutil.copytree(ROOT / "automations" / "expenses", made, ignore=skip)
    quick = Path(__file__).with_name("quick_reader")
    shutil.copytree(quick, made / "models" / "receipt-reader", ignore=shutil.ignore_patterns("__pycache__"))
    return made.parent


@asynccontextmanager
async def campaign(seed: int, mutant: Mutant | None) -> AsyncIterator[Campaign]:
    """Prepare a campaign in a folder of its own; everything is gone afterwards."""
    with make_reachable_folder() as folder, receiver() as callbacks:
        product = Product(
            folder.resolve() / "data",
            environment="test",
            faults="true",
            automations_dir=str(make_automations(folder.resolve())),
            lease_s=str(LEASE_S),
            lease_renew_s="0.5",
            poll_s="0.2",
            outgoing_allow="127.0.0.1",
            callback_timeout_s="2",
            callback_attempts_max="100",
            callback_backoff_initial_s="0.2",
            callback_backoff_max_s="1",
            shutdown_s="2",
        )
        try:
            yield Campaign(product, callbacks, seed, mutant)
        finally:
            product.down()


async def run(seed: int, *, kills: int, pauses: tuple[str, ...] = PAUSES, mutant: Mutant | None = None) -> Report:
    """Run a campaign with at least so many kills (0: none but the pauses) and give its report."""
    async with campaign(seed, mutant) as one:
        return await one.run(plan(seed, kills) if kills else [], pauses=pauses)


def main() -> int:
    """Run one campaign and print its report; 1 if a promise was broken or a point was never hit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="kills at least, in all (default 20)")
    parser.add_argument("--seed", type=int, default=None, help="by default a new one")
    parser.add_argument("--mutant", choices=("no-fence", "leases-not-claimable"), default=None)
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", file=sys.stderr, flush=True)
    report = asyncio.run(run(seed, kills=given.kills, mutant=given.mutant))
    print(json.dumps(report.as_json(), indent=1))
    missed = [point for point in POINTS if not report.hits[point]] if given.kills else []
    return 1 if report.violations or missed or report.kills < given.kills else 0


if __name__ == "__main__":
    sys.exit(main())
