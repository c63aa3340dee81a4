"""`interlock webhook …`: where the tenant is called for loud events."""

from __future__ import annotations

from typing import Annotated

import typer

from interlock.cli.client import Client
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, say

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The tenant's webhook: show, set, remove, send again."
)


@app.command(epilog="Example: interlock webhook show")
def show(data: Data = None, as_json: Json = False) -> None:
    """Show where the tenant is called."""
    with Client(settings_for(data)) as client:
        found = client.get("/v1/webhook")
    if as_json:
        print_json(found)
        return
    say(f"{found['url']} (set by {found['set_by']} at {found['set_at']})")


@app.command("set", epilog="Example: interlock webhook set https://alerts.example.com/interlock")
def set_(
    url: Annotated[str, typer.Argument(help="Address that is called.")], data: Data = None, as_json: Json = False
) -> None:
    """Have an address called for loud events: emergency elevations, and policies that are put in force."""
    with Client(settings_for(data)) as client:
        found = client.put("/v1/webhook", {"url": url})
    if as_json:
        print_json(found)
        return
    say(f"Loud events are posted to {found['url']}, signed as callbacks are.")


@app.command(epilog="Example: interlock webhook remove")
def remove(data: Data = None, as_json: Json = False) -> None:
    """Call it no more; it is told."""
    with Client(settings_for(data)) as client:
        client.delete("/v1/webhook")
    if as_json:
        print_json({"removed": True})
        return
    say("The tenant's webhook is removed.")


@app.command(epilog="Example: interlock webhook redeliver dlv_0193…")
def redeliver(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="A dead letter of the webhook.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send a dead letter again."""
    with Client(settings_for(data)) as client:
        found = client.post(f"/v1/deliveries/{delivery}:redeliver")
    if as_json:
        print_json(found)
        return
    say(f"{found['id']} is due again.")
