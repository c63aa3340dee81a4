"""`interlock …`: the command line. Parses, calls, prints; every command has `--data`, `--json` and an example in its help.

A group of commands is a module with a `typer.Typer`, named below and imported when one of its commands is called: so `--help`
and the life of processes do not wait for an HTTP client or a database driver.
"""

from __future__ import annotations

import importlib
import sys
from functools import cached_property
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from interlock.cli import lifecycle
from interlock.cli.output import print_error
from interlock.domain.errors import InterlockError

EXIT_INTERRUPTED = 130


GROUPS: Final = {
    "task": ("interlock.cli.tasks:app", "Submit, watch, list, cancel, retry and resolve tasks."),
    "review": ("interlock.cli.reviews:app", "The inbox: list, claim and answer reviews."),
    "view": ("interlock.cli.saved_views:app", "Views: list, save, delete."),
    "audit": ("interlock.cli.audit:app", "The audit log: verify, read, prove, export."),
    "policy": ("interlock.cli.policies:app", "Policies: check, diff, activate, roll back."),
    "metrics": ("interlock.cli.metrics:app", "Metrics: the tenant's figures, as Prometheus reads them."),
    "privacy": ("interlock.cli.privacy:app", "People: see what is kept of one, erase one."),
    "key": ("interlock.cli.access:keys", "API keys: make, list, rotate, revoke."),
    "user": ("interlock.cli.accounts:users", "People: add, list, disable; passwords and roles."),
    "service": ("interlock.cli.accounts:services", "Service accounts: create, list, disable."),
    "delegation": ("interlock.cli.delegations:app", "Delegations: lend your rights to answer reviews, take them back."),
    "elevation": ("interlock.cli.elevations:app", "Emergency elevations: open, list, end, review afterwards."),
    "webhook": ("interlock.cli.tenant_webhook:app", "The tenant's webhook: show, set, remove, send again."),
    "tenant": ("interlock.cli.accounts:tenants", "Tenants: create, list."),
    "provider": ("interlock.cli.providers:app", "Identity providers: set, test, list, show, remove."),
    "secret": ("interlock.cli.secrets:app", "Connection secrets: set, list, remove."),
    "model": ("interlock.cli.model_versions:app", "Models: list, show, register, approve, release."),
    "automation": ("interlock.cli.access:automations", "Automations: list, show, check."),
}


class Deferred(TyperGroup):
    """A group that is known by name and help, and imported when it is called."""

    def __init__(self, name: str, where: str, text: str) -> None:
        super().__init__(name=name, help=text)
        self._where = where

    @cached_property
    def _group(self) -> Any:
        module, _, name = self._where.partition(":")
        return typer.main.get_group(getattr(importlib.import_module(module), name))

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Hand over to the real group."""
        return self._group.make_context(info_name, args, parent, **extra)

    def list_commands(self, ctx: Any) -> list[str]:
        """List the real group's commands."""
        return list(self._group.list_commands(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give one of the real group's commands."""
        return self._group.get_command(ctx, cmd_name)


class Interlock(TyperGroup):
    """The root: knows the deferred groups, and ends with 130 and without a trace when a person presses Ctrl-C."""

    def list_commands(self, ctx: Any) -> list[str]:
        """List the commands of this machine, then the groups."""
        return [*super().list_commands(ctx), *GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a command, or a group that is imported when it is called."""
        if cmd_name in GROUPS:
            return Deferred(cmd_name, *GROUPS[cmd_name])
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None


app = typer.Typer(
    name="interlock",
    cls=Interlock,
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
