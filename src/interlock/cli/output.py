"""How the command line prints: tables and sentences for people, JSON for scripts; errors to stderr with their fix.

What is printed is data: merchants, names of keys, file names, what models read. A plain string is therefore never read as markup, and what
a terminal would obey (escape sequences, control characters, changes of the writing direction) is shown and not sent. Our own style is
`rich.text.Text`, by `bold` and `MARKS`.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.json import JSON
from rich.table import Table
from rich.text import Text

from interlock.domain.errors import InterlockError

WIDTH_IN_A_FILE = 200
MARKS: Final = {"ok": Text("ok", "green"), "warn": Text("warn", "yellow"), "fail": Text("fail", "red")}
# They let a text look like another one: what stands behind them is shown in another order.
_DIRECTIONS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSHOWN: Final = frozenset(("Cc", "Cs", "Zl", "Zp"))


def console(*, stderr: bool = False) -> Console:
    """Give a console for people; made at each use, so that it follows a redirected stream. It reads no markup."""
    out = Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = WIDTH_IN_A_FILE
    return out


def shown(value: object, *, lines: bool = False) -> str:
    """Give data as text that a terminal only shows: what it would obey is written as an escape. `lines` keeps line ends and tabs."""
    text = str(value)
    if text.isprintable() and text.isascii():
        return text
    return "".join(c if (lines and c in "\n\t") or not _is_obeyed(c) else _escaped(c) for c in text)


def _is_obeyed(character: str) -> bool:
    return character in _DIRECTIONS or unicodedata.category(character) in _UNSHOWN


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def bold(value: object) -> Text:
    return Text(shown(value), "bold")


def line(*parts: object) -> Text:
    """Put one line together: `Text` is our own style, all else is data."""
    return Text.assemble(*(part if isinstance(part, Text) else shown(part) for part in parts))


def say(*parts: object) -> None:
    """Print one line, as `line` puts it together."""
    console().print(line(*parts))


def say_text(value: object) -> None:
    """Print a text of several lines, which is data."""
    console().print(Text(shown(value, lines=True)))


def say_json(label: str, value: Any) -> None:
    """Print data for people behind a label, with colours where there are any."""
    # JSON itself escapes only what is below a space; a terminal obeys more than that.
    text = JSON(json.dumps(value, default=str), indent=2, ensure_ascii=False).text
    harmless = shown(text.plain, lines=True)
    console().print(Text.assemble(label, text if harmless == text.plain else harmless))


def print_json(value: Any) -> None:
    """Print one JSON document and a newline."""
    sys.stdout.write(_escaped_json(json.dumps(value, indent=2, ensure_ascii=False, default=str)) + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """Print one JSON document on a line of its own: what goes on is read line by line."""
    sys.stdout.write(_escaped_json(json.dumps(value, ensure_ascii=False, default=str)) + "\n")
    sys.stdout.flush()


def _escaped_json(text: str) -> str:
    """Escape what a terminal obeys; it stands only inside of strings, where JSON reads an escape as the character itself."""
    return "".join(c if c == "\n" or not _is_obeyed(c) else f"\\u{ord(c):04x}" for c in text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings; a missing value shows as a dash."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(line("–" if cell is None else cell) for cell in row))
    console().print(table)


def print_error(error: InterlockError, *, as_json: bool) -> None:
    """Say on stderr what went wrong and what to do; as an RFC 9457 problem if `as_json`."""
    if not as_json:
        console(stderr=True).print(Text.assemble((shown(error.title), "red"), ": "), end="")
        sys.stderr.write(shown(error.detail, lines=True) + "\n")
        if error.fix:
            sys.stderr.write(shown(error.fix, lines=True) + "\n")
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
    sys.stderr.write(_escaped_json(json.dumps(problem | error.extra, ensure_ascii=False, default=str)) + "\n")
