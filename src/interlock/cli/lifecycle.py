"""`interlock up`, `down`, `status`, `doctor` and `serve`: run the product on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from interlock.cli import open_elevations
from interlock.cli.doctor import FAIL, examine
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import MARKS, bold, console, line, print_json, print_table, say
from interlock.cli.witness_states import told, witness_states
from interlock.domain.errors import InterlockError, Unavailable
from interlock.governance.residency import residency_of
from interlock.infra import launch
from interlock.infra.data_folder import DataFolder
from interlock.infra.roles import API, RELAY, WORKER, serve_argv
from interlock.infra.run_state import SUPERVISOR, RunState, as_seen, read_state
from interlock.infra.settings import WITNESS_FILE_LIMIT, Settings

EXIT_FAILED, EXIT_NOT_RUNNING = 1, 5
PROCESS_COLUMNS = ("process", "pid", "state", "up (s)", "restarts", "memory (MB)", "log")


class Role(StrEnum):
    """What one process of a larger deployment does."""

    API = API
    WORKER = WORKER
    RELAY = RELAY


def register(app: typer.Typer) -> None:
    """Add these commands to the root."""
    app.command(epilog="Example: interlock up --detach --json")(up)
    app.command(epilog="Example: interlock down --data /var/lib/interlock")(down)
    app.command(epilog="Example: interlock status --json")(status)
    app.command(epilog="Example: interlock doctor")(doctor)
    app.command(epilog="Example: INTERLOCK_DATABASE_APP_URL=postgresql://… interlock serve worker")(serve)


def up(
    data: Data = None,
    as_json: Json = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready; it goes on running.")
    ] = False,
) -> None:
    """Start the database, the API, the worker and the relay on this machine, and wait until they are ready.

    Without --detach it stays in the foreground, and Ctrl-C stops all of it. A second `up` on a folder that runs already
    changes nothing: it prints the same and exits with 0.
    """
    settings = settings_for(data)
    residency_of(settings).check_start()  # before a database is made where it may not be
    with _stop_on_terminate(), _progress(as_json) as show:
        started = launch.start(settings, on_progress=show)

    def say() -> None:
        seen = _seen(started.state)
        if as_json:
            keys = ("url", "key_file", "data_dir", "processes")
            print_json({key: seen[key] for key in keys} | {"already_running": started.already_running})
        else:
            note = WITNESS_FILE_LIMIT if settings.only_file_witnesses else None
            _say_how_to_go_on(seen, already=started.already_running, detached=detach, note=note)

    if started.supervisor is None or detach:
        say()
    else:
        _stay(started.supervisor, DataFolder(settings.data_dir), settings.shutdown_s, say=say, quiet=as_json)


def down(data: Data = None, as_json: Json = False) -> None:
    """Stop everything that runs on this folder and wait until it is gone; open tasks go on at the next `up`."""
    settings = settings_for(data)
    stopped = launch.stop(DataFolder(settings.data_dir), shutdown_s=settings.shutdown_s)
    if as_json:
        print_json({"stopped": stopped, "data_dir": str(settings.data_dir)})
    else:
        say(f"Stopped {stopped} processes." if stopped else f"Nothing runs on {settings.data_dir}.")


def status(data: Data = None, as_json: Json = False) -> None:
    """Say what runs, since when, with how much memory, and where its log is. Exits with 0 if all of it runs, else 5."""
    settings = settings_for(data)
    folder = DataFolder(settings.data_dir)
    seen = _seen(read_state(folder.state), data_dir=str(settings.data_dir))
    witnesses = witness_states(folder)
    elevations, unseen = _elevations(settings) if seen["running"] else ([], None)
    if as_json:
        print_json({**seen, "witnesses": witnesses, "elevations": None if unseen else elevations})
    else:
        print_table(PROCESS_COLUMNS, [tuple(process.values())[:4] + _rest(process) for process in seen["processes"]])
        for name, one in witnesses.items():
            say(MARKS["warn" if one.get("failures") else "ok"], " witness ", told(name, one))
        for elevation in elevations:
            say(MARKS["warn"], " ", open_elevations.told(elevation))
        if unseen is not None:
            say(MARKS["warn"], " elevations cannot be seen: ", unseen)
        say(f"Running at {seen['url']}" if seen["running"] else "Not (all) running: interlock up")
    if not seen["running"]:
        raise typer.Exit(EXIT_NOT_RUNNING)


def doctor(data: Data = None, as_json: Json = False) -> None:
    """Check the machine, the folder and what runs; say for each finding how to mend it. Exits with 1 if one failed."""
    checks = examine(settings_for(data))
    failed = any(check.state == FAIL for check in checks)
    if as_json:
        print_json({"ok": not failed, "checks": [check.as_dict() for check in checks]})
    else:
        print_table(
            ("check", "", "finding", "what to do"),
            [(check.name, MARKS[check.state], check.finding, check.fix or "") for check in checks],
        )
    if failed:
        raise typer.Exit(EXIT_FAILED)


def serve(
    role: Annotated[Role, typer.Argument(help="What this process does.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Run one role in this process, on a database given by URL: for deployments on several machines."""
    settings = settings_for(data)
    environ = {**os.environ, **settings.to_environ(), "INTERLOCK_LOG_JSON": str(as_json or settings.log_json).lower()}
    command = serve_argv(role.value)
    sys.stdout.flush()
    os.execve(command[0], command, environ)  # noqa: S606 - the same process goes on as that role


