"""Which files of an automation run again at each replay: `automation.py` and what it imports, but not its steps. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from interlock.sdk.check import siblings

ROOT = "automation.py"
# Steps run in a process of their own, and what only they import runs there as well.
OUTSIDE = ("steps.py", "steps/")


def replayed(sources: Mapping[str, str], package: str | None = None) -> list[str]:
    """Give the names of the replayed files among an automation's sources, sorted.

    Args:
        sources: path below the automation's folder → text.
        package: the folder's own name as a package, such as `automations.expenses`, so that its absolute imports count.
    """
    found: set[str] = set()
    todo = [ROOT]
    while todo:
        name = todo.pop()
        if name in found or name.startswith(OUTSIDE) or name not in sources:
            continue
        found.add(name)
        for module in siblings(sources[name], package, name.rpartition("/")[0]):
            todo += [f"{module}.py", f"{module}/__init__.py"]
    return sorted(found)
