"""Passwords that a local installation makes for itself: one JSON file, mode 0600, never logged."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from pathlib import Path

from interlock.domain.errors import ConfigurationError

SECRET_BYTES = 24


class SecretsFile:
    """Named secrets in `<data>/secrets.json`. Several processes may ask at once: a file lock makes them one after another."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get_or_create(self, name: str) -> str:
        """Give the secret of this name; a random URL-safe one is made and made durable first if there is none."""
        known = self._read()
        if name in known:
            return known[name]
        with self.path.with_name("secrets.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = self._read()
            if name not in known:
                known[name] = secrets.token_urlsafe(SECRET_BYTES)
                write_private(self.path, json.dumps(known, indent=1).encode() + b"\n")
            return known[name]

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"The secrets file {self.path} cannot be read: {error}.",
                fix="Run as the user who made it, or restore it from a backup: the database's passwords stand in it.",
            ) from None
        if not isinstance(known, dict):
            raise ConfigurationError(f"The secrets file {self.path} does not hold a JSON object.", fix="Restore it.")
        return known


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, mode 0600 from its first byte; durable when this returns."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
