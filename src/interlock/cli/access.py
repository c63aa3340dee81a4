"""`interlock key …` and `interlock automation …`: who may call, and what can be called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say, say_json
from interlock.domain.errors import InvalidInput

keys = typer.Typer(no_args_is_help=True, add_completion=False, help="API keys: make, list, rotate, revoke.")
automations = typer.Typer(no_args_is_help=True, add_completion=False, help="Automations: list, show, check.")


@keys.command(epilog="Example: interlock key create mei --user user:mei --role manager --approval-limit 2000")
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    user: Annotated[str, typer.Option(help="Whom it stands for: user:NAME, service:NAME or agent:NAME.")],
    role: Annotated[list[str], typer.Option(help="A role; may be repeated.")],
    approval_limit: Annotated[
        str | None, typer.Option(help="The most that may be approved, in the base currency.")
    ] = None,
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339.")] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(help="Narrow it to an action such as task.submit, task.* or read; may be repeated."),
    ] = None,
    automation: Annotated[list[str] | None, typer.Option(help="Narrow it to an automation; may be repeated.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once, now."""
    narrowed = {k: v for k, v in (("actions", action), ("automations", automation)) if v}
    body: dict[str, Any] = {"name": name, "user": user, "roles": role, "approval_limit": approval_limit}
    body |= {"expires_at": expires_at, "scope": narrowed or None}
    made = Client(settings_for(data)).post("/v1/keys", {k: v for k, v in body.items() if v is not None})
    if as_json:
        print_json(made)
        return
    say(made["key"])
    say("Keep it: it is not shown again.")


@keys.command("list", epilog="Example: interlock key list")
def list_keys(data: Data = None, as_json: Json = False) -> None:
    """List keys, without their secrets."""
    page = Client(settings_for(data)).get("/v1/keys")
    if as_json:
        print_json(page)
        return
    rows = [
        (k["id"], k["name"], k["user"], _may(k), k["last_used_at"], k["revoked_at"] or k["expires_at"])
        for k in page["items"]
    ]
    print_table(("id", "name", "user", "roles", "last used", "ends"), rows)


def _may(key: dict[str, Any]) -> str:
    """Say what a key may, in short: `--json` shows what it is narrowed to."""
    narrowed = any(part is not None for part in key["scope"].values())
    return ", ".join(key["roles"]) + (" (narrowed)" if narrowed else "")


@keys.command(epilog="Example: interlock key rotate 3k2j9x0a1b2c --overlap 3600")
def rotate(
    key_id: Annotated[str, typer.Argument(metavar="ID")],
    overlap: Annotated[
        float | None, typer.Option(help="Seconds that the secret before still opens; 0 for none.", show_default="a day")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give a key a new secret. It is shown once, now."""
    body = {} if overlap is None else {"overlap_s": overlap}
    made = Client(settings_for(data)).post(f"/v1/keys/{part(key_id)}:rotate", body)
    if as_json:
        print_json(made)
        return
    say(made["key"])
    say(f"Keep it: it is not shown again. The secret before opens until {made['old_secret_until'] or 'now'}.")


@keys.command(epilog="Example: interlock key expire 3k2j9x0a1b2c --at 2030-01-01T00:00:00Z")
def expire(
    key_id: Annotated[str, typer.Argument(metavar="ID")],
    at: Annotated[str, typer.Option(help="RFC 3339; sooner than it would end now.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Let a key end."""
    ended = Client(settings_for(data)).post(f"/v1/keys/{part(key_id)}:expire", {"at": at})
    if as_json:
        print_json(ended)


@keys.command(epilog="Example: interlock key revoke 3k2j9x0a1b2c")
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID")], data: Data = None, as_json: Json = False) -> None:
    """Revoke a key; from then on it opens nothing."""
    Client(settings_for(data)).delete(f"/v1/keys/{part(key_id)}")
    if as_json:
        print_json({"id": key_id, "revoked": True})


@automations.command("list", epilog="Example: interlock automation list")
def list_automations(data: Data = None, as_json: Json = False) -> None:
    """List registered automations."""
    page = Client(settings_for(data)).get("/v1/automations")
    if as_json:
        print_json(page)
        return
    print_table(
        ("name", "version", "owner", "goal"), [(a["name"], a["version"], a["owner"], a["goal"]) for a in page["items"]]
    )


@automations.command(epilog="Example: interlock automation show expenses")
def show(name: str, data: Data = None, as_json: Json = False) -> None:
    """Show an automation with the schema of its input."""
    found = Client(settings_for(data)).get(f"/v1/automations/{part(name)}")
    if as_json:
        print_json(found)
        return
    say_json("", found)


@automations.command(epilog="Example: interlock automation check automations/expenses")
def check(
    folder: Annotated[Path, typer.Argument(help="The automation's folder.")], data: Data = None, as_json: Json = False
) -> None:
    """Find what could not be replayed, before it is registered. Exits with 2 for a finding."""
    from interlock.orchestration.automations import findings  # noqa: PLC0415 - other commands need no policy engine

    file = folder / "automation.py"
    if not file.is_file():
        raise InvalidInput(f"{file} is not there.", fix="Name the automation's folder.")
    found = findings(folder)
    if as_json:
        print_json({"ok": not found, "findings": [str(one) for one in found]})
    else:
        for one in found:
            say(one)
        if not found:
            say(folder, ": nothing that a replay could not repeat")
    if found:
        raise typer.Exit(2)
