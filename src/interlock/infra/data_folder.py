"""The data folder of one installation: what stands where in it, who may enter it, and who holds it.

pgdata/            the database (embedded PostgreSQL)
objects/           documents and large outcomes, unless an object store is given by URL
log/NAME.log       one log a process; NAME.log.1 is the one before
run/               lock, supervisor.json, ports.json, NAME.ready
secrets.json       passwords made at first start (0600)
admin.key          the first API key (0600)
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from interlock.domain.errors import ConfigurationError


@dataclass(frozen=True)
class DataFolder:
    """Paths in a data folder. Nothing is made before `prepare`."""

    path: Path

    @property
    def run(self) -> Path:
        """Folder of what only matters while it runs."""
        return self.path / "run"

    @property
    def lock(self) -> Path:
        """File that the supervisor holds locked for as long as it lives."""
        return self.run / "lock"

    @property
    def state(self) -> Path:
        """File in which the supervisor says what runs."""
        return self.run / "supervisor.json"

    @property
    def ports(self) -> Path:
        """File that remembers the ports."""
        return self.run / "ports.json"

    @property
    def admin_key(self) -> Path:
        """File with the first API key and a newline."""
        return self.path / "admin.key"

    def log(self, name: str) -> Path:
        """Log file of a process."""
        return self.path / "log" / f"{name}.log"

    def ready(self, name: str) -> Path:
        """File into which a process without a port writes its pid when it is ready."""
        return self.run / f"{name}.ready"

    @property
    def kept_checkpoint(self) -> Path:
        """The newest signed checkpoint of the audit log, outside of the database."""
        return self.path / "audit" / "last-checkpoint"

    @property
    def witnesses(self) -> Path:
        """File in which the relay says how it goes with the witnesses."""
        return self.run / "witnesses.json"

    def prepare(self) -> None:
        """Make the folder and what stands in it, closed to others.

        As root the folder itself is 0711: the database server runs as another user and must walk through it. A folder
        that is still empty counts as made by us; one with content keeps its mode.

        Raises:
            ConfigurationError: it cannot be made or written.
        """
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.path.mkdir(mode=mode, parents=True, exist_ok=True)
            if not any(self.path.iterdir()):
                self.path.chmod(mode)
            for name in ("objects", "log", "run"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
            probe = self.run / "probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {self.path} cannot be used: {error.strerror or error}.",
                fix="Run as the user who started it first, or choose another folder with --data or INTERLOCK_DATA_DIR.",
            ) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Try to hold the folder for the time of the block; gives whether we do. The system frees it when we die."""
        with self.lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def set_aside(self, name: str, size_bytes_max: int) -> None:
        """Keep a log that has grown over the limit as `.log.1` (one generation), before its process starts."""
        log = self.log(name)
        with contextlib.suppress(FileNotFoundError):
            if log.stat().st_size > size_bytes_max:
                log.replace(log.with_name(log.name + ".1"))
