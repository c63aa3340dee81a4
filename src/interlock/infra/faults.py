"""Named fault points: where a chaos test lets this process kill itself. In production none is armed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from interlock.domain.errors import ConfigurationError

# claimed: after the claim, before anything is loaded · executed: an effect has happened, nothing is recorded ·
# recorded: the record is durable, nothing is released · suspending, ending: before that is written.
POINTS: Final = ("claimed", "executed", "recorded", "suspending", "ending")


class Faults:
    """Kills this process with SIGKILL at armed points, each time with its probability; notes the hit in a file before."""

    def __init__(self, armed: Mapping[str, float], hits: Path, *, seed: int | None = None) -> None:
        if unknown := sorted(set(armed) - set(POINTS)):
            raise ConfigurationError(
                f"INTERLOCK_FAULTS names {unknown[0]!r}.", fix=f"The points are {', '.join(POINTS)}."
            )
        self._armed = dict(armed)
        self._hits = hits
        self._random = random.Random(seed)  # noqa: S311 - chaos, not cryptography

    async def __call__(self, point: str) -> None:
        if self._armed and self._random.random() < self._armed.get(point, 0.0):
            with self._hits.open("a") as file:
                file.write(f"{point}\n")
                file.flush()
                os.fsync(file.fileno())
            os.kill(os.getpid(), signal.SIGKILL)


def parse(items: tuple[str, ...]) -> dict[str, float]:
    """Read `point=probability` items; raises ConfigurationError for a wrong one."""
    armed = {}
    for item in items:
        name, _, chance = item.partition("=")
        try:
            armed[name.strip()] = float(chance)
        except ValueError as error:
            raise ConfigurationError(f"INTERLOCK_FAULTS: {item!r} is not point=probability.") from error
    return armed
