"""How the command line prints: tables and sentences for people, JSON for scripts; errors to stderr with their fix."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from interlock.domain.errors import InterlockError

WIDTH_IN_A_FILE = 200
MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


def console(*, stderr: bool = False) -> Console:
    """Give a console for people; made at each use, so that it follows a redirected stream."""
    out = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not out.is_terminal:
        out.width = WIDTH_IN_A_FILE
    return out


def print_json(value: Any) -> None:
    """Print one JSON document and a newline."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings; a missing value shows as a dash."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    console().print(table)


def print_error(error: InterlockError, *, as_json: bool) -> None:
    """Say on stderr what went wrong and what to do; as an RFC 9457 problem if `as_json`."""
    if not as_json:
        console(stderr=True).print(f"[red]{error.title}:[/] ", end="")
        sys.stderr.write(error.detail + "\n")
        if error.fix:
            sys.stderr.write(error.fix + "\n")
        return
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "retryable": error.retryable,
        "fix": error.fix,
    }
    if error.fields:
        problem["errors"] = [{"pointer": one.pointer, "detail": one.detail, "kind": one.kind} for one in error.fields]
    sys.stderr.write(json.dumps(problem | error.extra, ensure_ascii=False, default=str) + "\n")
