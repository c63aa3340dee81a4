"""Named fault points: where a chaos test lets this process kill itself. In production none is armed."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

# claimed: after the claim, before anything is loaded · executed: an effect has happened, nothing is recorded ·
# recorded: the record is durable, nothing is released · suspending, ending: before that is written.
POINTS: Final = ("claimed", "executed", "recorded", "suspending", "ending")


class Faults:
    """Kills this process with SIGKILL when it next passes the point that a file names; notes the hit in another file before.

    The file is taken away with the hit, so that each arming is one death, of whichever worker comes there first. (Arming each
    point with a probability was tried: a rare one was missed in a slow run, and in a fast one a worker died until its supervisor
    had no patience.)
    """

    def __init__(self, run: Path) -> None:
        self._armed = armed_file(run)
        self._hits = hits_file(run)

    async def __call__(self, point: str) -> None:
        with suppress(FileNotFoundError):
            if self._armed.read_text() == point:
                self._armed.unlink()
                with self._hits.open("a") as file:
                    file.write(f"{point}\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.kill(os.getpid(), signal.SIGKILL)


def armed_file(run: Path) -> Path:
    """Give the file that names the armed point."""
    return run / "fault"


def hits_file(run: Path) -> Path:
    """Give the file with a line for each hit."""
    return run / "faults.hit"
