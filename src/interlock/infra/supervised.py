"""The processes that a supervisor looks after: how each is started, known to be ready, and stopped."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.processes import ProcessIdentity, identify, is_alive, kill_group
from interlock.infra.run_state import POSTGRES

READY_TIMEOUT_S = 1.0

Ready = Callable[[int], bool]


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """A program to look after. `environ` is all that it gets; `ready` is asked with its pid until it says yes."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    ready: Ready


class Child(Protocol):
    """What the supervisor asks of each of its processes."""

    name: str
    exit_code: int | None
    """What it ended with the last time, where that is known; negative: the signal."""

    def start(self) -> ProcessIdentity:
        """Start it; returns at once."""
        ...

    def ended(self) -> bool:
        """Say whether the process that was started is gone; reaps it and ends what it left behind."""
        ...

    def ready(self) -> bool:
        """Say whether it does its work."""
        ...

    def ask_to_stop(self) -> None:
        """Ask it to stop; returns at once."""
        ...

    def stop(self, timeout_s: float) -> None:
        """See it stopped: wait, then kill it with its group."""
        ...


class Program:
    """A child from a spec, in a session and process group of its own, with its output in its log."""

    def __init__(self, spec: ChildSpec, log: Path) -> None:
        self.name = spec.name
        self._spec = spec
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None

    def start(self) -> ProcessIdentity:
        """Start it. Raises OSError if the program or its log cannot be opened."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self._spec.argv),
                env=dict(self._spec.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return _identity_of(self._process)

    def ended(self) -> bool:
        """Reap it if it has ended, and kill what is left of its group (step processes of a worker that was killed)."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            return False
        self.exit_code = self._process.returncode
        kill_group(self._process.pid)
        self._process = None
        return True

    def ready(self) -> bool:
        """Ask the spec."""
        return self._process is not None and self._spec.ready(self._process.pid)

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the program; it ends its own children in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, timeout_s: float) -> None:
        """Wait for its end; after the deadline kill its whole group."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        kill_group(self._process.pid)
        self._process.wait()
        self._process = None


class Database:
    """The embedded PostgreSQL as a child; one that still runs from a killed supervisor is adopted."""

    name = POSTGRES
    exit_code: int | None = None  # an adopted one is nobody's child

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: ProcessIdentity | None = None

    def start(self) -> ProcessIdentity:
        """Adopt the living server, or start one."""
        if (living := self.server.adopt()) is not None:
            self._process, self._identity = None, living.identity
        else:
            self._process = self.server.start_process()
            self._identity = _identity_of(self._process)
        return self._identity

    def ended(self) -> bool:
        """Say whether it is gone. Its backends notice that by themselves."""
        if self._process is not None:
            return self._process.poll() is not None
        return self._identity is None or not is_alive(self._identity)

    def ready(self) -> bool:
        """Ask PostgreSQL's own pid file."""
        return self.server.is_ready()

    def ask_to_stop(self) -> None:
        """Do nothing: it stops last, when nobody needs it any more."""

    def stop(self, timeout_s: float) -> None:
        """Stop it fast (with a checkpoint), harder after the deadline."""
        self.server.stop(timeout_s=timeout_s)
        if self._process is not None:
            self._process.wait()


def ready_by_http(url: str) -> Ready:
    """Ready when this URL answers 200."""
    parts = urlsplit(url)

    def ready(_pid: int) -> bool:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=READY_TIMEOUT_S)
        try:
            connection.request("GET", parts.path or "/")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ready


def ready_by_file(path: Path) -> Ready:
    """Ready when this file holds the process's pid."""

    def ready(pid: int) -> bool:
        try:
            return path.read_text().strip() == str(pid)
        except OSError:
            return False

    return ready


def inherited_environ(own: Mapping[str, str], *, without_prefix: str) -> dict[str, str]:
    """Give our environment without variables of this prefix, with `own` in their place."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith(without_prefix)}, **own}


def _identity_of(process: subprocess.Popen[bytes]) -> ProcessIdentity:
    """Identify a child just started; one that has ended already gets the present time."""
    return identify(process.pid) or ProcessIdentity(pid=process.pid, started_at=time.time())
