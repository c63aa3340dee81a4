"""One PostgreSQL server for a whole test run, and a fresh database for whoever asks.

The server is shared by the workers of pytest-xdist: whoever comes first starts it, whoever leaves last stops it. Its folder
stands directly in the machine's temporary folder, because root runs the server as another user, who could not reach pytest's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from tests.folders import make_reachable_folder

from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.processes import ProcessIdentity, identify, is_alive

PREFIX = "interlock-tests-"


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no installation of a test write into the state folder of whoever runs it."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def postgres_server(testrun_uid: str) -> Iterator[EmbeddedPostgres]:
    """A running server; `.owner_url` is its owner's URL, `.data_dir` its folder (with `secrets.json`)."""
    folder = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}-{testrun_uid[:12]}"
    with _locked(folder) as users:
        _sweep(keep=folder)
        if not users:
            shutil.rmtree(folder, ignore_errors=True)
        server, child = _started(folder)
        me = identify(os.getpid())
        assert me is not None
        users.append(me)
    yield server
    with _locked(folder) as users:
        users.remove(me)
        if users:
            if child is not None:
                child.returncode = 0  # it is the others' now; Python would complain at its own end that it still runs
        else:
            server.stop("immediate")
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def make_database(postgres_server: EmbeddedPostgres) -> Callable[[], str]:
    """Make a fresh database and give its URL as the owner; they go when their server does, since each drop costs a checkpoint."""

    def make() -> str:
        name = f"t_{uuid.uuid4().hex[:16]}"
        with psycopg.connect(postgres_server.owner_url, autocommit=True) as conn:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return urlunsplit(urlsplit(postgres_server.owner_url)._replace(path=f"/{name}"))

    return make


@pytest.fixture
def database_url(make_database: Callable[[], str]) -> str:
    """URL of a database of this test alone, as the owner. For one a module, call `make_database` in a module fixture."""
    return make_database()


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """An empty folder that other users may walk to, removed afterwards."""
    with make_reachable_folder() as folder:
        yield folder


def _started(folder: Path) -> tuple[EmbeddedPostgres, subprocess.Popen[bytes] | None]:
    """Give the server, and its process where it is this one's child."""
    folder.mkdir(mode=0o711, exist_ok=True)
    server, child = EmbeddedPostgres(folder), None
    if server.adopt() is None:
        server.ensure_initialized()
        child = server.start_process()
    server.wait_ready()
    return server, child


@contextlib.contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[list[ProcessIdentity]]:
    """Hold the lock of a server's folder; the list of the living processes that use it is written back at the end."""
    lock = folder.with_name(folder.name + ".lock")
    with _taken(lock, how) as file:
        file.seek(0)
        known = [ProcessIdentity(**entry) for entry in json.loads(file.read() or "[]")]
        users = [one for one in known if is_alive(one)]
        yield users
        file.truncate(0)
        file.write(json.dumps([{"pid": one.pid, "started_at": one.started_at} for one in users]))
        if not users:
            lock.unlink(missing_ok=True)


def _taken(lock: Path, how: int) -> TextIO:
    """Open and lock a file: the one that stands there, and not one that whoever had it before has removed meanwhile."""
    while True:
        file = lock.open("a+")
        try:
            fcntl.flock(file, how)
            if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        except FileNotFoundError:
            pass  # it was removed just now
        except BaseException:
            file.close()
            raise
        file.close()


def _sweep(keep: Path) -> None:
    """End servers of runs that were killed. Whoever holds a lock lives: who would wait for theirs could wait for one that waits for this."""
    for lock in keep.parent.glob(f"{PREFIX}{os.getuid()}-*.lock"):
        folder = lock.with_suffix("")
        if folder != keep and folder.exists():
            with contextlib.suppress(BlockingIOError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as users:
                if not users:
                    EmbeddedPostgres(folder).stop("immediate")
                    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def as_ordinary_user() -> Callable[..., str]:
    """Run a program as user 65534 (only root can) and give what it prints; it must end with 0."""
    become = _ordinary_user()

    def run(arguments: list[str], *, timeout_s: float = 120.0) -> str:
        done = subprocess.run(
            [*become, *arguments],
            cwd="/",
            env={"PATH": os.defpath, "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def _ordinary_user() -> list[str]:
    """Give the command that becomes user 65534.

    Where Python itself stands in a closed home (pyenv of root), the right to walk through it is kept, and only that one.
    """
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("becoming an ordinary user needs root and setpriv (package util-linux)")
    command = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
    # Through a shell: setpriv itself can still walk everywhere when it starts its program.
    probe = [*command, "--", "sh", "-c", '"$0" -c ""', sys.executable]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        command += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [*command, "--"]
