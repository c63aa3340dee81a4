"""The cycle collector, set for a long-running server."""

from __future__ import annotations

import gc

# Young objects that set off a collection. Python's 700 are made by two effects; what a worker makes is freed by reference counts.
YOUNG_MAX = 50_000


def settle() -> None:
    """Take what start-up left out of every later collection, and collect less often. Call when a role is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 10, 10)
