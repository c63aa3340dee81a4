"""Write the reference pages that follow from the code: `python scripts/write_reference.py` (`--check` only compares).

A page is a function that gives Markdown, listed in `PAGES`. `tests/unit/test_reference.py` fails for a page that is out of
date.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path

import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

import interlock
from interlock.api.server import describe as describe_api
from interlock.cli import app
from interlock.domain.errors import InterlockError
from interlock.infra.settings import PREFIX, describe

REPOSITORY = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written by scripts/write_reference.py: change the code, then run it. -->\n"
# Modules that do something when imported.
PROGRAMS = ("interlock.cli.__main__", "interlock.serve")


def settings_page() -> str:
    """List every setting by section."""
    lines = [
        "# Settings",
        "",
        NOTE,
        f"Each setting is an environment variable that begins with `{PREFIX}`. A value that is wrong, and a name that is not",
        "in this list, end the start with an error that names it. Units stand last in the name; sizes are in bytes,",
        "lists are separated by commas.",
    ]
    section = ""
    for setting in describe():
        if setting.section != section:
            section = setting.section
            lines += ["", f"## {section}", "", "| variable | value | default | meaning |", "|---|---|---|---|"]
        value = f"{setting.type} ({setting.bounds})" if setting.bounds else setting.type
        secret = " Secret: never logged." if setting.secret else ""
        lines.append(
            f"| `{setting.environment_name}` | {value} | {setting.default or 'none'} | {setting.description}{secret} |"
        )
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """List every error code."""
    lines = [
        "# Error codes",
        "",
        NOTE,
        "The API answers errors as problem details (RFC 9457) with one of these codes in `code`, and what to do in `fix`. A",
        "request that failed with a retryable code may succeed later without a change. The last column is what the command",
        "line exits with.",
        "",
        "| code | title | HTTP | retryable | exit |",
        "|---|---|---|---|---|",
    ]
    for kind in sorted(all_errors(), key=lambda kind: kind.code):
        retryable = "yes" if kind.retryable else "no"
        lines.append(f"| `{kind.code}` | {kind.title} | {kind.status} | {retryable} | {kind.exit_code} |")
    notes = [(kind.code, meaning) for kind in all_errors() if (meaning := _meaning(kind))]
    lines += ["", *(f"- `{code}`: {meaning}" for code, meaning in sorted(notes))]
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """List every command with its arguments and options."""
    lines = [
        "# Command line",
        "",
        NOTE,
        "Every command takes `--data DIR` (the folder of the installation, by default `.data`), `--json` (print JSON for",
        "scripts) and `--help`. They are left out below. The commands talk to the API of the folder; `INTERLOCK_API_URL` and",
        "`INTERLOCK_API_KEY` name another one. [Exit codes](exit-codes.md) are stable.",
    ]
    group = ""
    for path, command in commands():
        if len(path) > 1 and path[0] != group:
            group = path[0]
            lines += ["", f"## {group}"]
        heading = "##" if len(path) == 1 else "###"
        arguments = [_placeholder(p) for p in command.params if isinstance(p, TyperArgument)]
        lines += ["", f"{heading} interlock {' '.join(path)}", ""]
        lines += [f"`{' '.join(['interlock', *path, *arguments])}`", "", *_paragraphs(command.help)]
        options = [p for p in command.params if isinstance(p, TyperOption) and not {"--data", "--json"} & set(p.opts)]
        if options:
            lines += ["", "| option | meaning |", "|---|---|"]
            lines += [f"| `{'`, `'.join(option.opts)}` | {option.help or ''} |" for option in options]
        if command.epilog:
            lines += ["", "```sh", command.epilog.removeprefix("Example: "), "```"]
    return "\n".join(lines) + "\n"


def routes_page() -> str:
    """List every route of the API, from its own description."""
    lines = [
        "# Routes",
        "",
        NOTE,
        "Every route of the [HTTP API](http-api.md), with the name that generated clients call it by.",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, methods in describe_api().openapi()["paths"].items():
        for method, route in methods.items():
            row = f"| `{method.upper()} {path}` | {route.get('summary', '')} | `{route['operationId']}` |"
            by_tag.setdefault(route.get("tags", ["other"])[0], []).append(row)
    for tag, rows in by_tag.items():
        lines += ["", f"## {tag}", "", "| route | what it does | name |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def commands() -> list[tuple[tuple[str, ...], TyperCommand]]:
    """Give every command with the words that call it: single ones first, then by group."""

    found: list[tuple[tuple[str, ...], TyperCommand]] = []
    waiting: list[tuple[tuple[str, ...], object]] = [((), typer.main.get_command(app))]
    while waiting:
        path, command = waiting.pop(0)
        if isinstance(command, TyperGroup):
            context = typer.Context(command)
            names = command.list_commands(context)
            waiting += [((*path, name), command.get_command(context, name)) for name in names]
        elif isinstance(command, TyperCommand):
            found.append((path, command))
    return found


def _placeholder(argument: TyperArgument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    several = f"{name}…" if argument.nargs == -1 else name
    return several if argument.required else f"[{several}]"


def _paragraphs(text: str | None) -> list[str]:
    """Give a help text with each paragraph on one line."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n")).split("\n")


def all_errors() -> list[type[InterlockError]]:
    """Find every error of the product, wherever it is defined."""
    for module in pkgutil.walk_packages(interlock.__path__, "interlock."):
        if module.name not in PROGRAMS:
            importlib.import_module(module.name)
    found: list[type[InterlockError]] = []
    waiting: list[type[InterlockError]] = [InterlockError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__.startswith("interlock.")]


def _meaning(kind: type[InterlockError]) -> str:
    if kind is InterlockError or "__doc__" not in vars(kind) or kind.__doc__ is None:
        return ""
    return " ".join(inspect.cleandoc(kind.__doc__).split("\n\n")[0].split())


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings_page,
    "docs/reference/errors.md": errors_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/http-routes.md": routes_page,
}


def main() -> int:
    """Write all pages, or say with `--check` which are out of date."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="compare only; exit with 1 if a page is out of date")
    check = parser.parse_args().check
    stale = 0
    for name, page in PAGES.items():
        path, text = REPOSITORY / name, page()
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        print(f"{name}: {'out of date' if check else 'written'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