def _seen(state: RunState | None, *, data_dir: str = "") -> dict[str, Any]:
    """Describe a run as it is now."""
    if state is None:
        return {
            "running": False,
            "phase": "stopped",
            "url": None,
            "data_dir": data_dir,
            "key_file": None,
            "processes": [],
        }
    supervised = state.supervisor.alive
    return {
        "running": state.healthy,
        "phase": state.phase if supervised else "stopped",
        "url": state.url or None,
        "data_dir": state.data_dir,
        "key_file": state.key_file,
        "processes": [as_seen(one, supervised=supervised) for one in state.processes],
    }


def _elevations(settings: Settings) -> tuple[list[dict[str, Any]], str | None]:
    """Give what is open or unreviewed, or why that cannot be seen: what runs is said also where the API does not answer this key."""
    try:
        return open_elevations.unreviewed(settings), None
    except InterlockError as error:
        return [], error.detail


def _rest(process: dict[str, Any]) -> tuple[Any, ...]:
    return (process["restarts"], process["memory_mb"], process["log"])


def _say_how_to_go_on(seen: dict[str, Any], *, already: bool, detached: bool, note: str | None = None) -> None:
    supervisor = next(one["pid"] for one in seen["processes"] if one["name"] == SUPERVISOR)
    say(bold(f"Interlock {'runs already' if already else 'is ready'}"), f" (supervisor: pid {supervisor})")
    say(f"  console        {seen['url']}/console/")
    say(f"  API and docs   {seen['url']}  ({seen['url']}/docs)")
    say("  API key        ", seen["key_file"])
    say("  data and logs  ", seen["data_dir"])
    say("  try            interlock task submit expenses receipt.jpg --wait")
    if not already:
        say("  stop           ", "interlock down" if detached else "Ctrl-C", "     status: interlock status")
        if note is not None:
            say("  note           ", note)


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[RunState], None]]:
    """Show on stderr what the supervisor is doing: a spinner for people, a line a change otherwise, nothing for scripts."""
    if quiet:
        yield lambda _state: None
        return
    out = console(stderr=True)
    said: list[str] = []
    with out.status("starting the supervisor") as spinner:

        def show(state: RunState) -> None:
            waiting = [one.name for one in state.processes if one.state != "running"]
            doing = f"{state.doing} (waiting for {', '.join(waiting)})" if waiting else state.doing
            spinner.update(line(doing))
            if not out.is_terminal and state.doing not in said:
                said.append(state.doing)
                out.print(line(state.doing))

        yield show


@contextlib.contextmanager
def _stop_on_terminate() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, so that a start which is ended takes its supervisor with it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    yield


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _stay(
    supervisor: subprocess.Popen[bytes],
    folder: DataFolder,
    shutdown_s: float,
    *,
    say: Callable[[], None],
    quiet: bool,
) -> None:
    """Say that it runs, and stay in the foreground until Ctrl-C (then stop it all) or until the supervisor ends."""
    try:
        say()
        code = supervisor.wait()
    except KeyboardInterrupt:
        if not quiet:
            console(stderr=True).print("stopping …")
        launch.stop(folder, shutdown_s=shutdown_s)
        supervisor.wait()
        return
    if code != 0:
        raise Unavailable(
            f"The supervisor ended unexpectedly (code {code}); what it started goes on.",
            fix=launch.TAKE_OVER,
        )
