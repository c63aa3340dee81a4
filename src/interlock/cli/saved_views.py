"""`interlock view …`: filters of the inbox and of the tasks, kept under a name."""

from __future__ import annotations

from typing import Annotated

import typer

from interlock.cli.client import Client, part
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json, print_table, say
from interlock.domain.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Views: list, save, delete.")


@app.command("list", epilog="Example: interlock view list --page tasks")
def list_(
    page: Annotated[str | None, typer.Option(help="Only those of inbox, or of tasks.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List your own views, and those that others share."""
    found = Client(settings_for(data)).get("/v1/views", page=page)
    if as_json:
        print_json(found)
        return
    rows = [
        (v["id"], v["page"], v["name"], " ".join(f"{k}={s}" for k, s in v["filters"].items()), v["owner"], v["shared"])
        for v in found["items"]
    ]
    print_table(("view", "page", "name", "filters", "owner", "shared"), rows)


@app.command(epilog='Example: interlock view save tasks "To look at" --filter find="failed unresolved" --share')
def save(
    page: Annotated[str, typer.Argument(help="inbox or tasks.")],
    name: Annotated[str, typer.Argument(help="Unlike your others.")],
    filter_: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="NAME=VALUE", help="As in the page's address; may be repeated."),
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Let everybody in the tenant see it.")] = False,
    replace: Annotated[str | None, typer.Option(metavar="ID", help="The view that it takes the place of.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Keep filters of a page under a name."""
    filters = {}
    for item in filter_ or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise InvalidInput(f"--filter {item}: write it as NAME=VALUE.")
        filters[key] = value
    body = {"page": page, "name": name, "filters": filters, "shared": share}
    client = Client(settings_for(data))
    made = client.put(f"/v1/views/{part(replace)}", body) if replace else client.post("/v1/views", body)
    if as_json:
        print_json(made)
        return
    say(made["id"], f"  {made['name']} ({made['page']}{', shared' if made['shared'] else ''})")


@app.command(epilog="Example: interlock view delete view_0193…")
def delete(view_id: Annotated[str, typer.Argument(metavar="ID")], data: Data = None, as_json: Json = False) -> None:
    """Delete a view."""
    Client(settings_for(data)).delete(f"/v1/views/{part(view_id)}")
    if as_json:
        print_json({"id": view_id, "deleted": True})
        return
    say(f"{view_id} is deleted.")
