"""`interlock …`: the command line. Parses, calls, prints; every command has `--data`, `--json` and an example in its help.

A group of commands is a module with a `typer.Typer` that is added below.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from interlock.cli import access, audit, lifecycle, reviews, tasks
from interlock.cli.output import print_error
from interlock.domain.errors import InterlockError

EXIT_INTERRUPTED = 130


class QuietOnInterrupt(TyperGroup):
    """End with 130 and without a trace when a person presses Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None


app = typer.Typer(
    name="interlock",
    cls=QuietOnInterrupt,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Durable automations in which models read, policies decide, people approve, and everything can be proven.",
    epilog="Begin with: interlock up",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"interlock {version('interlock')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """Run before every command."""


lifecycle.register(app)
app.add_typer(tasks.app, name="task")
app.add_typer(reviews.app, name="review")
app.add_typer(audit.app, name="audit")
app.add_typer(access.keys, name="key")
app.add_typer(access.automations, name="automation")


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 unavailable."""
    try:
        app()
    except InterlockError as error:
        print_error(error, as_json="--json" in sys.argv[1:])
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (`| head`) has gone; without this Python complains once more at exit.
        sys.stdout = sys.stderr
        sys.exit(1)
