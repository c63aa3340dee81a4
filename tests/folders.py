"""Folders and foreign processes for tests that start servers."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def make_reachable_folder() -> Iterator[Path]:
    """Make a folder that other users may walk to (pytest's own is closed to them), removed at the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-t-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def foreign_process() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that has nothing to do with us; it is killed at the end of the block."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()
