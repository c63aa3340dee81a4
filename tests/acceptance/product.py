"""The whole product as a person and as a script use it: the real commands on one data folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from tests.folders import make_reachable_folder

from interlock.infra.data_folder import DataFolder
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.orphans import marked
from interlock.infra.processes import working_in
from interlock.infra.run_state import read_state
from interlock.infra.settings import Settings, load

COMMAND_TIMEOUT_S = 150.0
REQUEST_TIMEOUT_S = 60.0


class Product:
    """`interlock … --data FOLDER`, with settings of its own and none of this process's."""

    def __init__(self, data: Path, **environ: str) -> None:
        self.data = data
        self.folder = DataFolder(data)
        self.environ = {f"INTERLOCK_{name.upper()}": value for name, value in environ.items()}

    # The command line.

    def popen(self, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        command = [sys.executable, "-m", "interlock.cli", *words, "--data", str(self.data)]
        return subprocess.Popen(
            command,
            env={**clean, "COLUMNS": "200", "NO_COLOR": "1", **self.environ, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a command with --json; it must end with `code`. Gives what it printed."""
        with self.popen(*words, "--json") as process:
            out, err = process.communicate(timeout=COMMAND_TIMEOUT_S)
        assert process.returncode == code, f"{' '.join(words)} ended with {process.returncode}: {err}{out}"
        answer: dict[str, Any] = json.loads(out)
        return answer

    def refused(self, *words: str, code: int, environ: Mapping[str, str] | None = None) -> str:
        """Run a command that must end with `code`; gives what it said on stderr."""
        with self.popen(*words, environ=environ) as process:
            out, err = process.communicate(timeout=COMMAND_TIMEOUT_S)
        assert process.returncode == code, f"{' '.join(words)} ended with {process.returncode}: {err}{out}"
        return err

    def exit_code(self, *words: str) -> int:
        with self.popen(*words) as process:
            process.communicate(timeout=COMMAND_TIMEOUT_S)
        return process.returncode

    def up(self) -> dict[str, Any]:
        return self.json("up", "--detach")

    def down(self) -> None:
        self.json("down")

    # What runs, without the price of a command.

    def pid(self, name: str) -> int | None:
        """Give the pid of a process that lives now."""
        state = read_state(self.folder.state)
        if state is None:
            return None
        return next((one.pid for one in state.processes if one.name == name and one.alive), None)

    def pids(self) -> dict[str, int | None]:
        return {one["name"]: one["pid"] for one in self.json("status")["processes"]}

    def runs(self) -> bool:
        """Whether all of it runs now."""
        state = read_state(self.folder.state)
        return state is not None and state.healthy

    def kill(self, name: str) -> bool:
        """`kill -9`; whether there was such a process."""
        pid = self.pid(name)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def left_behind(self) -> list[str]:
        """Name what still runs of it."""
        programs = [f"program {one.pid}" for one in marked(self.folder)]
        return programs + [f"postgres {one.pid}" for one in working_in(self.data / "pgdata", "postgres")]

    # What it says.

    @property
    def url(self) -> str:
        state = read_state(self.folder.state)
        assert state is not None
        return state.url

    @property
    def admin_key(self) -> str:
        return self.folder.admin_key.read_text().strip()

    def client(self, key: str | None = None) -> httpx.Client:
        """Give a client of the public API, as the admin where no key is given."""
        headers = {"authorization": f"Bearer {key or self.admin_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=REQUEST_TIMEOUT_S, trust_env=False)

    def settings(self) -> Settings:
        return load(self.environ, data_dir=self.data)

    @property
    def owner_url(self) -> str:
        """URL of its embedded database as the owner."""
        server = EmbeddedPostgres(self.data)
        assert server.adopt() is not None, "the database does not run"
        return server.owner_url


@contextmanager
def running(**environ: str) -> Iterator[Product]:
    """Run a product in a folder of its own, with these settings; nothing of it may be left when it has stopped."""
    with make_reachable_folder() as folder:
        started = Product(folder.resolve(), **environ)
        started.up()
        try:
            yield started
        finally:
            started.down()
            assert started.left_behind() == []
