"""Which files of an automation run again at each replay: `automation.py` and what it imports, but not its steps. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from interlock.sdk.check import siblings

ROOT = "automation.py"
# Steps run in a process of their own, and what only they import runs there as well.
OUTSIDE = frozenset({"steps.py"})


def replayed(sources: Mapping[str, str]) -> list[str]:
    """Give the names of the replayed files among an automation's sources (file name → text), sorted."""
    found: set[str] = set()
    todo = [ROOT]
    while todo:
        name = todo.pop()
        if name in found or name in OUTSIDE or name not in sources:
            continue
        found.add(name)
        todo += [f"{module}.py" for module in siblings(sources[name])]
    return sorted(found)
