"""Values that are not shown: typed where nobody sees them, or read from standard input; never from the command line."""

from __future__ import annotations

import sys

import typer


def read(prompt: str, *, may_be_empty: bool = False) -> str:
    """Ask for a value without showing it, or read all of standard input without the line end of its last line."""
    if sys.stdin.isatty():
        default = "" if may_be_empty else None
        return str(typer.prompt(prompt, hide_input=True, default=default, show_default=False))
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")
