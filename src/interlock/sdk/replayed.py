"""Which files of an automation run again at each replay: `automation.py` and what it imports, but not its steps. Pure."""

from __future__ import annotations

import ast
from collections.abc import Mapping

ROOT = "automation.py"
# Steps run in a process of their own, and what only they import runs there as well.
OUTSIDE = frozenset({"steps.py"})


def replayed(sources: Mapping[str, str]) -> list[str]:
    """Give the names of the replayed files among an automation's sources (file name → text), sorted.

    Raises:
        SyntaxError: a source is no Python.
    """
    found: set[str] = set()
    todo = [ROOT]
    while todo:
        name = todo.pop()
        if name in found or name in OUTSIDE or name not in sources:
            continue
        found.add(name)
        todo += [f"{module}.py" for module in _siblings(sources[name])]
    return sorted(found)


def _siblings(source: str) -> set[str]:
    """Give the modules of its own folder that a source imports: `from .x import …`, `from . import x`, `automations.NAME.x`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("automations."):
            parts = node.module.split(".")
            found |= {parts[2]} if len(parts) > 2 else {alias.name for alias in node.names}
    return found
