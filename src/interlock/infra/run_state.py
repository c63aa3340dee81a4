"""What runs on a data folder: written by the supervisor at each change, read by `status`, `down` and the next `up`.

The file may be older than the world (the supervisor was killed), so each process stands in it with its start time, and a
reader asks the system whether exactly that process lives.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from interlock.infra.processes import ProcessIdentity, is_alive

SUPERVISOR, POSTGRES = "supervisor", "postgres"
MEGABYTE = 1024 * 1024

Phase = Literal["starting", "running", "stopping", "stopped", "failed"]
ProcessState = Literal["starting", "running", "backoff", "stopping", "stopped", "orphaned"]


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """One process as the supervisor last saw it. `pid` is 0 while it waits for its next start."""

    name: str
    pid: int
    started_at: float
    state: ProcessState
    restarts: int
    log: str

    @property
    def identity(self) -> ProcessIdentity:
        """Who it is, for as long as it lives."""
        return ProcessIdentity(pid=self.pid, started_at=self.started_at)

    @property
    def alive(self) -> bool:
        """Whether exactly this process lives now."""
        return self.pid > 0 and is_alive(self.identity)


@dataclass(frozen=True, kw_only=True)
class RunState:
    """All of one run. `error` says why it failed: `detail`, `fix`, `exit_code`."""

    phase: Phase
    doing: str
    url: str
    data_dir: str
    key_file: str
    processes: tuple[ProcessRecord, ...]
    error: Mapping[str, Any] = field(default_factory=dict)

    @property
    def supervisor(self) -> ProcessRecord:
        """The supervisor's own record, always the first."""
        return self.processes[0]

    @property
    def healthy(self) -> bool:
        """Whether the supervisor and everything that it looks after runs now."""
        return self.phase == "running" and all(one.state == "running" and one.alive for one in self.processes)


def write_state(path: Path, state: RunState) -> None:
    """Replace the state file in one step."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(asdict(state), indent=1) + "\n")
    fresh.replace(path)


def read_state(path: Path) -> RunState | None:
    """Read the state file; None if there is none or it is of another version."""
    try:
        raw = json.loads(path.read_text())
        processes = tuple(ProcessRecord(**one) for one in raw.pop("processes"))
        return RunState(processes=processes, **raw) if processes else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def as_seen(record: ProcessRecord, *, supervised: bool) -> dict[str, Any]:
    """Describe a process as it is now, for people and scripts."""
    alive = record.alive
    state: str = record.state
    if not alive and state != "backoff":
        state = "stopped"
    elif alive and not supervised:
        state = "orphaned"
    return {
        "name": record.name,
        "pid": record.pid if alive else None,
        "state": state,
        "uptime_s": round(time.time() - record.started_at, 1) if alive else None,
        "restarts": record.restarts,
        "log": record.log,
        "memory_mb": memory_mb(record.pid, alone=record.name == SUPERVISOR) if alive else None,
    }


def memory_mb(pid: int, *, alone: bool = False) -> float | None:
    """Memory of a process and, unless `alone`, of its children, in MiB; shared pages are counted once where the system says how."""
    try:
        root = psutil.Process(pid)
        family = [root] if alone else [root, *root.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for process in family:
        try:
            info = process.memory_full_info()
            total += getattr(info, "pss", 0) or info.rss
        except (psutil.Error, OSError):
            continue
    return round(total / MEGABYTE, 1)
