"""`interlock delegation …`: who answers reviews on whose behalf, until when."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Delegations: lend your rights to answer reviews, take them back."
)


@app.command(epilog="Example: interlock delegation give user:ravi --until 2030-01-14T18:00:00Z --approval-limit 500")
def give(
    to: Annotated[str, typer.Argument(help="The person who acts for you: user:NAME.")],
    until: Annotated[str, typer.Option(help="When it ends; RFC 3339.")],
    role: Annotated[list[str] | None, typer.Option(help="Only this role of yours; may be repeated.")] = None,
    approval_limit: Annotated[str | None, typer.Option(help="At most your own, in the base currency.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Let another person answer reviews on your behalf."""
    body: dict[str, Any] = {"to": to, "until": until, "roles": role or None, "approval_limit": approval_limit}
    made = Client(settings_for(data)).post("/v1/delegations", {k: v for k, v in body.items() if v is not None})
    if as_json:
        print_json(made)
        return
    say(made["id"], f"  {made['to_user']} acts for {made['from_user']} as {', '.join(made['roles'])}")
    say("  until ", made["ends_at"])


@app.command("list", epilog="Example: interlock delegation list --all")
def list_(
    everybody: Annotated[bool, typer.Option("--all", help="Everybody's, for owners and auditors.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List delegations that you gave or were given."""
    page = Client(settings_for(data)).get(
        "/v1/delegations", all="true" if everybody else None, limit=limit, cursor=cursor
    )
    if as_json:
        print_json(page)
        return
    rows = [
        (d["id"], d["from_user"], d["to_user"], ", ".join(d["roles"]), d["approval_limit"], d["state"], d["ends_at"])
        for d in page["items"]
    ]
    print_table(("id", "from", "to", "roles", "limit", "state", "ends"), rows)
    if page.get("next_cursor"):
        say("more: --cursor ", page["next_cursor"])


@app.command(epilog="Example: interlock delegation revoke dlg_0193…")
def revoke(
    delegation_id: Annotated[str, typer.Argument(metavar="ID")], data: Data = None, as_json: Json = False
) -> None:
    """Take a delegation back; what was answered with it stays."""
    ended = Client(settings_for(data)).post(f"/v1/delegations/{part(delegation_id)}:revoke")
    if as_json:
        print_json(ended)
        return
    say(f"{ended['id']} is {ended['state']}.")
