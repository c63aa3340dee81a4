"""`interlock secret …`: what automations sign in with elsewhere."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from interlock.cli import hidden
from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say
from interlock.domain.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Connection secrets: set, list, remove.")
Name = Annotated[str, typer.Argument(help="Lower-case words joined by dashes, such as vendor-token.")]


@app.command(
    "set",
    epilog="Example: interlock secret set vendor-token --automation expenses --host api.vendor.example < token.txt",
)
def set_secret(
    name: Name,
    automation: Annotated[list[str] | None, typer.Option(help="Which may use it; may be repeated.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="Where fetch may send it; may be repeated.")] = None,
    note: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Set a secret, or rotate it. The value is asked for, or read from standard input; never from the command line."""
    value = _value()
    given: dict[str, Any] = {"automations": automation or None, "hosts": host or None, "note": note}
    body = {"value": value, **{key: one for key, one in given.items() if one is not None}}
    with Client(settings_for(data)) as client:
        made = client.put(f"/v1/secrets/{part(name)}", body)
    if as_json:
        print_json(made)
        return
    say(f"{made['name']}: version {made['version']}, for {', '.join(made['automations']) or 'no automation yet'}")


@app.command("list", epilog="Example: interlock secret list")
def list_secrets(
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List secrets, without their values."""
    with Client(settings_for(data)) as client:
        page = client.get("/v1/secrets", limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    rows = [
        (s["name"], s["version"], ", ".join(s["automations"]), ", ".join(s["hosts"]), s["note"], s["created_at"])
        for s in page["items"]
    ]
    print_table(("name", "version", "automations", "hosts", "note", "set"), rows)
    if page.get("next_cursor"):
        say("more: --cursor ", page["next_cursor"])


@app.command(epilog="Example: interlock secret remove vendor-token")
def remove(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Destroy a secret; effects that use it fail until it is set again."""
    with Client(settings_for(data)) as client:
        client.delete(f"/v1/secrets/{part(name)}")
    if as_json:
        print_json({"name": name, "removed": True})
        return
    say(f"{name} is removed.")


def _value() -> str:
    value = hidden.read("Value")
    if not value:
        raise InvalidInput("There is no value on standard input.", fix="Pipe it in: interlock secret set NAME < file")
    return value
