"""`interlock elevation …`: break the glass, and look at it afterwards."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Emergency elevations: open, list, end, review afterwards."
)
ElevationId = Annotated[str, typer.Argument(metavar="ID")]


@app.command(
    "open", epilog='Example: interlock elevation open --action task.cancel --reason "Runaway imports, nobody is in"'
)
def open_(
    action: Annotated[list[str], typer.Option(help="What it is for, such as task.cancel; may be repeated.")],
    reason: Annotated[str, typer.Option(help="Why; another person looks at it afterwards.")],
    minutes: Annotated[int | None, typer.Option(min=1, help="How long.", show_default="30")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Take what the policies deny, for a short time. Everybody sees it."""
    body: dict[str, Any] = {"actions": action, "reason": reason, "minutes": minutes}
    made = Client(settings_for(data)).post("/v1/elevations", {k: v for k, v in body.items() if v is not None})
    if as_json:
        print_json(made)
        return
    say(f"{made['id']} is open until {made['ends_at']}, for {', '.join(made['actions'])}.")
    say("Use it: INTERLOCK_ELEVATION=", made["id"], " interlock …")
    say("Another person reviews afterwards what was done with it.")


@app.command("list", epilog="Example: interlock elevation list --state to_review")
def list_(
    state: Annotated[str, typer.Option(help="open, to_review, unreviewed or any.")] = "any",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List elevations, newest first."""
    page = Client(settings_for(data)).get("/v1/elevations", state=state, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    rows = [
        (e["id"], e["user_id"], e["state"], ", ".join(e["actions"]), e["reason"][:60], e["ended_at"] or e["ends_at"])
        for e in page["items"]
    ]
    print_table(("id", "who", "state", "for", "why", "ends"), rows)
    if page.get("next_cursor"):
        say("more: --cursor ", page["next_cursor"])


@app.command(epilog="Example: interlock elevation end elv_0193…")
def end(elevation_id: ElevationId, data: Data = None, as_json: Json = False) -> None:
    """End an elevation before its time."""
    _said(Client(settings_for(data)).post(f"/v1/elevations/{part(elevation_id)}:end"), as_json)


@app.command(epilog='Example: interlock elevation acknowledge elv_0193… --note "right, and talked over"')
def acknowledge(
    elevation_id: ElevationId,
    note: Annotated[str, typer.Option(help="What you say about it.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say that you have looked at what was done with somebody else's elevation."""
    body = {"note": note}
    _said(Client(settings_for(data)).post(f"/v1/elevations/{part(elevation_id)}:acknowledge", body), as_json)


def _said(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    say(f"{found['id']} is {found['state'].replace('_', ' ')}.")
