"""Start and stop an installation from outside its supervisor: what `interlock up` and `interlock down` do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from interlock.domain.errors import ConfigurationError, Conflict, InterlockError, Unavailable
from interlock.infra.data_folder import DataFolder
from interlock.infra.embedded_postgres import tail
from interlock.infra.orphans import end_all
from interlock.infra.processes import POLL_S, send_signal, wait_gone, wait_until
from interlock.infra.run_state import SUPERVISOR, RunState, read_state, write_state
from interlock.infra.settings import PREFIX, Settings
from interlock.infra.supervised import inherited_environ
from interlock.infra.supervisor import EXIT_ALREADY_RUNNING, SUPERVISE_MODULE

SUPERVISE = (sys.executable, "-P", "-m", SUPERVISE_MODULE)
START_TIMEOUT_S = 150.0  # above the supervisor's own, whose message says more
STOP_GRACE_S = 10.0
# What to do about a supervisor that was killed: its children go on without it.
TAKE_OVER = "Run `interlock up` to take it over, or `interlock down` to stop it."


@dataclass(frozen=True, kw_only=True)
class Started:
    """A running installation. `supervisor` is our child process; None if it ran already."""

    state: RunState
    supervisor: subprocess.Popen[bytes] | None

    @property
    def already_running(self) -> bool:
        """Whether somebody else had started it."""
        return self.supervisor is None


def start(
    settings: Settings,
    *,
    on_progress: Callable[[RunState], None] = lambda _state: None,
    timeout_s: float = START_TIMEOUT_S,
    supervise: Sequence[str] = SUPERVISE,
) -> Started:
    """Start an installation in the background and wait until it is ready; one that runs already is left as it is.

    `supervise` is the supervisor's program; it finds its settings in the environment.

    Raises:
        ConfigurationError: a setting or the folder is wrong. Unavailable: it did not become ready; nothing of it runs.
    """
    folder = DataFolder(settings.data_dir)
    folder.prepare()
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        state = read_state(folder.state)
        if state is not None and state.supervisor.alive and state.phase not in ("stopped", "failed"):
            if state.phase == "running":
                return Started(state=state, supervisor=None)
            on_progress(state)  # it starts or stops just now: see what comes of it
            time.sleep(POLL_S)
            continue
        supervisor = _spawn(settings, folder, supervise)
        try:
            state = _wait_ready(supervisor, folder, on_progress, deadline_s)
        except BaseException:
            _stop_supervisor(supervisor, settings.shutdown_s)
            raise
        if state is not None:
            return Started(state=state, supervisor=supervisor)
    raise Unavailable(f"Interlock was not ready within {timeout_s:.0f} s.", fix=f"See {folder.log(SUPERVISOR)}.")


def stop(folder: DataFolder, *, shutdown_s: float) -> int:
    """Stop whatever runs on the folder and wait until it is gone; works without a supervisor too.

    Returns:
        How many processes were stopped; 0 if nothing ran.

    Raises:
        Conflict: somebody starts it again at the same time.
    """
    if not folder.run.is_dir():
        return 0
    state = read_state(folder.state)
    stopped = 0
    if state is not None and state.supervisor.alive:
        stopped = sum(one.alive for one in state.processes)
        identity = state.supervisor.identity
        send_signal(identity, signal.SIGTERM)
        if wait_gone([identity], 2 * shutdown_s + STOP_GRACE_S):
            send_signal(identity, signal.SIGKILL)
            wait_gone([identity], STOP_GRACE_S)
    with folder.locked() as held:
        if not held:
            raise Conflict(f"Another supervisor has just started on {folder.path}.", fix="Run `interlock down` again.")
        stopped += end_all(folder, timeout_s=shutdown_s)
        if (state := read_state(folder.state)) is not None and state.phase not in ("stopped", "failed"):
            write_state(folder.state, replace(state, phase="stopped", doing="stopped"))
    return stopped


def _spawn(settings: Settings, folder: DataFolder, supervise: Sequence[str]) -> subprocess.Popen[bytes]:
    folder.set_aside(SUPERVISOR, settings.log_size_bytes_max)
    with folder.log(SUPERVISOR).open("ab") as log:
        os.fchmod(log.fileno(), 0o600)  # as the files of the processes below, whose umask this one does not have
        return subprocess.Popen(
            list(supervise),
            env=inherited_environ(settings.to_environ(), without_prefix=PREFIX),
            cwd=folder.path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_ready(
    supervisor: subprocess.Popen[bytes],
    folder: DataFolder,
    on_progress: Callable[[RunState], None],
    deadline_s: float,
) -> RunState | None:
    """Wait for our supervisor; None if another one was faster."""
    while time.monotonic() < deadline_s:
        ended = supervisor.poll()
        state = read_state(folder.state)
        ours = state is not None and state.supervisor.pid == supervisor.pid
        if ended == EXIT_ALREADY_RUNNING:
            return None
        if ended is not None:
            raise _start_failed(ended, state if ours else None, folder)
        if ours and state is not None:
            on_progress(state)
            if state.phase == "running":
                return state
        time.sleep(POLL_S)
    raise Unavailable("Interlock was not ready in time.", fix=f"See {folder.log(SUPERVISOR)}.")


def _start_failed(code: int, state: RunState | None, folder: DataFolder) -> InterlockError:
    """Turn what the supervisor wrote down into the error that it was."""
    log = folder.log(SUPERVISOR)
    if code < 0:
        return Unavailable(f"The supervisor was killed at its start (signal {-code}).", fix=TAKE_OVER)
    if state is None or not state.error:
        return Unavailable(f"The supervisor ended at its start: {tail(log, 1)}", fix=f"See {log}.")
    kind = ConfigurationError if state.error.get("exit_code") == ConfigurationError.exit_code else Unavailable
    return kind(str(state.error.get("detail")), fix=state.error.get("fix"))


def _stop_supervisor(supervisor: subprocess.Popen[bytes], shutdown_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        supervisor.terminate()
    wait_until(lambda: supervisor.poll() is not None, 2 * shutdown_s + STOP_GRACE_S)
    if supervisor.poll() is None:
        supervisor.kill()
        supervisor.wait()
