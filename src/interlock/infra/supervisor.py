"""Start everything on one machine in order, keep it running, and stop it in reverse order without leaving anything behind.

One process holds the data folder's lock for as long as it lives. It starts the database, has the database prepared, starts
the programs side by side, and then looks ten times a second: what has died is started again after a pause that doubles
(0.2 s to 10 s) and is forgotten once it has lived for 30 s. At each change it writes `run/supervisor.json`.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from interlock.domain.errors import ConfigurationError, InterlockError, Unavailable
from interlock.infra.data_folder import DataFolder
from interlock.infra.embedded_postgres import EmbeddedPostgres, tail
from interlock.infra.orphans import MARK, end_programs, mark, marked
from interlock.infra.processes import end, identify
from interlock.infra.run_state import POSTGRES, SUPERVISOR, Phase, ProcessRecord, ProcessState, RunState, write_state
from interlock.infra.supervised import Child, ChildSpec, Database, Program

logger = logging.getLogger(__name__)

SUPERVISE_MODULE = "interlock.infra.supervise"
TICK_S = 0.1
STARTING_TICK_S = 0.03
# A program that dies this often before everything was ready once will not mend itself: `up` says so instead of waiting.
DEATHS_WHILE_STARTING_MAX = 3
EXIT_ALREADY_RUNNING = 75
LEFTOVERS_TIMEOUT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before a process that died is started again."""

    initial_s: float = 0.2
    max_s: float = 10.0
    forget_after_s: float = 30.0

    def next_delay_s(self, last_delay_s: float, lived_s: float) -> float:
        """Give the next pause from the last one (0 for none) and how long the process lived."""
        if last_delay_s <= 0 or lived_s >= self.forget_after_s:
            return self.initial_s
        return min(last_delay_s * 2, self.max_s)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run once the database is prepared, and the URL under which it will be found."""

    url: str
    specs: Sequence[ChildSpec]


SAID_BYTES_MAX = 16_384


@dataclass(kw_only=True)
class _Tended:
    """A child with its history. Times are of the monotonic clock."""

    child: Child
    record: ProcessRecord
    born_s: float = 0.0
    due_s: float = 0.0
    delay_s: float = 0.0
    log_from: int = 0  # where in its log this start of it begins

    def said(self) -> str:
        """Give what it wrote of its own since it was started last, without log lines: why it could not start."""
        try:
            with Path(self.record.log).open("rb") as file:
                file.seek(self.log_from)
                text = file.read(SAID_BYTES_MAX).decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("{"))


class _StopAsked(Exception):
    """Stop was asked for while things were starting."""


class Supervisor:
    """Runs one data folder.

    Args:
        folder: prepared data folder.
        database: makes the embedded server; None when the database is somebody else's.
        prepare: migrates the database (it gets the owner's URL, None without an embedded server) and says what to run.
        shutdown_s: seconds that each process gets to stop.
        start_timeout_s: seconds until everything must have been ready once.
    """

    def __init__(
        self,
        folder: DataFolder,
        *,
        database: Callable[[], EmbeddedPostgres] | None,
        prepare: Callable[[str | None], Plan],
        shutdown_s: float,
        log_size_bytes_max: int,
        start_timeout_s: float = 120.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._folder = folder
        self._database = database
        self._prepare = prepare
        self._shutdown_s = shutdown_s
        self._log_size_bytes_max = log_size_bytes_max
        self._start_timeout_s = start_timeout_s
        self._backoff = backoff or Backoff()
        self._tended: list[_Tended] = []
        self._stop = threading.Event()
        me = identify(os.getpid())
        self._state = RunState(
            phase="starting",
            doing="starting",
            url="",
            data_dir=str(folder.path),
            key_file=str(folder.admin_key),
            processes=(
                ProcessRecord(
                    name=SUPERVISOR,
                    pid=os.getpid(),
                    started_at=me.started_at if me else time.time(),
                    state="running",
                    restarts=0,
                    log=str(folder.log(SUPERVISOR)),
                ),
            ),
        )

    def stop(self) -> None:
        """Ask for the end of `run`; may be called from a signal handler or another thread."""
        self._stop.set()

    def run(self) -> int:
        """Run until asked to stop or the start fails; gives the exit code.

        Nothing that it started runs when it returns. `EXIT_ALREADY_RUNNING` if another one holds the folder: then nothing
        was changed.
        """
        with self._folder.locked() as held:
            if not held:
                return EXIT_ALREADY_RUNNING
            try:
                self._start()
                self._look_after()
            except _StopAsked:
                pass
            except InterlockError as error:
                logger.error("start failed: %s", error)
                return self._failed(error)
            except Exception as error:
                logger.exception("the supervisor failed")
                return self._failed(Unavailable(f"The supervisor failed: {error!r}.", fix="See its log."))
            self._stop_all()
            self._note(phase="stopped", doing="stopped")
            return 0

    def _start(self) -> None:
        # Before the first note, which replaces what the former run wrote down.
        if orphans := end_programs(self._folder, timeout_s=self._shutdown_s):
            logger.warning("ended %d processes of a former run", len(orphans))
        self._note(doing="starting")
        deadline_s = time.monotonic() + self._start_timeout_s
        owner_url = None
        if self._database is not None:
            self._note(doing="starting the database")
            self._folder.set_aside(POSTGRES, self._log_size_bytes_max)
            server = self._database()
            if server.ensure_initialized():
                logger.info("made a new database")
            if server.notice is not None:
                logger.warning("%s", server.notice)
            self._add(Database(server))
            self._wait_all_ready(deadline_s)
            owner_url = server.owner_url
        self._note(doing="preparing the database")
        plan = self._prepare(owner_url)
        self._note(doing="starting " + ", ".join(spec.name for spec in plan.specs), url=plan.url)
        for spec in plan.specs:
            self._folder.ready(spec.name).unlink(missing_ok=True)
            self._folder.set_aside(spec.name, self._log_size_bytes_max)
            environ = {**spec.environ, MARK: mark(self._folder, spec.name)}
            self._add(Program(replace(spec, environ=environ), self._folder.log(spec.name)))
        self._wait_all_ready(deadline_s)
        self._note(phase="running", doing="running")
        logger.info("ready at %s", plan.url)

    def _add(self, child: Child) -> None:
        log = str(self._folder.log(child.name))
        record = ProcessRecord(name=child.name, pid=0, started_at=0.0, state="backoff", restarts=0, log=log)
        one = _Tended(child=child, record=record)
        self._tended.append(one)
        self._start_one(one, restarts=0)

    def _wait_all_ready(self, deadline_s: float) -> None:
        while not all(one.record.state == "running" for one in self._tended):
            self._tick()
            for one in self._tended:
                if one.child.exit_code == ConfigurationError.exit_code:  # starting again does not mend it
                    log = self._folder.log(one.child.name)
                    raise ConfigurationError(
                        f"{one.child.name} cannot start: {one.said() or tail(log, 1)}", fix=f"See {log}."
                    )
                late = time.monotonic() > deadline_s and one.record.state != "running"
                if late or one.record.restarts >= DEATHS_WHILE_STARTING_MAX:
                    what = f"was not ready within {self._start_timeout_s:.0f} s" if late else "ends again and again"
                    log = self._folder.log(one.child.name)
                    raise Unavailable(f"{one.child.name} {what}: {one.said() or tail(log)}", fix=f"See {log}.")
            if self._stop.wait(STARTING_TICK_S):
                raise _StopAsked

    def _look_after(self) -> None:
        while not self._stop.wait(TICK_S):
            self._tick()

    def _tick(self) -> None:
        """Look at each child once: start what is due, note what is ready, plan what has died."""
        for one in self._tended:
            if one.record.state == "backoff":
                if time.monotonic() >= one.due_s:
                    self._start_one(one, restarts=one.record.restarts + 1)
            elif one.child.ended():
                logger.warning("%s (pid %d) ended", one.child.name, one.record.pid)
                # Step processes have sessions of their own; those of a killed worker must not outlive it.
                end(marked(self._folder, one.child.name), timeout_s=LEFTOVERS_TIMEOUT_S)
                self._plan_restart(one, lived_s=time.monotonic() - one.born_s)
            elif one.record.state == "starting" and one.child.ready():
                logger.info("%s (pid %d) is ready", one.child.name, one.record.pid)
                self._record(one, state="running")

    def _start_one(self, one: _Tended, *, restarts: int) -> None:
        one.born_s = time.monotonic()
        log = Path(one.record.log)
        one.log_from = log.stat().st_size if log.exists() else 0
        try:
            identity = one.child.start()
        except (InterlockError, OSError) as error:
            logger.error("%s cannot be started: %s", one.child.name, error)
            one.record = replace(one.record, restarts=restarts)
            self._plan_restart(one, lived_s=0.0)
            return
        one.record = replace(one.record, pid=identity.pid, started_at=identity.started_at, restarts=restarts)
        self._record(one, state="starting")

    def _plan_restart(self, one: _Tended, *, lived_s: float) -> None:
        one.delay_s = self._backoff.next_delay_s(one.delay_s, lived_s)
        one.due_s = time.monotonic() + one.delay_s
        one.record = replace(one.record, pid=0, started_at=0.0)
        self._record(one, state="backoff")

    def _stop_all(self) -> None:
        """Stop in reverse order: ask all programs, wait for each, end what they left, then the database."""
        self._note(phase="stopping", doing="stopping")
        programs = [one for one in reversed(self._tended) if one.child.name != POSTGRES]
        for one in programs:
            one.child.ask_to_stop()
            self._record(one, state="stopping")
        deadline_s = time.monotonic() + self._shutdown_s
        for one in programs:
            one.child.stop(max(0.0, deadline_s - time.monotonic()))
            self._record(one, state="stopped")
        end(marked(self._folder), timeout_s=LEFTOVERS_TIMEOUT_S)
        for one in self._tended:
            if one not in programs:
                one.child.stop(self._shutdown_s)
                self._record(one, state="stopped")

    def _failed(self, error: InterlockError) -> int:
        self._stop_all()
        said = {"detail": error.detail, "fix": error.fix, "exit_code": error.exit_code}
        self._note(phase="failed", doing="failed", error=said)
        return error.exit_code

    def _record(self, one: _Tended, *, state: ProcessState) -> None:
        one.record = replace(one.record, state=state)
        self._note()

    def _note(
        self,
        *,
        phase: Phase | None = None,
        doing: str | None = None,
        url: str | None = None,
        error: Mapping[str, object] | None = None,
    ) -> None:
        """Write down how things stand."""
        self._state = replace(
            self._state,
            phase=phase or self._state.phase,
            doing=doing or self._state.doing,
            url=url or self._state.url,
            error=error or self._state.error,
            processes=(self._state.supervisor, *(one.record for one in self._tended)),
        )
        try:
            write_state(self._folder.state, self._state)
        except OSError as failure:  # a full disk must not stop what still runs
            logger.error("the state cannot be written: %s", failure)


def stop_on_signals(supervisor: Supervisor) -> None:
    """Let SIGINT, SIGTERM and SIGHUP ask the supervisor to stop. Only in the main thread."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda _number, _frame: supervisor.stop())
