"""Processes by identity: a number is reused by the system, so (pid, start time) names one; a zombie is not alive."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_S = 0.02
# Start times are derived from the boot time, which the kernel may correct; two processes of one pid are further apart.
START_TOLERANCE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """One process for as long as it lives. `started_at` is in seconds since the epoch, as psutil gives it."""

    pid: int
    started_at: float


def identify(pid: int) -> ProcessIdentity | None:
    """Give the identity of a living process; None if there is none or it is a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid=pid, started_at=process.create_time())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def is_alive(identity: ProcessIdentity) -> bool:
    """Say whether exactly this process lives: not a zombie, not a newcomer with its number."""
    now = identify(identity.pid)
    return now is not None and abs(now.started_at - identity.started_at) < START_TOLERANCE_S


def send_signal(identity: ProcessIdentity, number: signal.Signals, *, group: bool = False) -> bool:
    """Send a signal if exactly this process lives; to its whole process group if it leads one and `group` is set."""
    if not is_alive(identity):
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group and os.getpgid(identity.pid) == identity.pid:
            os.killpg(identity.pid, number)
        else:
            os.kill(identity.pid, number)
        return True
    return False


def kill_group(leader_pid: int) -> None:
    """Kill what is left of a process group that we made and whose leader has died."""
    if leader_pid <= 1 or leader_pid == os.getpgrp():
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader_pid, signal.SIGKILL)


def wait_gone(identities: Iterable[ProcessIdentity], timeout_s: float) -> list[ProcessIdentity]:
    """Wait until these processes are gone; give those that still live at the deadline."""
    left = list(identities)
    wait_until(lambda: not [one for one in left if is_alive(one)], timeout_s)
    return [one for one in left if is_alive(one)]


def wait_until(ready: Callable[[], bool], timeout_s: float) -> bool:
    """Look every 20 ms until `ready()` or the deadline; give what it said last."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ready()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return answer


def end(identities: Iterable[ProcessIdentity], *, timeout_s: float) -> None:
    """End processes with their groups: ask (SIGTERM), wait, then kill. Returns when they are gone."""
    targets = list(identities)
    for one in targets:
        send_signal(one, signal.SIGTERM, group=True)
    wait_gone(targets, timeout_s)
    for one in targets:
        send_signal(one, signal.SIGKILL, group=True)
    wait_gone(targets, timeout_s)


def with_environment(name: str, prefix: str) -> list[ProcessIdentity]:
    """Find living processes (that we may look at) in whose environment this variable begins with `prefix`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name, "").startswith(prefix):
                identity = identify(process.pid)
                if identity is not None:
                    found.append(identity)
    return found


def works_in(identity: ProcessIdentity, folder: Path, program: str) -> bool:
    """Say whether this process runs this program (its name) with `folder` as its working folder."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(identity.pid)
        return process.name() == program and Path(process.cwd()) == folder and is_alive(identity)
    return False


def working_in(folder: Path, program: str) -> list[ProcessIdentity]:
    """Find all living processes of this program name whose working folder is `folder`."""
    candidates = (identify(pid) for pid in psutil.pids())
    return [one for one in candidates if one is not None and works_in(one, folder, program)]
